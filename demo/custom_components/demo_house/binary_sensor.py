"""Sensors of two states."""

from __future__ import annotations

from homeassistant.components.binary_sensor import BinarySensorDeviceClass, BinarySensorEntity

from .entity import HouseEntity, platform
from .house import Thing


class HouseBinarySensor(HouseEntity, BinarySensorEntity):
    """A contact, a detector."""

    def __init__(self, thing: Thing) -> None:
        """Read ``kind`` (a device class) and ``on``."""
        super().__init__(thing)
        self._attr_device_class = BinarySensorDeviceClass(thing.state["kind"])
        self._attr_is_on = thing.state["on"]


async_setup_entry = platform("binary_sensor", HouseBinarySensor)
