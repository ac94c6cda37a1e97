"""The endless stream of homes and of what is asked in them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

from ..dialect.home import Answer, Home
from .compose import next_wish
from .evidence import spoken
from .followups import Said, first, follow_up, unclear_after
from .homes import make_world
from .language import load_language
from .noise import finished
from .speaker import Speaker

_REQUESTS = ((8, (8, 10, 12, 14)), (15, (8, 8, 10, 12)), (99, (4, 6, 8, 8, 8)))
"""How many requests a home of at most so many devices gets: its listing costs as much as many answers."""
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
    """One home and one to fourteen requests about it: most on their own, some leaning on the one before."""

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
        turns = []
        before: Said | None = None
        for _ in range(_count(speaker)):
            turn = follow_up(speaker, before)
            before = turn if turn and world.allows(turn.wish.answer) else _fresh(speaker, before)
            wish = before.wish
            answer = spoken(world.home, wish.answer, before.heard)
            turns.append(Exchange(finished(speaker, wish), answer, wish.category, wish.unseen))
        yield Example(world.home, tuple(turns))


def mixed(
    seed: int, *, difficulty: float = 1.0, languages: Sequence[str] = ("en",), heldout: bool = False
) -> Iterator[Example]:
    """Yield examples in several languages, each as often as the others: one home speaks one language."""
    sources = [stream(seed, difficulty=difficulty, language=language, heldout=heldout) for language in languages]
    random = Random(f"{seed}/{'/'.join(languages)}")
    while True:
        yield next(sources[int(random.random() * len(sources))])


def _count(speaker: Speaker) -> int:
    if not speaker.chance(0.85):
        return speaker.pick(_RARE)
    size = len(speaker.home.devices)
    return speaker.pick(next(counts for most, counts in _REQUESTS if size <= most))


def _fresh(speaker: Speaker, before: Said | None) -> Said:
    """Return a request that the home is able to meet, and that cannot be taken for a follow-up of the one before."""
    wish = next_wish(speaker)
    while not speaker.world.allows(wish.answer) or unclear_after(speaker, before, wish):
        wish = next_wish(speaker)
    return first(wish)
