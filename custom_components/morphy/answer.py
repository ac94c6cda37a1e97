"""One answer on its way from the model to the chat log: which text streams, which waits, and what is said in the end.

Calls go to the chat log one message each, so that Home Assistant runs them one after the other and shows them under
"Show details". Text that may claim an action waits for the results of the calls; a call that failed changes it.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

from homeassistant.components.conversation.chat_log import AssistantContentDeltaDict
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError

from .backends import Doubtful
from .control import MorphyAPI
from .dialect import Action, Call, Dialect, Event, Home, Malformed, Speech
from .errors import (
    BackendError,
    CallUnreadableError,
    ConfirmationNeededError,
    EmptyAnswerError,
    NothingDoneError,
    NotUnderstoodError,
)
from .speech import async_error_sentence, async_sentence

SPOKEN_CALL: Final = 80
"""Characters of an unreadable call that are repeated to the user."""


@dataclass(frozen=True, slots=True)
class RawAnswer:
    """What the model wrote, kept in the chat log so that the next turn can show it to the model."""

    text: str


@dataclass(frozen=True, slots=True)
class Unconfirmed:
    """An action that waits for a yes, which is for these entities and for no others."""

    action: Action
    entity_ids: frozenset[str]


class AnswerStream:
    """Turns the pieces of one answer into deltas for the chat log.

    After the stream has ended, `error` is what broke the answer off (nothing was said then, or what was done is said),
    and `unconfirmed` holds the actions that wait for a yes.
    """

    def __init__(self, hass: HomeAssistant, api: MorphyAPI, dialect: Dialect, language: str) -> None:
        """Begin an answer that is spoken in this language."""
        self._hass = hass
        self._api = api
        self._dialect = dialect
        self._language = language
        self._raw = ""
        self._doubtful = False
        self._held = ""
        self._open = False
        self._calls: list[tuple[str, Action]] = []
        self._unreadable: list[str] = []
        self.error: BackendError | None = None
        self.unconfirmed: list[Unconfirmed] = []

    async def deltas(
        self, pieces: AsyncGenerator[str], told: Home | None = None
    ) -> AsyncGenerator[AssistantContentDeltaDict]:
        """Yield what the chat log is to show while the model writes, and last what is said.

        `told` is the part of the home that the model can copy from, all of it where nothing is said of it.
        """
        reader = self._dialect.reader(told or self._api.home)
        try:
            async with aclosing(pieces):
                async for piece in pieces:
                    self._raw += piece
                    self._doubtful = isinstance(piece, Doubtful)
                    for delta in self._read(reader.feed(piece)):
                        yield delta
                    if self.error is not None:
                        break
        except BackendError as error:
            self.error = error
        for delta in self._read(reader.close()):
            yield delta
        async for delta in self._end():
            yield delta

    async def confirmed(self, actions: Sequence[Unconfirmed]) -> AsyncGenerator[AssistantContentDeltaDict]:
        """Yield the deltas of actions that the user has said yes to."""
        for waiting in actions:
            for delta in self._call(waiting.action, waiting.entity_ids):
                yield delta
        async for delta in self._end():
            yield delta

    def _read(self, events: list[Event]) -> list[AssistantContentDeltaDict]:
        deltas: list[AssistantContentDeltaDict] = []
        for event in events:
            match event:
                case Speech(text):
                    deltas += self._say(text)
                case Call() if self._doubtful and not self._calls:
                    self.error, self._held = NotUnderstoodError(), ""
                    return deltas
                case Call(action):
                    deltas += self._call(action)
                case Malformed(text):
                    self._unreadable.append(text)
                    self._open = False  # what was said before it may not be true
        return deltas

    def _say(self, text: str) -> list[AssistantContentDeltaDict]:
        self._held += text
        if self._calls or self._unreadable or not self._dialect.calls_first:
            return []
        if not self._open and self._dialect.may_claim(self._held):
            return []
        deltas: list[AssistantContentDeltaDict] = [] if self._open else [{"role": "assistant"}]
        text, self._held, self._open = self._held, "", True
        return [*deltas, {"content": text}]

    def _call(self, action: Action, agreed: frozenset[str] = frozenset()) -> list[AssistantContentDeltaDict]:
        tool_input = self._api.tool_input(action, agreed)
        self._calls.append((tool_input.id, action))
        self._open = False
        return [{"role": "assistant"}, {"tool_calls": [tool_input]}]

    async def _end(self) -> AsyncGenerator[AssistantContentDeltaDict]:
        """Say what is still to be said. Opening a message makes Home Assistant wait for the calls before it."""
        if not self._open:
            yield {"role": "assistant"}
            if text := await self._last_words():
                yield {"content": text}
        yield {"native": RawAnswer(self._raw)}

    async def _last_words(self) -> str:
        """Return the sentence for what really happened; empty when nothing did and the answer broke off."""
        failures = [error for call_id, _ in self._calls if (error := self._api.failures.get(call_id))]
        self.unconfirmed = [
            Unconfirmed(action, error.entity_ids)
            for call_id, action in self._calls
            if isinstance(error := self._api.failures.get(call_id), ConfirmationNeededError)
        ]
        errors: list[HomeAssistantError] = [
            *failures,
            *(CallUnreadableError(call=text[:SPOKEN_CALL]) for text in self._unreadable),
        ]
        if self.error is not None and self._calls:
            errors.append(self.error)
        if not errors:
            return await self._success()
        done = len(self._calls) - len(failures)
        sentences = [await async_sentence(self._hass, self._language, "partly_done")] if done else []
        # A question comes last, so that Home Assistant goes on listening for its answer.
        errors.sort(key=lambda error: isinstance(error, ConfirmationNeededError))
        for error in errors:
            sentence = await async_error_sentence(self._hass, self._language, error)
            if sentence not in sentences:
                sentences.append(sentence)
        return " ".join(sentences)

    async def _success(self) -> str:
        if text := self._held.strip():
            if not self._calls and self._dialect.claims(text, self._api.home):
                return await async_error_sentence(self._hass, self._language, NothingDoneError())
            return text
        if self._calls:
            return await async_sentence(self._hass, self._language, "done")
        self.error = self.error or EmptyAnswerError()
        return ""
