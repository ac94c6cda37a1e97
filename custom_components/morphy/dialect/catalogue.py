"""The services a model may be told about, and the arguments each one takes.

This is the widest policy there is: `control.py` narrows it to what the home has and the user allows, and refuses
whatever is not here. Argument names are Home Assistant's, but for two that no one should have to convert:
`volume_pct` (0-100, Home Assistant's `volume_level` is 0-1) and `query` (words to search media for).
"""

from __future__ import annotations

from collections.abc import Iterable

from .home import Device, Service

_ARGUMENTS: dict[str, dict[str, tuple[str, ...]]] = {
    "light": {
        "turn_on": ("brightness_pct", "brightness_step_pct", "color_name", "color_temp_kelvin"),
        "turn_off": (),
        "toggle": (),
    },
    "switch": {"turn_on": (), "turn_off": (), "toggle": ()},
    "fan": {
        "turn_on": ("percentage", "preset_mode"),
        "turn_off": (),
        "toggle": (),
        "set_percentage": ("percentage",),
        "increase_speed": (),
        "decrease_speed": (),
        "oscillate": ("oscillating",),
        "set_direction": ("direction",),
    },
    "cover": {
        "open_cover": (),
        "close_cover": (),
        "stop_cover": (),
        "set_cover_position": ("position",),
    },
    "valve": {
        "open_valve": (),
        "close_valve": (),
        "set_valve_position": ("position",),
    },
    "lock": {"lock": (), "unlock": ()},
    "climate": {
        "turn_on": (),
        "turn_off": (),
        "set_temperature": ("temperature", "target_temp_low", "target_temp_high"),
        "set_hvac_mode": ("hvac_mode",),
        "set_fan_mode": ("fan_mode",),
        "set_preset_mode": ("preset_mode",),
    },
    "humidifier": {
        "turn_on": (),
        "turn_off": (),
        "set_humidity": ("humidity",),
        "set_mode": ("mode",),
    },
    "water_heater": {
        "turn_on": (),
        "turn_off": (),
        "set_temperature": ("temperature",),
        "set_operation_mode": ("operation_mode",),
    },
    "media_player": {
        "turn_on": (),
        "turn_off": (),
        "media_play": (),
        "media_pause": (),
        "media_stop": (),
        "media_next_track": (),
        "media_previous_track": (),
        "volume_up": (),
        "volume_down": (),
        "volume_set": ("volume_pct",),
        "volume_mute": ("is_volume_muted",),
        "select_source": ("source",),
        "play_media": ("query",),
    },
    "vacuum": {"start": (), "pause": (), "stop": (), "return_to_base": (), "locate": ()},
    "lawn_mower": {"start_mowing": (), "pause": (), "dock": ()},
    "scene": {"turn_on": ()},
    "script": {"turn_on": (), "turn_off": ()},
    "automation": {"trigger": (), "turn_on": (), "turn_off": ()},
    "button": {"press": ()},
    "input_button": {"press": ()},
    "input_boolean": {"turn_on": (), "turn_off": (), "toggle": ()},
    "input_number": {"set_value": ("value",)},
    "number": {"set_value": ("value",)},
    "input_select": {"select_option": ("option",)},
    "select": {"select_option": ("option",)},
    "todo": {
        "add_item": ("item",),
        "remove_item": ("item",),
        "update_item": ("item", "status"),
    },
    "siren": {"turn_on": (), "turn_off": ()},
    "alarm_control_panel": {
        "alarm_arm_home": (),
        "alarm_arm_away": (),
        "alarm_arm_night": (),
        "alarm_disarm": ("code",),
    },
}

CATALOGUE: dict[str, tuple[Service, ...]] = {
    domain: tuple(Service(f"{domain}.{name}", arguments) for name, arguments in services.items())
    for domain, services in _ARGUMENTS.items()
}
"""The services by domain."""

SERVICES: dict[str, Service] = {service.name: service for services in CATALOGUE.values() for service in services}
"""The catalogue by service name."""


NAMED_ONLY: frozenset[str] = frozenset({"scene", "script", "automation", "button", "input_button"})
"""Domains whose devices are meant one by one: nobody asks for every scene of a room."""

NUMBERS: frozenset[str] = frozenset(
    {
        "brightness_pct",
        "brightness_step_pct",
        "color_temp_kelvin",
        "percentage",
        "position",
        "temperature",
        "target_temp_low",
        "target_temp_high",
        "humidity",
        "volume_pct",
        "value",
    }
)
"""Arguments that are a number."""

FLAGS: frozenset[str] = frozenset({"oscillating", "is_volume_muted"})
"""Arguments that are `true` or `false`."""

WORDS: frozenset[str] = frozenset({"color_name", "hvac_mode", "direction", "status"})
"""Arguments that are one lower-case word of a fixed set, written without quotes; all others are text in quotes."""


def services_for(devices: Iterable[Device]) -> tuple[Service, ...]:
    """Return the catalogue's services of the devices' domains, in the order of their first devices."""
    domains = dict.fromkeys(device.domain for device in devices)
    return tuple(service for domain in domains for service in CATALOGUE.get(domain, ()))
