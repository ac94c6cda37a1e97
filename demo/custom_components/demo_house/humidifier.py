"""Humidifiers."""

from __future__ import annotations

from typing import Any

from homeassistant.components.humidifier import HumidifierDeviceClass, HumidifierEntity

from .entity import HouseEntity, platform
from .house import Thing


class HouseHumidifier(HouseEntity, HumidifierEntity):
    """A dehumidifier."""

    _attr_device_class = HumidifierDeviceClass.DEHUMIDIFIER
    _attr_min_humidity, _attr_max_humidity = 30, 80

    def __init__(self, thing: Thing) -> None:
        """Read ``on``, ``target`` and ``current`` (percent)."""
        super().__init__(thing)
        self._attr_is_on = thing.state["on"]
        self._attr_target_humidity = thing.state["target"]
        self._attr_current_humidity = thing.state["current"]

    async def async_turn_on(self, **kwargs: Any) -> None:
        """Turn on."""
        self.show(is_on=True)

    async def async_turn_off(self, **kwargs: Any) -> None:
        """Turn off."""
        self.show(is_on=False)

    async def async_set_humidity(self, humidity: int) -> None:
        """Set the humidity wanted."""
        self.show(target_humidity=humidity)


async_setup_entry = platform("humidifier", HouseHumidifier)
