"""Covers that stand where they were told to at once."""

from __future__ import annotations

from typing import Any

from homeassistant.components.cover import CoverDeviceClass, CoverEntity, CoverEntityFeature

from .entity import HouseEntity, platform
from .house import Thing


class HouseCover(HouseEntity, CoverEntity):
    """A blind, a shutter, curtains, an awning; or a garage door, which knows open and closed only."""

    def __init__(self, thing: Thing) -> None:
        """Read ``kind`` (a device class) and ``position`` (0 closed, 100 open)."""
        super().__init__(thing)
        self._attr_device_class = CoverDeviceClass(thing.state["kind"])
        self._attr_supported_features = CoverEntityFeature.OPEN | CoverEntityFeature.CLOSE | CoverEntityFeature.STOP
        if self._attr_device_class is not CoverDeviceClass.GARAGE:
            self._attr_supported_features |= CoverEntityFeature.SET_POSITION
        self._move(thing.state["position"])

    def _move(self, position: int) -> None:
        self._attr_is_closed = position == 0
        if CoverEntityFeature.SET_POSITION in self.supported_features:
            self._attr_current_cover_position = position

    async def async_open_cover(self, **kwargs: Any) -> None:
        """Open."""
        self._move(100)
        self.async_write_ha_state()

    async def async_close_cover(self, **kwargs: Any) -> None:
        """Close."""
        self._move(0)
        self.async_write_ha_state()

    async def async_set_cover_position(self, **kwargs: Any) -> None:
        """Move to a position."""
        self._move(kwargs["position"])
        self.async_write_ha_state()

    async def async_stop_cover(self, **kwargs: Any) -> None:
        """Stay: it has arrived already."""


async_setup_entry = platform("cover", HouseCover)
