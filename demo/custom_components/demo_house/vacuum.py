"""Robot vacuums."""

from __future__ import annotations

from typing import Any

from homeassistant.components.vacuum import StateVacuumEntity, VacuumActivity, VacuumEntityFeature as Feature

from .entity import HouseEntity, platform
from .house import Thing


class HouseVacuum(HouseEntity, StateVacuumEntity):
    """A robot vacuum, which is home the moment it is called."""

    _attr_fan_speed_list = ["quiet", "normal", "turbo"]
    _attr_supported_features = (
        Feature.STATE
        | Feature.START
        | Feature.PAUSE
        | Feature.STOP
        | Feature.RETURN_HOME
        | Feature.LOCATE
        | Feature.FAN_SPEED
    )

    def __init__(self, thing: Thing) -> None:
        """Read ``state``."""
        super().__init__(thing)
        self._attr_activity = VacuumActivity(thing.state["state"])
        self._attr_fan_speed = "normal"

    async def async_start(self) -> None:
        """Clean."""
        self.show(activity=VacuumActivity.CLEANING)

    async def async_pause(self) -> None:
        """Pause."""
        self.show(activity=VacuumActivity.PAUSED)

    async def async_stop(self, **kwargs: Any) -> None:
        """Stop where it is."""
        self.show(activity=VacuumActivity.IDLE)

    async def async_return_to_base(self, **kwargs: Any) -> None:
        """Go home."""
        self.show(activity=VacuumActivity.DOCKED)

    async def async_locate(self, **kwargs: Any) -> None:
        """Beep, which nobody hears."""

    async def async_set_fan_speed(self, fan_speed: str, **kwargs: Any) -> None:
        """Set how hard it sucks."""
        self.show(fan_speed=fan_speed)


async_setup_entry = platform("vacuum", HouseVacuum)
