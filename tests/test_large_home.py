"""Hundreds of entities in real Home Assistant, with the bundled model: what it obeys, and how little it reads."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest
from homeassistant.core import HomeAssistant
from homeassistant.helpers import area_registry as ar, entity_registry as er, floor_registry as fr
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import MockConfigEntry

from benchmarks.homes import async_build_home

from .house import House
from .test_conversation import add_agent
from .test_prefill import BUNDLED, ask, read, settle

SIZE = 300
"""Exposed entities, 45 of them lamps."""
WITH_A_GARAGE = 100
"""The same, where the last room is the garage: a word for a door too, so its window is asked for with some doubt."""
ITS_OWN = 400
"""Tokens of the devices that one request means, with the time, the room and the request."""


@pytest.fixture(name="large")
async def large_fixture(hass: HomeAssistant, request: pytest.FixtureRequest) -> House:
    """Return a house with rooms on two floors, and as many entities as the test wants."""
    assert await async_setup_component(hass, "homeassistant", {})
    house = await async_build_home(hass, getattr(request, "param", SIZE))
    floors = fr.async_get(hass)
    for floor, name in zip(list(floors.async_list_floors()), ("Ground Floor", "Upstairs"), strict=True):
        floors.async_update(floor.floor_id, name=name)
    await hass.async_block_till_done()
    return house


@pytest.fixture(name="entry")
async def entry_fixture(hass: HomeAssistant, large: House) -> AsyncGenerator[MockConfigEntry]:
    """Return an entry with an agent whose model is the bundled one, and let it read ahead."""
    entry = await add_agent(hass, BUNDLED)
    await settle(hass)
    yield entry
    await hass.config_entries.async_unload(entry.entry_id)


@pytest.mark.parametrize("large", [WITH_A_GARAGE, SIZE], indirect=True)
async def test_what_is_told_whatever_is_asked_is_not_read_again(
    hass: HomeAssistant, large: House, entry: MockConfigEntry
) -> None:
    await ask(hass, entry, "turn on the kitchen ceiling light")
    assert large.state("light.kitchen_ceiling_light") == "on"
    assert read(entry) < ITS_OWN, "the beginning was read ahead"
    await ask(hass, entry, "are all windows closed")
    await ask(hass, entry, "turn on the bedroom ceiling light")
    assert large.state("light.bedroom_ceiling_light") == "on"
    assert read(entry) < ITS_OWN, "a prompt that begins otherwise came between"


@pytest.mark.parametrize(
    ("request_", "floor"), [("turn off all the lights upstairs", "Upstairs"), ("turn off all lights", None)]
)
async def test_a_command_for_a_floor_or_the_home_reaches_all_there(
    hass: HomeAssistant, large: House, entry: MockConfigEntry, request_: str, floor: str | None
) -> None:
    """More lamps are meant than the model is told of."""
    floors, areas, entities = fr.async_get(hass), ar.async_get(hass), er.async_get(hass)
    lamps = {thing.entity_id for thing in large.things.values() if thing.domain == "light"}
    meant = set()
    for lamp in lamps:
        large.things[lamp].show(is_on=True)
        area = areas.async_get_area(entities.async_get(lamp).area_id)
        if floor is None or floors.async_get_floor(area.floor_id).name == floor:
            meant.add(lamp)
    await settle(hass)
    await ask(hass, entry, request_)
    assert {lamp for lamp in lamps if large.state(lamp) == "off"} == meant
