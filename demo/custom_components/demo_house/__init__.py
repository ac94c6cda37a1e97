"""A house to talk to: fifty-odd devices that exist in memory only, and do what they are told.

Everything starts in the state that ``house.py`` says, at every start of Home Assistant.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from homeassistant.components.homeassistant.exposed_entities import async_expose_entity
from homeassistant.const import EVENT_HOMEASSISTANT_STARTED, Platform
from homeassistant.core import CoreState, Event, HomeAssistant
from homeassistant.helpers import (
    area_registry as ar,
    device_registry as dr,
    entity_registry as er,
    floor_registry as fr,
)

from .house import AREAS, FLOORS, SCRIPTS, THINGS, Thing

if TYPE_CHECKING:
    from homeassistant.config_entries import ConfigEntry

PLATFORMS = sorted(Platform(thing.platform) for thing in {thing.platform: thing for thing in THINGS}.values())
FURNISHED = "furnished"


async def async_setup_entry(hass: HomeAssistant, entry: ConfigEntry) -> bool:
    """Set the devices up; the first time, put them where they belong."""
    await hass.config_entries.async_forward_entry_setups(entry, PLATFORMS)

    async def furnish(_event: Event | None = None) -> None:
        if not entry.data.get(FURNISHED):
            async_furnish(hass)
            hass.config_entries.async_update_entry(entry, data={FURNISHED: True})

    if hass.state is CoreState.running:
        await furnish()
    else:
        entry.async_on_unload(hass.bus.async_listen_once(EVENT_HOMEASSISTANT_STARTED, furnish))
    return True


async def async_unload_entry(hass: HomeAssistant, entry: ConfigEntry) -> bool:
    """Take the devices away."""
    return await hass.config_entries.async_unload_platforms(entry, PLATFORMS)


def async_furnish(hass: HomeAssistant) -> None:
    """Create floors and areas, put every device into its area, give it its aliases, and expose it to Assist.

    Done once, so that what somebody rearranges in the interface stays so.
    """
    areas, floors = ar.async_get(hass), fr.async_get(hass)
    floor_ids = {}
    for floor in FLOORS:
        made = floors.async_get_floor_by_name(floor.name) or floors.async_create(floor.name, level=floor.level)
        floors.async_update(made.floor_id, aliases=set(floor.aliases))
        floor_ids[floor.name] = made.floor_id
    for area in AREAS:
        made_area = areas.async_get_or_create(area.name)
        floor_id = floor_ids[area.floor] if area.floor else None
        areas.async_update(made_area.id, floor_id=floor_id, icon=area.icon, aliases=set(area.aliases))
    for thing in (*THINGS, *SCRIPTS):
        _place(hass, thing)


def _place(hass: HomeAssistant, thing: Thing) -> None:
    """Set one device's area, aliases and exposure."""
    entities, devices = er.async_get(hass), dr.async_get(hass)
    if (entry := entities.async_get(thing.entity_id)) is None:
        return
    area = ar.async_get(hass).async_get_or_create(thing.area) if thing.area else None
    if area and entry.device_id:
        devices.async_update_device(entry.device_id, area_id=area.id)
    elif area:
        entities.async_update_entity(thing.entity_id, area_id=area.id)
    entities.async_update_entity(thing.entity_id, aliases=[er.COMPUTED_NAME, *thing.aliases])
    async_expose_entity(hass, "conversation", thing.entity_id, thing.exposed)
