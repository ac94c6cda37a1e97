"""Which entities an intent of Home Assistant may touch, found out by its own rules before the intent is handled."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

import voluptuous as vol
from homeassistant.core import HomeAssistant, State, callback
from homeassistant.helpers import intent

QUESTIONS: Final = frozenset(
    {
        intent.INTENT_GET_STATE,
        intent.INTENT_GET_TEMPERATURE,
        intent.INTENT_GET_CURRENT_DATE,
        intent.INTENT_GET_CURRENT_TIME,
    }
)
"""Intents that change nothing."""
TIMERS: Final = frozenset(
    {
        intent.INTENT_START_TIMER,
        intent.INTENT_CANCEL_TIMER,
        intent.INTENT_CANCEL_ALL_TIMERS,
        intent.INTENT_INCREASE_TIMER,
        intent.INTENT_DECREASE_TIMER,
        intent.INTENT_PAUSE_TIMER,
        intent.INTENT_UNPAUSE_TIMER,
        intent.INTENT_TIMER_STATUS,
    }
)
"""Intents for the timers of the satellite. A command that one of them delays comes to the agent when it is due."""
_EVERYTHING: Final = "all"
"""The name that Home Assistant takes for no name at all."""


@callback
def touched(hass: HomeAssistant, intent_type: str, slots: Mapping[str, Any], assistant: str) -> list[State]:
    """Return the exposed entities that an intent may touch: of a name that several have, all.

    One that names nothing picks among the entities of its domains, so all of those count; where it has no domains,
    nobody can know, and there are none.
    """
    handler = next((one for one in intent.async_get(hass) if one.intent_type == intent_type), None)
    if handler is None:
        return matching(hass, slots, assistant, None, None)
    schema = handler.slot_schema or {}
    if any(isinstance(key, vol.Any) for key in schema):  # of the services by name, which heed whatever they are given
        domains: Collection[str] | None = getattr(handler, "required_domains", None)
        return matching(hass, slots, assistant, domains, domains or handler.platforms)
    # The others pass over what they do not know, and an area that they need is one to clean, say.
    heeded = {str(key) for key in schema if isinstance(key, vol.Optional) or str(key) == "name"}
    told = {key: value for key, value in slots.items() if key in heeded}
    return matching(hass, told, assistant, handler.platforms, None)


@callback
def matching(
    hass: HomeAssistant,
    slots: Mapping[str, Any],
    assistant: str,
    domains: Collection[str] | None,
    otherwise: Collection[str] | None,
) -> list[State]:
    """Return the exposed entities that slots mean: of these domains, or of `otherwise` where the slots name nothing."""
    given = {key: value for key, value in slots.items() if not intent.is_blank_slot_value(value)}
    name = _text(given.get("name"))
    constraints = intent.MatchTargetsConstraints(
        name=None if name == _EVERYTHING else name,
        area_name=_text(given.get("area")),
        floor_name=_text(given.get("floor")),
        domains=_set(given["domain"]) if "domain" in given else _set(domains),
        device_classes=_set(given.get("device_class")),
        assistant=assistant,
        allow_duplicate_names=True,
    )
    if not constraints.has_constraints:
        constraints.domains = _set(otherwise)
    return intent.async_match_targets(hass, constraints).states if constraints.has_constraints else []


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _set(value: Any) -> set[str] | None:
    if value is None:
        return None
    return set(map(str, value)) if isinstance(value, list | tuple | set) else {str(value)}
