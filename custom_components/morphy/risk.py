"""Which actions are asked about first: those that let someone in, or water or gas out, and those the user adds.

Unlocking, disarming, opening a door, a garage door, a gate or a valve, and any action on an entity that the user has
named. Locking, arming and closing never ask, nor does an action that changes nothing, such as unlocking what is
unlocked.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from homeassistant.const import ATTR_ASSUMED_STATE
from homeassistant.core import HomeAssistant, State

from .errors import ConfirmationNeededError, ConfirmDisarmError, ConfirmOpenError, ConfirmUnlockError

if TYPE_CHECKING:
    from .control import Step

RISKY_COVERS: Final = frozenset({"door", "garage", "gate"})
"""Device classes of covers through which one can come in."""

SAFE: Final = frozenset(
    {
        "lock.lock",
        "cover.close_cover",
        "cover.stop_cover",
        "valve.close_valve",
        "alarm_control_panel.alarm_arm_home",
        "alarm_control_panel.alarm_arm_away",
        "alarm_control_panel.alarm_arm_night",
    }
)
"""Services that never ask."""

_OPEN: Final = 100
_AJAR: Final = frozenset({"open", "opening", "closing"})
"""States in which the position of a cover or valve counts; one that contradicts its state tells nothing."""


@dataclass(frozen=True, slots=True)
class Caution:
    """What an agent asks about before it does it: risky actions, and any that is not safe on some entities."""

    risky: bool = True
    entities: frozenset[str] = frozenset()

    def question(
        self, hass: HomeAssistant, steps: Sequence[Step], agreed: Collection[str] = ()
    ) -> ConfirmationNeededError | None:
        """Return the question to ask before these steps are taken, None when there is nothing to ask.

        `agreed` are the entities that the user has said yes to.
        """
        asked = [
            (kind, step.device)
            for step in steps
            if step.device.id not in agreed and (kind := self._risk(hass, step)) is not None
        ]
        if not asked:
            return None
        kinds = {kind for kind, _ in asked}
        error = (kinds.pop() if len(kinds) == 1 else ConfirmationNeededError)(
            device=", ".join(device.names[0] for _, device in asked)
        )
        error.entity_ids = frozenset(device.id for _, device in asked)
        return error

    def _risk(self, hass: HomeAssistant, step: Step) -> type[ConfirmationNeededError] | None:
        state = hass.states.get(step.device.id)
        kind = _risk(state, step) if state is not None else None
        if kind is not None and (self.risky or step.device.id in self.entities):
            return kind
        return ConfirmationNeededError if step.device.id in self.entities and not _closes(step) else None


def _closes(step: Step) -> bool:
    return step.service in SAFE or step.data.get("position") == 0


def _risk(state: State, step: Step) -> type[ConfirmationNeededError] | None:
    # Of a device whose state Home Assistant only assumes, nobody knows whether it is open already.
    now = None if state.attributes.get(ATTR_ASSUMED_STATE) else state.state
    match step.service:
        case "lock.unlock" if now != "unlocked":
            return ConfirmUnlockError
        case "alarm_control_panel.alarm_disarm" if now != "disarmed":
            return ConfirmDisarmError
        case "cover.open_cover" | "cover.set_cover_position" if (
            state.attributes.get("device_class") not in RISKY_COVERS
        ):
            return None
        case "cover.open_cover" | "valve.open_valve" | "cover.set_cover_position" | "valve.set_valve_position":
            wanted = step.data.get("position", _OPEN)
            return None if wanted <= _position(state, now) else ConfirmOpenError
    return None


def _position(state: State, now: str | None) -> float:
    """Return how far a cover or valve is open for sure, in percent."""
    position = state.attributes.get("current_position")
    if now in _AJAR and isinstance(position, int | float):
        return position
    return _OPEN if now == "open" else 0
