"""A circuit breaker: remembers that a backend failed, and finds out by itself when it can be asked again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from ..errors import BackendError

_LOGGER = logging.getLogger(__name__)

FIRST_PAUSE: Final = 1.0
"""Seconds from a failure to the first probe."""
LONGEST_PAUSE: Final = 60.0
"""Seconds between two probes at most, unless the server names a longer time; the pauses double up to here."""


class Breaker:
    """Closed, open or half open, as electricians say it: closed is well.

    A failure opens it, and requests had better go elsewhere. While it is open, `probe` runs in the background after
    longer and longer pauses; the first that goes well makes it half open: requests are let through again. The next that
    succeeds closes it. One that fails opens it once more, with the pauses as long as they were, so that a backend that
    only fails at real requests is asked ever less often.
    """

    def __init__(
        self,
        probe: Callable[[], Awaitable[None]],
        *,
        first_pause: float = FIRST_PAUSE,
        longest_pause: float = LONGEST_PAUSE,
    ) -> None:
        """Begin closed. `probe` raises a BackendError while the backend cannot be asked."""
        self._probe = probe
        self._first_pause = first_pause
        self._longest_pause = longest_pause
        self._pause = first_pause
        self._watch: asyncio.Task[None] | None = None
        self._closed = False
        self.error: BackendError | None = None
        """What went wrong last; None while closed."""
        self.on_change: Callable[[], None] = lambda: None
        """Told of each failure, of requests or of the probe, and when it opens or closes."""

    @property
    def open(self) -> bool:
        """Whether requests had better go elsewhere."""
        return self._watch is not None

    def failed(self, error: BackendError) -> bool:
        """Open; return whether it was closed before, so that it is told once."""
        was_closed, self.error = self.error is None, error
        if self._watch is None and not self._closed:
            self._watch = asyncio.create_task(self._until_well(), name="morphy breaker")
        if not self._closed:
            self.on_change()
        return was_closed

    def succeeded(self) -> bool:
        """Close; return whether it was not closed before, so that it is told once."""
        was_closed, self.error = self.error is None, None
        self._pause = self._first_pause
        self._end()
        if not was_closed:
            self.on_change()
        return not was_closed

    async def _until_well(self) -> None:
        while True:
            await asyncio.sleep(max(self._pause, self.error.retry_after if self.error else 0))
            self._pause = min(2 * self._pause, self._longest_pause)
            try:
                await self._probe()
            except BackendError as error:
                self.error = error
                self.on_change()
            except Exception:
                _LOGGER.exception("Unexpected error while probing a model")
            else:
                break
        self._watch = None
        self.on_change()

    def _end(self) -> None:
        if self._watch:
            self._watch.cancel()
            self._watch = None

    async def close(self) -> None:
        """Probe no more. May be called twice."""
        self._closed = True
        watch = self._watch
        self._end()
        if watch:
            await asyncio.gather(watch, return_exceptions=True)
