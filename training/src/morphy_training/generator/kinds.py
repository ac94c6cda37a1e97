"""The kinds of thing a home may hold: their domain, their device class, how common they are.

A kind is finer than a domain (a curtain and a garage door are both covers) and is what people speak of as a group. What
a kind is called is in the language's `nouns.yaml`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind: `weight` is relative, `placed` the probability that it stands in an area."""

    name: str
    domain: str
    weight: float
    placed: float = 0.9
    device_class: str | None = None


SENSORS: dict[str, tuple[str, float, float, int]] = {
    "temperature": ("", 0, 0, 1),
    "humidity": ("%", 20, 90, 0),
    "battery": ("%", 1, 100, 0),
    "power": (" W", 0, 3000, 0),
    "energy": (" kWh", 0, 900, 1),
    "illuminance": (" lx", 0, 2000, 0),
    "carbon dioxide": (" ppm", 380, 2200, 0),
    "moisture": ("%", 0, 100, 0),
    "pressure": (" hPa", 980, 1040, 0),
    "pm25": (" µg/m³", 0, 90, 0),
    "voltage": (" V", 110, 240, 0),
    "current": (" A", 0, 16, 1),
    "water": (" L", 0, 900, 0),
    "gas": (" m³", 0, 400, 1),
    "wind speed": (" km/h", 0, 60, 0),
    "precipitation": (" mm", 0, 30, 1),
    "weight": (" kg", 0, 110, 1),
    "distance": (" m", 0, 90, 1),
    "signal strength": (" dBm", -95, -30, 0),
    "duration": (" min", 1, 180, 0),
}
"""Sensor classes: unit as shown, lowest and highest value, decimals. A temperature has the home's own unit."""

_SENSOR_WEIGHT = {"temperature": 4.0, "humidity": 2.4, "battery": 2.0, "power": 1.4, "illuminance": 0.7, "energy": 0.7}

_BINARY = {
    "door": 1.6,
    "window": 1.6,
    "motion": 1.6,
    "occupancy": 0.6,
    "presence": 0.5,
    "moisture": 0.8,
    "smoke": 0.7,
    "gas": 0.4,
    "carbon monoxide": 0.4,
    "battery": 0.7,
    "battery charging": 0.5,
    "plug": 0.4,
    "power": 0.4,
    "running": 0.5,
    "problem": 0.4,
    "safety": 0.2,
    "sound": 0.3,
    "light": 0.3,
    "cold": 0.25,
    "heat": 0.25,
    "connectivity": 0.4,
    "vibration": 0.3,
    "tamper": 0.25,
    "update": 0.3,
    "opening": 0.3,
    "garage door": 0.4,
    "lock": 0.3,
    "moving": 0.2,
}

_KINDS = (
    Kind("light", "light", 26),
    Kind("switch", "switch", 16),
    Kind("coffee", "switch", 2),
    Kind("switch_light", "switch", 1.2),
    Kind("fan", "fan", 5),
    Kind("purifier", "fan", 0.6),
    Kind("blind", "cover", 2.4, device_class="blind"),
    Kind("curtain", "cover", 1.8, device_class="curtain"),
    Kind("shutter", "cover", 1.4, device_class="shutter"),
    Kind("shade", "cover", 1, device_class="shade"),
    Kind("awning", "cover", 0.4, device_class="awning"),
    Kind("garage", "cover", 1.2, device_class="garage"),
    Kind("gate", "cover", 0.5, device_class="gate"),
    Kind("window_cover", "cover", 0.6, device_class="window"),
    Kind("door_cover", "cover", 0.4, device_class="door"),
    Kind("valve", "valve", 1.2, 0.7),
    Kind("lock", "lock", 3.2, 0.8),
    Kind("thermostat", "climate", 3.2, 0.85),
    Kind("ac", "climate", 1.4, 0.9),
    Kind("humidifier", "humidifier", 1),
    Kind("dehumidifier", "humidifier", 0.4),
    Kind("water_heater", "water_heater", 0.4, 0.7),
    Kind("tv", "media_player", 2.6),
    Kind("speaker", "media_player", 4),
    Kind("vacuum", "vacuum", 2.6, 0.6),
    Kind("mower", "lawn_mower", 0.4, 0.4),
    Kind("scene", "scene", 2.8, 0.15),
    Kind("script", "script", 1.6, 0.05),
    Kind("automation", "automation", 0.5, 0.0),
    Kind("button", "button", 0.6, 0.5),
    Kind("helper", "input_boolean", 1.1, 0.15),
    Kind("number", "number", 0.4, 0.5),
    Kind("input_number", "input_number", 0.3, 0.2),
    Kind("select", "select", 0.4, 0.5),
    Kind("input_select", "input_select", 0.3, 0.1),
    Kind("todo", "todo", 3, 0.0),
    Kind("siren", "siren", 0.4),
    Kind("alarm", "alarm_control_panel", 0.7, 0.3),
    Kind("person", "person", 2.6, 0.0),
    Kind("weather", "weather", 1.3, 0.05),
    *(Kind(f"sensor {name}", "sensor", _SENSOR_WEIGHT.get(name, 0.3), 0.75, name) for name in SENSORS),
    *(Kind(f"binary {name}", "binary_sensor", 0.8 * weight, 0.8, name) for name, weight in _BINARY.items()),
)

FAMILIES: dict[str, tuple[str, ...]] = {
    "switch": ("switch", "coffee", "switch_light"),
    "fan": ("fan", "purifier"),
    "thermostat": ("thermostat", "ac"),
}
"""Kinds whose word covers others too: a coffee machine is one of the switches."""

KINDS: dict[str, Kind] = {kind.name: kind for kind in _KINDS}
"""Every kind by name."""
