"""Chooses the tokens of an answer. Part of the worker process: standard library and llama_cpp only.

An answer repeats much of its prompt, such as the ids of devices. So what stood in the prompt after the same tokens is
guessed to come again, and the guess is read together with the token before it: a few tokens in one go take a model less
time than one after the other. Each is then chosen as ever; what was guessed wrong is taken back, and nothing of it
shows in the answer. A recurrent state cannot take tokens back, and to restore it costs more than is gained.
"""

from __future__ import annotations

import ctypes
import random
from collections.abc import Iterator, Sequence
from typing import Any

from .engine import Model, RequestError

GUESS = 4
"""Tokens that are guessed at a time."""
ALIKE = (6, 3)
"""Tokens that must have come before: so many are looked for, then fewer, down to the second number."""


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


class Sampler:
    """Chooses the next token: greedy at temperature 0, and only what the grammar allows."""

    def __init__(self, model: Model, temperature: float, grammar: str | None) -> None:
        """Build the samplers; raises RequestError when the grammar cannot be read."""
        self._model = model
        self._lib = lib = model.lib
        self._seed = random.getrandbits(32)
        self._chain = self._new_chain(temperature)
        self._strict = self._grammar = None
        self._left = 0.0
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

    def next(self, place: int = -1) -> int:
        """Return the token that comes after the one in this place of the last batch.

        The grammar is first asked about the one token the model would choose anyway; going through the whole
        vocabulary is slower by orders of magnitude.
        """
        lib, ctx = self._lib, self._model.ctx
        token = int(lib.llama_sampler_sample(self._chain, ctx, place))
        self._left = 0.0
        if not self._grammar:
            return token
        if not self._allowed(token):
            if self._model.least_certainty is not None:
                self._left = self._model.log_share(self._grammar, place)
            return int(lib.llama_sampler_sample(self._strict, ctx, place))
        if not self._model.ends(token):
            lib.llama_sampler_accept(self._grammar, token)
        return token

    def log_probability(self, token: int, place: int) -> float:
        """Return the natural logarithm of the probability of the token just chosen, among what the grammar allows.

        Where the model's own choice was allowed, what else was not is not looked at, and counts as if it were.
        """
        return self._model.log_probability(token, place) - self._left

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


class Lookup:
    """Guesses how a text goes on: as it did when it last held the same few tokens."""

    def __init__(self, tokens: Sequence[int]) -> None:
        """Begin with a text."""
        self._text = "".join(map(chr, tokens))  # a string is searched faster than a list

    def add(self, token: int) -> None:
        """Go on with a token."""
        self._text += chr(token)

    def guess(self, most: int) -> list[int]:
        """Return at most so many tokens that may come next."""
        for alike in range(ALIKE[0], ALIKE[1] - 1, -1):
            at = self._text.rfind(self._text[-alike:], 0, -1)
            if at >= 0:
                return [ord(character) for character in self._text[at + alike : at + alike + most]]
        return []


def write(model: Model, sampler: Sampler) -> Iterator[tuple[int, int]]:
    """Yield the tokens that come after those the model has read, each with its place in the model's last batch.

    A token is read when the next one is wanted. Does not end by itself.
    """
    lookup = Lookup(model.tokens)
    guess: list[int] = []
    while True:
        right = 0
        for place in range(-1 - len(guess), 0):
            token = sampler.next(place)
            yield token, place
            lookup.add(token)
            if place == -1 or token != guess[right]:
                break
            right += 1
        if right < len(guess):
            model.take_back(len(guess) - right)
        if model.can_take_back:
            guess = lookup.guess(min(GUESS, model.context_length - len(model.tokens) - 1))
        model.decode([token, *guess], wanted=1 + len(guess))
