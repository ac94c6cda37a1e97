"""The fields of scripts: a model writes them as arguments, and they are checked as in Home Assistant's own forms."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

import voluptuous as vol
from homeassistant.components.homeassistant.exposed_entities import async_should_expose
from homeassistant.core import HomeAssistant, State
from homeassistant.helpers import config_validation as cv, entity_registry as er
from homeassistant.helpers.selector import selector

from .dialect import Device
from .errors import BadArgumentError, MissingArgumentError, NotExposedError, UnsupportedArgumentError

SERVICE: Final = "script.turn_on"
SPOKEN_VALUE: Final = 60
"""Characters of a senseless value that are repeated to the user."""
_ARGUMENT = re.compile(r"[a-z_][a-z0-9_]*")
_ENTITY_ID = re.compile(r"[a-z0-9_]+\.[a-z0-9_]+")

type Fields = Mapping[str, Mapping[str, Any]]


def field_names(hass: HomeAssistant, devices: Iterable[Device]) -> tuple[str, ...]:
    """Return the names of all fields of the scripts among these devices, as far as a call can have such an argument."""
    scripts = (device.id for device in devices if device.domain == "script")
    names = {name for entity_id in scripts for name in _fields(hass, entity_id)}
    return tuple(sorted(name for name in names if _ARGUMENT.fullmatch(name)))


def variables(hass: HomeAssistant, state: State, data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the data with which a script is run; a field that was not said has its default.

    Raises UnsupportedArgumentError for what is no field of the script, MissingArgumentError for one that it needs, and
    BadArgumentError for a value that the field does not take.
    """
    fields = _fields(hass, state.entity_id)
    if unknown := next((name for name in data if name not in fields), None):
        raise UnsupportedArgumentError(device=state.name, argument=_spoken(unknown, {}))
    values: dict[str, Any] = {}
    for name, field in fields.items():
        if name in data:
            values[name] = _value(name, field, data[name])
        elif "default" in field:
            values[name] = field["default"]
        elif field.get("required"):
            raise MissingArgumentError(argument=_spoken(name, field))
    return {"variables": values} if values else {}


def check_exposed(hass: HomeAssistant, assistant: str | None, data: Mapping[str, Any]) -> None:
    """Raise NotExposedError when what was said for fields has the id of an entity that is not exposed.

    A script may do things to entities that are hidden; which ones is not for a model to choose.
    """
    for entity_id in _ENTITY_ID.findall(" ".join(map(str, data.values())).casefold()):
        known = hass.states.get(entity_id) is not None or er.async_get(hass).async_get(entity_id) is not None
        if known and not (assistant and async_should_expose(hass, assistant, entity_id)):
            raise NotExposedError(target=entity_id.partition(".")[2].replace("_", " "))


def _fields(hass: HomeAssistant, entity_id: str) -> Fields:
    component = hass.data.get("script")
    script = component.get_entity(entity_id) if component else None
    return getattr(script, "fields", {})


def _spoken(name: str, field: Mapping[str, Any]) -> str:
    return str(field.get("name") or name.replace("_", " "))


def _value(name: str, field: Mapping[str, Any], value: Any) -> Any:
    chosen: Mapping[str, Any] = field.get("selector", {})
    try:
        if "boolean" in chosen:  # its selector takes any word for true
            return cv.boolean(value)
        return vol.Schema(selector(chosen))(value) if chosen else value
    except vol.Invalid:
        raise BadArgumentError(argument=_spoken(name, field), value=str(value)[:SPOKEN_VALUE]) from None
