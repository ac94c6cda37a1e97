"""What Home Assistant's registries and states say of one entity, of the places, and of what can be done with them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from homeassistant.core import HomeAssistant, State, callback
from homeassistant.helpers import (
    area_registry as ar,
    device_registry as dr,
    entity_registry as er,
    floor_registry as fr,
)

from . import script_fields
from .attributes import told_attributes, told_state
from .capabilities import kind_of, supports, takes
from .dialect import Area, Device, Floor, Service
from .dialect.catalogue import services_for
from .dialect.text import one_line, shortened


@dataclass(frozen=True, slots=True)
class Reading:
    """One entity as it is told, and what that rests on besides its own state and registry entry.

    `kind` is equal for all entities that take the same services, and `owners` holds the ids of the device it belongs to
    and of that device's parent, of which it may have its area and its names.
    """

    device: Device
    state: State
    kind: tuple[object, ...]
    owners: tuple[str, ...]


@callback
def read_entity(hass: HomeAssistant, state: State) -> Reading:
    """Return what is told of an entity in this state."""
    entry = er.async_get(hass).async_get(state.entity_id)
    owner = _device(hass, entry.device_id) if entry else None
    # The registry puts the full name where an alias stands for it, so no alias here is a sentinel.
    aliases = er.async_get_entity_aliases(hass, entry) if entry else []
    area = (entry.area_id if entry else None) or (dr.async_get_effective_area_id(hass, owner) if owner else None)
    device = Device(
        id=state.entity_id,
        names=_unique([state.name, *aliases], state.entity_id),
        state=told_state(hass, state),
        attributes=told_attributes(hass, state),
        area=area,
    )
    return Reading(device, state, kind_of(state), _ids(owner))


@callback
def area_of_device(hass: HomeAssistant, device_id: str | None) -> str | None:
    """Return the id of the area that a device stands in, if there is any."""
    device = _device(hass, device_id)
    return dr.async_get_effective_area_id(hass, device) if device else None


@callback
def read_places(hass: HomeAssistant, wanted: Collection[str | None]) -> tuple[tuple[Floor, ...], tuple[Area, ...]]:
    """Return the areas with these ids by floor and name, and the floors that they lie on from the lowest up."""
    areas = [area for area in ar.async_get(hass).async_list_areas() if area.id in wanted]
    used = {area.floor_id for area in areas}
    floors = [floor for floor in fr.async_get(hass).async_list_floors() if floor.floor_id in used]
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


@callback
def read_services(
    hass: HomeAssistant, devices: Iterable[Device], kinds: Collection[State], domains: Collection[str] | None
) -> Iterator[Service]:
    """Yield the services that exist and that a device can take, each with the arguments that a device can take.

    `kinds` has a state of each kind of entity: a home has a hundred lamps, but few kinds of them.
    """
    devices = tuple(devices)
    for service in services_for(devices):
        domain, _, name = service.name.partition(".")
        if (domains is not None and domain not in domains) or not hass.services.has_service(domain, name):
            continue
        able = [state for state in kinds if state.domain == domain and supports(state, service.name)]
        if able:
            arguments = (key for key in service.arguments if any(takes(state, service.name, key) for state in able))
            fields = script_fields.field_names(hass, devices) if service.name == script_fields.SERVICE else ()
            yield Service(service.name, (*arguments, *fields))


def _device(hass: HomeAssistant, device_id: str | None) -> dr.AnyDeviceEntry | None:
    return dr.async_get(hass).async_get(device_id) if device_id else None


def _ids(device: dr.AnyDeviceEntry | None) -> tuple[str, ...]:
    if device is None:
        return ()
    return (device.id, device.parent_device_id) if isinstance(device, dr.ChildDeviceEntry) else (device.id,)


def _unique(names: Iterable[str], otherwise: str) -> tuple[str, ...]:
    """Return the names on one line, each once whatever its case; `otherwise` when none of them can be seen."""
    unique: dict[str, str] = {}
    for name in map(shortened, map(one_line, names)):
        if name:
            unique.setdefault(name.casefold(), name)
    return tuple(unique.values()) or (otherwise,)
