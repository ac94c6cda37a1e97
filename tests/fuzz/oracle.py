"""What may happen in the house, written down a second time and apart from the integration, so that it can be checked.

Nothing here imports the code under test. The policy is that of docs/control.md.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from homeassistant.core import Context, HomeAssistant, State

Check = Callable[[Any, State], bool]

_COLOR_MODES = {"hs", "xy", "rgb", "rgbw", "rgbww"}
_CALL_LINE = re.compile(r"\s*[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*\([^()]*\)\s*")


def _number(low: float | str, high: float | str) -> Check:
    """Return the check for a number between two bounds; text names the attribute with the bound."""

    def check(value: Any, state: State) -> bool:
        bounds = [state.attributes.get(bound) if isinstance(bound, str) else bound for bound in (low, high)]
        ends = [
            side if bound is None else float(bound) for bound, side in zip(bounds, (-math.inf, math.inf), strict=True)
        ]
        return type(value) in (int, float) and math.isfinite(value) and ends[0] <= value <= ends[1]

    return check


def _one_of(*options: Any) -> Check:
    return lambda value, _: value in options and isinstance(value, type(options[0]))


def _listed(attribute: str) -> Check:
    return lambda value, state: value in (state.attributes.get(attribute) or ())


def _text(value: Any, _: State) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _light(modes: set[str], check: Check) -> Check:
    """Return the check of an argument that only lights of these modes can take."""
    return lambda value, state: (
        bool(modes & set(state.attributes.get("supported_color_modes") or ())) and check(value, state)
    )


def _kelvin(value: Any, state: State) -> bool:
    return _number(1000, 20000)(value, state) and _number("min_color_temp_kelvin", "max_color_temp_kelvin")(
        value, state
    )


def _rgb(value: Any, _: State) -> bool:
    return len(value) == 3 and all(type(part) is int and 0 <= part <= 255 for part in value)


def _color(value: Any, _: State) -> bool:
    return isinstance(value, str) and value.islower() and value.replace(" ", "").isalpha()


_TEMPERATURE = _number("min_temp", "max_temp")
_SWITCH: dict[str, dict[str, Check]] = {"turn_on": {}, "turn_off": {}, "toggle": {}}
_ON_OFF: dict[str, dict[str, Check]] = {"turn_on": {}, "turn_off": {}}
_DIMMABLE = _COLOR_MODES | {"brightness", "color_temp", "white"}

POLICY: Mapping[str, Mapping[str, Mapping[str, Check]]] = {
    "light": _SWITCH
    | {
        "turn_on": {
            "brightness_pct": _light(_DIMMABLE, _number(0, 100)),
            "brightness_step_pct": _light(_DIMMABLE, _number(-100, 100)),
            "color_name": _light(_COLOR_MODES, _color),
            "rgb_color": _light(_COLOR_MODES, _rgb),
            "color_temp_kelvin": _light(_COLOR_MODES | {"color_temp"}, _kelvin),
        }
    },
    "switch": _SWITCH,
    "input_boolean": _SWITCH,
    "fan": _SWITCH
    | {
        "turn_on": {"percentage": _number(0, 100), "preset_mode": _listed("preset_modes")},
        "set_percentage": {"percentage": _number(0, 100)},
        "increase_speed": {},
        "decrease_speed": {},
        "oscillate": {"oscillating": _one_of(True, False)},
        "set_direction": {"direction": _one_of("forward", "reverse")},
    },
    "cover": {
        "open_cover": {},
        "close_cover": {},
        "stop_cover": {},
        "set_cover_position": {"position": _number(0, 100)},
    },
    "valve": {"open_valve": {}, "close_valve": {}, "set_valve_position": {"position": _number(0, 100)}},
    "lock": {"lock": {}, "unlock": {}},
    "climate": _ON_OFF
    | {
        "set_temperature": {
            "temperature": _TEMPERATURE,
            "target_temp_low": _TEMPERATURE,
            "target_temp_high": _TEMPERATURE,
        },
        "set_hvac_mode": {"hvac_mode": _listed("hvac_modes")},
        "set_fan_mode": {"fan_mode": _listed("fan_modes")},
        "set_preset_mode": {"preset_mode": _listed("preset_modes")},
    },
    "humidifier": _ON_OFF
    | {
        "set_humidity": {"humidity": _number("min_humidity", "max_humidity")},
        "set_mode": {"mode": _listed("available_modes")},
    },
    "water_heater": _ON_OFF
    | {
        "set_temperature": {"temperature": _TEMPERATURE},
        "set_operation_mode": {"operation_mode": _listed("operation_list")},
    },
    "media_player": _ON_OFF
    | {
        "media_play": {},
        "media_pause": {},
        "media_stop": {},
        "media_next_track": {},
        "media_previous_track": {},
        "volume_up": {},
        "volume_down": {},
        "volume_set": {"volume_level": _number(0, 1)},
        "volume_mute": {"is_volume_muted": _one_of(True, False)},
        "select_source": {"source": _listed("source_list")},
        "play_media": {"media_content_id": _text, "media_content_type": _text},
        "search_media": {"search_query": _text},
    },
    "vacuum": {"start": {}, "pause": {}, "stop": {}, "return_to_base": {}, "locate": {}},
    "lawn_mower": {"start_mowing": {}, "pause": {}, "dock": {}},
    "scene": {"turn_on": {}},
    "script": _ON_OFF,
    "automation": _ON_OFF | {"trigger": {}},
    "button": {"press": {}},
    "input_button": {"press": {}},
    "number": {"set_value": {"value": _number("min", "max")}},
    "input_number": {"set_value": {"value": _number("min", "max")}},
    "select": {"select_option": {"option": _listed("options")}},
    "input_select": {"select_option": {"option": _listed("options")}},
    "todo": {
        "add_item": {"item": _text},
        "remove_item": {"item": _text},
        "update_item": {"item": _text, "status": _one_of("completed", "needs_action")},
    },
    "siren": _ON_OFF,
    "alarm_control_panel": {
        "alarm_arm_home": {},
        "alarm_arm_away": {},
        "alarm_arm_night": {},
        "alarm_disarm": {"code": _text},
    },
}
"""What may be called, and with which data, by domain, service and argument."""

HARMLESS = ("lock", "close_cover", "close_valve", "stop_cover", "alarm_arm_home", "alarm_arm_away", "alarm_arm_night")
"""Services that never have to be asked about."""


@dataclass(frozen=True, slots=True)
class ServiceCall:
    """One service call as it reached Home Assistant, and the state of its entity just before."""

    domain: str
    service: str
    data: Mapping[str, Any]
    target: Any
    context: Context | None
    state: State | None
    raised: BaseException | None = None


@dataclass(slots=True)
class Rules:
    """What is allowed in one turn."""

    context: Context
    exposed: frozenset[str]
    """What was exposed when the turn began and still is."""
    rights: frozenset[str] | None
    """The entities that the user may control; all when None."""
    domains: frozenset[str] | None
    """The domains that the agent may control; all when None."""
    risky_asks: bool
    ask_first: frozenset[str]
    """Entities whose actions always ask."""
    agreed: frozenset[str] = field(default_factory=frozenset)
    """Entities that the user has said yes to."""


def violations(call: ServiceCall, rules: Rules) -> list[str]:
    """Return what is wrong with a service call; nothing when it may be made."""
    data = dict(call.data)
    entity_id = data.pop("entity_id", None)
    found = []
    allowed = POLICY.get(call.domain, {}).get(call.service)
    if allowed is None:
        found.append("service outside of the policy")
    if rules.domains is not None and call.domain not in rules.domains:
        found.append("domain that the agent may not control")
    if call.context is not rules.context:
        found.append("context of another request")
    if call.target is not None or not isinstance(entity_id, str):
        return [*found, "target that is not one entity"]
    if entity_id not in rules.exposed:
        found.append("entity that is not exposed")
    if entity_id.partition(".")[0] != call.domain:
        found.append("entity of another domain")
    if rules.rights is not None and entity_id not in rules.rights:
        found.append("entity that the user has no rights on")
    if entity_id not in rules.agreed and _asks(call, entity_id, rules):
        found.append("risky action without a yes")
    if call.raised is not None and type(call.raised).__name__ in REFUSED_BY_HOME_ASSISTANT:
        found.append(f"refused by Home Assistant: {type(call.raised).__name__}")
    state = call.state
    if state is None:
        return [*found, "entity that does not exist"]
    for key, value in data.items():
        check = (allowed or {}).get(key)
        if check is None or not _holds(check, value, state):
            found.append(f"data that was not checked: {key}")
    return found


def _holds(check: Check, value: Any, state: State) -> bool:
    try:
        return check(value, state)
    except TypeError, ValueError:
        return False  # an attribute that makes no sense bounds nothing


def tool_violations(hass: HomeAssistant, call: ServiceCall, rules: Rules) -> list[str]:
    """Return what is wrong with a service call of one of Home Assistant's own tools, which has its own services.

    Looking for media changes nothing. Home Assistant's intents for thermostats and their like leave the context out;
    whether the user has the right is asked before them.
    """
    if call.service == "search_media":
        return []
    found = [] if call.context in (rules.context, None) else ["context of another request"]
    given = call.data.get("entity_id") or (call.target or {}).get("entity_id")
    if call.domain == "script" and call.service not in _ON_OFF:
        given = f"script.{call.service}"
    if not given or (call.target or {}).keys() - {"entity_id"}:
        return [*found, "target that is no entity"]
    for entity_id in [given] if isinstance(given, str) else given:
        one = replace(call, state=call.state or hass.states.get(entity_id))
        if entity_id not in rules.exposed:
            found.append("entity that is not exposed")
        if rules.rights is not None and entity_id not in rules.rights:
            found.append("entity that the user has no rights on")
        if rules.domains is not None and entity_id.partition(".")[0] not in rules.domains:
            found.append("domain that the agent may not control")
        if _asks(one, entity_id, rules):
            found.append("risky action without a yes")
    return found


REFUSED_BY_HOME_ASSISTANT = frozenset(
    {"Invalid", "MultipleInvalid", "ServiceNotFound", "ServiceNotSupported", "ServiceValidationError", "Unauthorized"}
)
"""Errors by which Home Assistant says that a call should never have been made."""


def _asks(call: ServiceCall, entity_id: str, rules: Rules) -> bool:
    if call.service in HARMLESS or call.data.get("position") == 0 or call.state is None:
        return False
    if entity_id in rules.ask_first:
        return True
    if not rules.risky_asks:
        return False
    state = call.state.state
    attributes = call.state.attributes
    position = attributes.get("current_position")
    if call.service in ("open_cover", "set_cover_position", "open_valve", "set_valve_position"):
        if call.domain == "cover" and attributes.get("device_class") not in ("door", "garage", "gate"):
            return False
        known = isinstance(position, int | float) and state in ("open", "opening", "closing")
        open_by = position if known else {"open": 100}.get(state, 0)
        return not call.data.get("position", 100) <= open_by
    return (call.service == "unlock" and state != "unlocked") or (
        call.service == "alarm_disarm" and state != "disarmed"
    )


def call_lines(text: str) -> list[str]:
    """Return the lines of a spoken text that are calls."""
    return [line for line in text.split("\n") if _CALL_LINE.fullmatch(line)]
