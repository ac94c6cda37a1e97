"""The process that owns llama.cpp: requests in on stdin, answers out on stdout, one JSON object a line.

It is run as a plain script (standard library and llama_cpp only), so that a native crash costs one turn and never Home
Assistant, and so that it may live in another Python than Home Assistant's. It ends as soon as its stdin closes. Once
the first request, `load`, has named the model, it gives up every right but to read that (confine.py).

| `op` of a request | what else it has | the answer's `done` |
|---|---|---|
| `load` | `path`, `context_length`, `threads`, `special`, `known` | as below |
| `complete` | `prompt`, `stop`, `grammar`, `max_tokens`, `temperature` | usage, after any number of `{"id", "text"}` |
| `prefill` | `prompt` | usage |
| `count` | `text` | `tokens`; at once, also while another request runs |
| `cancel` | | none: the request with this `id` is done between two tokens, or two chunks of its prompt |

A text is `doubtful` beside it when the answer so far is less likely than the model's `morphy.least_certainty` allows.
`load` is done with `model`, `context_length`, `chat_template`, `file`, and in `confined` the rights it gave up.
The strings of `special` are the only special tokens that a prompt can hold; all else in it is plain characters.
`known` and `file` are fingerprints of the model's file (model_file.py), `known` null for one that is new.
Every request has an `id`, and so has every answer. While a prompt is read, `{"id", "read": tokens}` is a sign of life.
A request that fails is answered by `{"id", "error": kind}` with details beside it.
"""

from __future__ import annotations

import codecs
import contextlib
import ctypes
import dataclasses
import faulthandler
import importlib
import importlib.util
import json
import math
import os
import queue
import random
import re
import signal
import sys
import threading
import time
import types
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any

MAX_LINE = 16 * 2**20
"""Bytes a request may have; a longer one ends the process."""
MAX_ANSWER = 2**20
"""Bytes an answer may have."""
MAX_REASON = 500
"""Characters of a reason."""
LEAST_CERTAINTY = "morphy.least_certainty"
"""GGUF metadata of our own: the logarithm of the least probability at which an answer's calls are worth making."""
OPERATIONS = ("load", "complete", "prefill", "count", "cancel")
CHUNK_WORK = 2**34
"""Tokens times parameters that are read in one go: between two chunks a request can be cancelled."""
CHUNK_LIMITS = (32, 128)
"""Tokens a chunk has at least and at most on a CPU, where longer ones are read no faster."""
CHUNK_GPU = 512
CHECKPOINT_BYTES = 64 * 2**20
"""Memory the checkpoints of a model with a recurrent state may take."""
GGML_LOG_LEVEL_WARN = 3
GGML_LOG_LEVEL_ERROR = 4


class RequestError(Exception):
    """A request that cannot be carried out: `kind` and what else the answer says."""

    def __init__(self, kind: str, **details: Any) -> None:
        """Keep the answer to be sent."""
        super().__init__(kind)
        self.answer = {"error": kind, **details}


class StopFilter:
    """Ends a text before the first of several stop strings, and holds back whatever may still become one."""

    def __init__(self, stops: Sequence[str]) -> None:
        """Watch for these strings; empty ones are ignored."""
        self._stops = [stop for stop in stops if stop]
        self._held = ""
        self.stopped = False

    def feed(self, text: str) -> str:
        """Take the next piece and return what is now certain to come before every stop string."""
        if self.stopped:
            return ""
        text = self._held + text
        found = [at for stop in self._stops if (at := text.find(stop)) >= 0]
        if found:
            self.stopped, self._held = True, ""
            return text[: min(found)]
        hold = max((n for stop in self._stops for n in range(1, len(stop)) if text.endswith(stop[:n])), default=0)
        self._held = text[len(text) - hold :]
        return text[: len(text) - hold]

    def close(self) -> str:
        """Return what was held back, now that the text has ended without a stop string."""
        held, self._held = self._held, ""
        return held


class Model:
    """A model in memory, and the one sequence of tokens that its context has read."""

    def __init__(
        self, lib: Any, path: str, context_length: int, threads: int, special: Sequence[str], words: deque[str]
    ) -> None:
        """Load the GGUF at `path`; `words` collects llama.cpp's complaints. Raises RequestError."""
        self.lib = lib
        params = lib.llama_model_default_params()
        params.n_gpu_layers = 999 if lib.llama_supports_gpu_offload() else 0
        self.model = lib.llama_model_load_from_file(os.fsencode(path), params)
        if not self.model:
            raise RequestError("model_invalid", reason=_first(words) or "llama.cpp could not load it")
        trained = lib.llama_model_n_ctx_train(self.model)
        self.context_length = min(context_length, trained) if trained > 0 else context_length
        self.chunk = self._chunk()
        self.ctx = lib.llama_init_from_model(self.model, self._context_params(threads))
        if not self.ctx:
            raise RequestError("model_invalid", reason=_first(words) or "llama.cpp could not make a context for it")
        self.vocab = lib.llama_model_get_vocab(self.model)
        self._vocabulary = lib.llama_vocab_n_tokens(self.vocab)
        least = self._metadata(LEAST_CERTAINTY)
        self.least_certainty = float(least) if least else None
        self._special = [marker for marker in special if len(self._tokens(marker, special=True)) == 1]
        self.memory = lib.llama_get_memory(self.ctx)
        self.recurrent = bool(lib.llama_model_is_recurrent(self.model) or lib.llama_model_is_hybrid(self.model))
        self.tokens: list[int] = []
        self._checkpoints: dict[int, bytes] = {}
        self._last_prompt: list[int] = []

    def _chunk(self) -> int:
        """Return how many tokens to read between two looks at whether the request was cancelled."""
        if self.lib.llama_supports_gpu_offload():
            return CHUNK_GPU
        low, high = CHUNK_LIMITS
        parameters = int(self.lib.llama_model_n_params(self.model))
        return max(low, min(high, CHUNK_WORK // max(1, parameters)))

    def _context_params(self, threads: int) -> Any:
        params = self.lib.llama_context_default_params()
        params.n_ctx = self.context_length
        params.n_batch = params.n_ubatch = self.chunk
        params.n_seq_max = 1
        params.n_threads = params.n_threads_batch = threads
        params.flash_attn_type = self.lib.LLAMA_FLASH_ATTN_TYPE_ENABLED
        params.no_perf = True
        return params

    def describe(self) -> dict[str, Any]:
        """Return what the metadata says: the name, the usable window in tokens and the chat template."""
        template = self.lib.llama_model_chat_template(self.model, None)
        return {
            "model": self._metadata("general.name"),
            "context_length": self.context_length,
            "chat_template": template.decode("utf-8", "replace") if template else None,
        }

    def _metadata(self, key: str) -> str | None:
        buffer = ctypes.create_string_buffer(1024)
        length = self.lib.llama_model_meta_val_str(self.model, key.encode(), buffer, len(buffer))
        return buffer.value.decode("utf-8", "replace") if length > 0 else None

    def tokenize(self, text: str) -> list[int]:
        """Return the tokens of a prompt: BOS only where the GGUF asks for it, and of special tokens our own alone.

        What else the vocabulary holds, such as `</s>` or `[INST]`, stands in a name or in the user's words, and is read
        as the characters it consists of.
        """
        tokens = [self.lib.llama_vocab_bos(self.vocab)] if self.lib.llama_vocab_get_add_bos(self.vocab) else []
        pieces = re.split(f"({'|'.join(map(re.escape, self._special))})", text) if self._special else [text]
        for number, piece in enumerate(pieces):
            tokens += self._tokens(piece, special=number % 2 == 1)
        return tokens

    def _tokens(self, text: str, *, special: bool) -> list[int]:
        data = text.encode("utf-8", "replace")
        size = len(data) + 8
        buffer = (self.lib.llama_token * size)()
        count = self.lib.llama_tokenize(self.vocab, data, len(data), buffer, size, False, special)
        return list(buffer[:count])

    def piece(self, token: int) -> bytes:
        """Return the bytes a token stands for; special tokens show, because a dialect may need them."""
        buffer = ctypes.create_string_buffer(64)
        length = self.lib.llama_token_to_piece(self.vocab, token, buffer, len(buffer), 0, True)
        if length < 0:
            buffer = ctypes.create_string_buffer(-length)
            length = self.lib.llama_token_to_piece(self.vocab, token, buffer, len(buffer), 0, True)
        return buffer.raw[:length]

    def log_probability(self, token: int) -> float:
        """Return the natural logarithm of the probability that the model gave to a token it may write next."""
        logits = self.lib.llama_get_logits_ith(self.ctx, -1)[: self._vocabulary]
        return float(logits[token] - math.log(sum(map(math.exp, logits))))

    def ends(self, token: int) -> bool:
        """Return whether the token ends an answer."""
        return bool(self.lib.llama_vocab_is_eog(self.vocab, token))

    def decode(self, tokens: Sequence[int]) -> None:
        """Read tokens, at most a chunk of them, after those that are already read. Raises RequestError."""
        array = (self.lib.llama_token * len(tokens))(*tokens)  # a batch only points to it
        status = self.lib.llama_decode(self.ctx, self.lib.llama_batch_get_one(array, len(tokens)))
        if status:
            self._forget()
            raise RequestError("failed", reason=f"llama_decode returned {status}")
        self.tokens.extend(tokens)

    def read(self, prompt: list[int], cancelled: Callable[[], bool], progress: Callable[[int], None]) -> int:
        """Read a prompt, or stop early when cancelled; return how many of its tokens need not be read again.

        At least the last token is read, because sampling needs what the model says after it.
        """
        self._last_prompt, last_prompt = prompt, self._last_prompt
        kept = at = self._rewind(prompt)
        # Where this prompt left the one before is where the next will leave this one: a state worth keeping.
        stations = {_common(prompt, last_prompt), len(prompt) - 1} if self.recurrent else set()
        while at < len(prompt) and not cancelled():
            end = min([at + self.chunk, len(prompt), *(station for station in stations if station > at)])
            self.decode(prompt[at:end])
            if self.recurrent and end < len(prompt):
                self._keep_checkpoint()
            at = end
            progress(at)
        return kept

    def _rewind(self, prompt: list[int]) -> int:
        """Go back to where the tokens read so far leave the prompt; return how many are kept."""
        kept = min(_common(self.tokens, prompt), len(prompt) - 1)
        if kept == len(self.tokens):
            return kept
        if not self.recurrent and self._cut(kept):
            return kept
        for at in sorted(self._checkpoints, reverse=True):
            if at <= kept and self._restore(at):
                return at
        self._forget()
        return 0

    def _cut(self, at: int) -> bool:
        if not self.lib.llama_memory_seq_rm(self.memory, 0, at, -1):
            return False
        del self.tokens[at:]
        return True

    def _keep_checkpoint(self) -> None:
        """Remember the recurrent state after the tokens read so far (the attention cache can simply be cut)."""
        flags = self.lib.LLAMA_STATE_SEQ_FLAGS_PARTIAL_ONLY
        size = self.lib.llama_state_seq_get_size_ext(self.ctx, 0, flags)
        if not 0 < size <= CHECKPOINT_BYTES:
            return
        buffer = (ctypes.c_uint8 * size)()
        if self.lib.llama_state_seq_get_data_ext(self.ctx, buffer, size, 0, flags) != size:
            return
        self._checkpoints[len(self.tokens)] = bytes(buffer)
        while len(self._checkpoints) * size > CHECKPOINT_BYTES:
            del self._checkpoints[min(self._checkpoints)]

    def _restore(self, at: int) -> bool:
        """Go back to a checkpoint; return whether that worked. The later ones are of another text from now on."""
        state = self._checkpoints[at]
        buffer = (ctypes.c_uint8 * len(state)).from_buffer_copy(state)
        flags = self.lib.LLAMA_STATE_SEQ_FLAGS_PARTIAL_ONLY
        restored = self.lib.llama_state_seq_set_data_ext(self.ctx, buffer, len(state), 0, flags) == len(state)
        if not (restored and self._cut(at)):
            return False
        self._checkpoints = {key: value for key, value in self._checkpoints.items() if key <= at}
        return True

    def _forget(self) -> None:
        self.lib.llama_memory_clear(self.memory, True)
        self.tokens = []
        self._checkpoints = {}


class Sampler:
    """Chooses the next token: greedy at temperature 0, and only what the grammar allows."""

    def __init__(self, model: Model, temperature: float, grammar: str | None) -> None:
        """Build the samplers; raises RequestError when the grammar cannot be read."""
        self._model = model
        self._lib = lib = model.lib
        self._seed = random.getrandbits(32)
        self._chain = self._new_chain(temperature)
        self._strict = self._grammar = None
        if grammar:
            self._grammar = lib.llama_sampler_init_grammar(model.vocab, grammar.encode(), b"root")
            if not self._grammar:
                self.close()
                raise RequestError("grammar_invalid", reason="llama.cpp cannot read it")
            self._strict = self._new_chain(temperature, self._grammar)

    def _new_chain(self, temperature: float, first: Any = None) -> Any:
        lib = self._lib
        chain = lib.llama_sampler_chain_init(lib.llama_sampler_chain_default_params())
        if first:
            lib.llama_sampler_chain_add(chain, first)
        if temperature <= 0:
            lib.llama_sampler_chain_add(chain, lib.llama_sampler_init_greedy())
            return chain
        lib.llama_sampler_chain_add(chain, lib.llama_sampler_init_top_k(40))
        lib.llama_sampler_chain_add(chain, lib.llama_sampler_init_top_p(0.95, 1))
        lib.llama_sampler_chain_add(chain, lib.llama_sampler_init_min_p(0.05, 1))
        lib.llama_sampler_chain_add(chain, lib.llama_sampler_init_temp(temperature))
        lib.llama_sampler_chain_add(chain, lib.llama_sampler_init_dist(self._seed))
        return chain

    def next(self) -> int:
        """Return the next token.

        The grammar is first asked about the one token the model would choose anyway; going through the whole
        vocabulary is slower by orders of magnitude.
        """
        lib, ctx = self._lib, self._model.ctx
        token = int(lib.llama_sampler_sample(self._chain, ctx, -1))
        if not self._grammar:
            return token
        if not self._allowed(token):
            return int(lib.llama_sampler_sample(self._strict, ctx, -1))
        if not self._model.ends(token):
            lib.llama_sampler_accept(self._grammar, token)
        return token

    def _allowed(self, token: int) -> bool:
        lib = self._lib
        one = (lib.llama_token_data * 1)(lib.llama_token_data(id=token, logit=1.0, p=0.0))
        candidates = lib.llama_token_data_array(data=one, size=1, selected=-1, sorted=False)
        lib.llama_sampler_apply(self._grammar, ctypes.byref(candidates))
        return float(one[0].logit) > float("-inf")

    def close(self) -> None:
        """Free the samplers; the strict chain owns the grammar."""
        for chain in filter(None, (self._chain, self._strict)):
            self._lib.llama_sampler_free(chain)
        self._chain = self._strict = self._grammar = None


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
        self._model_file = _sibling("model_file")
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
            self._lib = lib = _bindings()
        except Exception as error:
            self._no_lib = f"{type(error).__name__}: {error}"
            return
        self._log_callback = lib.llama_log_callback(self._log)
        lib.llama_log_set(self._log_callback, None)
        lib.llama_backend_init()
        self._confined = _sibling("confine").confine(path, driver=bool(lib.llama_supports_gpu_offload()))

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
        accepted = self._model_file.Fingerprint(**known) if known else None
        try:
            return self._model_file.examine(path, accepted, lambda: self._send(number, read=0))
        except self._model_file.ModelFileError as error:
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
        model.read(prompt, lambda: False, lambda _: None)
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
        prompt = model.tokenize(request["prompt"])
        if not prompt:
            raise RequestError("failed", reason="the prompt is empty")
        if len(prompt) >= model.context_length:
            raise RequestError("prompt_too_long", tokens=len(prompt), context_length=model.context_length)
        started = time.perf_counter()
        cached = model.read(prompt, lambda: number in self._cancelled, lambda read: self._send(number, read=read))
        seconds = time.perf_counter() - started
        return model, {"prompt_tokens": len(prompt), "cached_tokens": cached, "prefill_s": seconds}

    def _write_answer(self, model: Model, sampler: Sampler, request: dict[str, Any]) -> int:
        """Send the answer piece by piece; return how many tokens it has."""
        number = request["id"]
        stop = StopFilter(request["stop"])
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        room = min(int(request["max_tokens"]), model.context_length - len(model.tokens))
        certainty, doubt = 0.0, dict[str, bool]()
        for written in range(room):
            if number in self._cancelled:
                return written
            token = sampler.next()
            if model.ends(token):
                break
            if model.least_certainty is not None and not doubt:
                certainty += model.log_probability(token)
                doubt = {"doubtful": True} if certainty < model.least_certainty else {}
            if text := stop.feed(decoder.decode(model.piece(token))):
                self._send(number, text=text, **doubt)
            if stop.stopped:
                return written + 1
            if written + 1 < room:
                model.decode([token])
        else:
            written = room
        # A character cut off by max_tokens is left out; whole text that only looked like a stop string is not.
        if text := stop.close():
            self._send(number, text=text)
        return written


def _sibling(name: str) -> Any:
    """Import a module that lies beside this script; the others there are Home Assistant's side."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look themselves up there
    spec.loader.exec_module(module)
    return module


def _bindings() -> Any:
    """Import the C API alone: what the package's own `__init__` brings besides (numpy, Jinja) takes 0.6 s and 26 MB."""
    found = importlib.util.find_spec("llama_cpp")
    if found is None or found.submodule_search_locations is None:
        raise ImportError("No module named 'llama_cpp'")
    package = types.ModuleType("llama_cpp")
    package.__path__ = list(found.submodule_search_locations)
    sys.modules["llama_cpp"] = package
    return importlib.import_module("llama_cpp.llama_cpp")


def _complain(words: str) -> None:
    """Write to stderr, from where the last words of a process that ends are taken."""
    with contextlib.suppress(OSError):
        sys.stderr.write(words.rstrip("\n") + "\n")
        sys.stderr.flush()


def _first(words: deque[str]) -> str:
    """Return the first complaint: what follows it only says that loading failed."""
    return next((word for word in words if word), "")


def _common(one: Sequence[int], other: Sequence[int]) -> int:
    """Return how many tokens two sequences share from the start on."""
    count = 0
    for left, right in zip(one, other, strict=False):
        if left != right:
            break
        count += 1
    return count


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


if __name__ == "__main__":
    main()
