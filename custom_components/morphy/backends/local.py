"""A model on this machine: the client of the worker process, which it starts, restarts and ends."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import ClassVar, Final, override

from ..dialect import SPECIAL_TOKENS
from ..errors import (
    BackendError,
    EmptyAnswerError,
    GrammarInvalidError,
    ModelChangedError,
    ModelChecksumError,
    ModelDamagedError,
    ModelInvalidError,
    ModelMissingError,
    ModelNotGgufError,
    ModelTruncatedError,
    ModelVersionError,
    PromptTooLongError,
    RuntimeMissingError,
    WorkerDiedError,
    WorkerSilentError,
)
from . import Backend, BackendInfo, Completion, Doubtful
from .line import WaitingLine
from .model_file import Fingerprint
from .process import Channel, Message, WorkerProcess, again
from .usage import Usage

_LOGGER = logging.getLogger(__name__)

LOAD_SILENCE: Final = 300.0
"""Seconds a model may take to load: a big one comes slowly from a memory card."""
BACKOFF_MAX: Final = 30.0
"""Seconds without a new attempt after the process has died many times in a row."""
TROUBLE: Final = 3
"""Deaths in a row after which `on_trouble` is told."""
MAX_PROMPT: Final = 2**20
"""Characters a prompt may have before it is even sent; more than any context holds."""

_FILE_ERRORS: Final[dict[str, type[BackendError]]] = {
    error.key: error
    for error in (
        ModelMissingError,
        ModelInvalidError,
        ModelNotGgufError,
        ModelVersionError,
        ModelTruncatedError,
        ModelDamagedError,
        ModelChecksumError,
        ModelChangedError,
    )
}
"""What may be wrong with the model's file, by what the worker calls it."""


class _ReplacedError(ModelChangedError):
    """The worker saw another file in the place of the one that it has loaded: worth another look, once."""


def pause_after(deaths: int) -> float:
    """Return the seconds to wait after so many deaths in a row: none after the first, then 2, 4, 8 and so on."""
    return min(BACKOFF_MAX, 2.0 ** (deaths - 1)) if deaths > 1 else 0.0


@contextmanager
def _understanding() -> Iterator[None]:
    """Turn what comes of an answer with the wrong things in it into an error that can be told."""
    try:
        yield
    except (LookupError, TypeError, ValueError) as error:
        raise WorkerDiedError(reason="it sent something else than a worker does") from error


class LocalBackend(Backend):
    """A GGUF file run by llama.cpp in a child process.

    A process that dies or hangs costs the turns that wait for it; the next request starts another. The first death is
    followed by an attempt at once, more of them in a row by a pause in which requests fail with the last reason.
    """

    reads_ahead: ClassVar[bool] = True

    def __init__(
        self,
        model_path: Path,
        *,
        context_length: int,
        threads: int | None = None,
        interpreter: str = sys.executable,
        packages: Path | None = None,
        silence: float = 60,
        known: Fingerprint | None = None,
    ) -> None:
        """Describe the model; nothing runs before `start` or the first request.

        `context_length` is in tokens and at most what the model was trained for; `threads` None leaves one core to
        others; `interpreter` is a Python (3.11 or newer), `packages` the folder with its llama-cpp-python, None where
        it has one of its own; `silence` is how many seconds may pass without a sign of life while a request runs;
        `known` is the file that was accepted, None to accept any.
        """
        self._model_path = model_path
        self._context_length = context_length
        self._threads = threads
        self._interpreter = interpreter
        self.packages = packages
        self._silence = silence
        self.file = known
        self._starting = asyncio.Lock()
        self._process: WorkerProcess | None = None
        self._prefills: set[Channel] = set()
        self._deaths = 0
        self._not_before = 0.0
        self._last_reason: BackendError | None = None
        self._closed = False
        self._line = WaitingLine()

    @property
    def pid(self) -> int | None:
        """The id of the process that holds the model, or None while there is none."""
        return self._process.pid if self._process and not self._process.ended else None

    @override
    async def start(self) -> BackendInfo:
        """Load the model and have it write one token; afterwards `file` is what its file is known by.

        Raises RuntimeMissingError, ModelMissingError, ModelInvalidError (its subclasses say what is wrong with the
        file), WorkerDiedError or WorkerSilentError.
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
        self._not_before = asyncio.get_running_loop().time() + pause_after(self._deaths)
        if self._deaths >= TROUBLE and not self._closed:
            self.on_trouble(reason)

    def _works(self) -> None:
        """Take note of an answer that came to its end."""
        if self._deaths:
            self._deaths = 0
            self.on_trouble(None)

    async def _load(self) -> WorkerProcess:
        if self._closed:
            raise WorkerDiedError(reason="closed")
        try:
            self._process = process = await WorkerProcess.spawn(self._interpreter, LOAD_SILENCE, self.packages)
        except (FileNotFoundError, PermissionError) as error:
            raise RuntimeMissingError(reason=error.strerror or str(error)) from error
        except OSError as error:  # no memory, no descriptors, or too many processes
            self._died(died := WorkerDiedError(reason=error.strerror or str(error)))
            raise died from error
        try:
            answer = await process.request(
                "load",
                path=str(self._model_path),
                context_length=self._context_length,
                threads=self._threads,
                special=SPECIAL_TOKENS,
                known=asdict(self.file) if self.file else None,
            ).result()
            if "error" in answer or self._closed:
                raise self._error(answer)
            self._note_loaded(answer["done"])
        except (WorkerDiedError, WorkerSilentError) as error:
            await process.close()
            self._died(error)
            raise
        except BaseException:
            self._process = None
            await process.close()
            raise
        process.silence = self._silence
        _LOGGER.debug(
            "Loaded %s in process %s, confined by %s", self._model_path, process.pid, answer["done"].get("confined")
        )
        return process

    def _note_loaded(self, done: Message) -> None:
        """Keep what the worker tells about its model."""
        with _understanding():
            self.file = Fingerprint(**done["file"])
            self.info = BackendInfo(
                model=done["model"] or self._model_path.stem,
                context_length=int(done["context_length"]),
                chat_template=done["chat_template"],
                languages=tuple(done["languages"]) if done["languages"] else None,
                grammar=True,
                dialect=done.get("dialect"),
            )

    @override
    async def complete(self, request: Completion) -> AsyncGenerator[str]:
        """Yield the continuation piece by piece.

        Close the generator (`contextlib.aclosing`) or cancel the task to cancel the request. Raises PromptTooLongError,
        GrammarInvalidError, EmptyAnswerError, BusyError, WorkerDiedError, WorkerSilentError, and what `start` raises.
        """
        self._check(request.prompt)
        try:
            async with aclosing(self._answer(request)) as pieces:
                async for text in pieces:
                    yield text
        except _ReplacedError:
            async with aclosing(self._answer(request)) as pieces:
                async for text in pieces:
                    yield text

    async def _answer(self, request: Completion) -> AsyncGenerator[str]:
        """Yield one answer; raise _ReplacedError, after the process's end, when it has not the file of today."""
        empty = True
        with await self._line.enter(request.caller) as place:
            process = await self._running()
            self._stop_prefills()
            channel = process.request(
                "complete",
                prompt=request.prompt,
                family=request.family,
                special=request.special,
                stop=request.stop,
                grammar=request.grammar,
                max_tokens=request.max_tokens,
                temperature=request.temperature,
            )
            # The model is free once it has written the answer, even if whoever reads it waits for a device meanwhile.
            channel.on_finished = place.leave
            try:
                while "done" not in (answer := await channel.next()):
                    if answer.get("error") == "model_replaced":
                        await self._abandon(process)
                        raise _ReplacedError(path=str(self._model_path))
                    if "error" in answer:
                        raise self._error(answer)
                    if text := answer.get("text"):
                        empty = empty and not text.strip()
                        yield Doubtful(text) if answer.get("doubtful") else text
            finally:
                channel.close()
        self._works()
        with _understanding():
            self.usage = Usage(**answer["done"])
        if empty:
            raise EmptyAnswerError

    async def _abandon(self, process: WorkerProcess) -> None:
        """End a process so that the next request starts another one; no death, so no pause."""
        async with self._starting:
            if self._process is process:
                _LOGGER.warning("The file %s has changed; loading it again", self._model_path)
                self._process = None
                await process.close()

    @override
    async def prefill(
        self, prompt: str, *, family: str = "", special: Sequence[str] = (), urgent: bool = False
    ) -> bool:
        """Read a prompt ahead of time, unless the model is busy. A completion that comes meanwhile goes first."""
        try:
            self._check(prompt)
            process = await self._running()
            if self._line.busy:
                return False
            if urgent:
                self._stop_prefills()
            channel = process.request("prefill", prompt=prompt, family=family, special=tuple(special))
            self._prefills.add(channel)
            try:
                answer = await channel.result()
            finally:
                channel.close()
                stopped = channel not in self._prefills
                self._prefills.discard(channel)
            if not urgent:
                with _understanding():
                    self.allowance.spend(float(answer.get("done", {}).get("prefill_s", 0)))
        except BackendError as error:
            _LOGGER.debug("Could not read ahead: %s", error)
            return True
        return not stopped

    def _stop_prefills(self) -> None:
        """Have the model free for something that matters more; what it has read by then is kept."""
        for prefill in self._prefills:
            prefill.cancel()
        self._prefills.clear()

    @override
    async def count_tokens(self, text: str) -> int | None:
        """Return how many tokens the text has, special tokens counted as such; does not wait for other requests."""
        channel = (await self._running()).request("count", text=text[:MAX_PROMPT])
        try:
            answer = await channel.result()
        finally:
            channel.close()
        with _understanding():
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
        with _understanding():
            return self._named(answer)

    def _named(self, answer: Message) -> BackendError:
        details = {key: str(value)[:300] for key, value in answer.items() if key not in ("id", "error")}
        kind = answer.get("error")
        if kind in _FILE_ERRORS:
            _LOGGER.debug("%s: %s %s", self._model_path, kind, details)
            return _FILE_ERRORS[kind](path=str(self._model_path), **details)
        match kind:
            case "runtime_missing":
                return RuntimeMissingError(reason=details["reason"])
            case "prompt_too_long":
                return PromptTooLongError(tokens=details["tokens"], context_length=details["context_length"])
            case "grammar_invalid":
                return GrammarInvalidError(reason=details["reason"])
        return WorkerDiedError(reason=details.get("reason", ""))
