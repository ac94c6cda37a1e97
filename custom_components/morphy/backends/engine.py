"""The model in llama.cpp: loads it, turns text into tokens, and reads prompts, of which it reads nothing twice.

Part of the worker process: standard library and llama_cpp only. What was read before is found again in three ways:
- The next prompt of an agent begins like its last one. A model of attention alone is cut back to where they part. One
  with a recurrent state cannot be cut, so it goes back to a checkpoint, a copy of that state, before that place.
- Prompts of different families, of two agents say, share little. The reading of the one is kept on a shelf in ordinary
  memory while the other's is in the model; to copy it costs a hundredth of reading it again.
- A new family may begin like a prompt that is on the shelf: it begins with a copy.
"""

from __future__ import annotations

import ctypes
import importlib
import importlib.util
import math
import os
import re
import sys
import types
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from .shelf import Shelf, Slot, common_length

LEAST_CERTAINTY = "morphy.least_certainty"
"""GGUF metadata of our own: the logarithm of the least probability at which an answer's calls are worth making."""
DIALECT = "morphy.dialect"
LANGUAGES = "morphy.languages"
"""GGUF metadata of our own: the codes of the languages a model was trained on, with commas between."""
CHUNK_WORK = 2**34
"""Tokens times parameters that are read in one go: between two chunks a request can be cancelled."""
CHUNK_LIMITS = (32, 128)
"""Tokens a chunk has at least and at most on a CPU, where longer ones are read no faster."""
CHUNK_GPU = 512
CHECKPOINT_EVERY = 64
"""Tokens between two checkpoints of a recurrent state; what lies between them and a change is read again."""
CHECKPOINT_EVERY_AT_END = 16
END = 96
"""Tokens at the end of a prompt that have more checkpoints."""
CHECKPOINT_BYTES = 64 * 2**20
"""Memory the checkpoints of one prompt may take."""
WORTH_COPYING = 32
"""Tokens that a copy of an earlier slot must save; fewer are read about as fast."""
SHELF_BYTES = 512 * 2**20
SHELF_PART = 16
"""The shelf may take this part of the machine's memory, and no more than SHELF_BYTES."""


class RequestError(Exception):
    """A request that cannot be carried out: `kind` and what else the answer says."""

    def __init__(self, kind: str, **details: Any) -> None:
        """Keep the answer to be sent."""
        super().__init__(kind)
        self.answer = {"error": kind, **details}


class Model:
    """A model in memory, and what its context has read."""

    def __init__(
        self, lib: Any, path: str, context_length: int, threads: int, special: Sequence[str], words: deque[str]
    ) -> None:
        """Load the GGUF at `path`; `words` collects llama.cpp's complaints. Raises RequestError."""
        self.lib = lib
        self._gpu = bool(lib.llama_supports_gpu_offload())
        params = lib.llama_model_default_params()
        params.n_gpu_layers = 999 if self._gpu else 0
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
        self._special = tuple(special)
        self._patterns: dict[tuple[str, ...], re.Pattern[str] | None] = {}
        self.memory = lib.llama_get_memory(self.ctx)
        self.recurrent = bool(lib.llama_model_is_recurrent(self.model) or lib.llama_model_is_hybrid(self.model))
        self.can_take_back = not self.recurrent
        """Whether tokens just read can be taken back at no cost."""
        self._slot = Slot()
        self._shelf = Shelf(min(SHELF_BYTES, _machine_memory() // SHELF_PART))

    @property
    def tokens(self) -> list[int]:
        """The tokens that the context has read."""
        return self._slot.tokens

    def _chunk(self) -> int:
        """Return how many tokens to read between two looks at whether the request was cancelled."""
        if self._gpu:
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
        # On a CPU it reads fewer than 64 tokens five times slower, and a turn reads few (docs/performance.md).
        enabled, disabled = self.lib.LLAMA_FLASH_ATTN_TYPE_ENABLED, self.lib.LLAMA_FLASH_ATTN_TYPE_DISABLED
        params.flash_attn_type = enabled if self._gpu else disabled
        params.no_perf = True
        return params

    def describe(self) -> dict[str, Any]:
        """Return what the metadata says: name, usable window in tokens, chat template and languages."""
        template = self.lib.llama_model_chat_template(self.model, None)
        return {
            "model": self._metadata("general.name"),
            "context_length": self.context_length,
            "chat_template": template.decode("utf-8", "replace") if template else None,
            "languages": self._languages(),
            "dialect": self._metadata(DIALECT),
        }

    def _languages(self) -> list[str] | None:
        """Return what a model of ours was trained on: English alone, before the metadata told."""
        languages = self._metadata(LANGUAGES) or ("en" if self._metadata(DIALECT) else "")
        return languages.split(",") if languages else None

    def _metadata(self, key: str) -> str | None:
        buffer = ctypes.create_string_buffer(1024)
        length = self.lib.llama_model_meta_val_str(self.model, key.encode(), buffer, len(buffer))
        return buffer.value.decode("utf-8", "replace") if length > 0 else None

    def tokenize(self, text: str, special: Sequence[str] = ()) -> list[int]:
        """Return the tokens of a prompt: BOS only where the GGUF asks for it, and of special tokens these alone.

        Without any, they are those that the model was loaded with. What else the vocabulary holds, such as `</s>` or
        `[INST]`, stands in a name or in the user's words, and is read as the characters it consists of.
        """
        pattern = self._pattern(tuple(special) or self._special)
        tokens = [self.lib.llama_vocab_bos(self.vocab)] if self.lib.llama_vocab_get_add_bos(self.vocab) else []
        pieces = pattern.split(text) if pattern else [text]
        for number, piece in enumerate(pieces):
            tokens += self._tokens(piece, special=number % 2 == 1)
        return tokens

    def _pattern(self, special: tuple[str, ...]) -> re.Pattern[str] | None:
        """Return what finds those of the strings that are tokens of this model; None where none is."""
        if special not in self._patterns:
            known = [marker for marker in special if len(self._tokens(marker, special=True)) == 1]
            self._patterns[special] = re.compile(f"({'|'.join(map(re.escape, known))})") if known else None
        return self._patterns[special]

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

    def log_probability(self, token: int, place: int = -1) -> float:
        """Return the natural logarithm of the probability that the model gave to a token it may write next.

        `place` is that of the token before it among those of the last `decode`; negative ones count from the end.
        """
        logits = self.lib.llama_get_logits_ith(self.ctx, place)[: self._vocabulary]
        return float(logits[token] - math.log(sum(map(math.exp, logits))))

    def log_share(self, grammar: Any, place: int) -> float:
        """Return the natural logarithm of the probability that the model gives to all that a grammar allows here."""
        logits = self.lib.llama_get_logits_ith(self.ctx, place)[: self._vocabulary]
        data = (self.lib.llama_token_data * self._vocabulary)(
            *(self.lib.llama_token_data(id=token, logit=logit, p=0.0) for token, logit in enumerate(logits))
        )
        candidates = self.lib.llama_token_data_array(data=data, size=self._vocabulary, selected=-1, sorted=False)
        self.lib.llama_sampler_apply(grammar, ctypes.byref(candidates))
        allowed = sum(math.exp(one.logit) for one in data[: candidates.size])
        return math.log(allowed / sum(map(math.exp, logits))) if allowed else 0.0

    def ends(self, token: int) -> bool:
        """Return whether the token ends an answer."""
        return bool(self.lib.llama_vocab_is_eog(self.vocab, token))

    def decode(self, tokens: Sequence[int], wanted: int = 1) -> None:
        """Read tokens, at most a chunk of them, after those that are already read. Raises RequestError.

        What the model says is known after the last `wanted` of them.
        """
        array = (self.lib.llama_token * len(tokens))(*tokens)  # a batch only points to it
        batch = self.lib.llama_batch_get_one(array, len(tokens))
        if wanted > 1:
            silent = len(tokens) - wanted
            batch.logits = (ctypes.c_int8 * len(tokens))(*[0] * silent, *[1] * wanted)
        status = self.lib.llama_decode(self.ctx, batch)
        if status:
            self._forget()
            raise RequestError("failed", reason=f"llama_decode returned {status}")
        self.tokens.extend(tokens)

    def read(
        self, prompt: list[int], family: str, cancelled: Callable[[], bool], progress: Callable[[int], None]
    ) -> int:
        """Read a prompt, or stop early when cancelled; return how many of its tokens need not be read again.

        Prompts of one `family` follow one another, so only the last of them is worth keeping. At least the last token
        is read, because sampling needs what the model says after it.
        """
        self._take_up(prompt, family)
        last_prompt = self._slot.last_prompt
        kept = at = self._rewind(prompt)
        self._slot.last_prompt = prompt
        stations = self._stations(prompt, last_prompt) if self.recurrent else []
        while at < len(prompt) and not cancelled():
            end = min([at + self.chunk, len(prompt), *(station for station in stations if station > at)])
            self.decode(prompt[at:end])
            if self.recurrent and end < len(prompt):
                self._keep_checkpoint()
            at = end
            progress(at)
        return kept

    def _stations(self, prompt: list[int], last_prompt: list[int]) -> list[int]:
        """Return where a recurrent state is worth keeping.

        Where this prompt left the one before, the next will leave this one; or anywhere where the home changes; and
        most likely near the end, where the time and the request are.
        """
        length = len(prompt)
        return [
            common_length(prompt, last_prompt),
            length - 1,
            *range(CHECKPOINT_EVERY, length, CHECKPOINT_EVERY),
            *range(length - END, length, CHECKPOINT_EVERY_AT_END),
        ]

    def _take_up(self, prompt: list[int], family: str) -> None:
        """Have in the context whichever slot has most in common with a prompt; the other family's is kept."""
        here = common_length(self.tokens, prompt)
        found, there = self._shelf.best(prompt)
        if family != self._slot.family and len(self.tokens) - here > WORTH_COPYING:
            self._put_away()
        if found is not None and there - here > WORTH_COPYING:
            self._bring_back(found)
        self._slot.family = family
        self._shelf.remove(family)

    def _put_away(self) -> None:
        """Copy what the context has read onto the shelf, if there is room."""
        size = self.lib.llama_state_seq_get_size(self.ctx, 0)
        if not self._shelf.has_room(size):
            return
        state = (ctypes.c_uint8 * size)()
        if self.lib.llama_state_seq_get_data(self.ctx, state, size, 0) == size:
            self._shelf.put(self._slot.copy(state))

    def _bring_back(self, slot: Slot) -> None:
        """Make a slot from the shelf the context's own."""
        size = len(slot.state)
        self._forget()
        if self.lib.llama_state_seq_set_data(self.ctx, slot.state, size, 0) == size:
            self._slot = slot.copy()
        else:
            self._forget()

    def _rewind(self, prompt: list[int]) -> int:
        """Go back to where the tokens read so far leave the prompt; return how many are kept."""
        kept = min(common_length(self.tokens, prompt), len(prompt) - 1)
        if kept == len(self.tokens):
            return kept
        if not self.recurrent and self._cut(kept):
            return kept
        for at in sorted(self._slot.checkpoints, reverse=True):
            if at <= kept and self._restore(at, self._slot.checkpoints[at]):
                return at
        self._forget()
        return 0

    def take_back(self, count: int) -> None:
        """Be as if the last tokens had not been read. Raises RequestError."""
        if not self._cut(len(self.tokens) - count):
            self._forget()
            raise RequestError("failed", reason="the model cannot take tokens back")

    def _cut(self, at: int) -> bool:
        if not self.lib.llama_memory_seq_rm(self.memory, 0, at, -1):
            return False
        del self.tokens[at:]
        return True

    def _keep_checkpoint(self) -> None:
        """Remember the recurrent state after the tokens read so far (the attention cache can simply be cut)."""
        state = self._recurrent_state()
        if state is None:
            return
        checkpoints = self._slot.checkpoints
        checkpoints[len(self.tokens)] = state
        while len(checkpoints) * len(state) > CHECKPOINT_BYTES:
            del checkpoints[min(checkpoints)]

    def _recurrent_state(self) -> Any:
        """Return a copy of the recurrent state; None when there is none, or it is too large."""
        flags = self.lib.LLAMA_STATE_SEQ_FLAGS_PARTIAL_ONLY
        size = self.lib.llama_state_seq_get_size_ext(self.ctx, 0, flags)
        if not 0 < size <= CHECKPOINT_BYTES:
            return None
        state = (ctypes.c_uint8 * size)()
        return state if self.lib.llama_state_seq_get_data_ext(self.ctx, state, size, 0, flags) == size else None

    def _restore(self, at: int, state: Any) -> bool:
        """Go back to a recurrent state; return whether that worked. Later ones are of another text from now on."""
        flags = self.lib.LLAMA_STATE_SEQ_FLAGS_PARTIAL_ONLY
        restored = self.lib.llama_state_seq_set_data_ext(self.ctx, state, len(state), 0, flags) == len(state)
        if not (restored and self._cut(at)):
            return False
        checkpoints = self._slot.checkpoints
        self._slot.checkpoints = {key: value for key, value in checkpoints.items() if key <= at}
        return True

    def _forget(self) -> None:
        self.lib.llama_memory_clear(self.memory, True)
        self._slot = Slot(family=self._slot.family)


def bindings() -> Any:
    """Import the C API alone: what the package's own `__init__` brings besides (numpy, Jinja) takes 0.6 s and 26 MB."""
    found = importlib.util.find_spec("llama_cpp")
    if found is None or found.submodule_search_locations is None:
        raise ImportError("No module named 'llama_cpp'")
    package = types.ModuleType("llama_cpp")
    package.__path__ = list(found.submodule_search_locations)
    sys.modules["llama_cpp"] = package
    return importlib.import_module("llama_cpp.llama_cpp")


def _first(words: deque[str]) -> str:
    """Return the first complaint: what follows it only says that loading failed."""
    return next((word for word in words if word), "")


def _machine_memory() -> int:
    """Return the machine's memory in bytes; as little as a small machine has where nobody can tell."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return 2**30
