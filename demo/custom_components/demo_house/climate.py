"""Thermostats that heat or cool."""

from __future__ import annotations

from typing import Any

from homeassistant.components.climate import ClimateEntity, ClimateEntityFeature, HVACAction, HVACMode
from homeassistant.const import UnitOfTemperature

from .entity import HouseEntity, platform
from .house import Thing


class HouseClimate(HouseEntity, ClimateEntity):
    """A thermostat. The room's temperature never changes."""

    _attr_temperature_unit = UnitOfTemperature.CELSIUS
    _attr_target_temperature_step = 0.5
    _attr_min_temp, _attr_max_temp = 5, 30
    _attr_preset_modes = ["home", "away", "sleep"]
    _attr_supported_features = (
        ClimateEntityFeature.TARGET_TEMPERATURE
        | ClimateEntityFeature.PRESET_MODE
        | ClimateEntityFeature.TURN_ON
        | ClimateEntityFeature.TURN_OFF
    )

    def __init__(self, thing: Thing) -> None:
        """Read ``mode``, ``target`` and ``current`` (°C)."""
        super().__init__(thing)
        self._attr_hvac_modes = [HVACMode.OFF, HVACMode.HEAT, HVACMode.COOL]
        self._attr_hvac_mode = HVACMode(thing.state["mode"])
        self._attr_target_temperature = thing.state["target"]
        self._attr_current_temperature = thing.state["current"]
        self._attr_preset_mode = "home"

    @property
    def hvac_action(self) -> HVACAction:
        """Return what it does at the moment."""
        current, target = self._attr_current_temperature or 0, self._attr_target_temperature or 0
        if self._attr_hvac_mode is HVACMode.OFF:
            return HVACAction.OFF
        if self._attr_hvac_mode is HVACMode.HEAT:
            return HVACAction.HEATING if current < target else HVACAction.IDLE
        return HVACAction.COOLING if current > target else HVACAction.IDLE

    async def async_set_temperature(self, **kwargs: Any) -> None:
        """Set the temperature wanted, and the mode if one comes with it."""
        mode = kwargs.get("hvac_mode", self._attr_hvac_mode)
        self.show(target_temperature=kwargs.get("temperature", self._attr_target_temperature), hvac_mode=mode)

    async def async_set_hvac_mode(self, hvac_mode: HVACMode) -> None:
        """Heat, cool, or do nothing."""
        self.show(hvac_mode=hvac_mode)

    async def async_set_preset_mode(self, preset_mode: str) -> None:
        """Take a preset."""
        self.show(preset_mode=preset_mode)

    async def async_turn_on(self) -> None:
        """Heat."""
        self.show(hvac_mode=HVACMode.HEAT)

    async def async_turn_off(self) -> None:
        """Do nothing."""
        self.show(hvac_mode=HVACMode.OFF)


async_setup_entry = platform("climate", HouseClimate)
