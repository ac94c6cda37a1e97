"""The home as one agent may see it: Home Assistant's registries and states become a dialect.Home."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Final

from homeassistant.components.homeassistant.exposed_entities import async_should_expose
from homeassistant.core import HomeAssistant, State, callback
from homeassistant.helpers import (
    area_registry as ar,
    device_registry as dr,
    entity_registry as er,
    floor_registry as fr,
)
from homeassistant.util import dt as dt_util

from .attributes import told_attributes, told_state
from .capabilities import distinct, supports, takes
from .dialect import Area, Device, Floor, Home, Service
from .dialect.catalogue import services_for
from .dialect.text import one_line, shortened

CONVERSATION: Final = "conversation"
"""The assistant whose list of exposed entities counts: the one people edit for Assist."""

_WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@callback
def snapshot(
    hass: HomeAssistant,
    *,
    device_id: str | None = None,
    domains: Collection[str] | None = None,
    assistant: str = CONVERSATION,
) -> Home:
    """Return what may be told to an agent at this moment: exposed entities only.

    `device_id` is the device that was spoken to; its area becomes the Home's room. `domains` are those that may be
    controlled (all of the catalogue when None): it narrows the services, while the state of every exposed entity may be
    asked for. The order depends on names and places alone, never on states: floors from the lowest up, areas by floor
    and name, devices by area and name, with what lies in no floor or area last.
    """
    states = {
        state.entity_id: state
        for state in hass.states.async_all()
        if async_should_expose(hass, assistant, state.entity_id)
    }
    devices = [_device(hass, state) for state in states.values()]
    room = _device_area(hass, device_id)
    floors, areas = _places(hass, {device.area for device in devices} | {room})
    rank = {area.id: n for n, area in enumerate(areas)}
    devices.sort(key=lambda device: (rank.get(device.area or "", len(rank)), device.names[0].casefold(), device.id))
    return Home(
        devices=tuple(devices),
        areas=areas,
        floors=floors,
        services=tuple(_services(hass, devices, states, domains)),
        room=room if room in rank else None,
        now=_now(),
    )


def _now() -> str:
    """Return the local time, such as `Saturday 2026-11-21 14:05`, whatever the language of the system."""
    now = dt_util.now()
    return f"{_WEEKDAYS[now.weekday()]} {now:%Y-%m-%d %H:%M}"


def _device(hass: HomeAssistant, state: State) -> Device:
    entry = er.async_get(hass).async_get(state.entity_id)
    # The registry puts the full name where an alias stands for it, so no alias here is a sentinel.
    aliases = er.async_get_entity_aliases(hass, entry) if entry else []
    return Device(
        id=state.entity_id,
        names=_unique([state.name, *aliases], state.entity_id),
        state=told_state(hass, state),
        attributes=told_attributes(hass, state),
        area=_entity_area(hass, entry),
    )


def _unique(names: Iterable[str], otherwise: str) -> tuple[str, ...]:
    """Return the names on one line, each once whatever its case; `otherwise` when none of them can be seen."""
    unique: dict[str, str] = {}
    for name in map(shortened, map(one_line, names)):
        if name:
            unique.setdefault(name.casefold(), name)
    return tuple(unique.values()) or (otherwise,)


def _entity_area(hass: HomeAssistant, entry: er.RegistryEntry | None) -> str | None:
    if entry is None:
        return None
    return entry.area_id or _device_area(hass, entry.device_id)


def _device_area(hass: HomeAssistant, device_id: str | None) -> str | None:
    device = dr.async_get(hass).async_get(device_id) if device_id else None
    return dr.async_get_effective_area_id(hass, device) if device else None


def _places(hass: HomeAssistant, wanted: Collection[str | None]) -> tuple[tuple[Floor, ...], tuple[Area, ...]]:
    """Return the areas with these ids, and the floors that they lie on."""
    areas = [area for area in ar.async_get(hass).async_list_areas() if area.id in wanted]
    floors = [
        floor
        for floor in fr.async_get(hass).async_list_floors()
        if any(area.floor_id == floor.floor_id for area in areas)
    ]
    floors.sort(key=lambda floor: (floor.level is None, floor.level or 0, floor.name.casefold(), floor.floor_id))
    rank = {floor.floor_id: n for n, floor in enumerate(floors)}
    areas.sort(key=lambda area: (rank.get(area.floor_id or "", len(rank)), area.name.casefold(), area.id))
    return (
        tuple(Floor(floor.floor_id, _unique([floor.name, *sorted(floor.aliases)], floor.floor_id)) for floor in floors),
        tuple(
            Area(
                area.id,
                _unique([area.name, *sorted(area.aliases)], area.id),
                area.floor_id if area.floor_id in rank else None,
            )
            for area in areas
        ),
    )


def _services(
    hass: HomeAssistant, devices: list[Device], states: dict[str, State], domains: Collection[str] | None
) -> Iterator[Service]:
    """Yield the services that exist and that a device can take, each with the arguments that a device can take."""
    kinds = distinct(states.values())
    for service in services_for(devices):
        domain, _, name = service.name.partition(".")
        if (domains is not None and domain not in domains) or not hass.services.has_service(domain, name):
            continue
        able = [state for state in kinds if state.domain == domain and supports(state, service.name)]
        if able:
            arguments = (key for key in service.arguments if any(takes(state, service.name, key) for state in able))
            yield Service(service.name, tuple(arguments))
