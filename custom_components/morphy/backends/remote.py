"""A model on a server, reached by HTTP: llama.cpp's server, vLLM, Ollama, LM Studio and their like."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import re
import time
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import Any, Final, override

import aiohttp

from ..errors import (
    BackendError,
    EmptyAnswerError,
    PromptTooLongError,
    ServerBadAnswerError,
    ServerBrokeOffError,
    ServerModelMissingError,
    ServerNoChatError,
    ServerNoCompletionError,
)
from . import GREETING, Backend, BackendInfo, Completion
from .connection import Connection, RefusalError
from .kinds import Chat, Piece, ServerKind, list_models, probe_kind
from .line import Place, WaitingLine
from .sampling import StopFilter
from .usage import Usage

_LOGGER = logging.getLogger(__name__)

CHARACTERS_PER_TOKEN: Final = 64
"""A text longer than this many times `max_tokens` is endless: the server does not honour the limit."""
EVENTS_PER_TOKEN: Final = 8
"""Events without text, such as progress, are bounded too."""
FAREWELL: Final = 0.5
"""Seconds that a server gets to end its stream after the last word."""
SIDE_BY_SIDE: Final = 8
"""Requests that a server is sent at once, where it takes more than one; the others wait in line here."""
RETRY_PAUSES: Final = (0.3,)
"""Seconds before a request is sent once more of which nothing has come back yet."""
BUSY: Final = frozenset(
    {
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
)
"""What a server says that has too much to do, or still loads its model."""
_DONE: Final = "[DONE]"
_TRIAL: Final = Completion(prompt=GREETING, messages=(("user", GREETING),), max_tokens=1)
NOT_THERE: Final = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED})
"""What a server says of an endpoint that it does not have."""
_TOO_LONG: Final = re.compile(r"context length is (?P<length>\d+) tokens.*?requested (?P<tokens>\d+)", re.DOTALL)


class RemoteBackend(Backend):
    """A model that a server runs. The server's kind is found out at `start`, or before the first request."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        url: str,
        *,
        api_key: str | None = None,
        model: str | None = None,
        timeout: float = 60,
    ) -> None:
        """Describe the server; nothing is sent before `start`, `list_models` or the first request.

        `session` is shared and never closed here; `url` may end in `/v1` or not; `model` None takes the first one that
        the server lists; `timeout` is in seconds, for the first byte and between two chunks.
        """
        self._connection = Connection(session, url, api_key, timeout)
        self._model = model
        self._kind: ServerKind | None = None
        self._line = WaitingLine()
        self._closed = False

    @property
    def kind(self) -> str | None:
        """The name of the server's kind, once it is known: llama.cpp, llama-cpp-python, vllm, ollama or openai."""
        return self._kind.name if self._kind else None

    @property
    def url(self) -> str:
        """The server's address as it may be shown: without user name and password."""
        return self._connection.url

    async def list_models(self) -> list[str]:
        """Return the names of the models that the server offers. Raises BackendError."""
        return await list_models(self._connection)

    @override
    async def start(self) -> BackendInfo:
        """Find out what the server is, and have the model write one token: after a prompt, else in a chat.

        Raises ServerUnreachableError, ServerTimeoutError, ServerAuthError, ServerStatusError, ServerBadAnswerError,
        ServerBrokeOffError, ServerModelMissingError or ServerNoCompletionError.
        """
        kind = self._kind = await probe_kind(self._connection)
        self._model = self._choose(await self.list_models())
        try:
            context_length, template = await kind.describe(self._connection, self._model)
        except LookupError, TypeError:
            context_length, template = None, None
        chats_only = await self._chats_only(kind)
        self.info = BackendInfo(
            model=self._model or self._connection.url,
            context_length=context_length,
            chat_template=template,
            grammar=kind.grammar,
            chats_only=chats_only,
        )
        return self.info

    async def _chats_only(self, kind: ServerKind) -> bool:
        """Return whether the server continues no prompt but answers messages. Raises what is wrong with prompts."""
        try:
            await self._drain(kind, kind.body(_TRIAL, self._model))
        except (ServerNoCompletionError, ServerModelMissingError, ServerBadAnswerError) as error:
            chat = Chat(kind)
            try:
                await self._drain(chat, chat.body(_TRIAL, self._model))
            except BackendError:
                raise error from None
            self._kind = kind
            return True
        return False

    def _choose(self, offered: list[str]) -> str | None:
        """Return the model to use among those offered."""
        if self._model is None:
            return offered[0] if offered else None
        if self._model not in offered and f"{self._model}:latest" not in offered:
            raise ServerModelMissingError(url=self._connection.url, model=self._model)
        return self._model

    @override
    async def complete(self, request: Completion) -> AsyncGenerator[str]:
        """Yield the continuation piece by piece.

        Close the generator (`contextlib.aclosing`) or cancel the task to cancel the request: the connection is closed,
        and the server stops writing. A request of which no word has come back is sent once more when the server is
        busy or breaks off, since nothing was done by it yet. Raises EmptyAnswerError, PromptTooLongError, and whatever
        `start` raises.
        """
        begun = False
        for pause in (*RETRY_PAUSES, None):
            kind = self._kind = self._kind or await probe_kind(self._connection)
            try:
                with await self._enter(kind, request.caller):
                    async with contextlib.aclosing(self._answer(kind, request)) as answer:
                        async for text in answer:
                            begun = True
                            yield text
                return
            except BackendError as error:
                if begun or pause is None or self._closed:
                    raise
                if isinstance(error, RefusalError) and request.grammar and kind.grammar and _about_grammar(error):
                    _LOGGER.warning("%s refuses the grammar; going on without: %s", kind.name, error.message)
                    if request.messages:
                        request = replace(request, grammar=None)  # the schema may do, and other grammars still may
                    else:
                        kind.grammar = False
                elif not _passing(error):
                    raise
            await asyncio.sleep(pause)

    async def _enter(self, kind: ServerKind, caller: str) -> Place:
        """Wait in the line before the server. Raises BusyError when it is too long."""
        self._line.places = SIDE_BY_SIDE if kind.concurrent else 1
        return await self._line.enter(caller)

    async def _answer(self, kind: ServerKind, request: Completion) -> AsyncGenerator[str]:
        """Yield the answer to one request, within its limits whatever the server does."""
        stop, meter, empty = StopFilter(request.stop), _Meter(request.max_tokens), True
        asked = request if kind.grammar else replace(request, grammar=None)
        kind = Chat(kind) if request.messages else kind
        body = kind.body(asked, self._model)
        async with contextlib.aclosing(self._stream(kind, body, request.max_tokens)) as pieces:
            async for piece in pieces:
                if not meter.take(piece):
                    break
                if text := stop.feed(piece.text):
                    empty = empty and not text.strip()
                    yield text
                if stop.stopped:
                    break
        if text := stop.close():
            empty = empty and not text.strip()
            yield text
        self.usage = meter.usage()
        if empty:
            raise EmptyAnswerError

    async def _stream(self, kind: ServerKind, body: dict[str, Any], max_tokens: int = 1) -> AsyncGenerator[Piece]:
        """Yield the pieces of an answer up to the one that says it was the last; raise when none does."""
        connection, reader = self._connection, kind.reader()
        events = 0
        try:
            async with contextlib.aclosing(connection.stream(kind.path, body)) as chunks:
                async for data in _and_end(chunks):
                    for event in reader.feed(data) if data is not None else reader.close():
                        piece = self._read(kind, event)
                        yield piece
                        events += 1
                        if piece.finished:
                            await _let_go(chunks)
                            return
                        if events > EVENTS_PER_TOKEN * max_tokens + 64:
                            raise connection.bad_answer("its answer does not end")
        except RefusalError as refusal:
            raise self._refined(refusal, kind) from None
        except ValueError as error:
            raise connection.bad_answer(str(error)) from error
        raise ServerBrokeOffError(url=connection.url)

    def _read(self, kind: ServerKind, event: str) -> Piece:
        """Return what an event says. Raises ServerBadAnswerError."""
        if event.strip() == _DONE:
            return Piece(kind.rest(), finished=True)
        try:
            data = json.loads(event)
            if "error" in data:
                error = data["error"]
                words = error.get("message", error) if isinstance(error, dict) else error
                raise self._connection.bad_answer(str(words))
            return kind.read(data)
        except ValueError, LookupError, TypeError, AttributeError:
            raise self._connection.bad_answer("an event is not what such a server sends") from None

    def _refined(self, refusal: RefusalError, kind: ServerKind) -> BackendError:
        """Return what a refused completion means, where that is known."""
        if refusal.status in NOT_THERE:
            self._kind = None  # another server may have taken its place: look again next time
            if "model" in refusal.message.lower():
                return ServerModelMissingError(url=self._connection.url, model=self._model or "")
            missing = ServerNoChatError if isinstance(kind, Chat) else ServerNoCompletionError
            return missing(url=self._connection.url)
        if refusal.details.get("type") == "exceed_context_size_error":  # llama.cpp
            tokens, length = refusal.details.get("n_prompt_tokens"), refusal.details.get("n_ctx")
            return PromptTooLongError(tokens=str(tokens), context_length=str(length))
        if match := _TOO_LONG.search(refusal.message):  # OpenAI's words, which others repeat
            return PromptTooLongError(tokens=match["tokens"], context_length=match["length"])
        return refusal

    @override
    async def prefill(
        self, prompt: str, *, family: str = "", special: Sequence[str] = (), urgent: bool = False
    ) -> bool:
        """Have the server read a prompt ahead of time, so that it is in its cache."""
        if self.chats_only:
            return True
        try:
            kind = self._kind = self._kind or await probe_kind(self._connection)
            with await self._enter(kind, ""):
                await self._drain(kind, kind.prefill_body(prompt, self._model))
        except BackendError as error:
            _LOGGER.debug("Could not read ahead: %s", error)
        return True

    async def _drain(self, kind: ServerKind, body: dict[str, Any]) -> None:
        async with contextlib.aclosing(self._stream(kind, body)) as pieces:
            async for _ in pieces:
                pass

    @override
    async def count_tokens(self, text: str) -> int | None:
        """Return how many tokens the text has for the server's model, or None where it cannot tell."""
        kind = self._kind = self._kind or await probe_kind(self._connection)
        try:
            return await kind.count(self._connection, self._model, text)
        except RefusalError, LookupError, TypeError, ValueError:
            return None

    @override
    async def close(self) -> None:
        """Break off what is still being written; the session stays open for others."""
        self._closed = True
        await self._connection.close()


class _Meter:
    """Counts what an answer takes, and says when it is enough."""

    def __init__(self, max_tokens: int) -> None:
        """Start the clock."""
        self._max_tokens = max_tokens
        self._pieces = self._characters = 0
        self._usage: Usage | None = None
        self._started = time.perf_counter()
        self._first: float | None = None

    def take(self, piece: Piece) -> bool:
        """Count a piece; return whether it is still within the limit. A piece with text is a token at least."""
        self._first = self._first or time.perf_counter()
        self._usage = piece.usage or self._usage
        self._pieces += bool(piece.text)
        self._characters += len(piece.text)
        return self._pieces <= self._max_tokens and self._characters <= CHARACTERS_PER_TOKEN * self._max_tokens

    def usage(self) -> Usage:
        """Return the server's own figures, or what can be told from outside."""
        ended = time.perf_counter()
        first = self._first or ended
        tokens = min(self._pieces, self._max_tokens)
        outside = Usage(completion_tokens=tokens, prefill_s=first - self._started, decode_s=ended - first)
        return self._usage or outside


async def _let_go(chunks: AsyncGenerator[bytes]) -> None:
    """Let the server end its stream: llama_cpp.server takes a connection closed before that for a client that left."""
    with contextlib.suppress(TimeoutError, BackendError):
        async with asyncio.timeout(FAREWELL):
            async for _ in chunks:
                pass


async def _and_end(chunks: AsyncGenerator[bytes]) -> AsyncGenerator[bytes | None]:
    """Yield the chunks, and None after the last."""
    async for chunk in chunks:
        yield chunk
    yield None


def _about_grammar(refusal: RefusalError) -> bool:
    """Return whether it is the grammar that the server does not like."""
    return refusal.status in (HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY) and (
        "grammar" in refusal.message.lower()
    )


def _passing(error: BackendError) -> bool:
    """Return whether the same request may well succeed in a moment."""
    if isinstance(error, RefusalError):
        return error.status in BUSY and error.retry_after <= max(RETRY_PAUSES)
    return isinstance(error, ServerBrokeOffError)
