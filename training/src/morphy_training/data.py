"""From generated examples to batches: render, tokenize, weigh every token.

A sequence is one home and several exchanges about it. Step `n` of a run draws its sequences from a stream of its own,
seeded by the run's seed and `n`, so a run that was killed goes on with exactly the data it would have had.
"""

from __future__ import annotations

import random
import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import torch
from transformers import PreTrainedTokenizerFast

from .dialect import Answer, Dialect, Home, Turn
from .errors import RecipeError
from .tokenizer import END_OF_TEXT

_MESSAGE = re.compile(r"<\|im_start\|>(\w+)\n(.*?)<\|im_end\|>\n?", re.DOTALL)
_COPIED_ID = re.compile(r'" [a-z_]+\.([a-z0-9_]+)')
_CALL = re.compile(r"[a-z_]+\.[a-z0-9_]+\(.*\)")

HELD_OUT = 1 << 40
"""Streams from this seed on are never trained on: evaluation draws its homes there."""


class Exchange(Protocol):
    """One request and the answer to it, its kind, and whether it is about a name that training homes do not share."""

    @property
    def request(self) -> str:
        """What is said."""

    @property
    def answer(self) -> Answer:
        """What is right to do and to say."""

    @property
    def category(self) -> str:
        """The kind of request, for tables."""

    @property
    def unseen(self) -> bool:
        """Whether it is about a name that training homes do not share."""


class Example(Protocol):
    """A home and independent requests about it, as the generator makes them."""

    @property
    def home(self) -> Home:
        """The home."""

    @property
    def turns(self) -> Sequence[Exchange]:
        """The exchanges; none knows of the others."""


class Source(Protocol):
    """A generator: an endless stream of examples from a seed.

    Difficulty 0 has the smallest homes, 1 the full range; held-out homes are made of names that no other home has.
    """

    def __call__(self, seed: int, *, difficulty: float = 1.0, heldout: bool = False) -> Iterator[Example]:
        """Examples without end, the same for the same arguments."""


@dataclass(frozen=True, slots=True)
class Weights:
    """What a token counts in the loss: of an answer, of an id that follows its name in the listing, of the rest."""

    answer: float
    copy: float = 0.0
    rest: float = 0.0


@dataclass(frozen=True, slots=True)
class Span:
    """An answer inside a sequence: token positions, with those of its call lines, and what kind of request it is.

    `acts` tells whether there are calls. Where there are none, the first token of the speech stands for them: there the
    model decides not to call.
    """

    start: int
    end: int
    calls: tuple[tuple[int, int], ...]
    category: str
    unseen: bool
    acts: bool


@dataclass(frozen=True, slots=True)
class Sample:
    """A sequence of token ids, the weight of each as a target, and where its answers are."""

    ids: list[int]
    weights: list[float]
    spans: tuple[Span, ...]


def generator(languages: Sequence[str] = ("en",)) -> Source:
    """The generator of this package, in one language or several; imported late, so that tests can do without it.

    Raises RecipeError for a language that has no files.
    """
    from .generator import mixed
    from .generator.language import DATA

    known = sorted(folder.name for folder in DATA.iterdir())
    if not languages or set(languages) - set(known):
        raise RecipeError(f"Languages are some of {', '.join(known)}, not {', '.join(languages) or 'none'}.")
    return partial(mixed, languages=languages)


def step_seed(seed: int, step: int) -> int:
    """The seed of the stream that step `step` of a run draws from."""
    return random.Random(f"{seed}:{step}").randrange(HELD_OUT)


def render(example: Example, dialect: Dialect, turns: int | None = None) -> str:
    """The whole conversation as ChatML, through the dialect's own code, with `<|im_end|>` after the last answer.

    `turns` cuts it after so many exchanges.
    """
    *earlier, last = list(example.turns)[:turns]
    history = [Turn(one.request, dialect.write(one.answer, example.home)) for one in earlier]
    prompt = dialect.prompt(example.home, dialect.default_instructions, last.request, history)
    return f"{prompt}{dialect.write(last.answer, example.home)}{dialect.stop[0]}"


def plain(chat: str) -> str:
    """The same conversation without ChatML, for a base model that has no such tokens yet."""
    return "".join(
        f"{role}\n{text}{END_OF_TEXT if role == 'assistant' else ''}\n" for role, text in _MESSAGE.findall(chat + "\n")
    )


class Encoder:
    """Turns examples into Samples, in ChatML when the tokenizer knows it, plain otherwise."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast, dialect: Dialect, weights: Weights, context: int) -> None:
        """`context` is the longest sequence, in tokens; what is longer loses its last exchanges."""
        self._tokenizer = tokenizer
        self._dialect = dialect
        self._weights = weights
        self._context = context
        self._chatml = tokenizer.eos_token == dialect.stop[0]

    def __call__(self, example: Example) -> Sample | None:
        """The Sample, or None when not even the first exchange fits the context."""
        for turns in range(len(example.turns), 0, -1):
            sample = self._encode(example, turns)
            if len(sample.ids) <= self._context:
                return sample
        return None

    def _encode(self, example: Example, turns: int) -> Sample:
        text = render(example, self._dialect, turns)
        end, before = (self._dialect.stop[0], "<|im_start|>") if self._chatml else (END_OF_TEXT, "")
        text = text if self._chatml else plain(text)
        encoding = self._tokenizer.backend_tokenizer.encode(text, add_special_tokens=False)
        starts = [start for start, _ in encoding.offsets]
        weights = [self._weights.rest] * len(starts)
        body = text.find(f"{before}user\n")
        for copied in _COPIED_ID.finditer(text, 0, body):
            _paint(weights, _tokens(starts, *copied.span(1)), self._weights.copy)
        spans = []
        position = body
        for exchange in list(example.turns)[:turns]:
            answer = self._dialect.write(exchange.answer, example.home)
            position = text.index(f"{before}assistant\n{answer}{end}", position) + len(f"{before}assistant\n")
            first, last = _tokens(starts, position, position + len(answer) + 1)
            lines = list(_call_lines(answer)) or [(answer.rfind("\n") + 1, answer.rfind("\n") + 2)]
            calls = tuple(_tokens(starts, position + begin, position + stop) for begin, stop in lines)
            acts = bool(exchange.answer.actions)
            spans.append(Span(first, last, calls, exchange.category, exchange.unseen, acts))
            _paint(weights, (first, last), self._weights.answer)
            position += len(answer)
        return Sample(encoding.ids, weights, tuple(spans))


def _call_lines(answer: str) -> Iterator[tuple[int, int]]:
    position = 0
    for line in answer.split("\n"):
        if _CALL.fullmatch(line):
            yield position, position + len(line)
        position += len(line) + 1


def _tokens(starts: list[int], begin: int, end: int) -> tuple[int, int]:
    """Token positions of the characters from `begin` to `end`: those tokens that start there."""
    return bisect_left(starts, begin), bisect_left(starts, end)


def _paint(weights: list[float], span: tuple[int, int], weight: float) -> None:
    weights[span[0] : span[1]] = [weight] * (span[1] - span[0])


def samples(
    source: Source, encoder: Encoder, seed: int, *, difficulty: float = 1.0, heldout: bool = False
) -> Iterator[Sample]:
    """An endless stream of Samples; those that do not fit the context are left out."""
    for example in source(seed, difficulty=difficulty, heldout=heldout):
        if (sample := encoder(example)) is not None:
            yield sample


def draw(stream: Iterator[Sample], tokens: int) -> list[Sample]:
    """Samples of at least `tokens` tokens together."""
    drawn: list[Sample] = []
    count = 0
    while count < tokens:
        drawn.append(next(stream))
        count += len(drawn[-1].ids)
    return drawn


def micro_batches(batch: list[Sample], tokens: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Token ids and weights, both [batch, length], of samples of like length; at most `tokens` a piece with padding.

    Padding stands on the right, where a causal model needs no mask for it, and weighs nothing.
    """
    ordered = sorted(batch, key=lambda sample: len(sample.ids))
    while ordered:
        count = 1
        while count < len(ordered) and len(ordered[count].ids) * (count + 1) <= tokens:
            count += 1
        yield collate(ordered[:count])
        del ordered[:count]


def collate(group: Sequence[Sample]) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids and weights, both [batch, length], padded on the right with zeros."""
    length = max(len(sample.ids) for sample in group)
    ids = torch.tensor([sample.ids + [0] * (length - len(sample.ids)) for sample in group])
    weights = torch.tensor([sample.weights + [0.0] * (length - len(sample.weights)) for sample in group])
    return ids, weights
