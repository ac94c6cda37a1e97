"""A model on this machine: the client of the worker process, which it starts, restarts and ends."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Final, override

from ..errors import (
    BackendError,
    EmptyAnswerError,
    GrammarInvalidError,
    ModelInvalidError,
    ModelMissingError,
    PromptTooLongError,
    RuntimeMissingError,
    WorkerDiedError,
    WorkerSilentError,
)
from . import Backend, BackendInfo, Completion, Usage
from .process import Channel, Message, WorkerProcess, again

_LOGGER = logging.getLogger(__name__)

LOAD_SILENCE: Final = 300.0
"""Seconds a model may take to load: a big one comes slowly from a memory card."""
BACKOFF_MAX: Final = 30.0
"""Seconds without a new attempt after the process has died many times in a row."""
MAX_PROMPT: Final = 4 * 2**20
"""Characters a prompt may have before it is even sent; more than any context holds."""


class LocalBackend(Backend):
    """A GGUF file run by llama.cpp in a child process.

    A process that dies or hangs costs the turns that wait for it; the next request starts another. The first death is
    followed by an attempt at once, more of them in a row by a pause in which requests fail with the last reason.
    """

    def __init__(
        self,
        model_path: Path,
        *,
        context_length: int,
        threads: int | None = None,
        interpreter: str = sys.executable,
        silence: float = 60,
    ) -> None:
        """Describe the model; nothing runs before `start` or the first request.

        `context_length` is in tokens and at most what the model was trained for; `threads` None leaves one core to
        others; `interpreter` is a Python (3.11 or newer) that has llama-cpp-python; `silence` is how many seconds may
        pass without a sign of life while a request runs.
        """
        self._model_path = model_path
        self._context_length = context_length
        self._threads = threads
        self._interpreter = interpreter
        self._silence = silence
        self._starting = asyncio.Lock()
        self._process: WorkerProcess | None = None
        self._prefills: set[Channel] = set()
        self._deaths = 0
        self._not_before = 0.0
        self._last_reason: BackendError | None = None
        self._closed = False

    @property
    def pid(self) -> int | None:
        """The id of the process that holds the model, or None while there is none."""
        return self._process.pid if self._process and not self._process.ended else None

    @override
    async def start(self) -> BackendInfo:
        """Load the model and have it write one token.

        Raises RuntimeMissingError, ModelMissingError, ModelInvalidError, WorkerDiedError or WorkerSilentError.
        """
        await self._running()
        assert self.info
        return self.info

    async def _running(self) -> WorkerProcess:
        """Return the process, started and loaded."""
        async with self._starting:
            if self._process and not self._process.ended:
                return self._process
            if self._process and self._process.ended:
                await self._process.close()
                self._died(self._process.ended)
            if self._last_reason and asyncio.get_running_loop().time() < self._not_before:
                raise again(self._last_reason)
            return await self._load()

    def _died(self, reason: BackendError) -> None:
        """Take note of a death, and of the pause that it calls for."""
        self._process = None
        self._deaths += 1
        self._last_reason = reason
        pause = min(BACKOFF_MAX, 2.0 ** (self._deaths - 1)) if self._deaths > 1 else 0.0
        self._not_before = asyncio.get_running_loop().time() + pause

    async def _load(self) -> WorkerProcess:
        if self._closed:
            raise WorkerDiedError(reason="closed")
        try:
            self._process = process = await WorkerProcess.spawn(self._interpreter, LOAD_SILENCE)
        except OSError as error:
            raise RuntimeMissingError(reason=error.strerror or str(error)) from error
        try:
            answer = await process.request(
                "load", path=str(self._model_path), context_length=self._context_length, threads=self._threads
            ).result()
            if "error" in answer or self._closed:
                raise self._error(answer)
        except (WorkerDiedError, WorkerSilentError) as error:
            await process.close()
            self._died(error)
            raise
        except BaseException:
            self._process = None
            await process.close()
            raise
        process.silence = self._silence
        done = answer["done"]
        self.info = BackendInfo(
            model=done["model"] or self._model_path.stem,
            context_length=done["context_length"],
            chat_template=done["chat_template"],
            grammar=True,
        )
        _LOGGER.debug("Loaded %s in process %s", self._model_path, process.pid)
        return process

    @override
    async def complete(self, request: Completion) -> AsyncGenerator[str]:
        """Yield the continuation piece by piece.

        Close the generator (`contextlib.aclosing`) or cancel the task to cancel the request. Raises PromptTooLongError,
        GrammarInvalidError, EmptyAnswerError, WorkerDiedError, WorkerSilentError, and whatever `start` raises.
        """
        self._check(request.prompt)
        process = await self._running()
        for prefill in self._prefills:
            prefill.cancel()
        channel = process.request(
            "complete",
            prompt=request.prompt,
            stop=request.stop,
            grammar=request.grammar,
            max_tokens=request.max_tokens,
            temperature=request.temperature,
        )
        empty = True
        try:
            while "done" not in (answer := await channel.next()):
                if "error" in answer:
                    raise self._error(answer)
                if text := answer.get("text"):
                    empty = empty and not text.strip()
                    yield text
        finally:
            channel.close()
        self._deaths = 0
        self.usage = Usage(**answer["done"])
        if empty:
            raise EmptyAnswerError

    @override
    async def prefill(self, prompt: str) -> None:
        """Read a prompt ahead of time. A completion that comes meanwhile goes first, and keeps what was read."""
        try:
            self._check(prompt)
            channel = (await self._running()).request("prefill", prompt=prompt)
            self._prefills.add(channel)
            try:
                await channel.result()
            finally:
                channel.close()
                self._prefills.discard(channel)
        except BackendError as error:
            _LOGGER.debug("Could not read ahead: %s", error)

    @override
    async def count_tokens(self, text: str) -> int | None:
        """Return how many tokens the text has, special tokens counted as such; does not wait for other requests."""
        channel = (await self._running()).request("count", text=text[:MAX_PROMPT])
        try:
            answer = await channel.result()
        finally:
            channel.close()
        return int(answer["done"]["tokens"]) if "done" in answer else None

    @override
    async def close(self) -> None:
        """End the process. Requests that wait for it get WorkerDiedError, and so do later ones."""
        self._closed = True
        if self._process:
            await self._process.close()

    def _check(self, prompt: str) -> None:
        if len(prompt) > MAX_PROMPT:
            length = str(self._context_length)
            raise PromptTooLongError(tokens=f"> {length}", context_length=length)

    def _error(self, answer: Message) -> BackendError:
        """Return the error that the worker's answer stands for."""
        path = str(self._model_path)
        reason = str(answer.get("reason", ""))[:300]
        match answer.get("error"):
            case "runtime_missing":
                return RuntimeMissingError(reason=reason)
            case "model_missing":
                return ModelMissingError(path=path)
            case "model_invalid":
                return ModelInvalidError(path=path, reason=reason)
            case "prompt_too_long":
                tokens, length = str(answer["tokens"]), str(answer["context_length"])
                return PromptTooLongError(tokens=tokens, context_length=length)
            case "grammar_invalid":
                return GrammarInvalidError(reason=reason)
        return WorkerDiedError(reason=reason)
