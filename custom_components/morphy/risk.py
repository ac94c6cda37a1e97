"""Which actions are asked about first: those that let someone in, or water or gas out.

Unlocking, disarming, opening a door, a garage door, a gate or a valve. Locking, arming and closing never ask, nor does
an action that changes nothing, such as unlocking what is unlocked.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from homeassistant.core import HomeAssistant

from .errors import ConfirmationNeededError, ConfirmDisarmError, ConfirmOpenError, ConfirmUnlockError

if TYPE_CHECKING:
    from .control import Step

RISKY_COVERS: Final = frozenset({"door", "garage", "gate"})
"""Device classes of covers through which one can come in."""

_OPEN = 100


def question(hass: HomeAssistant, steps: Sequence[Step]) -> ConfirmationNeededError | None:
    """Return the question to ask before these steps are taken, None when none of them is risky."""
    asked = [(error, step.device.names[0]) for step in steps if (error := _risk(hass, step)) is not None]
    if not asked:
        return None
    kinds = {error for error, _ in asked}
    kind = kinds.pop() if len(kinds) == 1 else ConfirmationNeededError
    return kind(device=", ".join(name for _, name in asked))


def _risk(hass: HomeAssistant, step: Step) -> type[ConfirmationNeededError] | None:
    state = hass.states.get(step.device.id)
    if state is None:
        return None
    match step.service:
        case "lock.unlock" if state.state != "unlocked":
            return ConfirmUnlockError
        case "alarm_control_panel.alarm_disarm" if state.state != "disarmed":
            return ConfirmDisarmError
        case "cover.open_cover" | "cover.set_cover_position" if (
            state.attributes.get("device_class") not in RISKY_COVERS
        ):
            return None
        case "cover.open_cover" | "valve.open_valve" | "cover.set_cover_position" | "valve.set_valve_position":
            fallback = {"open": _OPEN, "closed": 0}.get(state.state, 0)
            position = state.attributes.get("current_position")
            wanted = step.data.get("position", _OPEN)
            return ConfirmOpenError if wanted > (fallback if position is None else position) else None
    return None
