"""The worker process seen from Home Assistant's side: start it, send requests, hand out answers, notice its end."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import sys
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Self

from ..errors import BackendError, WorkerDiedError, WorkerSilentError

_LOGGER = logging.getLogger(__name__)

WORKER: Final = Path(__file__).with_name("worker.py")
MAX_LINE: Final = 2**20
"""Bytes an answer of the worker may have."""
MAX_ANSWERS: Final = 16 * 2**20
"""Bytes all answers to one request may have together; the worker ends when it sends more."""
MAX_REQUEST: Final = 16 * 2**20
"""Bytes a request may have; the worker takes no longer ones."""
ENVIRONMENT: Final = ("CUDA_", "GGML_", "HIP_", "HSA_", "LD_LIBRARY_PATH", "LLAMA_", "NVIDIA_", "OMP_", "ROCR_", "VK_")
"""How the variables begin that say where native libraries are and what they compute with; no others are passed on."""
FAREWELL: Final = 2.0
"""Seconds the process gets to end by itself once its stdin is closed."""

type Message = dict[str, Any]


class Channel:
    """The answers to one request."""

    def __init__(self, process: WorkerProcess, number: int, operation: str) -> None:
        """Wait for the answers of `process` to the request of this number."""
        self.number = number
        self.operation = operation
        self.finished = False
        self.on_finished: Callable[[], None] = lambda: None
        """Called with the last answer, which may be long before anyone takes it."""
        self.received = 0
        """Bytes of its answers."""
        self._process = process
        self._answers: asyncio.Queue[Message | BackendError] = asyncio.Queue()

    def put(self, answer: Message | BackendError) -> None:
        """Take an answer, or the reason why there will be none."""
        self.finished = isinstance(answer, BackendError) or "done" in answer or "error" in answer
        self._answers.put_nowait(answer)
        if self.finished:
            self.on_finished()

    async def next(self) -> Message:
        """Return the next answer; the last has `done` or `error`. Raise a BackendError when the process ends first."""
        answer = await self._answers.get()
        if isinstance(answer, BackendError):
            raise answer
        return answer

    async def result(self) -> Message:
        """Return the last answer."""
        while True:
            answer = await self.next()
            if "done" in answer or "error" in answer:
                return answer

    def cancel(self) -> None:
        """Ask for the last answer soon."""
        self._process.cancel(self)

    def close(self) -> None:
        """Want no more answers: cancel the request unless it is finished."""
        self._process.forget(self)


class WorkerProcess:
    """One running worker. It serves until it ends, for whatever reason; then `ended` has that reason."""

    def __init__(self, process: asyncio.subprocess.Process, silence: float) -> None:
        """Serve a process just started; `silence` is in seconds."""
        assert process.stdin
        assert process.stdout
        assert process.stderr
        self.ended: BackendError | None = None
        self.silence = silence
        self._process = process
        self._stdin = process.stdin
        self._loop = asyncio.get_running_loop()
        self._channels: dict[int, Channel] = {}
        self._number = 0
        self._alarm: asyncio.TimerHandle | None = None
        self._last_words: deque[str] = deque(maxlen=20)
        self._closing = False
        self._words_task = asyncio.create_task(self._collect_words(process.stderr))
        self._answers_task = asyncio.create_task(self._hand_out(process.stdout))

    @classmethod
    async def spawn(cls, interpreter: str, silence: float, packages: Path | None = None) -> Self:
        """Start the script, with no packages but those in the folder, if one is given.

        Raises OSError when the interpreter cannot be run.
        """
        process = await asyncio.create_subprocess_exec(
            interpreter,
            "-P",  # the script's own folder holds modules of Home Assistant's side
            *(["-S"] if packages else []),  # nor are the interpreter's own packages looked at
            str(WORKER),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=MAX_LINE,
            env=_environment(interpreter, packages),
        )
        return cls(process, silence)

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    def request(self, operation: str, **arguments: Any) -> Channel:
        """Send a request; its answers come through the channel."""
        self._number += 1
        channel = Channel(self, self._number, operation)
        if self.ended:
            channel.put(again(self.ended))
            return channel
        line = _line({"id": channel.number, "op": operation, **arguments})
        if len(line) > MAX_REQUEST:
            channel.put({"error": "failed", "reason": f"the request has more than {MAX_REQUEST} bytes"})
            return channel
        self._channels[channel.number] = channel
        self._send(line)
        if self._alarm is None:
            self._set_alarm()
        return channel

    def _send(self, line: bytes) -> None:
        # Nothing waits for the pipe to drain: the worker always reads, and the end of the process is noticed elsewhere.
        self._stdin.write(line)

    def cancel(self, channel: Channel) -> None:
        """Have the worker end a request."""
        if channel.number in self._channels and not self.ended:
            self._send(_line({"id": channel.number, "op": "cancel"}))

    def forget(self, channel: Channel) -> None:
        """Hand out no more answers to a request, and have the worker end it."""
        self.cancel(channel)
        if self._channels.pop(channel.number, None):
            self._set_alarm()

    def _set_alarm(self) -> None:
        """Watch the process while it has something to do, from now on."""
        if self._alarm:
            self._alarm.cancel()
            self._alarm = None
        if self._channels and not self.ended:
            self._alarm = self._loop.call_later(self.silence, self._silent)

    def _silent(self) -> None:
        _LOGGER.warning("The model's process %s wrote nothing for %s s; ending it", self.pid, self.silence)
        self._end(WorkerSilentError(seconds=f"{self.silence:g}"))
        self._kill()

    async def _hand_out(self, stdout: asyncio.StreamReader) -> None:
        """Give each answer to its channel, until the process ends."""
        try:
            while line := await stdout.readline():
                self._dispatch(_answer(line), len(line))
        except (ValueError, RecursionError, OSError) as error:  # a line too long, or not ours
            _LOGGER.warning("The model's process sent something unreadable: %s", error)
        self._kill()
        status = await self._process.wait()
        with contextlib.suppress(TimeoutError):  # a grandchild could keep stderr open
            await asyncio.wait_for(asyncio.shield(self._words_task), 1)
        reason = self._reason(status)
        if not self._closing and not self.ended:
            _LOGGER.warning("The model's process %s ended: %s", self.pid, reason)
        self._end(WorkerDiedError(reason=reason))

    def _dispatch(self, answer: Message, size: int) -> None:
        channel = self._channels.get(answer["id"])
        if channel is None:  # cancelled meanwhile, but a sign of life
            self._set_alarm()
            return
        channel.received += size
        if channel.received > MAX_ANSWERS:
            raise ValueError(f"more than {MAX_ANSWERS} bytes for one request")
        channel.put(answer)
        if channel.finished:
            del self._channels[channel.number]
        # A count is answered even while the model hangs: no sign of life for those who wait for the model.
        if channel.operation != "count" or all(other.operation == "count" for other in self._channels.values()):
            self._set_alarm()

    def _end(self, reason: BackendError) -> None:
        """Tell everyone who waits, once."""
        if self.ended:
            return
        self.ended = reason
        self._set_alarm()
        channels, self._channels = self._channels, {}
        for channel in channels.values():
            channel.put(again(reason))

    async def _collect_words(self, stderr: asyncio.StreamReader) -> None:
        while piece := await stderr.read(4096):
            lines = piece.decode("utf-8", "replace").splitlines()
            self._last_words.extend(line.strip()[:200] for line in lines if line.strip())

    def _reason(self, status: int) -> str:
        """Return why the process ended: the signal or status, and the line that says most."""
        if self._closing:
            return "closed"
        if status >= 0:
            return self._last_words[-1] if self._last_words else f"status {status}"
        try:
            name = signal.Signals(-status).name
        except ValueError:
            name = f"signal {-status}"
        failure = next((line for line in self._last_words if "GGML_ASSERT" in line or "what():" in line), None)
        return f"{name}: {failure}" if failure else name

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    async def close(self) -> None:
        """End the process and leave nothing of it: no task, no timer, no pipe. May be called twice."""
        self._closing = True
        self._stdin.close()
        try:
            await asyncio.wait_for(asyncio.shield(self._answers_task), FAREWELL)
        except TimeoutError:
            self._kill()
            await self._answers_task
        finally:
            self._kill()
        self._words_task.cancel()
        await asyncio.gather(self._words_task, return_exceptions=True)
        with contextlib.suppress(OSError):
            await self._stdin.wait_closed()


def again(error: BackendError) -> BackendError:
    """Return the same error to be raised once more: an exception object collects the traces of all who raise it."""
    return type(error)(**(error.translation_placeholders or {}))


def _line(message: Message) -> bytes:
    return json.dumps(message).encode() + b"\n"


def _answer(line: bytes) -> Message:
    """Return the answer in a line. Raises ValueError when it is none."""
    answer = json.loads(line)
    if not isinstance(answer, dict) or not isinstance(answer.get("id"), int):
        raise ValueError("no answer to a request")
    forms = {"done": dict, "text": str, "error": str}
    if not all(isinstance(answer[key], form) for key, form in forms.items() if key in answer):
        raise ValueError("an answer of another form")
    return answer


def _environment(interpreter: str, packages: Path | None) -> dict[str, str]:
    """Return the environment of the child, without what is secret in Home Assistant's: the supervisor's token, say.

    Where no packages are named, in the same Python it finds the same ones as Home Assistant.
    """
    environment = {name: value for name, value in os.environ.items() if name.startswith(ENVIRONMENT)}
    environment["GGML_NO_BACKTRACE"] = "1"  # a failed assertion would start a debugger
    if packages:
        environment["PYTHONPATH"] = str(packages)
    elif interpreter == sys.executable:
        environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    return environment
