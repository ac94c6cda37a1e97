"""One turn of an agent whose model calls tools: request, call, result, next call, answer.

Calls go to the chat log one message each, so that Home Assistant runs them one after the other. Text is held until its
reply is over, since a call may still follow it; what is said last is the model's answer, unless the calls just before
it failed: then what is true is said instead.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

from homeassistant.components import conversation
from homeassistant.components.conversation.chat_log import AssistantContentDeltaDict, ChatLog, Content
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import llm

from .answer import SPOKEN_CALL
from .dialect import Called, Malformed, Reply, Request, Result, Speech, ToolCall, ToolDialect, ToolReader
from .dialect.tool_reader import ToolEvent
from .dialect.tools import Message
from .errors import (
    BackendError,
    CallUnreadableError,
    ConfirmationNeededError,
    EmptyAnswerError,
    MorphyError,
    TooManyRoundsError,
)
from .llm_tools import Policy, unknown
from .speech import async_error_sentence, async_sentence

MAX_ROUNDS: Final = 10
"""How often a model may reply within one turn."""

type AskModel = Callable[[], Awaitable[tuple[ToolDialect, AsyncGenerator[str]]]]
"""Asks a model to go on with the chat log; returns its dialect and the pieces of its reply, or raises BackendError."""


@dataclass(frozen=True, slots=True)
class UnconfirmedCall:
    """A call that waits for a yes, which is for these entities and for no others."""

    call: ToolCall
    entity_ids: frozenset[str]


class ToolTurn:
    """Runs one turn. Afterwards `error` is what broke it off, and `unconfirmed` are the calls that wait for a yes."""

    def __init__(
        self, hass: HomeAssistant, agent_id: str, chat_log: ChatLog, policy: Policy, ask: AskModel, language: str
    ) -> None:
        """Begin a turn that is spoken in this language."""
        self._hass = hass
        self._agent_id = agent_id
        self._log = chat_log
        self._policy = policy
        self._ask = ask
        self._language = language
        self._calls: list[llm.ToolInput] = []  # those of the last reply that had any
        self.acted = False
        self.error: MorphyError | None = None
        self.unconfirmed: list[UnconfirmedCall] = []

    async def run(self) -> None:
        """Let the model reply until it calls nothing more."""
        for _ in range(MAX_ROUNDS):
            try:
                dialect, pieces = await self._ask()
            except BackendError as error:
                self.error = error
                break
            before = self._calls
            await self._put(self._round(dialect, pieces))
            if self.error or self._calls is before or self._questions():
                break
        else:
            self.error = TooManyRoundsError(rounds=str(MAX_ROUNDS))
        if self._questions() or (self.error and self.acted):
            await self._put(self._say(""))

    async def confirmed(self, calls: Sequence[UnconfirmedCall]) -> None:
        """Make calls that the user has said yes to, and say what came of them."""
        for waiting in calls:
            tool_input = llm.ToolInput(waiting.call.name, dict(waiting.call.arguments))
            self._policy.agreed[tool_input.id] = waiting.entity_ids
            self._calls.append(tool_input)
        self.acted = True
        await self._put(_each(self._calls))
        await self._put(self._say(""))

    async def _put(self, deltas: AsyncGenerator[AssistantContentDeltaDict]) -> None:
        async for _ in self._log.async_add_delta_content_stream(self._agent_id, deltas):
            pass

    async def _round(
        self, dialect: ToolDialect, pieces: AsyncGenerator[str]
    ) -> AsyncGenerator[AssistantContentDeltaDict]:
        """Yield one reply: its calls as they come, or its text once nothing else can come."""
        reader, text, unreadable = dialect.reader(), "", ""
        calls: list[llm.ToolInput] = []
        async for events in _events(reader, pieces, self._note):
            for event in events:
                match event:
                    case Speech(words):
                        text += words
                    case Malformed(words):
                        unreadable = unreadable or words
                    case Called(call):
                        calls.append(self._input(call))
                        async for delta in _each(calls[-1:]):
                            yield delta
        if calls:
            self._calls, self.acted = calls, True
        elif unreadable:
            self.error = self.error or CallUnreadableError(call=unreadable[:SPOKEN_CALL])
        elif self.error is None:
            async for delta in self._say(text):
                yield delta

    def _note(self, error: BackendError) -> None:
        self.error = error

    def _input(self, call: ToolCall) -> llm.ToolInput:
        tool_input = llm.ToolInput(call.name, dict(call.arguments))
        instance = self._log.llm_api
        if instance is None or all(tool.name != call.name for tool in instance.tools):
            self._policy.failures[tool_input.id] = unknown(tool_input)
        return tool_input

    def _questions(self) -> list[UnconfirmedCall]:
        """Return the last calls that need a yes."""
        self.unconfirmed = [
            UnconfirmedCall(ToolCall(call.tool_name, call.tool_args), error.entity_ids)
            for call in self._calls
            if isinstance(error := self._policy.failures.get(call.id), ConfirmationNeededError)
        ]
        return self.unconfirmed

    async def _say(self, text: str) -> AsyncGenerator[AssistantContentDeltaDict]:
        """Yield what is said last."""
        failures = [error for call in self._calls if (error := self._policy.failures.get(call.id))]
        if not failures and self.error is None:
            if not text.strip() and not self.acted:
                self.error = EmptyAnswerError()
                return
            yield {"role": "assistant", "content": text.strip() or await self._sentence("done")}
            return
        errors: list[HomeAssistantError] = [*failures, *([self.error] if self.error else [])]
        sentences = [await self._sentence("partly_done")] if len(failures) < len(self._calls) and failures else []
        # A question comes last, so that Home Assistant goes on listening for its answer.
        for error in sorted(errors, key=lambda error: isinstance(error, ConfirmationNeededError)):
            sentence = await async_error_sentence(self._hass, self._language, error)
            if sentence not in sentences:
                sentences.append(sentence)
        yield {"role": "assistant", "content": " ".join(sentences)}

    async def _sentence(self, key: str) -> str:
        return await async_sentence(self._hass, self._language, key)


async def _each(calls: Sequence[llm.ToolInput]) -> AsyncGenerator[AssistantContentDeltaDict]:
    """Yield calls, a message each."""
    for call in calls:
        yield {"role": "assistant", "tool_calls": []}
        yield {"tool_calls": [call]}


async def _events(
    reader: ToolReader, pieces: AsyncGenerator[str], note: Callable[[BackendError], None]
) -> AsyncGenerator[list[ToolEvent]]:
    """Yield what a reader makes of the pieces; an error of the backend ends the reply, and is noted."""
    try:
        async with aclosing(pieces):
            async for piece in pieces:
                yield reader.feed(piece)
    except BackendError as error:
        note(error)
    yield reader.close()


def messages_of(content: Sequence[Content]) -> list[Message]:
    """Return a chat log as a dialect tells it; a call that came to nothing, not even an error, is left out."""
    called: dict[str, ToolCall] = {}
    answered = {item.tool_call_id for item in content if isinstance(item, conversation.ToolResultContent)}
    messages: list[Message] = []
    for item in content:
        if isinstance(item, conversation.UserContent):
            messages.append(Request(item.content))
        elif isinstance(item, conversation.AssistantContent):
            calls = [ToolCall(call.tool_name, call.tool_args, call.id) for call in item.tool_calls or ()]
            called |= {call.id: call for call in calls}
            reply = Reply(item.content or "", tuple(call for call in calls if call.id in answered))
            messages += [reply] if reply.text or reply.calls else []
        elif isinstance(item, conversation.ToolResultContent) and (call := called.get(item.tool_call_id)):
            messages.append(Result(call, item.result.data))
    return messages
