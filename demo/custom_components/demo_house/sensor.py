"""Sensors that always measure the same."""

from __future__ import annotations

from homeassistant.components.sensor import SensorDeviceClass, SensorEntity, SensorStateClass
from homeassistant.const import PERCENTAGE, UnitOfTemperature

from .entity import HouseEntity, platform
from .house import Thing

UNITS = {SensorDeviceClass.TEMPERATURE: UnitOfTemperature.CELSIUS, SensorDeviceClass.HUMIDITY: PERCENTAGE}


class HouseSensor(HouseEntity, SensorEntity):
    """A sensor."""

    _attr_state_class = SensorStateClass.MEASUREMENT

    def __init__(self, thing: Thing) -> None:
        """Read ``kind`` (a device class) and ``value`` (°C or percent)."""
        super().__init__(thing)
        self._attr_device_class = SensorDeviceClass(thing.state["kind"])
        self._attr_native_unit_of_measurement = UNITS[self._attr_device_class]
        self._attr_native_value = thing.state["value"]


async_setup_entry = platform("sensor", HouseSensor)
