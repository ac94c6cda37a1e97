"""Switches."""

from __future__ import annotations

from typing import Any

from homeassistant.components.switch import SwitchEntity

from .entity import HouseEntity, platform
from .house import Thing


class HouseSwitch(HouseEntity, SwitchEntity):
    """A switch."""

    def __init__(self, thing: Thing) -> None:
        """Read ``on``."""
        super().__init__(thing)
        self._attr_is_on = thing.state["on"]

    async def async_turn_on(self, **kwargs: Any) -> None:
        """Turn on."""
        self.show(is_on=True)

    async def async_turn_off(self, **kwargs: Any) -> None:
        """Turn off."""
        self.show(is_on=False)


async_setup_entry = platform("switch", HouseSwitch)
