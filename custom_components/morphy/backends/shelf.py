"""What was read of some prompts, kept while the model reads others. Part of the worker: standard library only."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

MAX_SLOTS = 16
"""Slots that are kept at most, however small they are."""


@dataclasses.dataclass
class Slot:
    """What a model has read of one family of prompts: the tokens, and what it takes to know them again.

    `family` is whose prompts these are, `last_prompt` the last one's tokens; `checkpoints` are recurrent states by the
    number of tokens before them; `state` is a copy of all that the model keeps of the tokens, None while the model
    itself has it.
    """

    family: str = ""
    tokens: list[int] = dataclasses.field(default_factory=list)
    last_prompt: list[int] = dataclasses.field(default_factory=list)
    checkpoints: dict[int, Any] = dataclasses.field(default_factory=dict)
    state: Any = None

    def copy(self, state: Any = None) -> Slot:
        """Return a slot with the same tokens, and this state."""
        return Slot(self.family, self.tokens[:], self.last_prompt, dict(self.checkpoints), state)

    @property
    def size(self) -> int:
        """Bytes of the states."""
        return len(self.state or ()) + sum(map(len, self.checkpoints.values()))


class Shelf:
    """The slots of families that the model does not read just now, the last used ones, as many as there is room for."""

    def __init__(self, limit: int) -> None:
        """Take at most `limit` bytes."""
        self._limit = limit
        self._slots: dict[str, Slot] = {}

    def has_room(self, size: int) -> bool:
        """Return whether a slot of so many bytes may be put here, where others may have to go for it."""
        return 0 < size <= self._limit

    def put(self, slot: Slot) -> None:
        """Keep a slot instead of an earlier one of its family; the least recently kept ones make room."""
        self.remove(slot.family)
        self._slots[slot.family] = slot
        while len(self._slots) > MAX_SLOTS or sum(one.size for one in self._slots.values()) > self._limit:
            del self._slots[next(iter(self._slots))]

    def remove(self, family: str) -> None:
        """Keep a family's slot no longer."""
        self._slots.pop(family, None)

    def best(self, prompt: Sequence[int]) -> tuple[Slot | None, int]:
        """Return the slot that has the longest beginning in common with a prompt, and the length of that."""
        lengths = {family: common_length(one.tokens, prompt) for family, one in self._slots.items()}
        family = max(lengths, key=lengths.__getitem__, default=None)
        return (None, 0) if family is None else (self._slots[family], lengths[family])


def common_length(one: Sequence[int], other: Sequence[int]) -> int:
    """Return how many tokens two sequences share from the start on."""
    count = 0
    for left, right in zip(one, other, strict=False):
        if left != right:
            break
        count += 1
    return count
