"""Locks, without a code."""

from __future__ import annotations

from typing import Any

from homeassistant.components.lock import LockEntity

from .entity import HouseEntity, platform
from .house import Thing


class HouseLock(HouseEntity, LockEntity):
    """A lock."""

    def __init__(self, thing: Thing) -> None:
        """Read ``locked``."""
        super().__init__(thing)
        self._attr_is_locked = thing.state["locked"]

    async def async_lock(self, **kwargs: Any) -> None:
        """Lock."""
        self.show(is_locked=True)

    async def async_unlock(self, **kwargs: Any) -> None:
        """Unlock."""
        self.show(is_locked=False)


async_setup_entry = platform("lock", HouseLock)
