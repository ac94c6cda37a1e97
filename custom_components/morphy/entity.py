"""What every agent of Morphy is: an entity of a subentry, with a device of its own in Home Assistant."""

from __future__ import annotations

from typing import TYPE_CHECKING

from homeassistant.config_entries import ConfigSubentry
from homeassistant.helpers.device_registry import DeviceEntryType, DeviceInfo
from homeassistant.helpers.entity import Entity

from .const import CONF_DIALECT, CONF_INSTRUCTIONS, DOMAIN
from .dialect import Dialect, get_dialect

if TYPE_CHECKING:
    from . import MorphyConfigEntry


class MorphyEntity(Entity):
    """An agent: the backend of its entry, the settings of its subentry."""

    _attr_has_entity_name = True
    _attr_name = None
    _attr_translation_key = "agent"

    def __init__(self, entry: MorphyConfigEntry, subentry: ConfigSubentry) -> None:
        """Take the settings of the subentry."""
        self.entry = entry
        self.backend = entry.runtime_data
        self.settings = subentry.data
        self.dialect: Dialect = get_dialect(subentry.data[CONF_DIALECT])
        self._attr_unique_id = subentry.subentry_id
        self._attr_device_info = DeviceInfo(
            identifiers={(DOMAIN, subentry.subentry_id)},
            name=subentry.title,
            manufacturer="Morphy",
            model=entry.title,
            entry_type=DeviceEntryType.SERVICE,
        )

    def instructions(self, dialect: Dialect) -> str:
        """Return the template of the system prompt's first sentence."""
        return self.settings.get(CONF_INSTRUCTIONS) or dialect.default_instructions
