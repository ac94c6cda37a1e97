"""Valves."""

from __future__ import annotations

from homeassistant.components.valve import ValveDeviceClass, ValveEntity, ValveEntityFeature

from .entity import HouseEntity, platform
from .house import Thing


class HouseValve(HouseEntity, ValveEntity):
    """A water valve."""

    _attr_device_class = ValveDeviceClass.WATER
    _attr_reports_position = False
    _attr_supported_features = ValveEntityFeature.OPEN | ValveEntityFeature.CLOSE

    def __init__(self, thing: Thing) -> None:
        """Read ``open``."""
        super().__init__(thing)
        self._attr_is_closed = not thing.state["open"]

    async def async_open_valve(self) -> None:
        """Open."""
        self.show(is_closed=False)

    async def async_close_valve(self) -> None:
        """Close."""
        self.show(is_closed=True)


async_setup_entry = platform("valve", HouseValve)
