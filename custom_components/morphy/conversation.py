"""One turn of conversation: chat log in, speech and actions out."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from functools import cached_property
from typing import Final, Literal, override

from homeassistant.components import conversation
from homeassistant.components.conversation.chat_log import ChatLog, Content
from homeassistant.config_entries import ConfigSubentry
from homeassistant.const import MATCH_ALL
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import TemplateError
from homeassistant.helpers import intent, llm
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback
from homeassistant.helpers.template import Template

from . import MorphyConfigEntry, built_in
from .answer import AnswerStream, RawAnswer, Unconfirmed
from .backends import Backend, Completion
from .const import (
    CONF_CONFIRM_ENTITIES,
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
from .dialect import Dialect, Home, Turn
from .dialect.choice import choose
from .entity import MorphyEntity
from .errors import BackendError, NotUnderstoodError
from .fallback import Models, broken_off
from .home import snapshot
from .prompt import async_fit
from .risk import Caution
from .speech import async_error_sentence

PARALLEL_UPDATES = 0

CONFIRMATION_SECONDS: Final = 60
"""How long a question such as "Shall I unlock the front door?" waits for its yes."""

YES: Final = frozenset(
    {"yes", "yeah", "yep", "sure", "ok", "okay", "do it", "please do", "go ahead", "yes please", "yes do it", "confirm"}
)


type Asker = tuple[str, str | None, str | None]
"""A conversation, the user who speaks in it, and the device that is spoken to: a yes counts from there alone."""


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
        self._unconfirmed: dict[Asker, tuple[float, list[Unconfirmed]]] = {}
        self._beginning = asyncio.Lock()

    @cached_property
    def models(self) -> Models:
        """The models that may answer."""
        return Models(self.hass, self.entry, self.dialect, self.settings)

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
        async with self._beginning:
            await asyncio.sleep(0)  # Messages that come at the same moment leave the event loop time between them.
        home = snapshot(self.hass, device_id=user_input.device_id, domains=self.settings.get(CONF_DOMAINS))
        caution = Caution(
            self.settings.get(CONF_CONFIRM_RISKY, True), frozenset(self.settings.get(CONF_CONFIRM_ENTITIES, ()))
        )
        api = MorphyAPI(self.hass, home, caution)
        try:
            await chat_log.async_provide_llm_data(
                user_input.as_llm_context(DOMAIN),
                api,
                self.instructions(self.dialect),
                user_input.extra_system_prompt,
            )
        except conversation.ConverseError as error:
            return error.as_conversation_result()
        asker = (chat_log.conversation_id, user_input.context.user_id, user_input.device_id)
        dialect, pieces = self.dialect, None
        if not (confirmed := self._confirmed(asker, user_input.text)):
            try:
                dialect, pieces = await self._ask_model(home, user_input, chat_log)
            except BackendError as error:
                if result := await self._ask_home_assistant(user_input, chat_log, caution):
                    return result
                pieces = broken_off(error)
        answer = AnswerStream(self.hass, api, dialect, user_input.language)
        deltas = answer.confirmed(confirmed) if pieces is None else answer.deltas(pieces)
        async for _ in chat_log.async_add_delta_content_stream(self.entity_id, deltas):
            pass
        self._remember(asker, answer.unconfirmed)
        if answer.error is not None:
            return await self._error_result(user_input, chat_log, answer)
        return conversation.async_get_result_from_chat_log(user_input, chat_log)

    @override
    async def async_prepare(self, language: str | None = None) -> None:
        """Let the model read what the next prompt will most likely begin with, while the user still speaks."""
        home = choose(snapshot(self.hass, domains=self.settings.get(CONF_DOMAINS)), "")
        for model in self.models.well()[:1]:
            try:
                instructions = self._render_instructions(model.dialect, None, None)
            except TemplateError:
                return
            await model.backend.prefill(model.dialect.prompt(home, instructions, ""))

    async def _ask_model(
        self, home: Home, user_input: conversation.ConversationInput, chat_log: ChatLog
    ) -> tuple[Dialect, AsyncGenerator[str]]:
        """Return the answer of the first model that begins one, and its dialect. Raises BackendError."""
        user_id = user_input.context.user_id
        user = await self.hass.auth.async_get_user(user_id) if user_id else None
        history = _turns(chat_log.content[1:-1])
        max_tokens = int(self.settings.get(CONF_MAX_TOKENS, DEFAULT_MAX_TOKENS))

        async def ask(backend: Backend, dialect: Dialect) -> Completion:
            """Write the prompt, and show it in the chat log's debug page as it is."""
            # The chat log has rendered this template before, so it does render.
            instructions = self._render_instructions(
                dialect, user_input.as_llm_context(DOMAIN), user.name if user else None
            )
            if user_input.extra_system_prompt:
                instructions = f"{instructions} {user_input.extra_system_prompt}"
            told, prompt = await async_fit(backend, dialect, home, instructions, user_input.text, history, max_tokens)
            chat_log.content[0] = conversation.SystemContent(content=dialect.system(told, instructions))
            return Completion(
                prompt=prompt,
                stop=dialect.stop,
                grammar=dialect.grammar(told),
                max_tokens=max_tokens,
                temperature=self.settings.get(CONF_TEMPERATURE, DEFAULT_TEMPERATURE),
                caller=chat_log.conversation_id,
            )

        return await self.models.async_answer(ask)

    async def _ask_home_assistant(
        self, user_input: conversation.ConversationInput, chat_log: ChatLog, caution: Caution
    ) -> conversation.ConversationResult | None:
        """Let Home Assistant's own sentences answer, where the agent falls back to them."""
        if not self.models.then_home_assistant:
            return None
        return await built_in.async_answer(
            self.hass, user_input, chat_log, domains=self.settings.get(CONF_DOMAINS), caution=caution
        )

    def _render_instructions(self, dialect: Dialect, llm_context: llm.LLMContext | None, user_name: str | None) -> str:
        """Render the template of the instructions with the variables that Home Assistant gives to such templates."""
        variables = {
            "ha_name": self.hass.config.location_name,
            "user_name": user_name,
            "llm_context": llm_context,
        }
        rendered: str = Template(self.instructions(dialect), self.hass).async_render(variables, parse_result=False)
        return rendered

    def _confirmed(self, asker: Asker, text: str) -> list[Unconfirmed]:
        """Return the actions that this message says yes to; whatever it says, they wait no longer."""
        until, waiting = self._unconfirmed.pop(asker, (0.0, []))
        words = "".join(c for c in text.lower() if c.isalnum() or c.isspace())
        return waiting if time.monotonic() <= until and " ".join(words.split()) in YES else []

    def _remember(self, asker: Asker, actions: list[Unconfirmed]) -> None:
        now = time.monotonic()
        self._unconfirmed = {key: waiting for key, waiting in self._unconfirmed.items() if waiting[0] > now}
        if actions:
            self._unconfirmed[asker] = (now + CONFIRMATION_SECONDS, actions)

    async def _error_result(
        self, user_input: conversation.ConversationInput, chat_log: ChatLog, answer: AnswerStream
    ) -> conversation.ConversationResult:
        """Return an error response that says what broke the answer off."""
        assert answer.error is not None
        last = chat_log.content[-1]
        said = (last.content or "") if isinstance(last, conversation.AssistantContent) else ""
        sentence = await async_error_sentence(self.hass, user_input.language, answer.error)
        response = intent.IntentResponse(language=user_input.language)
        codes = intent.IntentResponseErrorCode
        code = codes.NO_INTENT_MATCH if isinstance(answer.error, NotUnderstoodError) else codes.UNKNOWN
        response.async_set_error(code, said if sentence in said else f"{said} {sentence}".strip())
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
