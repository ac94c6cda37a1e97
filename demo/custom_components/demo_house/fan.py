"""Fans with three speeds, which can oscillate."""

from __future__ import annotations

from typing import Any

from homeassistant.components.fan import FanEntity, FanEntityFeature

from .entity import HouseEntity, platform
from .house import Thing


class HouseFan(HouseEntity, FanEntity):
    """A fan."""

    _attr_supported_features = (
        FanEntityFeature.SET_SPEED | FanEntityFeature.OSCILLATE | FanEntityFeature.TURN_ON | FanEntityFeature.TURN_OFF
    )
    _attr_speed_count = 3

    def __init__(self, thing: Thing) -> None:
        """Read ``on`` and ``percentage`` (the speed, 0-100)."""
        super().__init__(thing)
        self._attr_percentage = thing.state.get("percentage", 66) if thing.state["on"] else 0
        self._attr_oscillating = False

    async def async_turn_on(self, percentage: int | None = None, preset_mode: str | None = None, **kwargs: Any) -> None:
        """Turn on, at the speed asked for or at two thirds."""
        self.show(percentage=percentage or self._attr_percentage or 66)

    async def async_turn_off(self, **kwargs: Any) -> None:
        """Turn off."""
        self.show(percentage=0)

    async def async_set_percentage(self, percentage: int) -> None:
        """Set the speed."""
        self.show(percentage=percentage)

    async def async_oscillate(self, oscillating: bool) -> None:
        """Swing to and fro, or stay."""
        self.show(oscillating=oscillating)


async_setup_entry = platform("fan", HouseFan)
