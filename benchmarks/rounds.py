"""How long the benchmarks go on, and whom they tell."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Final

LEAST_ROUNDS: Final = 4
MOST_ROUNDS: Final = 40

type Report = Callable[[str], None]
"""Is told of each step."""


def rounds(seconds: float, least: int = LEAST_ROUNDS) -> Iterator[int]:
    """Count the rounds that can be begun in so many seconds: at least some of them, however slow the machine is."""
    began = time.monotonic()
    for number in range(MOST_ROUNDS):
        if number >= least and time.monotonic() - began > seconds:
            return
        yield number


class Clock:
    """Prints what is being done, and the seconds since the start."""

    def __init__(self) -> None:
        """Start it."""
        self._began = time.monotonic()

    def __call__(self, what: str) -> None:
        """Print a line."""
        print(f"[{time.monotonic() - self._began:6.1f} s] {what}", flush=True)
