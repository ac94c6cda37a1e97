"""One turn of conversation: chat log in, speech and actions out."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from functools import cached_property
from typing import Literal, override

from homeassistant.components import conversation
from homeassistant.components.conversation.chat_log import AssistantContentDeltaDict, ChatLog, Content
from homeassistant.config_entries import ConfigSubentry
from homeassistant.const import MATCH_ALL
from homeassistant.core import HomeAssistant
from homeassistant.helpers import intent, llm
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback
from homeassistant.helpers.template import Template

from . import MorphyConfigEntry
from .agent import AgentEntity, asker_of, check_language
from .answer import AnswerStream, RawAnswer, Unconfirmed
from .backends import Backend, Completion
from .caveat import async_with_caveat
from .const import (
    CONF_DIALECT,
    CONF_DOMAINS,
    CONF_HOME_TOKENS,
    CONF_MAX_TOKENS,
    CONF_READ_AHEAD,
    CONF_TEMPERATURE,
    DEFAULT_MAX_TOKENS,
    DEFAULT_TEMPERATURE,
    DOMAIN,
    SUBENTRY_CONVERSATION,
)
from .control import MorphyAPI
from .dialect import TOOL_DIALECTS, Dialect, Home, Turn, get_dialect
from .errors import BackendError, NotUnderstoodError
from .fallback import broken_off
from .home import async_keep, async_snapshot
from .prefill import Asking, ReadAhead
from .prompt import HOME_TOKENS, Telling, async_fit
from .speech import async_error_sentence
from .tool_agent import MorphyToolEntity

PARALLEL_UPDATES = 0


async def async_setup_entry(
    hass: HomeAssistant, entry: MorphyConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback
) -> None:
    """Add an entity for each agent of the entry."""
    for subentry in entry.subentries.values():
        if subentry.subentry_type == SUBENTRY_CONVERSATION:
            tools = subentry.data[CONF_DIALECT] in TOOL_DIALECTS
            agent = (MorphyToolEntity if tools else MorphyConversationEntity)(entry, subentry)
            async_add_entities([agent], config_subentry_id=subentry.subentry_id)


class MorphyConversationEntity(AgentEntity[Dialect, Unconfirmed]):
    """An agent that answers in the Assist chat panel and in voice pipelines."""

    def __init__(self, entry: MorphyConfigEntry, subentry: ConfigSubentry) -> None:
        """Begin without anything to confirm."""
        super().__init__(entry, subentry, get_dialect(subentry.data[CONF_DIALECT]))
        self._beginning = asyncio.Lock()

    @override
    async def async_added_to_hass(self) -> None:
        """Have the home kept up to date as long as this agent is there."""
        await super().async_added_to_hass()
        self.async_on_remove(async_keep(self.hass))
        if self.settings.get(CONF_READ_AHEAD, True):
            self.async_on_remove(self.read_ahead.start())

    @cached_property
    def read_ahead(self) -> ReadAhead:
        """What has the model read the home before anyone asks."""
        asking = Asking(
            self._family,
            self.settings.get(CONF_DOMAINS),
            lambda dialect: self._render_instructions(dialect, None, None),
            self._fit,
        )
        return ReadAhead(self.hass, self.entry, self.models, asking)

    @property
    @override
    def supported_languages(self) -> list[str] | Literal["*"]:
        """Those of the models, as far as they all tell; Home Assistant's own sentences know most languages."""
        languages = self.models.languages()
        return MATCH_ALL if languages is None or self._asks_home_assistant else sorted(languages)

    @override
    async def _async_handle_message(
        self, user_input: conversation.ConversationInput, chat_log: ChatLog
    ) -> conversation.ConversationResult:
        """Answer one message."""
        asked = time.monotonic()
        async with self._beginning:
            await asyncio.sleep(0)  # Messages that come at the same moment leave the event loop time between them.
        home = await async_snapshot(self.hass, device_id=user_input.device_id, domains=self.settings.get(CONF_DOMAINS))
        caution = self.caution
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
        asker = asker_of(user_input, chat_log)
        dialect, pieces, telling = self.dialect, None, Telling(home, "")
        if not (agreed := self._confirmations.agreed(asker, user_input.text, user_input.language)):
            if result := await self._ask_home_assistant_first(user_input, chat_log, caution):
                return result
            try:
                dialect, pieces, telling = await self._ask_model(home, user_input, chat_log)
            except BackendError as error:
                if self.models.then_home_assistant and (
                    result := await self._ask_home_assistant(user_input, chat_log, caution)
                ):
                    return result
                pieces = broken_off(error)
        answer = AnswerStream(self.hass, api, dialect, user_input.language)
        deltas = answer.confirmed(agreed) if pieces is None else self._timed(answer.deltas(pieces, telling.home), asked)
        if telling.left_out:
            deltas = async_with_caveat(self.hass, user_input.language, answer, deltas)
        async for _ in chat_log.async_add_delta_content_stream(self.entity_id, deltas):
            pass
        if pieces is not None:
            self.read_ahead.note_turn(home, _turns(chat_log.content[1:]), user_input.device_id)
        self._confirmations.ask(asker, answer.unconfirmed)
        if answer.error is not None:
            return await self._error_result(user_input, chat_log, answer)
        return conversation.async_get_result_from_chat_log(user_input, chat_log)

    @override
    async def async_prepare(self, language: str | None = None) -> None:
        """Let the model read what the next prompt will most likely begin with, while the user still speaks."""
        await self.read_ahead.async_prepare()

    async def _timed(
        self, deltas: AsyncGenerator[AssistantContentDeltaDict], asked: float
    ) -> AsyncGenerator[AssistantContentDeltaDict]:
        """Pass an answer on, and note how long after the question its first action begins."""
        acted = False
        async with aclosing(deltas):
            async for delta in deltas:
                if not acted and delta.get("tool_calls"):
                    acted = True
                    self.backend.statistics.note_first_action(time.monotonic() - asked)
                yield delta

    async def _ask_model(
        self, home: Home, user_input: conversation.ConversationInput, chat_log: ChatLog
    ) -> tuple[Dialect, AsyncGenerator[str], Telling]:
        """Return the answer of the first model that begins one, its dialect and what it was told; or raise."""
        user_id = user_input.context.user_id
        user = await self.hass.auth.async_get_user(user_id) if user_id else None
        history = _turns(chat_log.content[1:-1])
        telling = Telling(home, "")

        async def ask(backend: Backend, dialect: Dialect) -> Completion:
            """Write the prompt, and show it in the chat log's debug page as it is."""
            nonlocal telling
            check_language(backend, user_input.language)
            # The chat log has rendered this template before, so it does render.
            instructions = self._render_instructions(
                dialect, user_input.as_llm_context(DOMAIN), user.name if user else None
            )
            if user_input.extra_system_prompt:
                instructions = f"{instructions} {user_input.extra_system_prompt}"
            telling = await self._fit(backend, dialect, home, instructions, user_input.text, history)
            chat_log.content[0] = conversation.SystemContent(content=dialect.system(telling.home, instructions))
            return Completion(
                prompt=telling.prompt,
                stop=dialect.stop,
                special=dialect.special_tokens,
                grammar=dialect.grammar(telling.home),
                max_tokens=int(self.settings.get(CONF_MAX_TOKENS, DEFAULT_MAX_TOKENS)),
                temperature=self.settings.get(CONF_TEMPERATURE, DEFAULT_TEMPERATURE),
                caller=chat_log.conversation_id,
                family=telling.family(self._family),
                messages=(
                    dialect.messages(telling.home, instructions, user_input.text, telling.turns)
                    if backend.chats_only
                    else ()
                ),
            )

        return *await self.models.async_answer(ask), telling

    async def _fit(
        self, backend: Backend, dialect: Dialect, home: Home, instructions: str, request: str, history: Sequence[Turn]
    ) -> Telling:
        """Return what a model is told, within the limits of this agent."""
        return await async_fit(
            backend,
            dialect,
            home,
            instructions,
            request,
            history,
            int(self.settings.get(CONF_MAX_TOKENS, DEFAULT_MAX_TOKENS)),
            int(self.settings.get(CONF_HOME_TOKENS, HOME_TOKENS)),
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
