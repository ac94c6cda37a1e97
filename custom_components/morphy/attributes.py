"""What is worth telling of a state, in words: as the home shows it, never as Home Assistant stores it.

Percent instead of 0-255, a colour by the name people say, °C or °F with the number, `open` for a door that is `on`.
The attribute names are the dialect's (`brightness`, `set`, `playing`), not Home Assistant's.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Mapping
from typing import Any, Final

from homeassistant.components.sensor import SensorDeviceClass, async_rounded_state
from homeassistant.components.todo import TodoItem, TodoItemStatus
from homeassistant.components.todo.const import DATA_COMPONENT as TODO_COMPONENT
from homeassistant.const import STATE_OFF, STATE_ON, STATE_UNAVAILABLE, STATE_UNKNOWN
from homeassistant.core import HomeAssistant, State, callback
from homeassistant.util import color as color_util, dt as dt_util

Attributes = dict[str, str]

BINARY_STATES: Final[Mapping[str, tuple[str, str]]] = {
    "battery": ("low", "normal"),
    "battery_charging": ("charging", "not charging"),
    "carbon_monoxide": ("detected", "clear"),
    "cold": ("cold", "normal"),
    "connectivity": ("connected", "disconnected"),
    "door": ("open", "closed"),
    "garage_door": ("open", "closed"),
    "gas": ("detected", "clear"),
    "glass_break": ("glass break detected", "clear"),
    "heat": ("hot", "normal"),
    "light": ("light detected", "no light"),
    "lock": ("unlocked", "locked"),
    "moisture": ("wet", "dry"),
    "motion": ("detected", "clear"),
    "moving": ("moving", "not moving"),
    "occupancy": ("detected", "clear"),
    "opening": ("open", "closed"),
    "plug": ("plugged in", "unplugged"),
    "presence": ("home", "away"),
    "problem": ("problem", "ok"),
    "running": ("running", "not running"),
    "safety": ("unsafe", "safe"),
    "smoke": ("detected", "clear"),
    "sound": ("detected", "clear"),
    "tamper": ("tampering detected", "clear"),
    "update": ("update available", "up to date"),
    "vibration": ("detected", "clear"),
    "window": ("open", "closed"),
}
"""The words for on and off of a binary sensor by its device class; a class that is not here says `on` and `off`."""

COLORS: Final[Mapping[str, tuple[int, int]]] = {
    "white": (0, 0),
    "red": (0, 100),
    "salmon": (6, 52),
    "coral": (16, 69),
    "orange": (39, 100),
    "gold": (51, 100),
    "yellow": (60, 100),
    "green": (120, 100),
    "light green": (120, 39),
    "turquoise": (174, 71),
    "cyan": (180, 100),
    "sky blue": (197, 43),
    "blue": (240, 100),
    "indigo": (275, 100),
    "purple": (300, 100),
    "violet": (300, 45),
    "lavender": (240, 8),
    "hot pink": (330, 59),
    "pink": (350, 25),
}
"""Hue in degrees and saturation in percent of the colours that people name.

A light tells hue and saturation alone, so magenta is `purple` here and the `lime` of CSS is `green`.
"""

MOMENTARY: Final = frozenset({"scene", "button", "input_button"})
"""Domains whose state is the time they were last used: nobody asks for it, and it would change the prompt."""

TODO_ITEMS: Final = 30
"""Open items of a to-do list that are told."""

_VERBATIM = frozenset({"select", "input_select", "input_text", "text", "person", "device_tracker"})
_CLASSED = frozenset({"binary_sensor", "sensor", "cover", "switch", "media_player"})
"""Domains whose things are called by their class: the outlet, the curtains, the TV."""
_NUMERIC = frozenset({"sensor", "number", "input_number", "counter"})
_COLOR_MODES = frozenset({"hs", "rgb", "rgbw", "rgbww", "xy"})


@callback
def told_state(hass: HomeAssistant, state: State) -> str:
    """Return the state as the home shows it: `on`, `heat cool`, `21.5°C`, `open` for a door that is `on`."""
    value = state.state
    if value in (STATE_UNAVAILABLE, STATE_UNKNOWN):
        return value
    if state.domain in MOMENTARY:
        return STATE_UNKNOWN
    if state.domain == "binary_sensor":
        on, off = BINARY_STATES.get(state.attributes.get("device_class", ""), (STATE_ON, STATE_OFF))
        return on if value == STATE_ON else off
    if state.domain in _NUMERIC:
        return _told_measurement(hass, state)
    if value == "not_home":
        return "not home"
    return value if state.domain in _VERBATIM else value.replace("_", " ")


@callback
def told_attributes(hass: HomeAssistant, state: State) -> Attributes:
    """Return the attributes worth telling, most important first; of what is unavailable only its class."""
    told = _class(state) if state.domain in _CLASSED else {}
    if state.state == STATE_UNAVAILABLE:
        return told
    if state.domain == "todo":
        return told | _todo(hass, state)
    if tell := _TELL.get(state.domain):
        # One integration that tells text where a number belongs must not silence the whole home.
        with contextlib.suppress(ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
            told |= tell(hass, state)
    return told


@callback
def told(hass: HomeAssistant, state: State) -> str:
    """Return state and attributes as a dialect writes them after an id: `on; brightness 60%; color red`."""
    return "; ".join(
        [told_state(hass, state), *(f"{key} {value}" for key, value in told_attributes(hass, state).items())]
    )


@callback
def todo_items(hass: HomeAssistant, entity_id: str) -> list[TodoItem]:
    """Return the items of a to-do list, done ones too; empty when its integration has not loaded them."""
    component = hass.data.get(TODO_COMPONENT)
    entity = component.get_entity(entity_id) if component else None
    return (entity.todo_items if entity else None) or []


def color_name(hs_color: tuple[float, float]) -> str:
    """Return the nearest of COLORS to a hue in degrees and a saturation in percent."""

    def place(hue: float, saturation: float) -> tuple[float, float]:
        return saturation * math.cos(math.radians(hue)), saturation * math.sin(math.radians(hue))

    here = place(*hs_color)
    return min(COLORS, key=lambda name: math.dist(here, place(*COLORS[name])))


def percent(value: float, whole: float = 100) -> str:
    """Return a share as text; something that is not nothing is at least 1%."""
    share = round(value / whole * 100)
    return f"{max(share, 1) if value > 0 else share}%"


def number(value: Any, unit: str | None = None, decimals: int = 2) -> str:
    """Return a number with its unit as a home shows it: `21°C`, `45%`, `3.2 kW`; other values as they are."""
    try:
        text = f"{float(value):.{decimals}f}"
    except TypeError, ValueError:
        return str(value)
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return f"{text}{'' if not unit or unit[0] in '%°' else ' '}{unit or ''}"


def _told_measurement(hass: HomeAssistant, state: State) -> str:
    unit = state.attributes.get("unit_of_measurement")
    value = async_rounded_state(hass, state.entity_id, state) if state.domain == "sensor" else state.state
    if state.attributes.get("device_class") == SensorDeviceClass.TIMESTAMP:
        moment = dt_util.parse_datetime(value)
        return value if moment is None else f"{dt_util.as_local(moment):%Y-%m-%d %H:%M}"
    try:
        float(value)
    except ValueError:
        return value.replace("_", " ")
    # A precision that the home shows is kept but for zeros at the end; without one, two decimals will do.
    return number(value, unit, len(value.partition(".")[2]) if value != state.state else 2)


def _class(state: State) -> Attributes:
    device_class = state.attributes.get("device_class")
    return {"class": str(device_class).replace("_", " ")} if device_class and device_class != state.domain else {}


def _degrees(hass: HomeAssistant, value: Any) -> str:
    return number(value, hass.config.units.temperature_unit, 1)


def _light(hass: HomeAssistant, state: State) -> Attributes:
    attributes = state.attributes
    told: Attributes = {}
    if (brightness := attributes.get("brightness")) is not None:
        told["brightness"] = percent(brightness, 255)
    mode = attributes.get("color_mode")
    if mode in _COLOR_MODES and (hs_color := _hs_color(attributes)) is not None:
        told["color"] = color_name(hs_color)
    elif mode == "color_temp" and (kelvin := attributes.get("color_temp_kelvin")):
        told["color_temp"] = f"{kelvin} K"
    return told


def _hs_color(attributes: Mapping[str, Any]) -> tuple[float, float] | None:
    if hs_color := attributes.get("hs_color"):
        return hs_color[0], hs_color[1]
    if rgb_color := attributes.get("rgb_color"):
        return color_util.color_RGB_to_hs(*rgb_color)
    return None


def _fan(hass: HomeAssistant, state: State) -> Attributes:
    if state.state != STATE_ON:
        return {}
    attributes = state.attributes
    told: Attributes = {}
    if (percentage := attributes.get("percentage")) is not None:
        told["speed"] = percent(percentage)
    if preset := attributes.get("preset_mode"):
        told["preset"] = str(preset)
    if (oscillating := attributes.get("oscillating")) is not None:
        told["oscillating"] = STATE_ON if oscillating else STATE_OFF
    return told


def _position(hass: HomeAssistant, state: State) -> Attributes:
    position = state.attributes.get("current_position")
    return {} if position is None else {"position": percent(position)}


def _climate(hass: HomeAssistant, state: State) -> Attributes:
    told: Attributes = {}
    for key, name in (("set", "temperature"), ("low", "target_temp_low"), ("high", "target_temp_high")):
        if (value := state.attributes.get(name)) is not None:
            told[key] = _degrees(hass, value)
    if (current := state.attributes.get("current_temperature")) is not None:
        told["now"] = _degrees(hass, current)
    if (humidity := state.attributes.get("current_humidity")) is not None:
        told["humidity"] = percent(humidity)
    if fan := state.attributes.get("fan_mode"):
        told["fan"] = str(fan)
    if (preset := state.attributes.get("preset_mode")) and preset != "none":
        told["preset"] = str(preset)
    return told


def _water_heater(hass: HomeAssistant, state: State) -> Attributes:
    names = (("set", "temperature"), ("now", "current_temperature"))
    return {key: _degrees(hass, value) for key, name in names if (value := state.attributes.get(name)) is not None}


def _humidifier(hass: HomeAssistant, state: State) -> Attributes:
    names = (("set", "humidity"), ("now", "current_humidity"))
    return {key: percent(value) for key, name in names if (value := state.attributes.get(name)) is not None}


def _media_player(hass: HomeAssistant, state: State) -> Attributes:
    attributes = state.attributes
    told: Attributes = {}
    if (volume := attributes.get("volume_level")) is not None:
        told["volume"] = percent(volume, 1)
    if attributes.get("is_volume_muted"):
        told["muted"] = STATE_ON
    if title := attributes.get("media_title"):
        told["playing"] = str(title)
    if source := attributes.get("source"):
        told["source"] = str(source)
    return told


def _vacuum(hass: HomeAssistant, state: State) -> Attributes:
    battery = state.attributes.get("battery_level")
    return {} if battery is None else {"battery": percent(battery)}


def _weather(hass: HomeAssistant, state: State) -> Attributes:
    attributes = state.attributes
    told: Attributes = {}
    if (temperature := attributes.get("temperature")) is not None:
        told["temperature"] = number(temperature, attributes.get("temperature_unit"), 1)
    if (humidity := attributes.get("humidity")) is not None:
        told["humidity"] = percent(humidity)
    if (wind := attributes.get("wind_speed")) is not None:
        told["wind"] = number(wind, attributes.get("wind_speed_unit"), 0)
    return told


def _todo(hass: HomeAssistant, state: State) -> Attributes:
    items = [
        item.summary
        for item in todo_items(hass, state.entity_id)
        if item.summary and item.status != TodoItemStatus.COMPLETED
    ]
    return {"items": ", ".join(items[:TODO_ITEMS])} if items else {}


_TELL: Final[Mapping[str, Callable[[HomeAssistant, State], Attributes]]] = {
    "light": _light,
    "fan": _fan,
    "cover": _position,
    "valve": _position,
    "climate": _climate,
    "water_heater": _water_heater,
    "humidifier": _humidifier,
    "media_player": _media_player,
    "vacuum": _vacuum,
    "weather": _weather,
}
