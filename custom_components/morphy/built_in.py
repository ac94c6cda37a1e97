"""Home Assistant's own sentences: for timers, and as the first or the last that an agent asks where a user wants that.

They know no policy and ask no questions, so what the agent would not have done, or not without a yes, is not done.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from hassil.recognize import RecognizeResult
from homeassistant.components import conversation
from homeassistant.components.conversation.chat_log import AssistantContent, ChatLog
from homeassistant.core import HomeAssistant, State

from .home import CONVERSATION
from .intents import QUESTIONS, TIMERS, touched
from .rights import Rights, async_rights
from .risk import RISKY_COVERS, Caution

RISKY_DOMAINS: Final = frozenset({"alarm_control_panel", "lock", "valve"})


async def async_answer(
    hass: HomeAssistant,
    user_input: conversation.ConversationInput,
    chat_log: ChatLog,
    *,
    domains: Collection[str] | None,
    caution: Caution,
    intents: Collection[str] | None = None,
) -> conversation.ConversationResult | None:
    """Answer as Home Assistant does; None when it does not understand, or must not do it for this agent.

    `domains` are those the agent may control, None means all; `caution` is what it asks about first; `intents` are the
    only ones to be answered, None means all.
    """
    may_control = await async_rights(hass, user_input.context)
    response = await conversation.async_handle_intents(
        hass,
        user_input,
        chat_log,
        intent_filter=lambda result: (
            (intents is not None and result.intent.name not in intents)
            or _is_beyond(hass, result, domains=domains, caution=caution, may_control=may_control)
        ),
    )
    if response is None:
        return None
    speech = response.speech.get("plain", {}).get("speech", "")
    chat_log.async_add_assistant_content_without_tools(AssistantContent(user_input.agent_id, speech))
    return conversation.ConversationResult(response, conversation_id=chat_log.conversation_id)


def _is_beyond(
    hass: HomeAssistant,
    result: RecognizeResult,
    *,
    domains: Collection[str] | None,
    caution: Caution,
    may_control: Rights,
) -> bool:
    """Return whether an intent may do what the agent would not do, or only after a yes.

    Devices count whatever is done with them: Home Assistant opens, closes, locks and unlocks by the same intents.
    """
    kind = result.intent.name
    if kind in QUESTIONS | TIMERS:
        return False
    slots = {name: str(slot.value) for name, slot in result.entities.items()}
    states = touched(hass, kind, slots, CONVERSATION)
    if any(state.entity_id in caution.entities or (caution.risky and _is_risky(state)) for state in states):
        return True
    if not all(may_control(state.entity_id) for state in states):
        return True
    return domains is not None and (not states or any(state.domain not in domains for state in states))


def _is_risky(state: State) -> bool:
    return state.domain in RISKY_DOMAINS or (
        state.domain == "cover" and state.attributes.get("device_class") in RISKY_COVERS
    )
