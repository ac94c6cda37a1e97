"""The home kept up to date: events name what has changed, and only that is read again.

A listener notes an id and does nothing else. What was noted is read when the home is asked for, or in small pieces
between other work once it is more than a piece; so a request finds at most one piece to do, and nothing holds the event
loop up, however many entities there are.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from heapq import nlargest
from typing import Any, Final

from homeassistant.components.homeassistant.exposed_entities import async_listen_entity_updates, async_should_expose
from homeassistant.const import (
    EVENT_CORE_CONFIG_UPDATE,
    EVENT_SERVICE_REGISTERED,
    EVENT_SERVICE_REMOVED,
    EVENT_STATE_CHANGED,
)
from homeassistant.core import Event, EventStateChangedData, HomeAssistant, callback
from homeassistant.helpers import (
    area_registry as ar,
    device_registry as dr,
    entity_registry as er,
    floor_registry as fr,
)

from .dialect import Area, Floor, Home, Service
from .dialect.catalogue import CATALOGUE
from .dialect.choice import MAX_DEVICES, learn_words
from .reading import Reading, area_of_device, read_entity, read_places, read_services

PIECE: Final = 100
"""Entities that are read in one go: a millisecond's work or less."""

RECENT: Final = 8
"""Devices that are remembered as the ones that changed last."""

_LISTS: Final = "todo"
"""The domain that is read every time: its items are told, and are no part of any state."""


class HomeKeeper:
    """The Home of one assistant. Without `start` it is read whole when it is asked for, and kept by nothing."""

    def __init__(self, hass: HomeAssistant, assistant: str) -> None:
        """Note every entity that there is."""
        self._hass = hass
        self._assistant = assistant
        self._readings: dict[str, Reading] = {}
        self._lists: set[str] = set()
        self._waiting: set[str] = set(hass.states.async_entity_ids())
        self._order: list[str] | None = None
        self._places: dict[str | None, tuple[tuple[Floor, ...], tuple[Area, ...]]] = {}
        self._services: dict[frozenset[str] | None, tuple[Service, ...]] = {}
        self._listening: list[Callable[[], None]] = []
        self._next: asyncio.Handle | None = None

    @callback
    def start(self) -> None:
        """Listen for what changes, and begin to read."""
        listen = self._hass.bus.async_listen
        self._listening = [
            listen(EVENT_STATE_CHANGED, self._state_changed),
            listen(er.EVENT_ENTITY_REGISTRY_UPDATED, self._entity_updated),
            listen(dr.EVENT_DEVICE_REGISTRY_UPDATED, self._device_updated),
            listen(ar.EVENT_AREA_REGISTRY_UPDATED, self._place_updated),
            listen(fr.EVENT_FLOOR_REGISTRY_UPDATED, self._place_updated),
            listen(EVENT_SERVICE_REGISTERED, self._service_updated),
            listen(EVENT_SERVICE_REMOVED, self._service_updated),
            listen(EVENT_CORE_CONFIG_UPDATE, self._config_updated),
            async_listen_entity_updates(self._hass, self._assistant, self._exposure_updated),
        ]
        self._read_later()

    @callback
    def stop(self) -> None:
        """Listen no more."""
        while self._listening:
            self._listening.pop()()
        if self._next:
            self._next.cancel()

    async def async_settle(self) -> None:
        """Read what has changed piece by piece, until at most one piece is left."""
        while len(self._waiting) > PIECE:
            self._read(PIECE)
            await asyncio.sleep(0)

    @callback
    def home(self, device_id: str | None, domains: Collection[str] | None, now: str) -> Home:
        """Return the Home at this moment, as `home.snapshot` describes it."""
        self._waiting |= self._lists
        while self._waiting:
            self._read(len(self._waiting))
        order = self._in_order()
        room = area_of_device(self._hass, device_id)
        floors, areas = self._places_with(room)
        return Home(
            devices=tuple(self._readings[entity_id].device for entity_id in order),
            areas=areas,
            floors=floors,
            services=self._services_of(domains),
            room=room if any(area.id == room for area in areas) else None,
            now=now,
            recent=self._recent(),
        )

    def _read(self, count: int) -> None:
        """Read so many of the entities that wait. Home Assistant may note one again that it sees for the first time."""
        for entity_id in [self._waiting.pop() for _ in range(min(count, len(self._waiting)))]:
            before = self._readings.pop(entity_id, None)
            state = self._hass.states.get(entity_id)
            reading = None
            if state is not None and async_should_expose(self._hass, self._assistant, entity_id):
                self._readings[entity_id] = reading = read_entity(self._hass, state)
                learn_words(reading.device)  # now, so that the first request of all need not do it for every device
                if state.domain == _LISTS:
                    self._lists.add(entity_id)
            if _place_in_order(before) != _place_in_order(reading):
                self._order = None
            if before is None or reading is None or before.kind != reading.kind:
                self._services.clear()

    def _read_later(self) -> None:
        if self._next is None and len(self._waiting) > PIECE:
            self._next = self._hass.loop.call_soon(self._read_piece)

    @callback
    def _read_piece(self) -> None:
        self._next = None
        self._read(PIECE)
        self._read_later()

    def _in_order(self) -> list[str]:
        """Return the ids in the order in which they are told."""
        if self._order is None:
            self._places.clear()
            self._services.clear()
            _, areas = self._places_with(None)
            rank = {area.id: n for n, area in enumerate(areas)}

            def key(entity_id: str) -> tuple[int, str, str]:
                device = self._readings[entity_id].device
                return rank.get(device.area or "", len(rank)), device.names[0].casefold(), entity_id

            self._order = sorted(self._readings, key=key)
        return self._order

    def _places_with(self, room: str | None) -> tuple[tuple[Floor, ...], tuple[Area, ...]]:
        if room not in self._places:
            wanted = {reading.device.area for reading in self._readings.values()} | {room}
            self._places[room] = read_places(self._hass, wanted)
        return self._places[room]

    def _services_of(self, domains: Collection[str] | None) -> tuple[Service, ...]:
        key = None if domains is None else frozenset(domains)
        if key not in self._services:
            readings = [self._readings[entity_id] for entity_id in self._in_order()]
            kinds = {reading.kind: reading.state for reading in readings}
            devices = (reading.device for reading in readings)
            self._services[key] = tuple(read_services(self._hass, devices, kinds.values(), key))
        return self._services[key]

    def _recent(self) -> tuple[str, ...]:
        """Return what changed last of all that can be controlled, in a home that cannot be told whole."""
        if len(self._readings) <= MAX_DEVICES:
            return ()
        changed = (
            (reading.state.last_changed_timestamp, entity_id)
            for entity_id, reading in self._readings.items()
            if reading.state.domain in CATALOGUE
        )
        return tuple(entity_id for _, entity_id in nlargest(RECENT, changed))

    @callback
    def _state_changed(self, event: Event[EventStateChangedData]) -> None:
        data = event.data
        # Whether an entity is exposed is settled when it first appears, so the states of the others tell nothing.
        if data["entity_id"] in self._readings or data["old_state"] is None:
            self._note(data["entity_id"])

    @callback
    def _entity_updated(self, event: Event[er.EventEntityRegistryUpdatedData]) -> None:
        data = event.data
        self._note(data["entity_id"])
        if data["action"] == "update" and (old := data.get("old_entity_id")):
            self._note(old)

    @callback
    def _device_updated(self, event: Event[dr.EventDeviceRegistryUpdatedData]) -> None:
        device_id = event.data["device_id"]
        self._note(*(entity_id for entity_id, reading in self._readings.items() if device_id in reading.owners))

    @callback
    def _exposure_updated(self) -> None:
        """Note what has no registry entry: the registry tells of the others itself."""
        known = er.async_get(self._hass).entities
        self._note(*(entity_id for entity_id in self._hass.states.async_entity_ids() if entity_id not in known))

    @callback
    def _place_updated(self, _event: Event[Any]) -> None:
        self._order = None

    @callback
    def _service_updated(self, _event: Event[Any]) -> None:
        self._services.clear()

    @callback
    def _config_updated(self, _event: Event[Any]) -> None:
        """Note everything: units or the time zone may be others."""
        self._note(*self._readings)

    def _note(self, *entity_ids: str) -> None:
        self._waiting.update(entity_ids)
        self._read_later()


def _place_in_order(reading: Reading | None) -> tuple[str | None, str] | None:
    return (reading.device.area, reading.device.names[0]) if reading else None
