"""What the house's entities share: they never poll, and each is the only entity of its device."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant
from homeassistant.helpers.device_registry import DeviceInfo
from homeassistant.helpers.entity import Entity
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .config_flow import DOMAIN
from .house import THINGS, Thing

type Setup = Callable[[HomeAssistant, ConfigEntry, AddConfigEntryEntitiesCallback], Coroutine[Any, Any, None]]


class HouseEntity(Entity):
    """A thing of the house."""

    _attr_should_poll = False
    _attr_has_entity_name = True
    _attr_name = None

    def __init__(self, thing: Thing) -> None:
        """Take name and id from the thing; subclasses take its state."""
        self.thing = thing
        self.entity_id = thing.entity_id
        self._attr_unique_id = thing.entity_id
        self._attr_device_info = DeviceInfo(identifiers={(DOMAIN, thing.entity_id)}, name=thing.name)

    def show(self, **attributes: Any) -> None:
        """Set ``_attr_`` values and write the state."""
        for name, value in attributes.items():
            setattr(self, f"_attr_{name}", value)
        self.async_write_ha_state()


def platform(name: str, entity_class: Callable[[Thing], HouseEntity]) -> Setup:
    """Return a platform's ``async_setup_entry``, which adds the things of that platform."""

    async def async_setup_entry(
        hass: HomeAssistant, entry: ConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback
    ) -> None:
        async_add_entities(entity_class(thing) for thing in THINGS if thing.platform == name)

    return async_setup_entry
