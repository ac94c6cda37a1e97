"""The states and attributes of made-up devices, worded as the dialect shows them.

Units are Home Assistant's own; the words of a binary sensor's two states are the language's.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from random import Random
from typing import TypeVar

from .kinds import SENSORS, Kind
from .language import Language

State = tuple[str, dict[str, str]]
T = TypeVar("T")


class Moods:
    """Draws states for one home: its unit of temperature and its words.

    `celsius` tells the unit; `heat` is the home's middle temperature, so that rooms resemble each other.
    """

    def __init__(self, random: Random, language: Language) -> None:
        self.random = random
        self.words = language.words
        self.tables = language.tables
        self.celsius = random.random() < 0.68
        self.unit = "°C" if self.celsius else "°F"
        self.leaning: dict[str, float] = {}

    def draw(self, kind: Kind) -> State:
        """Return the state and the attributes of one new thing."""
        if kind.domain in ("sensor", "binary_sensor"):
            state, attributes = _BY_DOMAIN[kind.domain](self, kind)
        else:
            state, attributes = _BY_DOMAIN.get(kind.domain, _switch)(self, kind)
        if self.random.random() < 0.015 and kind.domain not in ("scene", "script", "todo", "person", "weather"):
            return "unavailable", {key: text for key, text in attributes.items() if key == "class"}
        return state, attributes

    def number(self, low: float, high: float, decimals: int = 0) -> str:
        """Return a number between two others, written with so many decimals; `21.0` loses its end."""
        text = f"{low + (high - low) * self.random.random():.{decimals}f}"
        return text.rstrip("0").rstrip(".") if "." in text else text

    def warmth(self, low: float = 16, high: float = 26) -> str:
        """Return a temperature with its unit; the bounds are in °C."""
        if self.celsius:
            return self.number(low, high, self.pick((0, 1, 1))) + self.unit
        return self.number(low * 1.8 + 32, high * 1.8 + 32, self.pick((0, 0, 1))) + self.unit

    def setting(self) -> str:
        """Return the temperature a thermostat is set to."""
        if self.celsius:
            return self.pick(("17", "18", "19", "19.5", "20", "20.5", "21", "21.5", "22", "23", "24")) + self.unit
        return str(int(62 + self.random.random() * 16)) + self.unit

    def pick(self, entries: tuple[T, ...]) -> T:
        """Return one of the entries."""
        return entries[int(self.random.random() * len(entries))]

    def percent(self, low: int = 0, high: int = 100) -> str:
        """Return a percentage, mostly a round one."""
        step = 10 if self.random.random() < 0.4 else 5 if self.random.random() < 0.4 else 1
        return f"{min(high, max(low, round((low + (high - low) * self.random.random()) / step) * step))}%"

    def chance(self, probability: float) -> bool:
        """Return whether something of this probability happens."""
        return self.random.random() < probability


def _switch(moods: Moods, kind: Kind) -> State:
    return moods.pick(("on", "off", "off")), {}


def _light(moods: Moods, kind: Kind) -> State:
    if moods.chance(0.55):
        return "off", {}
    attributes: dict[str, str] = {}
    if moods.chance(0.8):
        attributes["brightness"] = moods.percent(1)
    draw = moods.random.random()
    if draw < 0.18:
        attributes["color"] = moods.pick(moods.words["colors"])
    elif draw < 0.35:
        attributes["color_temp"] = moods.pick(("2200", "2700", "3000", "4000", "5000", "6500")) + " K"
    return "on", attributes


def _fan(moods: Moods, kind: Kind) -> State:
    if moods.chance(0.5):
        return "off", {}
    attributes = {"speed": moods.percent(10)} if moods.chance(0.75) else {}
    if moods.chance(0.2):
        attributes["preset"] = moods.pick(moods.words["fan_presets"])
    if moods.chance(0.15):
        attributes["oscillating"] = moods.pick(("on", "off"))
    return "on", attributes


def _cover(moods: Moods, kind: Kind) -> State:
    attributes = {"class": kind.device_class} if kind.device_class and moods.chance(0.85) else {}
    state = moods.pick(("open", "open", "open", "closed", "closed", "closed", "opening", "closing"))
    if kind.device_class in ("blind", "curtain", "shutter", "shade", "awning", "window") and moods.chance(0.6):
        attributes["position"] = "0%" if state == "closed" else moods.percent(1) if moods.chance(0.5) else "100%"
    return state, attributes


def _valve(moods: Moods, kind: Kind) -> State:
    state = moods.pick(("open", "closed", "closed"))
    if moods.chance(0.3):
        return state, {"position": "0%" if state == "closed" else moods.percent(1)}
    return state, {}


def _climate(moods: Moods, kind: Kind) -> State:
    modes = (
        ("off", "cool", "auto", "heat") if kind.name == "ac" else ("off", "heat", "heat", "heat cool", "auto", "cool")
    )
    state = moods.pick(modes)
    attributes: dict[str, str] = {}
    if state == "heat cool":
        low = int(moods.setting().split("°")[0].split(".")[0])
        attributes |= {"low": f"{low}{moods.unit}", "high": f"{low + 4}{moods.unit}"}
    elif state != "off" or moods.chance(0.5):
        attributes["set"] = moods.setting()
    if moods.chance(0.85):
        attributes["now"] = moods.warmth()
    if moods.chance(0.2):
        attributes["humidity"] = moods.percent(30, 70)
    if moods.chance(0.15):
        attributes["fan"] = moods.pick(moods.words["fan_modes"])
    if moods.chance(0.15):
        attributes["preset"] = moods.pick(moods.words["climate_presets"])
    return state, attributes


def _humidifier(moods: Moods, kind: Kind) -> State:
    attributes = {"set": moods.percent(30, 70)}
    if moods.chance(0.6):
        attributes["now"] = moods.percent(25, 75)
    return moods.pick(("on", "off")), attributes


def _water_heater(moods: Moods, kind: Kind) -> State:
    return moods.pick(("eco", "electric", "off", "performance")), {
        "set": moods.warmth(45, 60),
        "now": moods.warmth(35, 60),
    }


def _media_player(moods: Moods, kind: Kind) -> State:
    state = moods.pick(("off", "off", "idle", "playing", "playing", "paused", "on", "standby"))
    attributes: dict[str, str] = {}
    if state in ("off", "standby"):
        return state, attributes
    if moods.chance(0.8):
        attributes["volume"] = moods.percent(2)
    if moods.chance(0.1):
        attributes["muted"] = "on"
    if state in ("playing", "paused") and moods.chance(0.75):
        attributes["playing"] = moods.pick(moods.words["titles"])
    if moods.chance(0.25):
        attributes["source"] = moods.pick(moods.words["sources"])
    return state, attributes


def _vacuum(moods: Moods, kind: Kind) -> State:
    state = moods.pick(("docked", "docked", "cleaning", "idle", "returning", "paused"))
    return state, {"battery": moods.percent(3)} if moods.chance(0.6) else {}


def _mower(moods: Moods, kind: Kind) -> State:
    return moods.pick(("docked", "docked", "mowing", "paused")), {}


def _number(moods: Moods, kind: Kind) -> State:
    return moods.number(0, moods.pick((10, 100))), {}


def _select(moods: Moods, kind: Kind) -> State:
    return moods.pick(moods.words["options"]), {}


def _todo(moods: Moods, kind: Kind) -> State:
    count = moods.pick((0, 1, 2, 2, 3, 3, 4, 5))
    items = list(dict.fromkeys(moods.pick(moods.words["items"]) for _ in range(count)))
    return str(len(items)), {"items": ", ".join(items)} if items else {}


def _alarm(moods: Moods, kind: Kind) -> State:
    return moods.pick(("disarmed", "armed home", "armed away", "armed night")), {}


def _person(moods: Moods, kind: Kind) -> State:
    return (moods.pick(("home", "home", "not home")) if moods.chance(0.75) else moods.pick(moods.words["zones"])), {}


def _timer(moods: Moods, kind: Kind) -> State:
    return moods.pick(("idle", "idle", "active", "paused")), {}


def _weather(moods: Moods, kind: Kind) -> State:
    attributes = {"temperature": moods.warmth(-8, 34)}
    if moods.chance(0.6):
        attributes["humidity"] = moods.percent(20, 98)
    if moods.chance(0.2):
        attributes["wind"] = moods.number(0, 60) + " km/h"
    return moods.pick(tuple(moods.tables["weather"])), attributes


def _sensor(moods: Moods, kind: Kind) -> State:
    name = kind.device_class or ""
    if name == "temperature":
        outside = moods.chance(0.15)
        return moods.warmth(-8, 32) if outside else moods.warmth(), {} if moods.chance(0.07) else {"class": name}
    told = {} if moods.chance(0.07) else {"class": name}
    if name in _WORDED:
        return _WORDED[name](moods), told
    unit, low, high, decimals = moods.pick(SENSORS[name])
    return moods.number(low, high, decimals) + unit, told


def _date(moods: Moods) -> str:
    return date.fromordinal(_FIRST_DAY + int(moods.random.random() * 3000)).isoformat()


def _moment(moods: Moods) -> str:
    return f"{_date(moods)} {int(moods.random.random() * 24):02}:{int(moods.random.random() * 60):02}"


_FIRST_DAY = date(2023, 1, 1).toordinal()
_WORDED: dict[str, Callable[[Moods], str]] = {
    "date": _date,
    "timestamp": _moment,
    "enum": lambda moods: moods.pick(moods.words["options"]),
}


_LEANINGS = (0.0, 0.15, 0.35, 0.5, 0.65, 0.85, 1.0)
"""How likely the first state of a class is in one home: in many homes all windows are closed."""


def _binary(moods: Moods, kind: Kind) -> State:
    name = kind.device_class or ""
    first, second = moods.tables["binary_states"][name]
    likely = moods.leaning.setdefault(name, moods.pick(_LEANINGS))
    return first if moods.chance(likely) else second, {"class": name}


def _when(moods: Moods, kind: Kind) -> State:
    return "unknown", {}


_BY_DOMAIN: dict[str, Callable[[Moods, Kind], State]] = {
    "light": _light,
    "fan": _fan,
    "cover": _cover,
    "valve": _valve,
    "lock": lambda moods, kind: (moods.pick(("locked", "locked", "unlocked")), {}),
    "climate": _climate,
    "humidifier": _humidifier,
    "water_heater": _water_heater,
    "media_player": _media_player,
    "vacuum": _vacuum,
    "lawn_mower": _mower,
    "scene": _when,
    "button": _when,
    "number": _number,
    "input_number": _number,
    "select": _select,
    "input_select": _select,
    "todo": _todo,
    "alarm_control_panel": _alarm,
    "person": _person,
    "weather": _weather,
    "timer": _timer,
    "sensor": _sensor,
    "binary_sensor": _binary,
}
