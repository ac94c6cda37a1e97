"""What a conversation is to hold, drawn from a seed before anything is written: its functions, and what is asked."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from ..dialect import Tool

KINDS: dict[str, tuple[int, ...]] = {"no call": (), "one call": (1,), "several calls": (2,), "next call": (1, 1)}
"""What a request needs: how many calls at once, and how many more after their results."""

_SHARES = {"no call": 2, "one call": 4, "several calls": 2, "next call": 2}
_MOST_TOOLS = 5
_MOST_EXCHANGES = 3


@dataclass(frozen=True, slots=True)
class Plan:
    """A conversation to be written: functions that are offered in it, and the kind of each request, in turn."""

    number: int
    tools: tuple[Tool, ...]
    kinds: tuple[str, ...]


def draw(number: int, functions: Sequence[Tool], seed: int) -> Plan:
    """The plan of the conversation of this number: the same for the same seed and functions."""
    dice = random.Random(f"{seed}/{number}")
    tools = dice.sample(list(functions), min(len(functions), dice.randint(1, _MOST_TOOLS)))
    kinds = dice.choices(list(_SHARES), list(_SHARES.values()), k=dice.randint(1, _MOST_EXCHANGES))
    return Plan(number, tuple(tools), tuple(kinds))
