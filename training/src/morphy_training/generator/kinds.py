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


Measure = tuple[str, float, float, int]
"""A unit as shown, with the space before it; lowest and highest value; decimals."""

SENSORS: dict[str, tuple[Measure, ...]] = {
    "temperature": (("", 0, 0, 1),),
    "humidity": (("%", 20, 90, 0), ("%", 20, 90, 1)),
    "battery": (("%", 1, 100, 0),),
    "power": ((" W", 0, 3000, 0), (" W", 0, 300, 1), (" kW", 0, 12, 2)),
    "energy": ((" kWh", 0, 900, 1), (" kWh", 0, 40, 2), (" Wh", 0, 9000, 0), (" MWh", 0, 30, 1)),
    "illuminance": ((" lx", 0, 2000, 0), (" lx", 0, 60000, 0), (" lux", 0, 900, 0)),
    "carbon dioxide": ((" ppm", 380, 2200, 0),),
    "moisture": (("%", 0, 100, 0),),
    "pressure": ((" hPa", 980, 1040, 0), (" bar", 0, 8, 1), (" psi", 20, 60, 0), (" mbar", 960, 1040, 0)),
    "atmospheric pressure": ((" hPa", 960, 1040, 0), (" hPa", 980, 1040, 1), (" inHg", 28, 31, 2)),
    "pm25": ((" µg/m³", 0, 90, 0),),
    "voltage": ((" V", 110, 240, 0), (" V", 2, 14, 1), (" mV", 1800, 3300, 0)),
    "current": ((" A", 0, 16, 1), (" A", 0, 32, 0), (" mA", 0, 900, 0)),
    "water": ((" L", 0, 9000, 0), (" m³", 0, 300, 1), (" gal", 0, 900, 0)),
    "gas": ((" m³", 0, 400, 1), (" m³", 0, 4000, 0), (" ft³", 0, 900, 0)),
    "wind speed": ((" km/h", 0, 60, 0), (" m/s", 0, 20, 1), (" mph", 0, 40, 0)),
    "precipitation": ((" mm", 0, 30, 1), (" in", 0, 3, 2)),
    "weight": ((" kg", 0, 110, 1), (" lb", 90, 240, 0), (" g", 0, 900, 0)),
    "distance": ((" m", 0, 90, 1), (" km", 0, 90000, 0), (" cm", 0, 300, 0), (" mi", 0, 60000, 0)),
    "signal strength": ((" dBm", -95, -30, 0), (" dB", -90, -20, 0)),
    "duration": ((" min", 1, 180, 0), (" h", 1, 48, 1), (" s", 1, 600, 0), (" d", 1, 90, 0)),
    "absolute humidity": ((" g/m³", 2, 22, 1),),
    "apparent power": ((" VA", 0, 2500, 0),),
    "aqi": (("", 5, 180, 0),),
    "area": ((" m²", 4, 160, 0),),
    "carbon monoxide": ((" ppm", 0, 60, 0),),
    "conductivity": ((" µS/cm", 20, 1900, 0),),
    "data rate": ((" Mbit/s", 0, 900, 1), (" MB/s", 0, 120, 1), (" kB/s", 0, 900, 0)),
    "data size": ((" GB", 1, 4000, 1), (" MB", 1, 900, 0), (" kB", 1, 900, 0), (" TB", 1, 16, 1)),
    "date": (),
    "enum": (),
    "timestamp": (),
    "energy storage": ((" kWh", 0, 14, 1),),
    "frequency": ((" Hz", 49, 61, 1), (" MHz", 400, 4200, 0)),
    "irradiance": ((" W/m²", 0, 1000, 0),),
    "monetary": ((" EUR", 0, 300, 2), (" USD", 0, 300, 2), (" EUR", 0, 9, 2), (" GBP", 0, 90, 2)),
    "nitrogen dioxide": ((" µg/m³", 0, 120, 0),),
    "nitrogen monoxide": ((" µg/m³", 0, 90, 0),),
    "nitrous oxide": ((" µg/m³", 0, 90, 0),),
    "ozone": ((" µg/m³", 0, 180, 0),),
    "ph": (("", 5, 9, 1),),
    "pm1": ((" µg/m³", 0, 60, 0),),
    "pm10": ((" µg/m³", 0, 120, 0),),
    "pm4": ((" µg/m³", 0, 90, 0),),
    "power factor": (("%", 20, 100, 0), ("", 0, 1, 2)),
    "precipitation intensity": ((" mm/h", 0, 30, 1),),
    "radon": ((" Bq/m³", 10, 300, 0),),
    "reactive power": ((" var", 0, 900, 0),),
    "reactive energy": ((" kvarh", 0, 300, 1),),
    "sound pressure": ((" dB", 20, 90, 0), (" dBA", 20, 90, 0)),
    "speed": ((" km/h", 0, 130, 0), (" mph", 0, 80, 0), (" m/s", 0, 12, 1)),
    "sulphur dioxide": ((" µg/m³", 0, 60, 0),),
    "temperature delta": ((" K", 0, 12, 1),),
    "volatile organic compounds": ((" µg/m³", 0, 900, 0),),
    "volatile organic compounds parts": ((" ppb", 0, 900, 0), (" ppm", 0, 40, 1)),
    "volume": ((" L", 0, 3000, 0), (" m³", 0, 90, 1)),
    "volume storage": ((" L", 0, 5000, 0), (" gal", 0, 900, 0)),
    "volume flow rate": ((" L/min", 0, 40, 1), (" m³/h", 0, 9, 1)),
    "wind direction": (("°", 0, 359, 0),),
}
"""Sensor classes and what they may read. A temperature has the home's own unit; dates and words have their own ways."""

_SENSOR_WEIGHT = {
    **dict.fromkeys(tuple(SENSORS)[:21], 0.3),
    "temperature": 4.0,
    "humidity": 2.6,
    "battery": 2.0,
    "power": 1.2,
    "illuminance": 0.6,
    "energy": 0.7,
    "carbon dioxide": 0.6,
    "date": 0.25,
    "timestamp": 0.25,
}
_RARE_SENSOR = 0.13

_BINARY = {
    "door": 2.6,
    "window": 2.6,
    "motion": 2.2,
    "occupancy": 0.8,
    "presence": 0.8,
    "moisture": 1.2,
    "smoke": 1.0,
    "gas": 0.8,
    "carbon monoxide": 0.8,
    "battery": 0.9,
    "battery charging": 0.8,
    "plug": 0.8,
    "power": 0.8,
    "running": 0.8,
    "problem": 0.8,
    "safety": 0.8,
    "sound": 0.8,
    "light": 0.8,
    "cold": 0.8,
    "heat": 0.8,
    "connectivity": 0.8,
    "vibration": 0.8,
    "tamper": 0.8,
    "update": 0.8,
    "opening": 0.8,
    "garage door": 0.8,
    "lock": 0.8,
    "moving": 0.8,
    "glass break": 0.8,
}

_KINDS = (
    Kind("light", "light", 26),
    Kind("switch", "switch", 14),
    Kind("outlet", "switch", 2.4, device_class="outlet"),
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
    Kind("tv", "media_player", 2.6, device_class="tv"),
    Kind("speaker", "media_player", 4, device_class="speaker"),
    Kind("vacuum", "vacuum", 2.6, 0.6),
    Kind("mower", "lawn_mower", 1.1, 0.4),
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
    Kind("siren", "siren", 0.6),
    Kind("alarm", "alarm_control_panel", 0.7, 0.3),
    Kind("person", "person", 3.8, 0.0),
    Kind("weather", "weather", 2.2, 0.05),
    Kind("timer", "timer", 0.5, 0.1),
    *(Kind(f"sensor {name}", "sensor", _SENSOR_WEIGHT.get(name, _RARE_SENSOR), 0.75, name) for name in SENSORS),
    *(Kind(f"binary {name}", "binary_sensor", weight, 0.8, name) for name, weight in _BINARY.items()),
)

FAMILIES: dict[str, tuple[str, ...]] = {
    "switch": ("switch", "outlet", "coffee", "switch_light"),
    "fan": ("fan", "purifier"),
    "thermostat": ("thermostat", "ac"),
}
"""Kinds whose word covers others too: a coffee machine is one of the switches."""

KINDS: dict[str, Kind] = {kind.name: kind for kind in _KINDS}
"""Every kind by name."""

_TOGETHER = tuple(
    tuple(f"{domain} {name}" for name in names)
    for domain, names in (
        (
            "binary",
            ("battery charging", "connectivity", "plug", "presence", "update", "vibration", "moving", "battery"),
        ),
        ("sensor", ("temperature", "humidity", "battery", "carbon dioxide", "pressure")),
        ("sensor", ("power", "energy", "voltage", "current")),
        ("sensor", ("precipitation", "precipitation intensity", "wind speed")),
        ("sensor", ("pm1", "pm25", "pm10", "volatile organic compounds")),
        ("sensor", ("water", "volume flow rate")),
        ("sensor", ("distance", "speed", "duration")),
        ("sensor", ("data rate", "data size", "signal strength")),
    )
)
SOLE: tuple[tuple[float, tuple[str, ...]], ...] = (
    (0.45, ("vacuum",)),
    (0.5, ("thermostat", "ac")),
    (0.4, ("tv",)),
    (0.4, ("speaker",)),
    (0.35, ("outlet",)),
    (0.25, ("coffee",)),
    (0.3, ("blind", "curtain", "shutter", "shade")),
    (0.3, ("todo",)),
    (0.12, ("lock",)),
    (0.1, ("fan",)),
    (0.08, ("mower",)),
    (0.08, ("garage",)),
    (0.08, ("valve",)),
    (0.08, ("humidifier",)),
    (0.08, ("alarm",)),
    (0.08, ("water_heater",)),
)
"""How often a home has just one thing of a few kinds, so that it need not be named to be meant."""
TWINS: dict[str, tuple[str, ...]] = {
    "lock": ("binary door", "binary battery"),
    "binary door": ("lock", "binary lock", "binary battery", "binary tamper"),
    "binary window": ("binary battery", "binary vibration", "binary lock"),
    "garage": ("binary problem", "binary moving"),
    "switch": ("sensor power", "sensor energy", "binary running", "binary update", "binary problem"),
    "coffee": ("sensor power", "binary running"),
    "vacuum": ("sensor battery", "binary problem", "binary battery charging"),
    "thermostat": ("binary problem", "binary battery", "sensor battery"),
    "binary motion": ("binary battery", "sensor battery", "sensor illuminance", "binary occupancy", "binary tamper"),
    "binary smoke": ("binary battery", "binary carbon monoxide", "binary heat"),
    **{name: tuple(other for other in group if other != name) for group in _TOGETHER for name in group},
}
"""What may have the same name as a thing of a kind: devices tell more than one thing of themselves."""
