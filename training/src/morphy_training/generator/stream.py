"""The endless stream of homes and of what is asked in them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from ..dialect.home import Answer, Home
from .compose import next_wish
from .evidence import spoken
from .homes import make_world
from .language import load_language
from .noise import finished
from .speaker import Speaker

_REQUESTS = (4, 6, 8, 8, 8)
_RARE = (1, 2, 3, 5, 7)


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and the answer to it.

    `category` names the kind of request; `unseen` tells that the answer is about a name made of words that training
    homes do not share.
    """

    request: str
    answer: Answer
    category: str
    unseen: bool


@dataclass(frozen=True, slots=True)
class Example:
    """One home and one to eight requests about it, each on its own: none knows of the others."""

    home: Home
    turns: tuple[Exchange, ...]


def stream(seed: int, *, difficulty: float = 1.0, language: str = "en", heldout: bool = False) -> Iterator[Example]:
    """Yield examples without end, the same for the same arguments.

    `difficulty` goes from 0 (2-4 devices, plain sentences) to 1 (3-40 devices, everything people say). `heldout` makes
    homes of the nouns, rooms and first names that are in no other home.
    """
    words = load_language(language)
    random = Random(f"{seed}/{language}/{heldout}")
    while True:
        world = make_world(random, words, difficulty, heldout)
        speaker = Speaker(random, words, world, difficulty)
        count = speaker.pick(_REQUESTS if speaker.chance(0.85) else _RARE)
        turns = []
        for _ in range(count):
            wish = next_wish(speaker)
            answer = spoken(world.home, wish.answer, wish.text)
            turns.append(Exchange(finished(speaker, wish), answer, wish.category, wish.unseen))
        yield Example(world.home, tuple(turns))
