"""The values a model writes, made into the data that Home Assistant's services take.

Numbers may come as text, with a unit (`50%`, `70°F`, `2700 K`, `21,5`); options in any spelling. A percentage that is
out by a slip of 5 at most is clamped, a colour temperature is clamped to what the lamp can do; whatever else is out of
range is refused, since doing something other than asked would make the answer untrue.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final

from homeassistant.components.climate import ClimateEntityFeature
from homeassistant.components.light import ATTR_COLOR_NAME
from homeassistant.components.todo import TodoItemStatus
from homeassistant.const import UnitOfTemperature
from homeassistant.core import HomeAssistant, State
from homeassistant.util import color as color_util
from homeassistant.util.unit_conversion import TemperatureConverter

from . import script_fields
from .attributes import number, todo_items
from .capabilities import features, listed, takes
from .dialect.catalogue import SERVICES
from .errors import (
    BadArgumentError,
    BadOptionError,
    ItemNotFoundError,
    MissingArgumentError,
    OutOfRangeError,
    UnsupportedArgumentError,
)

PERCENT_SLIP: Final = 5
"""By how many percent a value may be out of range and still be taken for its end."""

SPOKEN_VALUE: Final = 60
"""Characters of a senseless value that are repeated to the user."""

KELVIN: Final = (1000, 20000)
"""What can be meant as the colour temperature of a lamp."""

_ALSO: Final[Mapping[str, tuple[str, ...]]] = {
    "light.turn_on": ("rgb_color",),
    "media_player.volume_set": ("volume_level",),
}
"""Arguments outside of the catalogue that models made elsewhere write: Home Assistant's own."""

_EITHER: Final = (
    frozenset({"brightness_pct", "brightness_step_pct"}),
    frozenset({"color_name", "rgb_color", "color_temp_kelvin"}),
)
"""Arguments of which Home Assistant takes one at a time."""

_OPTIONAL: Final = frozenset({"light.turn_on", "fan.turn_on", "alarm_control_panel.alarm_disarm"})
"""Services that do without the arguments they have."""

_SPREAD: Final[Mapping[str, float]] = {UnitOfTemperature.CELSIUS: 2, UnitOfTemperature.FAHRENHEIT: 4}
"""How far apart the two set points of a thermostat are put that has none yet."""

_SPOKEN: Final[Mapping[str, str]] = {
    "brightness_pct": "brightness",
    "brightness_step_pct": "brightness",
    "color_name": "color",
    "rgb_color": "color",
    "color_temp_kelvin": "color temperature",
    "percentage": "speed",
    "hvac_mode": "mode",
    "operation_mode": "mode",
    "preset_mode": "preset",
    "target_temp_low": "lower temperature",
    "target_temp_high": "upper temperature",
    "volume_pct": "volume",
    "volume_level": "volume",
    "is_volume_muted": "mute",
}

_NUMBER = re.compile(
    r"([+-]?(?:\d+(?:[.,]\d+)?|[.,]\d+))\s*(?:(%|percent)|°?\s*([cf])|°|degrees|k|kelvin)?", re.IGNORECASE
)
_TRUE = frozenset({"true", "on", "yes", "1", "muted"})
_FALSE = frozenset({"false", "off", "no", "0", "unmuted"})
_DONE = frozenset({"completed", "complete", "done", "checked", "finished", "ticked"})
_OPEN = frozenset({"needs_action", "open", "todo", "incomplete", "unchecked", "not_done", "needed"})
_OPTIONS: Final[Mapping[tuple[str, str], str]] = {
    ("fan", "preset_mode"): "preset_modes",
    ("climate", "hvac_mode"): "hvac_modes",
    ("climate", "fan_mode"): "fan_modes",
    ("climate", "preset_mode"): "preset_modes",
    ("humidifier", "mode"): "available_modes",
    ("water_heater", "operation_mode"): "operation_list",
    ("media_player", "source"): "source_list",
    ("select", "option"): "options",
    ("input_select", "option"): "options",
}
"""Where a device lists what an argument of its domain can be."""


@dataclass(frozen=True, slots=True)
class Value:
    """One argument as the model wrote it, on its way to one device."""

    hass: HomeAssistant
    state: State
    argument: str
    value: Any

    @property
    def device(self) -> str:
        """The name of the device, to be spoken."""
        return self.state.name

    @property
    def bad(self) -> BadArgumentError:
        """The error for a value that makes no sense."""
        return BadArgumentError(argument=spoken(self.argument), value=str(self.value)[:SPOKEN_VALUE])

    def bounds(self, low: str, high: str) -> tuple[float, float]:
        """Return the bounds that the device gives in these two attributes; infinite where it gives none."""
        lowest, highest = self.state.attributes.get(low), self.state.attributes.get(high)
        return -math.inf if lowest is None else float(lowest), math.inf if highest is None else float(highest)


def spoken(argument: str) -> str:
    """Return the name of an argument as it is said: `brightness` of `brightness_pct`."""
    return _SPOKEN.get(argument) or argument.replace("_", " ")


def convert(hass: HomeAssistant, state: State, service: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """Return Home Assistant's data for a service of the catalogue on one device that supports it.

    Raises a ControlError for an argument that the service does not have, that the device cannot take, that is missing,
    or whose value makes no sense.
    """
    if service == script_fields.SERVICE:
        return script_fields.variables(hass, state, data)
    if service == "climate.set_temperature":
        data = _set_points(state, data)
    known = SERVICES[service].arguments + _ALSO.get(service, ())
    converted: dict[str, Any] = {}
    for argument, value in data.items():
        if argument not in known or not takes(state, service, argument):
            raise UnsupportedArgumentError(device=state.name, argument=spoken(argument))
        wanted = Value(hass, state, argument, value)
        if any(argument in group and group & converted.keys() for group in _EITHER):
            raise wanted.bad
        converted |= _CONVERTERS[argument](wanted)
    _check_complete(service, data)
    if service == "climate.set_temperature":
        return _as_range(hass, state, converted)
    if service in ("todo.remove_item", "todo.update_item"):
        return converted | {"item": _existing_item(hass, state, converted["item"])}
    return converted


def _check_complete(service: str, data: Mapping[str, Any]) -> None:
    arguments = SERVICES[service].arguments
    if not arguments or service in _OPTIONAL:
        return
    if service in ("climate.set_temperature", "media_player.volume_set"):
        missing = not data
    else:
        missing = any(argument not in data for argument in arguments)
    if missing:
        argument = next((argument for argument in arguments if argument not in data), arguments[0])
        raise MissingArgumentError(argument=spoken(argument))


def _plain(value: Value) -> float:
    """Return the number that is meant, without regard for its unit."""
    return _measured(value)[0]


def _measured(value: Value) -> tuple[float, str | None]:
    """Return the number that is meant and the letter of its degrees: `c`, `f` or None."""
    raw = value.value
    if isinstance(raw, int | float) and not isinstance(raw, bool) and math.isfinite(raw):
        return float(raw), None
    match = _NUMBER.fullmatch(raw.strip()) if isinstance(raw, str) else None
    if match is None or not math.isfinite(wanted := float(match[1].replace(",", "."))):
        raise value.bad
    return wanted, (match[3] or "").lower() or None


def _within(value: Value, wanted: float, low: float, high: float, slip: float = 0) -> float:
    """Return the number, put to an end of the range that it misses by a slip at most."""
    if not low - slip <= wanted <= high + slip:
        raise OutOfRangeError(argument=spoken(value.argument), value=number(wanted), low=number(low), high=number(high))
    return min(max(wanted, low), high)


def _whole(wanted: float) -> int:
    return math.floor(wanted + 0.5)


def _percent(value: Value) -> dict[str, Any]:
    return {value.argument: _whole(_within(value, _plain(value), 0, 100, PERCENT_SLIP))}


def _percent_step(value: Value) -> dict[str, Any]:
    return {value.argument: _whole(_within(value, _plain(value), -100, 100, PERCENT_SLIP))}


def _volume_pct(value: Value) -> dict[str, Any]:
    return {"volume_level": _within(value, _plain(value), 0, 100, PERCENT_SLIP) / 100}


def _volume_level(value: Value) -> dict[str, Any]:
    return {"volume_level": _within(value, _plain(value), 0, 1)}


def _kelvin(value: Value) -> dict[str, Any]:
    wanted = _within(value, _plain(value), *KELVIN)
    low, high = value.bounds("min_color_temp_kelvin", "max_color_temp_kelvin")
    return {value.argument: _whole(min(max(wanted, low), high))}


def _color_name(value: Value) -> dict[str, Any]:
    name = str(value.value).replace("_", " ").strip().lower()
    try:
        color_util.color_name_to_rgb(name)
    except ValueError:
        close = get_close_matches(name.replace(" ", ""), color_util.COLORS, 1, 0.85)
        if not close:
            raise value.bad from None
        name = close[0]
    return {ATTR_COLOR_NAME: name}


def _rgb_color(value: Value) -> dict[str, Any]:
    raw = value.value
    if isinstance(raw, str):
        return _color_name(value)
    if not isinstance(raw, tuple | list) or len(raw) != 3 or not all(_is_byte(part) for part in raw):
        raise value.bad
    return {value.argument: tuple(raw)}


def _is_byte(part: object) -> bool:
    return isinstance(part, int) and not isinstance(part, bool) and 0 <= part <= 255


def _temperature(value: Value) -> dict[str, Any]:
    """Convert a temperature to the home's unit, which is what Home Assistant's services take."""
    wanted, letter = _measured(value)
    unit = value.hass.config.units.temperature_unit
    if letter is not None and not unit.lower().endswith(letter):
        other = UnitOfTemperature.CELSIUS if letter == "c" else UnitOfTemperature.FAHRENHEIT
        wanted = round(TemperatureConverter.convert(wanted, other, unit), 1)
    return {value.argument: _within(value, wanted, *value.bounds("min_temp", "max_temp"))}


def _humidity(value: Value) -> dict[str, Any]:
    return {value.argument: _whole(_within(value, _plain(value), *value.bounds("min_humidity", "max_humidity")))}


def _number(value: Value) -> dict[str, Any]:
    return {value.argument: _within(value, _plain(value), *value.bounds("min", "max"))}


def _flag(value: Value) -> dict[str, Any]:
    word = str(value.value).strip().lower()
    if word not in _TRUE | _FALSE:
        raise value.bad
    return {value.argument: word in _TRUE}


def _text(value: Value) -> dict[str, Any]:
    text = str(value.value).strip()
    if not text:
        raise value.bad
    return {value.argument: text}


def _option(value: Value) -> dict[str, Any]:
    """Find the option that is meant among those that the device lists; what cannot be checked is refused."""
    offered = listed(value.state, _OPTIONS[value.state.domain, value.argument])
    options = {_key(str(option)): str(option) for option in offered}
    wanted = _key(str(value.value))
    if not options:
        raise UnsupportedArgumentError(device=value.device, argument=spoken(value.argument))
    found = options.get(wanted) or _closest(wanted, options)
    if found is None:
        raise BadOptionError(
            argument=spoken(value.argument),
            value=str(value.value),
            device=value.device,
            options=", ".join(option.replace("_", " ") for option in options.values()),
        )
    return {value.argument: found}


def _key(option: str) -> str:
    return "_".join(re.findall(r"\w+", option.casefold()))


def _closest(wanted: str, options: Mapping[str, str]) -> str | None:
    """Return the one option that is nearly this; None when there is none or more than one."""
    close = get_close_matches(wanted, options, 2, 0.8)
    return options[close[0]] if len(close) == 1 else None


def _direction(value: Value) -> dict[str, Any]:
    word = str(value.value).strip().lower()
    if word not in ("forward", "reverse"):
        raise value.bad
    return {value.argument: word}


def _status(value: Value) -> dict[str, Any]:
    word = _key(str(value.value))
    if word not in _DONE | _OPEN:
        raise value.bad
    return {value.argument: TodoItemStatus.COMPLETED if word in _DONE else TodoItemStatus.NEEDS_ACTION}


def _existing_item(hass: HomeAssistant, state: State, item: str) -> str:
    """Return the summary of the item of a to-do list that is meant; raise ItemNotFoundError when it is not there.

    Items that are still open come before done ones of the same name, as Home Assistant would take the first.
    """
    items = sorted(todo_items(hass, state.entity_id), key=lambda known: known.status == TodoItemStatus.COMPLETED)
    summaries = {_key(known.summary): known for known in reversed(items) if known.summary}
    found = summaries.get(_key(item))
    if found is None:
        close = get_close_matches(_key(item), summaries, 2, 0.8)
        if len(close) != 1:
            raise ItemNotFoundError(device=state.name, item=item)
        found = summaries[close[0]]
    return found.uid or found.summary or item


def _set_points(state: State, data: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the data without the set points that make no sense together.

    A model that writes one temperature and two keeps the one; a range of which one end is written keeps its other end.
    """
    ends = {"target_temp_low", "target_temp_high"}
    if "temperature" in data:
        return {key: value for key, value in data.items() if key not in ends}
    missing = ends - set(data)
    if len(missing) == 1 and (kept := state.attributes.get(end := missing.pop())) is not None:
        return {**data, end: kept}
    return data


def _as_range(hass: HomeAssistant, state: State, data: dict[str, Any]) -> dict[str, Any]:
    """Return one temperature as a range around it, for a thermostat that is set by two points just now."""
    ends = {end: state.attributes.get(end) for end in ("target_temp_low", "target_temp_high")}
    if "temperature" not in data:
        if missing := next((end for end in ends if end not in data), None):
            raise MissingArgumentError(argument=spoken(missing))
        return data
    one, two = (
        bool(features(state) & bit)
        for bit in (ClimateEntityFeature.TARGET_TEMPERATURE, ClimateEntityFeature.TARGET_TEMPERATURE_RANGE)
    )
    keeps_two = two and None not in ends.values() and state.attributes.get("temperature") is None
    if one and not keeps_two:
        return data
    low, high = ends.values()
    spread = _SPREAD[hass.config.units.temperature_unit] if low is None or high is None else float(high) - float(low)
    middle = data.pop("temperature")
    lowest, highest = Value(hass, state, "temperature", middle).bounds("min_temp", "max_temp")
    return data | {
        "target_temp_low": max(lowest, middle - spread / 2),
        "target_temp_high": min(highest, middle + spread / 2),
    }


_CONVERTERS: Final[Mapping[str, Callable[[Value], dict[str, Any]]]] = {
    "brightness_pct": _percent,
    "brightness_step_pct": _percent_step,
    "color_name": _color_name,
    "rgb_color": _rgb_color,
    "color_temp_kelvin": _kelvin,
    "percentage": _percent,
    "position": _percent,
    "preset_mode": _option,
    "oscillating": _flag,
    "direction": _direction,
    "temperature": _temperature,
    "target_temp_low": _temperature,
    "target_temp_high": _temperature,
    "hvac_mode": _option,
    "fan_mode": _option,
    "humidity": _humidity,
    "mode": _option,
    "operation_mode": _option,
    "volume_pct": _volume_pct,
    "volume_level": _volume_level,
    "is_volume_muted": _flag,
    "source": _option,
    "query": _text,
    "value": _number,
    "option": _option,
    "item": _text,
    "status": _status,
    "code": _text,
}
