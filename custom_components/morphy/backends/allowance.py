"""How much a model may work without being asked: a share of the time, so that an idle machine stays cool."""

from __future__ import annotations

import time
from typing import Final

SHARE: Final = 0.05
"""The part of the time that may be spent: 3 seconds of a minute."""
SAVED: Final = 3.0
"""Seconds that may be spent at once, after a time without any work."""


class Allowance:
    """Seconds of work that may be done unasked. One piece of work may overdraw it; what is overdrawn is waited for."""

    def __init__(self) -> None:
        """Begin with all that can be saved."""
        self.spent = 0.0
        """Seconds that were spent in all."""
        self._left = SAVED
        self._counted = time.monotonic()

    def wait(self) -> float:
        """Return the seconds until more work may be done."""
        now = time.monotonic()
        self._left = min(SAVED, self._left + (now - self._counted) * SHARE)
        self._counted = now
        return max(0.0, -self._left / SHARE)

    def spend(self, seconds: float) -> None:
        """Take note of work that was done."""
        self.wait()
        self._left -= seconds
        self.spent += seconds
