"""The line before a model: who may ask it now, who waits, and who is told to come back later."""

from __future__ import annotations

import asyncio
from collections import deque
from types import TracebackType
from typing import Final, Self

from ..errors import BusyError

MAX_WAITING: Final = 64
"""Requests that may wait for one model; whoever comes then is told at once that it is busy."""


class Place:
    """The right to ask the model, until `leave`. Usable with `with`."""

    def __init__(self, line: WaitingLine) -> None:
        """Hold a place at the head of a line."""
        self._line: WaitingLine | None = line

    def leave(self) -> None:
        """Let the next one ask. May be called twice."""
        line, self._line = self._line, None
        if line:
            line.call_next()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.leave()


class WaitingLine:
    """Lets callers ask in turn: each caller's requests in their order, and one of each before the second of anyone."""

    def __init__(self, places: int = 1) -> None:
        """Let this many requests be at the model at once."""
        self.places = places
        self._taken = 0
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}

    @property
    def busy(self) -> bool:
        """Whether the next one has to wait."""
        return self._taken >= self.places

    @property
    def waiting(self) -> int:
        """How many wait."""
        return sum(map(len, self._waiting.values()))

    async def enter(self, caller: str) -> Place:
        """Wait for a place. Raises BusyError when too many wait already."""
        if self.busy:
            await self._wait(caller)
        else:
            self._taken += 1
        return Place(self)

    async def _wait(self, caller: str) -> None:
        if (waiting := self.waiting) >= MAX_WAITING:
            raise BusyError(waiting=str(waiting))
        turn = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(caller, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                self._remove(caller, turn)
            else:  # called in the very moment of leaving
                self.call_next()
            raise

    def _remove(self, caller: str, turn: asyncio.Future[None]) -> None:
        turns = self._waiting.get(caller, deque())
        if turn in turns:
            turns.remove(turn)
            if not turns:
                del self._waiting[caller]

    def call_next(self) -> None:
        """Pass a place that was left on to the caller who has waited longest for a turn."""
        self._taken -= 1
        while self._waiting and not self.busy:
            caller, turns = next(iter(self._waiting.items()))
            turn = turns.popleft()
            del self._waiting[caller]
            if turns:
                self._waiting[caller] = turns  # behind the others
            if not turn.cancelled():
                self._taken += 1
                turn.set_result(None)
