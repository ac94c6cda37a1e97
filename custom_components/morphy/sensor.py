"""How a model does: speed, prompt, cache and time to the first action. Off until someone wants to know."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, override

from homeassistant.components.sensor import (
    SensorDeviceClass,
    SensorEntity,
    SensorEntityDescription,
    SensorStateClass,
)
from homeassistant.const import PERCENTAGE, EntityCategory, UnitOfTime
from homeassistant.core import HomeAssistant
from homeassistant.helpers.device_registry import DeviceEntryType, DeviceInfo
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from . import MorphyConfigEntry
from .backends.usage import Statistics
from .const import DOMAIN
from .entity import BackendEntity

PARALLEL_UPDATES = 0


@dataclass(frozen=True, kw_only=True)
class MorphySensorDescription(SensorEntityDescription):
    """A figure of a backend; None as long as nobody knows it."""

    value: Callable[[Statistics], float | None]
    entity_category: EntityCategory | None = EntityCategory.DIAGNOSTIC
    entity_registry_enabled_default: bool = False
    state_class: SensorStateClass | None = SensorStateClass.MEASUREMENT


def _speed(statistics: Statistics) -> float | None:
    return statistics.last.tokens_per_second if statistics.last else None


def _prompt_tokens(statistics: Statistics) -> int | None:
    return (statistics.last.prompt_tokens or None) if statistics.last else None


def _cache_hit_rate(statistics: Statistics) -> float | None:
    rate = statistics.last.cache_hit_rate if statistics.last else None
    return None if rate is None else 100 * rate


SENSORS: Final = (
    MorphySensorDescription(
        key="tokens_per_second",
        translation_key="tokens_per_second",
        suggested_display_precision=1,
        value=_speed,
    ),
    MorphySensorDescription(
        key="prompt_tokens",
        translation_key="prompt_tokens",
        value=_prompt_tokens,
    ),
    MorphySensorDescription(
        key="cache_hit_rate",
        translation_key="cache_hit_rate",
        native_unit_of_measurement=PERCENTAGE,
        suggested_display_precision=0,
        value=_cache_hit_rate,
    ),
    MorphySensorDescription(
        key="time_to_first_action",
        translation_key="time_to_first_action",
        device_class=SensorDeviceClass.DURATION,
        native_unit_of_measurement=UnitOfTime.SECONDS,
        suggested_display_precision=2,
        value=lambda statistics: statistics.first_action_s,
    ),
)


async def async_setup_entry(
    hass: HomeAssistant, entry: MorphyConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback
) -> None:
    """Add the sensors of an entry's backend."""
    async_add_entities(MorphySensor(entry, description) for description in SENSORS)


class MorphySensor(BackendEntity, SensorEntity):
    """A figure of a backend, new with each completion."""

    entity_description: MorphySensorDescription

    def __init__(self, entry: MorphyConfigEntry, description: MorphySensorDescription) -> None:
        """Belong to the entry, which as a device is a service of its own beside its agents."""
        super().__init__(entry)
        self.entity_description = description
        self._attr_unique_id = f"{entry.entry_id}_{description.key}"
        self._attr_device_info = DeviceInfo(
            identifiers={(DOMAIN, entry.entry_id)},
            translation_key="model",
            translation_placeholders={"entry": entry.title},
            manufacturer="Morphy",
            model=self.backend.info.model if self.backend.info else None,
            entry_type=DeviceEntryType.SERVICE,
        )

    @property
    @override
    def native_value(self) -> float | None:
        """The figure."""
        return self.entity_description.value(self.backend.statistics)
