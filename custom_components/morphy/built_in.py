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
from homeassistant.helpers import intent

from .home import CONVERSATION
from .risk import RISKY_COVERS, Caution

RISKY_DOMAINS: Final = frozenset({"alarm_control_panel", "lock", "valve"})
QUESTIONS: Final = frozenset(
    {
        intent.INTENT_GET_STATE,
        intent.INTENT_GET_TEMPERATURE,
        intent.INTENT_GET_CURRENT_DATE,
        intent.INTENT_GET_CURRENT_TIME,
    }
)
"""Intents that change nothing."""
TIMERS: Final = frozenset(
    {
        intent.INTENT_START_TIMER,
        intent.INTENT_CANCEL_TIMER,
        intent.INTENT_CANCEL_ALL_TIMERS,
        intent.INTENT_INCREASE_TIMER,
        intent.INTENT_DECREASE_TIMER,
        intent.INTENT_PAUSE_TIMER,
        intent.INTENT_UNPAUSE_TIMER,
        intent.INTENT_TIMER_STATUS,
    }
)
"""Intents for the timers of the satellite. A command that one of them delays comes to the agent when it is due."""


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
    response = await conversation.async_handle_intents(
        hass,
        user_input,
        chat_log,
        intent_filter=lambda result: (
            (intents is not None and result.intent.name not in intents)
            or _is_beyond(hass, result, domains=domains, caution=caution)
        ),
    )
    if response is None:
        return None
    speech = response.speech.get("plain", {}).get("speech", "")
    chat_log.async_add_assistant_content_without_tools(AssistantContent(user_input.agent_id, speech))
    return conversation.ConversationResult(response, conversation_id=chat_log.conversation_id)


def _is_beyond(
    hass: HomeAssistant, result: RecognizeResult, *, domains: Collection[str] | None, caution: Caution
) -> bool:
    """Return whether an intent may do what the agent would not do, or only after a yes.

    Devices count whatever is done with them: Home Assistant opens, closes, locks and unlocks by the same intents.
    """
    if result.intent.name in QUESTIONS | TIMERS:
        return False
    touched = _touched(hass, result)
    if any(state.entity_id in caution.entities or (caution.risky and _is_risky(state)) for state in touched):
        return True
    return domains is not None and (not touched or any(state.domain not in domains for state in touched))


def _touched(hass: HomeAssistant, result: RecognizeResult) -> list[State]:
    """Return the states of the exposed entities that an intent means."""
    slots = {name: str(slot.value) for name, slot in result.entities.items()}
    if not slots.keys() & {"name", "area", "floor", "domain", "device_class"}:
        return []
    name = slots.get("name")
    return intent.async_match_targets(
        hass,
        intent.MatchTargetsConstraints(
            name=None if name == "all" else name,
            area_name=slots.get("area"),
            floor_name=slots.get("floor"),
            domains={slots["domain"]} if "domain" in slots else None,
            device_classes={slots["device_class"]} if "device_class" in slots else None,
            assistant=CONVERSATION,
            allow_duplicate_names=True,
        ),
    ).states


def _is_risky(state: State) -> bool:
    return state.domain in RISKY_DOMAINS or (
        state.domain == "cover" and state.attributes.get("device_class") in RISKY_COVERS
    )
