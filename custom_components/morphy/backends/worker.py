"""The process that owns llama.cpp: requests in on stdin, answers out on stdout, one JSON object a line.

It is run as a plain script (standard library and llama_cpp only), so that a native crash costs one turn and never Home
Assistant, and so that it may live in another Python than Home Assistant's. It ends as soon as its stdin closes. Once
the first request, `load`, has named the model, it gives up every right but to read that (confine.py).

| `op` of a request | what else it has | the answer's `done` |
|---|---|---|
| `load` | `path`, `context_length`, `threads`, `special`, `known` | as below |
| `complete` | `prompt`, `family`, `special`, `stop`, `grammar`, `max_tokens`, `temperature` | usage, after the text |
| `prefill` | `prompt`, `family`, `special` | usage |
| `count` | `text` | `tokens`; at once, also while another request runs |
| `cancel` | | none: the request with this `id` is done between two tokens, or two chunks of its prompt |

The text comes in pieces, `{"id", "text"}`. One is `doubtful` beside it when the answer so far is less likely than the
model's `morphy.least_certainty` allows.
`load` is done with `model`, `context_length`, `chat_template`, `languages`, `dialect`, `file`, and in `confined` the
rights it gave up.
Prompts of one `family` follow one another, those of an agent say; the last of each family is kept as it was read.
The strings of `special` are the only special tokens that a prompt can hold, those of `load` where a request names none;
all else in it is plain characters.
`known` and `file` are fingerprints of the model's file (model_file.py), `known` null for one that is new.
Every request has an `id`, and so has every answer. While a prompt is read, `{"id", "read": tokens}` is a sign of life.
A request that fails is answered by `{"id", "error": kind}` with details beside it.
"""

from __future__ import annotations

import codecs
import contextlib
import dataclasses
import faulthandler
import importlib
import json
import os
import queue
import signal
import sys
import threading
import time
import types
from collections import deque
from pathlib import Path
from typing import IO, Any

if __name__ == "__main__":  # a plain script: its folder becomes a package, without Home Assistant's side around it
    package = types.ModuleType("morphy_worker")
    package.__path__ = [str(Path(__file__).parent)]
    sys.modules[package.__name__] = package
    sys.exit(importlib.import_module("morphy_worker.worker").main())

from . import confine, model_file
from .engine import Model, RequestError, bindings
from .sampling import Sampler, StopFilter, write

MAX_LINE = 16 * 2**20
"""Bytes a request may have; a longer one ends the process."""
MAX_ANSWER = 2**20
"""Bytes an answer may have."""
MAX_REASON = 500
"""Characters of a reason."""
OPERATIONS = ("load", "complete", "prefill", "count", "cancel")
GGML_LOG_LEVEL_WARN = 3
GGML_LOG_LEVEL_ERROR = 4


class Worker:
    """Reads requests, carries them out one after another, and writes answers."""

    def __init__(self, requests: IO[bytes], answers: IO[bytes]) -> None:
        """Serve on these two pipes."""
        self._requests = requests
        self._answers = answers
        self._write_lock = threading.Lock()
        self._queue: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._cancelled: set[int] = set()
        self._lib: Any = None
        self._no_lib = ""
        self._confined: list[str] = []
        self._model: Model | None = None
        self._path = Path()
        self._file: Any = None
        self._words: deque[str] = deque(maxlen=20)
        self._log_callback: Any = None

    def serve(self) -> None:
        """Answer until stdin closes; never returns."""
        load = self._receive()
        self._prepare(str(load.get("path")))
        self._queue.put(load)
        threading.Thread(target=self._listen, daemon=True).start()
        while True:
            request = self._queue.get()
            self._answer(request)
            # Whatever came before this request is finished; a late word to cancel it means nothing any more.
            self._cancelled.difference_update([number for number in tuple(self._cancelled) if number <= request["id"]])

    def _prepare(self, path: str) -> None:
        """Load llama.cpp, then give up all rights but to read the model, while no other thread exists to keep them."""
        try:
            self._lib = lib = bindings()
        except Exception as error:
            self._no_lib = f"{type(error).__name__}: {error}"
            return
        self._log_callback = lib.llama_log_callback(self._log)
        lib.llama_log_set(self._log_callback, None)
        lib.llama_backend_init()
        self._confined = confine.confine(path, driver=bool(lib.llama_supports_gpu_offload()))

    def _listen(self) -> None:
        """Take requests in, and act at once on those that must not wait; runs in a thread of its own."""
        while True:
            request = self._receive()
            if request["op"] == "cancel":
                self._cancelled.add(request["id"])
            elif request["op"] == "count" and self._model:
                self._answer(request)
            else:
                self._queue.put(request)

    def _receive(self) -> dict[str, Any]:
        """Return the next request, past all lines that are none."""
        while line := self._requests.readline(MAX_LINE + 1):
            if len(line) > MAX_LINE:
                _complain(f"a request has more than {MAX_LINE} bytes")
                break
            try:
                request = json.loads(line)
            except (ValueError, RecursionError):
                request = None
            if isinstance(request, dict) and isinstance(request.get("id"), int) and request.get("op") in OPERATIONS:
                return request
            _complain("a line that is no request was passed over")
        # Whoever started this process is gone: end now, also from the middle of a native call.
        os._exit(0)

    def _answer(self, request: dict[str, Any]) -> None:
        """Carry a request out and send what comes of it."""
        number = request["id"]
        try:
            self._send(number, done=getattr(self, f"_{request['op']}")(request))
        except RequestError as error:
            self._send(number, **error.answer)
        except Exception as error:  # the process lives on, and the caller is told
            self._send(number, error="failed", reason=f"{type(error).__name__}: {error}"[:MAX_REASON])

    def _send(self, number: int, **answer: Any) -> None:
        line = json.dumps({"id": number, **answer}).encode() + b"\n"
        if len(line) > MAX_ANSWER:
            raise RequestError("failed", reason="the answer is too long")
        try:
            with self._write_lock:
                self._answers.write(line)
        except OSError:
            os._exit(0)

    def _load(self, request: dict[str, Any]) -> dict[str, Any]:
        path = str(request["path"])
        self._path = Path(path)
        self._file = self._examine(self._path, request.get("known"), request["id"])
        if self._lib is None:
            raise RequestError("runtime_missing", reason=self._no_lib)
        threads = request["threads"] or max(1, _cores() - 1)
        model = Model(
            self._lib, path, int(request["context_length"]), int(threads), request.get("special", ()), self._words
        )
        self._try_out(model)
        self._model = model
        return {**model.describe(), "file": dataclasses.asdict(self._file), "confined": self._confined}

    def _examine(self, path: Path, known: dict[str, Any] | None, number: int) -> Any:
        """Return the fingerprint of a file that may be loaded. Raises RequestError."""
        accepted = model_file.Fingerprint(**known) if known else None
        try:
            return model_file.examine(path, accepted, lambda: self._send(number, read=0))
        except model_file.ModelFileError as error:
            raise RequestError(error.kind, **error.details) from None

    def _check_unchanged(self) -> None:
        """Raise RequestError when the file is another one by now: its old pages may be gone, or mixed with new ones."""
        with contextlib.suppress(OSError):  # a file that is gone is still there for the one who has it open
            if not self._file.fits(self._path.stat()):
                raise RequestError("model_replaced")

    def _try_out(self, model: Model) -> None:
        """Write one token, so that a model that loads but cannot run is found here and not in a turn."""
        prompt = model.tokenize("Hello")
        if not prompt:
            raise RequestError("model_invalid", reason="its vocabulary is empty")
        model.read(prompt, "", lambda: False, lambda _: None)
        sampler = Sampler(model, 0.0, None)
        sampler.next()
        sampler.close()

    def _log(self, level: int, text: bytes, _user_data: Any) -> None:
        """Pass llama.cpp's warnings on to stderr, and remember its errors."""
        words = text.decode("utf-8", "replace")
        if level == GGML_LOG_LEVEL_ERROR:
            self._words.append(words.strip())
        if level in (GGML_LOG_LEVEL_WARN, GGML_LOG_LEVEL_ERROR):
            _complain(words)

    def _count(self, request: dict[str, Any]) -> dict[str, Any]:
        if self._model is None:
            raise RequestError("failed", reason="no model is loaded")
        return {"tokens": len(self._model.tokenize(request["text"]))}

    def _prefill(self, request: dict[str, Any]) -> dict[str, Any]:
        _, usage = self._read_prompt(request)
        return usage

    def _complete(self, request: dict[str, Any]) -> dict[str, Any]:
        model, usage = self._read_prompt(request)
        sampler = Sampler(model, float(request["temperature"]), request["grammar"])
        started = time.perf_counter()
        try:
            usage["completion_tokens"] = self._write_answer(model, sampler, request)
        finally:
            sampler.close()
        return {**usage, "decode_s": time.perf_counter() - started}

    def _read_prompt(self, request: dict[str, Any]) -> tuple[Model, dict[str, Any]]:
        model, number = self._model, request["id"]
        if model is None:
            raise RequestError("failed", reason="no model is loaded")
        self._check_unchanged()
        prompt = model.tokenize(request["prompt"], request.get("special", ()))
        if not prompt:
            raise RequestError("failed", reason="the prompt is empty")
        if len(prompt) >= model.context_length:
            raise RequestError("prompt_too_long", tokens=len(prompt), context_length=model.context_length)
        started = time.perf_counter()
        cached = model.read(
            prompt,
            str(request.get("family", "")),
            lambda: number in self._cancelled,
            lambda read: self._send(number, read=read),
        )
        seconds = time.perf_counter() - started
        return model, {"prompt_tokens": len(prompt), "cached_tokens": cached, "prefill_s": seconds}

    def _write_answer(self, model: Model, sampler: Sampler, request: dict[str, Any]) -> int:
        """Send the answer piece by piece; return how many tokens it has."""
        number = request["id"]
        stop = StopFilter(request["stop"])
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        room = min(int(request["max_tokens"]), model.context_length - len(model.tokens))
        certainty, doubt = 0.0, dict[str, bool]()
        for written, (token, place) in zip(range(room), write(model, sampler), strict=False):
            if number in self._cancelled:
                return written
            if model.ends(token):
                break
            if model.least_certainty is not None and not doubt:
                certainty += sampler.log_probability(token, place)
                doubt = {"doubtful": True} if certainty < model.least_certainty else {}
            if text := stop.feed(decoder.decode(model.piece(token))):
                self._send(number, text=text, **doubt)
            if stop.stopped:
                return written + 1
        else:
            written = room
        # A character cut off by max_tokens is left out; whole text that only looked like a stop string is not.
        if text := stop.close():
            self._send(number, text=text, **doubt)
        return written


def _complain(words: str) -> None:
    """Write to stderr, from where the last words of a process that ends are taken."""
    with contextlib.suppress(OSError):
        sys.stderr.write(words.rstrip("\n") + "\n")
        sys.stderr.flush()


def _cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def main() -> None:
    """Keep stdout for answers alone: whatever a native library prints goes to stderr."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    faulthandler.enable()
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    Worker(sys.stdin.buffer, answers).serve()
