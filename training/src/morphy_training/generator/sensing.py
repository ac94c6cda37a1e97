"""Homes full of sensors: several of one class in several rooms, beside many other classes."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

_SHARE_OF_HOMES = 0.45
_MOST_OF_A_CLASS = 7
_MANY = 16
"""So many there are at most in the few homes that have one thing in every corner: lights, blinds, windows."""
_SHARE_WITH_MANY = 0.1
_KINDS_OF_MANY = ("light", "light", "blind", "switch", "lock", "binary window", "binary door", "window_cover")
_COMMON = (
    "binary door", "binary window", "binary motion", "sensor temperature", "sensor humidity", "sensor battery",
    "binary moisture", "binary smoke", "binary battery", "sensor power", "binary occupancy", "binary connectivity",
)  # fmt: skip
"""What people have one of in many rooms."""


def clustered(random: Random, kinds: Sequence[str], sensors: Sequence[str], difficulty: float) -> list[str]:
    """Return as many kinds; in a good part of the homes up to two thirds of them are now a few classes of sensor.

    In a few a good part are of one kind, not always one of sensor. `sensors` are the kinds of sensor that the language
    has words for.
    """
    chosen = list(kinds)
    many = [kind for kind in _KINDS_OF_MANY if kind in chosen]
    if many and random.random() < _SHARE_WITH_MANY * difficulty:
        kind = random.choice(many)
        for place in random.sample(range(len(chosen)), min(_MANY, len(chosen) * 2 // 3)):
            chosen[place] = kind
        return chosen
    if random.random() > _SHARE_OF_HOMES * difficulty:
        return chosen
    common = [kind for kind in _COMMON if kind in sensors]
    wanted = int(len(chosen) * (0.25 + 0.4 * random.random()))
    added: list[str] = []
    while len(added) < wanted:
        often = bool(common) and random.random() < 0.55
        kind = random.choice(common if often else sensors)
        added += [kind] * (1 + int(random.random() * (_MOST_OF_A_CLASS if often else 3)))
    for place, kind in zip(random.sample(range(len(chosen)), wanted), added, strict=False):
        chosen[place] = kind
    return chosen
