"""One turn of conversation: chat log in, speech and actions out."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Final, Literal, override

from homeassistant.components import conversation
from homeassistant.components.conversation.chat_log import AssistantContentDeltaDict, ChatLog, Content
from homeassistant.config_entries import ConfigSubentry
from homeassistant.const import MATCH_ALL
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import TemplateError
from homeassistant.helpers import intent, llm
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback
from homeassistant.helpers.template import Template

from . import MorphyConfigEntry
from .answer import AnswerStream, RawAnswer
from .backends import Completion
from .const import (
    CONF_CONFIRM_RISKY,
    CONF_DOMAINS,
    CONF_MAX_TOKENS,
    CONF_TEMPERATURE,
    DEFAULT_MAX_TOKENS,
    DEFAULT_TEMPERATURE,
    DOMAIN,
    SUBENTRY_CONVERSATION,
)
from .control import MorphyAPI
from .dialect import Action, Home, Turn
from .dialect.choice import choose
from .entity import MorphyEntity
from .errors import ServerAuthError
from .home import snapshot
from .prompt import async_fit
from .speech import async_error_sentence

PARALLEL_UPDATES = 0

CONFIRMATION_SECONDS: Final = 60
"""How long a question such as "Shall I unlock the front door?" waits for its yes."""

YES: Final = frozenset(
    {"yes", "yeah", "yep", "sure", "ok", "okay", "do it", "please do", "go ahead", "yes please", "yes do it", "confirm"}
)


@dataclass(frozen=True, slots=True)
class Unconfirmed:
    """Actions that wait for a yes, from the same person in the same place."""

    actions: list[Action]
    user_id: str | None
    device_id: str | None
    until: float


async def async_setup_entry(
    hass: HomeAssistant, entry: MorphyConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback
) -> None:
    """Add an entity for each agent of the entry."""
    for subentry in entry.subentries.values():
        if subentry.subentry_type == SUBENTRY_CONVERSATION:
            async_add_entities([MorphyConversationEntity(entry, subentry)], config_subentry_id=subentry.subentry_id)


class MorphyConversationEntity(MorphyEntity, conversation.ConversationEntity):
    """An agent that answers in the Assist chat panel and in voice pipelines."""

    _attr_supports_streaming = True
    _attr_supported_features = conversation.ConversationEntityFeature.CONTROL

    def __init__(self, entry: MorphyConfigEntry, subentry: ConfigSubentry) -> None:
        """Begin without anything to confirm."""
        super().__init__(entry, subentry)
        self._unconfirmed: dict[str, Unconfirmed] = {}

    @property
    @override
    def supported_languages(self) -> list[str] | Literal["*"]:
        """Any language: what the model understands is the model's affair."""
        return MATCH_ALL

    @override
    async def _async_handle_message(
        self, user_input: conversation.ConversationInput, chat_log: ChatLog
    ) -> conversation.ConversationResult:
        """Answer one message."""
        home = snapshot(self.hass, device_id=user_input.device_id, domains=self.settings.get(CONF_DOMAINS))
        api = MorphyAPI(self.hass, home, confirm_risky=self.settings.get(CONF_CONFIRM_RISKY, True))
        try:
            await chat_log.async_provide_llm_data(
                user_input.as_llm_context(DOMAIN), api, self.instructions, user_input.extra_system_prompt
            )
        except conversation.ConverseError as error:
            return error.as_conversation_result()
        answer = AnswerStream(self.hass, api, self.dialect, user_input.language)
        if confirmed := self._confirmed(user_input, chat_log):
            deltas = answer.actions(confirmed)
        else:
            deltas = await self._ask_model(home, user_input, chat_log, answer)
        async for _ in chat_log.async_add_delta_content_stream(self.entity_id, deltas):
            pass
        self._remember(user_input, chat_log, answer.unconfirmed)
        if isinstance(answer.error, ServerAuthError):
            self.entry.async_start_reauth(self.hass)
        if answer.error is not None:
            return await self._error_result(user_input, chat_log, answer)
        return conversation.async_get_result_from_chat_log(user_input, chat_log)

    @override
    async def async_prepare(self, language: str | None = None) -> None:
        """Let the model read what the next prompt will most likely begin with, while the user still speaks."""
        home = choose(snapshot(self.hass, domains=self.settings.get(CONF_DOMAINS)), "")
        try:
            instructions = self._render_instructions(None, None)
        except TemplateError:
            return
        await self.backend.prefill(self.dialect.prompt(home, instructions, ""))

    async def _ask_model(
        self, home: Home, user_input: conversation.ConversationInput, chat_log: ChatLog, answer: AnswerStream
    ) -> AsyncGenerator[AssistantContentDeltaDict]:
        """Write the prompt, show it in the chat log's debug page as it is, and return the answer's deltas."""
        user_id = user_input.context.user_id
        user = await self.hass.auth.async_get_user(user_id) if user_id else None
        # The chat log has rendered this template before, so it does render.
        instructions = self._render_instructions(user_input.as_llm_context(DOMAIN), user.name if user else None)
        if user_input.extra_system_prompt:
            instructions = f"{instructions} {user_input.extra_system_prompt}"
        history = _turns(chat_log.content[1:-1])
        max_tokens = int(self.settings.get(CONF_MAX_TOKENS, DEFAULT_MAX_TOKENS))
        told, prompt = await async_fit(
            self.backend, self.dialect, home, instructions, user_input.text, history, max_tokens
        )
        chat_log.content[0] = conversation.SystemContent(content=self.dialect.system(told, instructions))
        request = Completion(
            prompt=prompt,
            stop=self.dialect.stop,
            grammar=self.dialect.grammar(told),
            max_tokens=max_tokens,
            temperature=self.settings.get(CONF_TEMPERATURE, DEFAULT_TEMPERATURE),
        )
        return answer.deltas(self.backend.complete(request))

    def _render_instructions(self, llm_context: llm.LLMContext | None, user_name: str | None) -> str:
        """Render the template of the instructions with the variables that Home Assistant gives to such templates."""
        variables = {
            "ha_name": self.hass.config.location_name,
            "user_name": user_name,
            "llm_context": llm_context,
        }
        rendered: str = Template(self.instructions, self.hass).async_render(variables, parse_result=False)
        return rendered

    def _confirmed(self, user_input: conversation.ConversationInput, chat_log: ChatLog) -> list[Action]:
        """Return the actions that this message says yes to; whatever it says, they wait no longer."""
        waiting = self._unconfirmed.pop(chat_log.conversation_id, None)
        if waiting is None or time.monotonic() > waiting.until:
            return []
        same_place = (user_input.context.user_id, user_input.device_id) == (waiting.user_id, waiting.device_id)
        words = "".join(c for c in user_input.text.lower() if c.isalnum() or c.isspace())
        return waiting.actions if same_place and " ".join(words.split()) in YES else []

    def _remember(self, user_input: conversation.ConversationInput, chat_log: ChatLog, actions: list[Action]) -> None:
        now = time.monotonic()
        self._unconfirmed = {key: waiting for key, waiting in self._unconfirmed.items() if waiting.until > now}
        if actions:
            self._unconfirmed[chat_log.conversation_id] = Unconfirmed(
                actions, user_input.context.user_id, user_input.device_id, now + CONFIRMATION_SECONDS
            )

    async def _error_result(
        self, user_input: conversation.ConversationInput, chat_log: ChatLog, answer: AnswerStream
    ) -> conversation.ConversationResult:
        """Return an error response that says what broke the answer off."""
        assert answer.error is not None
        last = chat_log.content[-1]
        said = last.content if isinstance(last, conversation.AssistantContent) else None
        sentence = await async_error_sentence(self.hass, user_input.language, answer.error)
        response = intent.IntentResponse(language=user_input.language)
        response.async_set_error(
            intent.IntentResponseErrorCode.UNKNOWN, sentence if not said or sentence in said else f"{said} {sentence}"
        )
        return conversation.ConversationResult(response, conversation_id=chat_log.conversation_id)


def _turns(content: Sequence[Content]) -> list[Turn]:
    """Return the exchanges in the chat log, each answer as the model wrote it, or as another agent spoke it."""
    turns: list[Turn] = []
    for item in content:
        if isinstance(item, conversation.UserContent):
            turns.append(Turn(item.content, ""))
        elif isinstance(item, conversation.AssistantContent) and turns:
            answer = item.native.text if isinstance(item.native, RawAnswer) else item.content
            turns[-1] = Turn(turns[-1].request, answer or turns[-1].answer)
    return [turn for turn in turns if turn.answer]
