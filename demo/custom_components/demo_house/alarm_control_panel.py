"""Alarm panels, without a code."""

from __future__ import annotations

from homeassistant.components.alarm_control_panel import (
    AlarmControlPanelEntity,
    AlarmControlPanelEntityFeature,
    AlarmControlPanelState,
)

from .entity import HouseEntity, platform
from .house import Thing


class HouseAlarm(HouseEntity, AlarmControlPanelEntity):
    """A burglar alarm."""

    _attr_code_arm_required = False
    _attr_supported_features = (
        AlarmControlPanelEntityFeature.ARM_HOME
        | AlarmControlPanelEntityFeature.ARM_AWAY
        | AlarmControlPanelEntityFeature.ARM_NIGHT
    )

    def __init__(self, thing: Thing) -> None:
        """Start disarmed."""
        super().__init__(thing)
        self._attr_alarm_state = AlarmControlPanelState.DISARMED

    async def async_alarm_disarm(self, code: str | None = None) -> None:
        """Disarm."""
        self.show(alarm_state=AlarmControlPanelState.DISARMED)

    async def async_alarm_arm_home(self, code: str | None = None) -> None:
        """Arm, with somebody at home."""
        self.show(alarm_state=AlarmControlPanelState.ARMED_HOME)

    async def async_alarm_arm_away(self, code: str | None = None) -> None:
        """Arm, with nobody at home."""
        self.show(alarm_state=AlarmControlPanelState.ARMED_AWAY)

    async def async_alarm_arm_night(self, code: str | None = None) -> None:
        """Arm for the night."""
        self.show(alarm_state=AlarmControlPanelState.ARMED_NIGHT)


async_setup_entry = platform("alarm_control_panel", HouseAlarm)
