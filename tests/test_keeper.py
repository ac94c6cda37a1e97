"""The home kept by events: equal to one read anew after whatever happened, and no longer kept than it is used."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from dataclasses import replace
from random import Random
from types import CodeType

import pytest
from homeassistant.components.homeassistant.exposed_entities import async_expose_entity
from homeassistant.components.todo import TodoItem, TodoItemStatus
from homeassistant.core import HomeAssistant
from homeassistant.helpers import (
    area_registry as ar,
    device_registry as dr,
    entity_registry as er,
    floor_registry as fr,
)
from homeassistant.setup import async_setup_component
from homeassistant.util.unit_system import METRIC_SYSTEM, US_CUSTOMARY_SYSTEM
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.morphy import home as morphy_home
from custom_components.morphy.dialect import Home
from custom_components.morphy.home import async_keep, async_snapshot, snapshot
from custom_components.morphy.keeper import PIECE, HomeKeeper
from tests.house import House

SEEDS = range(5)
STEPS = 150
MANY = 1000


def kept(hass: HomeAssistant, device_id: str | None = None) -> Home:
    return replace(snapshot(hass, device_id=device_id), now=None)


def rebuilt(hass: HomeAssistant, device_id: str | None = None) -> Home:
    return replace(HomeKeeper(hass, morphy_home.CONVERSATION).home(device_id, None, ""), now=None)


def different(one: Home, other: Home, lived: list[str]) -> list[object]:
    devices = set(map(str, one.devices)) ^ set(map(str, other.devices))
    rest = [pair for pair in zip(one.__dict__.values(), other.__dict__.values(), strict=False) if pair[0] != pair[1]]
    return [lived[-8:], sorted(devices) or rest]


def listeners(hass: HomeAssistant) -> Counter[str]:
    return Counter(hass.bus.async_listeners())


class Life:
    """What may happen to a house, drawn at random."""

    def __init__(self, hass: HomeAssistant, house: House, seed: int) -> None:
        self.hass = hass
        self.house = house
        self.random = Random(seed)
        self.entry = MockConfigEntry()
        self.entry.add_to_hass(hass)
        self.removed: list[tuple[str, str]] = []
        self.happenings: list[Callable[[], object]] = [
            self.show, self.show, self.show, self.state, self.state, self.gone, self.renamed, self.moved, self.aliased,
            self.renumbered, self.unregistered, self.exposed, self.exposed, self.precise, self.device, self.device,
            self.child, self.area, self.area, self.floor, self.service, self.items,
        ]  # fmt: skip

    async def happen(self) -> str:
        """Let one thing happen, and return its name."""
        if self.random.random() < 0.02:
            units = self.random.choice((METRIC_SYSTEM, US_CUSTOMARY_SYSTEM))
            await self.hass.config.async_update(unit_system="metric" if units is METRIC_SYSTEM else "us_customary")
            return "units"
        what = self.random.choice(self.happenings)
        what()
        return what.__name__

    def name(self) -> str:
        return self.random.choice(("Alpha", "beta", "Gamma Lamp", "delta  Two", "Émile", "zeta"))

    def entity(self) -> str:
        return self.random.choice(sorted(er.async_get(self.hass).entities))

    def place(self) -> str | None:
        return self.random.choice([None, *sorted(area.id for area in ar.async_get(self.hass).async_list_areas())])

    def show(self) -> None:
        thing = self.random.choice([thing for thing in self.house.things.values() if thing.hass and thing.enabled])
        thing.show(available=self.random.random() < 0.8, is_on=self.random.random() < 0.5)

    def state(self) -> None:
        number = self.random.randrange(8)
        domain = ("light", "sensor", "binary_sensor", "climate")[number % 4]
        attributes = {
            "friendly_name": self.name(),
            "device_class": self.random.choice(("door", "temperature", None)),
            "supported_color_modes": self.random.choice((["hs"], ["brightness"], None)),
            "supported_features": self.random.choice((0, 1, 2, 384)),
            "hvac_modes": self.random.choice((["off", "heat"], ["cool"], None)),
        }
        value = self.random.choice(("on", "off", "21.36", "unavailable"))
        self.hass.states.async_set(f"{domain}.loose_{number}", value, attributes)

    def gone(self) -> None:
        self.hass.states.async_remove(self.random.choice(sorted(self.hass.states.async_entity_ids())))

    def renamed(self) -> None:
        er.async_get(self.hass).async_update_entity(self.entity(), name=self.random.choice((None, self.name())))

    def aliased(self) -> None:
        aliases = [er.COMPUTED_NAME, self.name()] if self.random.random() < 0.7 else []
        er.async_get(self.hass).async_update_entity(self.entity(), aliases=aliases)

    def moved(self) -> None:
        with contextlib.suppress(ValueError):  # some may have none of their own
            er.async_get(self.hass).async_update_entity(self.entity(), area_id=self.place())

    def renumbered(self) -> None:
        entity_id = self.entity()
        new = f"{entity_id.partition('.')[0]}.new_{self.random.randrange(1000)}"
        if not self.hass.states.get(new):
            er.async_get(self.hass).async_update_entity(entity_id, new_entity_id=new)

    def unregistered(self) -> None:
        entity_id = self.entity()
        if self.random.random() < 0.2:
            er.async_get(self.hass).async_remove(entity_id)

    def exposed(self) -> None:
        ids = sorted({*er.async_get(self.hass).entities, *self.hass.states.async_entity_ids()})
        async_expose_entity(self.hass, "conversation", self.random.choice(ids), self.random.random() < 0.6)

    def precise(self) -> None:
        options = {"display_precision": self.random.randrange(3)}
        er.async_get(self.hass).async_update_entity_options(self.entity(), "sensor", options)

    def device(self) -> None:
        devices = dr.async_get(self.hass)
        device = devices.async_get_or_create(
            config_entry_id=self.entry.entry_id, identifiers={("life", str(self.random.randrange(3)))}
        )
        if self.random.random() < 0.15:
            devices.async_remove_device(device.id)
            return
        devices.async_update_device(device.id, area_id=self.place(), name_by_user=self.name())
        self.belong(device.id)

    def belong(self, device_id: str) -> None:
        """Make some entity one of a device; it needs no state of its own to become one."""
        number = self.random.randrange(4)
        entity = er.async_get(self.hass).async_get_or_create(
            "light", "life", str(number), device_id=device_id, has_entity_name=True, config_entry=self.entry
        )
        er.async_get(self.hass).async_update_entity(entity.entity_id, aliases=[er.COMPUTED_NAME])
        self.hass.states.async_set(entity.entity_id, "on")

    def child(self) -> None:
        devices = dr.async_get(self.hass)
        parent = devices.async_get_or_create(config_entry_id=self.entry.entry_id, identifiers={("life", "parent")})
        child = devices.async_get_or_create_child(
            config_entry_id=self.entry.entry_id, identifiers={("life", "child")}, parent_device_id=parent.id
        )
        devices.async_update_device(parent.id, area_id=self.place(), name_by_user=self.name())
        self.belong(child.id)

    def area(self) -> None:
        areas, place = ar.async_get(self.hass), self.place()
        floors = [None, *sorted(floor.floor_id for floor in fr.async_get(self.hass).async_list_floors())]
        if place is None or self.random.random() < 0.1:
            areas.async_get_or_create(f"Room {self.random.randrange(4)}")
        elif self.random.random() < 0.15:
            areas.async_delete(place)
        else:
            areas.async_update(place, aliases={self.name()}, floor_id=self.random.choice(floors))

    def floor(self) -> None:
        floors = fr.async_get(self.hass)
        known = sorted(floor.floor_id for floor in floors.async_list_floors())
        if not known or self.random.random() < 0.2:
            if len(known) < 5:
                floors.async_create(f"Floor {self.random.randrange(10**6)}", level=self.random.randrange(4))
        elif self.random.random() < 0.2:
            floors.async_delete(self.random.choice(known))
        else:
            floors.async_update(self.random.choice(known), level=self.random.randrange(4), aliases={self.name()})

    def service(self) -> None:
        if self.removed and self.random.random() < 0.5:
            self.hass.services.async_register(*self.removed.pop(), lambda _: None)
            return
        services = self.hass.services.async_services()
        domain = self.random.choice([domain for domain in ("light", "switch", "climate") if services.get(domain)])
        name = self.random.choice(sorted(services[domain]))
        self.hass.services.async_remove(domain, name)
        self.removed.append((domain, name))

    def items(self) -> None:
        """Change what a list holds and not how much, which is all that its state tells."""
        errands = self.house.things["todo.errands"]
        if errands.hass and errands.enabled:
            errands.show(todo_items=[TodoItem(uid="1", summary=self.name(), status=TodoItemStatus.NEEDS_ACTION)])


@pytest.mark.parametrize("seed", SEEDS)
async def test_whatever_happens_the_kept_home_is_that_which_is_read_anew(
    hass: HomeAssistant, house: House, seed: int
) -> None:
    life, seen = Life(hass, house, seed), Random(seed)
    release = async_keep(hass)
    lived = []
    homes = set()
    for _ in range(STEPS):
        lived.append(await life.happen())
        if seen.random() < 0.3:
            if seen.random() < 0.3:
                await hass.async_block_till_done()
            device_id = seen.choice((None, house.satellite))
            home = kept(hass, device_id)
            assert home == rebuilt(hass, device_id), different(home, rebuilt(hass, device_id), lived)
            homes.add(str(home))
    assert len(homes) > STEPS / 6, "most of what happens can be seen"
    release()


async def test_nothing_listens_once_the_last_agent_is_gone(hass: HomeAssistant, house: House) -> None:
    before = listeners(hass)
    first, second = async_keep(hass), async_keep(hass)
    during = listeners(hass)
    assert during != before
    async_keep(hass)()
    first()
    assert listeners(hass) == during, "two agents share one keeper"
    second()
    assert listeners(hass) == before
    house.things["light.ceiling"].show(is_on=False)
    assert kept(hass).by_id["light.ceiling"].state == "off"


async def test_exposure_is_listened_to_no_longer_than_needed(hass: HomeAssistant, house: House) -> None:
    async_keep(hass)()
    hass.states.async_set("light.loose", "on")
    house.expose("light.loose", exposed=False)
    assert "light.loose" not in kept(hass).by_id


@pytest.fixture(name="large")
async def large_fixture(hass: HomeAssistant) -> AsyncGenerator[list[str]]:
    """Return the ids of a thousand lamps that are exposed."""
    assert await async_setup_component(hass, "homeassistant", {})
    areas = [ar.async_get(hass).async_create(f"Room {n}").id for n in range(20)]
    registry = er.async_get(hass)
    ids = []
    for n in range(MANY):
        entry = registry.async_get_or_create("light", "large", str(n))
        registry.async_update_entity(entry.entity_id, area_id=areas[n % 20], name=f"Lamp {n}")
        async_expose_entity(hass, "conversation", entry.entity_id, True)
        hass.states.async_set(entry.entity_id, "on", {"friendly_name": f"Lamp {n}"})
        ids.append(entry.entity_id)
    return ids


class Monitor:
    """Counts the Python functions that begin between two steps of the event loop, which no other process disturbs."""

    TOOL = 4

    def __init__(self) -> None:
        self.longest = self.now = 0

    def __enter__(self) -> Monitor:
        sys.monitoring.use_tool_id(self.TOOL, "morphy loop monitor")
        sys.monitoring.register_callback(self.TOOL, sys.monitoring.events.PY_START, self.begin)
        sys.monitoring.set_events(self.TOOL, sys.monitoring.events.PY_START)
        return self

    def __exit__(self, *_: object) -> None:
        sys.monitoring.set_events(self.TOOL, 0)
        sys.monitoring.free_tool_id(self.TOOL)

    def begin(self, code: CodeType, _: int) -> None:
        """Note that a function begins; `Handle._run` is what the loop calls for each of its steps."""
        self.now = 0 if code.co_qualname == "Handle._run" else self.now + 1
        self.longest = max(self.longest, self.now)


def counted(work: Callable[[], object]) -> int:
    with Monitor() as monitor:
        work()
    return monitor.longest


async def test_no_step_of_the_loop_does_the_work_of_the_whole_home(hass: HomeAssistant, large: list[str]) -> None:
    """5 ms are three fifths of what a thousand entities take to be read; no step may take a quarter of that."""
    whole = counted(lambda: rebuilt(hass))
    assert whole > MANY * 5
    with Monitor() as monitor:
        release = async_keep(hass)
        for value in ("off", "on"):
            await async_snapshot(hass)
            for n, entity_id in enumerate(large):
                hass.states.async_set(entity_id, value)
                if n % 50 == 0:
                    await hass.async_block_till_done()
            er.async_get(hass).async_update_entity(large[7], name=f"Renamed {value}")
            await hass.config.async_update(time_zone="Europe/Berlin")
    assert monitor.longest < whole / 4, (monitor.longest, whole)
    assert len((await async_snapshot(hass)).devices) == MANY
    release()


async def test_an_unchanged_home_costs_next_to_nothing(hass: HomeAssistant, large: list[str]) -> None:
    whole = counted(lambda: rebuilt(hass))
    release = async_keep(hass)
    await async_snapshot(hass)
    assert counted(lambda: kept(hass)) < whole / 8
    hass.states.async_set(large[0], "off")
    assert counted(lambda: kept(hass)) < whole / 8
    release()


async def test_what_changed_last_is_known_of_a_large_home(hass: HomeAssistant, large: list[str]) -> None:
    release = async_keep(hass)
    for entity_id in (large[3], large[11]):
        hass.states.async_set(entity_id, "off")
    assert kept(hass).recent[:2] == (large[11], large[3])
    release()


async def test_many_changes_leave_one_piece_at_most(hass: HomeAssistant, large: list[str]) -> None:
    release = async_keep(hass)
    for _ in range(2 * MANY // PIECE):
        await asyncio.sleep(0)
    keeper = hass.data[morphy_home._KEPT]["conversation"].keeper
    assert len(keeper._waiting) <= PIECE
    release()
