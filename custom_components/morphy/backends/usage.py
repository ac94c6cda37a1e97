"""What completions take, and who is told of it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

KEPT: Final = 20
"""Completions of which the figures are kept."""


@dataclass(slots=True)
class Usage:
    """What one completion took: tokens, of which `cached_tokens` were not read again, and seconds.

    A server may not tell how long the prompt was (0), or what it still knew of it (None).
    """

    prompt_tokens: int = 0
    cached_tokens: int | None = None
    completion_tokens: int = 0
    prefill_s: float = 0.0
    decode_s: float = 0.0

    @property
    def tokens_per_second(self) -> float | None:
        """How fast the answer was written, or None where that was too short to tell."""
        return self.completion_tokens / self.decode_s if self.completion_tokens and self.decode_s else None

    @property
    def cache_hit_rate(self) -> float | None:
        """The part of the prompt that was not read again, from 0 to 1, or None where a server does not say."""
        if self.cached_tokens is None or not self.prompt_tokens:
            return None
        return self.cached_tokens / self.prompt_tokens


class Statistics:
    """The figures of a backend's last completions, oldest first, and of the turns they were for."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.recent: deque[Usage] = deque(maxlen=KEPT)
        self.completions = 0
        """How many there were since the backend was made."""
        self.first_action_s: float | None = None
        """Seconds from a user's words to the first action, in the last turn that had one."""
        self.on_change: Callable[[], None] = lambda: None

    @property
    def last(self) -> Usage | None:
        """The figures of the last completion."""
        return self.recent[-1] if self.recent else None

    def add(self, usage: Usage) -> None:
        """Take the figures of a completion that has ended."""
        self.recent.append(usage)
        self.completions += 1
        self.on_change()

    def note_first_action(self, seconds: float) -> None:
        """Take the time in which a turn came to its first action."""
        self.first_action_s = seconds
        self.on_change()
