"""Whether a device shows what it was told to do, so that nothing is told as done which is not.

What was asked is measured as distances: how far a state is from it, 0 when it is there. It shows when each of them is
near, or nearer than before the call: lamps that fade, covers that move and heating that is set in steps are on their
way. Services that leave no mark in the state (the next track, a scene) have no distance, and are taken at their word.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from homeassistant.components.light import ATTR_BRIGHTNESS, ATTR_HS_COLOR
from homeassistant.components.todo import TodoItemStatus
from homeassistant.const import ATTR_ASSUMED_STATE, STATE_UNAVAILABLE, STATE_UNKNOWN
from homeassistant.core import Event, EventStateChangedData, HomeAssistant, State, callback
from homeassistant.helpers.event import async_track_state_change_event
from homeassistant.util import color as color_util

from .attributes import todo_items
from .errors import ControlError, NoEffectError, NoFeedbackError

type Distance = Callable[[State], float | None]
"""How far a state is from what was asked; None where the device does not tell."""

_OFF: Final = frozenset({"off", "standby"})
_REACHED: Final[Mapping[str, frozenset[str]]] = {
    "cover.open_cover": frozenset({"open", "opening"}),
    "cover.close_cover": frozenset({"closed", "closing"}),
    "valve.open_valve": frozenset({"open", "opening"}),
    "valve.close_valve": frozenset({"closed", "closing"}),
    "lock.lock": frozenset({"locked", "locking"}),
    "lock.unlock": frozenset({"unlocked", "unlocking", "open", "opening"}),
    "media_player.media_play": frozenset({"playing", "buffering"}),
    "media_player.play_media": frozenset({"playing", "buffering"}),
    "vacuum.start": frozenset({"cleaning"}),
    "vacuum.return_to_base": frozenset({"returning", "docked"}),
    "lawn_mower.start_mowing": frozenset({"mowing"}),
    "lawn_mower.dock": frozenset({"returning", "docked"}),
    "alarm_control_panel.alarm_arm_home": frozenset({"armed_home", "arming", "pending"}),
    "alarm_control_panel.alarm_arm_away": frozenset({"armed_away", "arming", "pending"}),
    "alarm_control_panel.alarm_arm_night": frozenset({"armed_night", "arming", "pending"}),
    "alarm_control_panel.alarm_disarm": frozenset({"disarmed"}),
}
"""The states a service leads to, those on the way to it included."""

_LEFT: Final[Mapping[str, frozenset[str]]] = {
    "cover.stop_cover": frozenset({"opening", "closing"}),
    "media_player.media_pause": frozenset({"playing", "buffering"}),
    "media_player.media_stop": frozenset({"playing", "buffering"}),
    "vacuum.pause": frozenset({"cleaning", "returning"}),
    "vacuum.stop": frozenset({"cleaning", "returning"}),
    "lawn_mower.pause": frozenset({"mowing", "returning"}),
}
"""The states a service ends."""

_TRIGGERED: Final = frozenset({"script.turn_on", "automation.trigger"})
_MOVING: Final = frozenset({"opening", "closing"})

_SAME: Final[Mapping[str, str]] = {
    "hvac_mode": "",
    "operation_mode": "",
    "option": "",
    "fan_mode": "fan_mode",
    "preset_mode": "preset_mode",
    "mode": "mode",
    "source": "source",
    "direction": "direction",
    "oscillating": "oscillating",
    "is_volume_muted": "is_volume_muted",
}
"""The attribute, or "" for the state itself, that is the same as the argument afterwards."""

_NUMBERS: Final[Mapping[str, tuple[str, str, float]]] = {
    "percentage": ("percentage", "percentage_step", 2),
    "position": ("current_position", "", 6),
    "temperature": ("temperature", "target_temp_step", 0.9),
    "target_temp_low": ("target_temp_low", "target_temp_step", 0.9),
    "target_temp_high": ("target_temp_high", "target_temp_step", 0.9),
    "humidity": ("humidity", "target_humidity_step", 1),
    "volume_level": ("volume_level", "", 0.04),
    "value": ("", "step", 0),
}
"""The attribute, or "" for the state itself, that comes within half a step of the argument; the attribute with the
device's own step, and the step of a device that tells none."""

_BRIGHTNESS_NEAR: Final = 5
"""Of 255: devices count in percent, or in 254."""
_COLOR_NEAR: Final = 20
"""Degrees of hue or percent of saturation by which a lamp may miss a colour that it cannot mix."""
_KELVIN_NEAR: Final = 0.05
"""Part of a colour temperature: devices count in mireds."""


def distances(hass: HomeAssistant, before: State, service: str, data: Mapping[str, Any]) -> list[Distance]:
    """Return how far a state of the device is from what a service with Home Assistant's own data leads to."""
    return [*_of_state(before, service, data), *_of_data(hass, before, service, data)]


def missing(before: State, now: State | None, measured: Sequence[Distance]) -> type[ControlError] | None:
    """Return why the device cannot be told to have done it: it does not show it, or does not show anything."""
    if not measured or (now is not None and all(_shows(before, now, distance) for distance in measured)):
        return None
    silent = now is None or now.state in (STATE_UNAVAILABLE, STATE_UNKNOWN) or now.attributes.get(ATTR_ASSUMED_STATE)
    return NoFeedbackError if silent else NoEffectError


async def async_missing(
    hass: HomeAssistant, before: State, measured: Sequence[Distance], seconds: float
) -> type[ControlError] | None:
    """Wait until the device shows it, `seconds` at most, and return what is missing then."""
    entity_id = before.entity_id
    if (why := missing(before, hass.states.get(entity_id), measured)) is None:
        return None
    changed = asyncio.Event()

    @callback
    def on_change(_event: Event[EventStateChangedData]) -> None:
        changed.set()

    unsubscribe = async_track_state_change_event(hass, entity_id, on_change)
    try:
        async with asyncio.timeout(seconds):
            while why is not None:
                await changed.wait()
                changed.clear()
                why = missing(before, hass.states.get(entity_id), measured)
    except TimeoutError:
        pass
    finally:
        unsubscribe()
    return why


def _shows(before: State, now: State, distance: Distance) -> bool:
    if now.state in (STATE_UNAVAILABLE, STATE_UNKNOWN):
        return False
    far = distance(now)
    if far is None:
        # A device that never tells this is taken at its word; one that ceased to tell it is not.
        return distance(before) is None
    return far == 0 or far < _or_infinite(distance(before))


def _or_infinite(far: float | None) -> float:
    return math.inf if far is None else far


def _of_state(before: State, service: str, data: Mapping[str, Any]) -> Iterator[Distance]:
    domain, _, verb = service.partition(".")
    if states := _REACHED.get(service):
        yield lambda state: float(state.state not in states)
    elif ended := _LEFT.get(service):
        yield lambda state: float(state.state in ended)
    elif service in _TRIGGERED:
        yield lambda state: float(state.attributes.get("last_triggered") == before.attributes.get("last_triggered"))
    elif domain != "scene" and verb in ("turn_on", "turn_off", "toggle"):
        on = before.state in _OFF if verb == "toggle" else verb == "turn_on"
        if service == "light.turn_on" and _brightness(before, data) == 0:
            on = False
        yield lambda state: float((state.state in _OFF) is on)


def _of_data(hass: HomeAssistant, before: State, service: str, data: Mapping[str, Any]) -> Iterator[Distance]:
    domain, _, verb = service.partition(".")
    match domain, verb:
        case "light", "turn_on":
            yield from _of_light(before, data)
        case "todo", _:
            yield _of_item(hass, verb, data)
        case (("cover" | "valve"), ("open_cover" | "open_valve")):
            yield _moving(_number("current_position", 100, 10))
        case ("fan", "increase_speed") | ("media_player", "volume_up"):
            yield _number(*(("percentage", 100, 1) if domain == "fan" else ("volume_level", 1, 0.02)))
        case ("fan", "decrease_speed") | ("media_player", "volume_down"):
            yield _number(*(("percentage", 0, 1) if domain == "fan" else ("volume_level", 0, 0.02)))
    for argument, wanted in data.items():
        if argument in _SAME:
            yield _same(_SAME[argument], wanted)
        elif argument in _NUMBERS:
            attribute, steps, usual = _NUMBERS[argument]
            step = _float(before.attributes.get(steps)) or usual
            # Home Assistant rounds to a speed of the fan upwards, so that it may be a whole step away.
            number = _number(attribute, wanted, step if argument == "percentage" else step / 2)
            yield _moving(number) if argument == "position" else number


def _same(attribute: str, wanted: object) -> Distance:
    def distance(state: State) -> float | None:
        value = state.attributes.get(attribute) if attribute else state.state
        return None if value is None else float(value != wanted)

    return distance


def _number(attribute: str, wanted: float, near: float) -> Distance:
    def distance(state: State) -> float | None:
        value = _float(state.attributes.get(attribute) if attribute else state.state)
        return None if value is None else _beyond(abs(value - wanted), near)

    return distance


def _moving(distance: Distance) -> Distance:
    """Return the distance of what is there already while it moves."""
    return lambda state: 0 if state.state in _MOVING else distance(state)


def _float(value: object) -> float | None:
    try:
        return float(value)  # type: ignore[arg-type]
    except TypeError, ValueError:
        return None


def _beyond(far: float, near: float) -> float:
    return far if far > near else 0


def _brightness(before: State, data: Mapping[str, Any]) -> float | None:
    """Return the brightness that is asked for, from 0 to 255; None when the lamp is to keep its own."""
    if "brightness_pct" in data:
        return float(data["brightness_pct"]) * 2.55
    if "brightness_step_pct" in data:
        lit = _float(before.attributes.get(ATTR_BRIGHTNESS)) or 0
        return min(max(lit + float(data["brightness_step_pct"]) * 2.55, 0), 255)
    return None


def _of_light(before: State, data: Mapping[str, Any]) -> Iterator[Distance]:
    if brightness := _brightness(before, data):
        yield lambda state: _beyond(
            abs((_float(state.attributes.get(ATTR_BRIGHTNESS)) or 0) - brightness), _BRIGHTNESS_NEAR
        )
    if "color_name" in data:
        yield _color(color_util.color_RGB_to_hs(*color_util.color_name_to_rgb(data["color_name"])))
    if "rgb_color" in data:
        yield _color(color_util.color_RGB_to_hs(*data["rgb_color"]))
    if kelvin := data.get("color_temp_kelvin"):
        yield _kelvin(kelvin)


def _color(wanted: tuple[float, float]) -> Distance:
    hue, saturation = wanted

    def distance(state: State) -> float | None:
        shown = state.attributes.get(ATTR_HS_COLOR)
        if shown is None:
            return None
        turn = abs(shown[0] - hue) % 360
        # The hue of what is nearly white says nothing.
        off_hue = min(turn, 360 - turn) if min(saturation, shown[1]) > _COLOR_NEAR else 0
        return _beyond(max(off_hue, abs(shown[1] - saturation)), _COLOR_NEAR)

    return distance


def _kelvin(wanted: float) -> Distance:
    """Return the distance of a colour temperature; of a lamp that mixes it from colours, that of the colour."""
    mixed = _color(color_util.color_temperature_to_hs(wanted))

    def distance(state: State) -> float | None:
        shown = _float(state.attributes.get("color_temp_kelvin"))
        return mixed(state) if shown is None else _beyond(abs(shown - wanted) / wanted, _KELVIN_NEAR)

    return distance


def _of_item(hass: HomeAssistant, verb: str, data: Mapping[str, Any]) -> Distance:
    def distance(state: State) -> float:
        items = [item for item in todo_items(hass, state.entity_id) if data["item"] in (item.uid, item.summary)]
        if verb == "update_item":
            return float(not any(item.status == TodoItemStatus(data["status"]) for item in items))
        return float(bool(items) is (verb == "remove_item"))

    return distance
