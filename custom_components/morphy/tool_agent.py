"""The agent of a model that calls tools: Home Assistant's LLM APIs in place of Morphy's own telling of the home."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from typing import Final, Literal, override

from homeassistant.components import conversation
from homeassistant.components.conversation.chat_log import ChatLog
from homeassistant.config_entries import ConfigSubentry
from homeassistant.const import CONF_LLM_HASS_API, MATCH_ALL
from homeassistant.helpers import intent, llm

from . import MorphyConfigEntry
from .agent import AgentEntity, asker_of, check_language
from .backends import Backend, Completion
from .const import (
    CONF_DIALECT,
    CONF_DOMAINS,
    CONF_MAX_TOKENS,
    CONF_TEMPERATURE,
    DEFAULT_MAX_TOKENS,
    DEFAULT_TEMPERATURE,
    DOMAIN,
)
from .dialect import TOOL_DIALECTS, Request, ToolDialect
from .dialect.tools import Message, chat_messages, inert_tool_json
from .languages import answer_in
from .llm_tools import PolicedAPI, Policy, tools_of
from .prompt import HISTORY_TURNS, Tokens
from .speech import async_error_sentence
from .tool_turn import ToolTurn, UnconfirmedCall, messages_of

DEFAULT_APIS: Final = (llm.LLM_API_ASSIST,)


class MorphyToolEntity(AgentEntity[ToolDialect, UnconfirmedCall]):
    """An agent whose model is told of tools."""

    def __init__(self, entry: MorphyConfigEntry, subentry: ConfigSubentry) -> None:
        """Begin without anything to confirm."""
        super().__init__(entry, subentry, TOOL_DIALECTS[subentry.data[CONF_DIALECT]])

    @property
    @override
    def supported_languages(self) -> list[str] | Literal["*"]:
        """All: models that call tools are large ones, and Home Assistant's own sentences know most languages."""
        return MATCH_ALL

    @override
    async def _async_handle_message(
        self, user_input: conversation.ConversationInput, chat_log: ChatLog
    ) -> conversation.ConversationResult:
        """Answer one message."""
        asked = time.monotonic()
        caution = self.caution
        policy = Policy(caution, self.settings.get(CONF_DOMAINS))
        api = PolicedAPI(self.hass, self.settings.get(CONF_LLM_HASS_API, DEFAULT_APIS), policy)
        try:
            await chat_log.async_provide_llm_data(
                user_input.as_llm_context(DOMAIN),
                api,
                f"{self.instructions(self.dialect)} {answer_in(user_input.language)}".strip(),
                user_input.extra_system_prompt,
            )
        except conversation.ConverseError as error:
            return error.as_conversation_result()

        async def ask() -> tuple[ToolDialect, AsyncGenerator[str]]:
            """Have the first model that can go on with the chat log."""
            if turn.acted:
                self.backend.statistics.note_first_action(time.monotonic() - asked)
            return await self.models.async_answer(
                lambda backend, dialect: self._request(backend, dialect, chat_log, user_input.language)
            )

        turn = ToolTurn(self.hass, self.entity_id, chat_log, policy, ask, user_input.language)
        asker = asker_of(user_input, chat_log)
        if agreed := self._confirmations.agreed(asker, user_input.text, user_input.language):
            await turn.confirmed(agreed)
        elif result := await self._ask_home_assistant_first(user_input, chat_log, caution):
            return result
        else:
            await turn.run()
        self._confirmations.ask(asker, turn.unconfirmed)
        if turn.error is None:
            return conversation.async_get_result_from_chat_log(user_input, chat_log)
        if not turn.acted and self.models.then_home_assistant:
            result = await self._ask_home_assistant(user_input, chat_log, caution)
            if result:
                return result
        return await self._error_result(user_input, chat_log, turn)

    async def _request(self, backend: Backend, dialect: ToolDialect, chat_log: ChatLog, language: str) -> Completion:
        """Return what a model is asked: the chat log in its dialect, as much of it as fits."""
        check_language(backend, language)
        system, *content = chat_log.content
        assert isinstance(system, conversation.SystemContent)
        tools = tools_of(chat_log.llm_api) if chat_log.llm_api else ()
        max_tokens = int(self.settings.get(CONF_MAX_TOKENS, DEFAULT_MAX_TOKENS))
        length = backend.info.context_length if backend.info else None
        prompt, messages = "", list[Message]()
        for messages in _ever_fewer(messages_of(content)):
            prompt = dialect.prompt(tools, system.content, messages)
            if length is None or await Tokens(backend).fits(prompt, length - max_tokens):
                break
        return Completion(
            prompt=prompt,
            stop=dialect.stop,
            special=dialect.special_tokens,
            grammar=dialect.grammar(tools),
            max_tokens=max_tokens,
            temperature=self.settings.get(CONF_TEMPERATURE, DEFAULT_TEMPERATURE),
            caller=chat_log.conversation_id,
            family=self._family,
            messages=chat_messages(system.content, messages) if dialect.chat else (),
            tools=tuple(map(inert_tool_json, tools)) if dialect.chat else (),
        )

    async def _error_result(
        self, user_input: conversation.ConversationInput, chat_log: ChatLog, turn: ToolTurn
    ) -> conversation.ConversationResult:
        """Return an error response: what was said at the end of a turn that has done something, or what is wrong."""
        assert turn.error is not None
        last = chat_log.content[-1]
        said = last.content if isinstance(last, conversation.AssistantContent) else None
        sentence = said or await async_error_sentence(self.hass, user_input.language, turn.error)
        response = intent.IntentResponse(language=user_input.language)
        response.async_set_error(intent.IntentResponseErrorCode.UNKNOWN, sentence)
        return conversation.ConversationResult(response, conversation_id=chat_log.conversation_id)


def _ever_fewer(messages: list[Message]) -> list[list[Message]]:
    """Return the messages from each of the last requests on, the longest talk first."""
    begins = [n for n, message in enumerate(messages) if isinstance(message, Request)][-HISTORY_TURNS - 1 :]
    return [messages[begin:] for begin in begins] or [messages]
