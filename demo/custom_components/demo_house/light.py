"""Lights: on and off only, dimmable, with shades of white, or with every colour."""

from __future__ import annotations

from typing import Any

from homeassistant.components.light import ColorMode, LightEntity

from .entity import HouseEntity, platform
from .house import Thing

COLOR_MODES = {
    "onoff": {ColorMode.ONOFF},
    "dim": {ColorMode.BRIGHTNESS},
    "white": {ColorMode.COLOR_TEMP},
    "color": {ColorMode.HS, ColorMode.COLOR_TEMP},
}


class HouseLight(HouseEntity, LightEntity):
    """A light, which keeps its brightness and colour while it is off."""

    def __init__(self, thing: Thing) -> None:
        """Read ``modes``, ``on``, ``brightness_pct`` (1-100), ``kelvin``, ``hs`` (0-360, 0-100)."""
        super().__init__(thing)
        state = thing.state
        self._attr_supported_color_modes = COLOR_MODES[state["modes"]]
        self._attr_color_mode = next(iter(self._attr_supported_color_modes))
        self._attr_is_on = state["on"]
        self._attr_min_color_temp_kelvin, self._attr_max_color_temp_kelvin = 2200, 6500
        if self._attr_color_mode is not ColorMode.ONOFF:
            self._attr_brightness = round(state.get("brightness_pct", 100) * 2.55)
        if ColorMode.COLOR_TEMP in self._attr_supported_color_modes:
            self._attr_color_temp_kelvin = state.get("kelvin", 3000)
            self._attr_color_mode = ColorMode.COLOR_TEMP
        if "hs" in state:
            self._attr_hs_color, self._attr_color_mode = state["hs"], ColorMode.HS

    async def async_turn_on(self, **kwargs: Any) -> None:
        """Turn on, with what was asked for."""
        if (hs := kwargs.get("hs_color")) is not None:
            self._attr_hs_color, self._attr_color_mode = hs, ColorMode.HS
        if (kelvin := kwargs.get("color_temp_kelvin")) is not None:
            self._attr_color_temp_kelvin, self._attr_color_mode = kelvin, ColorMode.COLOR_TEMP
        self.show(is_on=True, brightness=kwargs.get("brightness", self._attr_brightness))

    async def async_turn_off(self, **kwargs: Any) -> None:
        """Turn off."""
        self.show(is_on=False)


async_setup_entry = platform("light", HouseLight)
