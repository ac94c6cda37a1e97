"""What every entity of Morphy is: there as long as its backend can be asked. Agents and AI tasks have a device each."""

from __future__ import annotations

from typing import TYPE_CHECKING, override

from homeassistant.config_entries import ConfigSubentry
from homeassistant.core import callback
from homeassistant.helpers.device_registry import DeviceEntryType, DeviceInfo
from homeassistant.helpers.dispatcher import async_dispatcher_connect
from homeassistant.helpers.entity import Entity

from .const import DOMAIN, SIGNAL_BACKEND

if TYPE_CHECKING:
    from . import MorphyConfigEntry


class BackendEntity(Entity):
    """An entity of an entry: it is told when there is news of a backend."""

    _attr_has_entity_name = True
    _attr_should_poll = False

    def __init__(self, entry: MorphyConfigEntry) -> None:
        """Take the backend of the entry."""
        self.entry = entry
        self.backend = entry.runtime_data

    @property
    @override
    def available(self) -> bool:
        """Whether the model can be asked."""
        return not self.backend.breaker.open

    @override
    async def async_added_to_hass(self) -> None:
        """Listen."""
        await super().async_added_to_hass()
        self.async_on_remove(async_dispatcher_connect(self.hass, SIGNAL_BACKEND, self._async_note_news))

    @callback
    def _async_note_news(self) -> None:
        self.async_write_ha_state()


class MorphyEntity(BackendEntity):
    """What a subentry is for: the backend of its entry, the settings of the subentry, and a device of its own."""

    _attr_name = None

    def __init__(self, entry: MorphyConfigEntry, subentry: ConfigSubentry) -> None:
        """Take the settings of the subentry."""
        super().__init__(entry)
        self.settings = subentry.data
        self._attr_unique_id = subentry.subentry_id
        self._attr_device_info = DeviceInfo(
            identifiers={(DOMAIN, subentry.subentry_id)},
            name=subentry.title,
            manufacturer="Morphy",
            model=entry.title,
            entry_type=DeviceEntryType.SERVICE,
        )
