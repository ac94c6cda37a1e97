"""What is read before anyone asks: real Home Assistant, the bundled model in its worker, a real house that changes."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from homeassistant.components import conversation
from homeassistant.components.conversation import ConversationResult
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import Context, HomeAssistant
from homeassistant.util import dt as dt_util
from pytest_homeassistant_custom_component.common import MockConfigEntry, async_fire_time_changed

from custom_components.morphy import BUNDLED_MODEL
from custom_components.morphy.backends import Completion, allowance
from custom_components.morphy.backends.allowance import SAVED, SHARE, Allowance
from custom_components.morphy.backends.local import LocalBackend
from custom_components.morphy.backends.shelf import MAX_SLOTS, Shelf, Slot
from custom_components.morphy.const import BACKEND_LOCAL, CONF_BACKEND, CONF_CONTEXT_LENGTH
from custom_components.morphy.dialect import Area, Device, Home, Service, get_dialect

from .house import House
from .test_config_flow import adds_agent, entry_of
from .test_conversation import add_agent, agent_of

BUNDLED = {CONF_BACKEND: BACKEND_LOCAL, CONF_CONTEXT_LENGTH: 2048}
FEW = 80
"""Tokens: the time, the room, the request and the frame around it; a checkpoint may lie a little before them."""


@pytest.fixture(name="entry")
async def entry_fixture(
    hass: HomeAssistant, house: House, request: pytest.FixtureRequest
) -> AsyncGenerator[MockConfigEntry]:
    """Return an entry with an agent whose model is the bundled one, and let it read ahead."""
    entry = await add_agent(hass, BUNDLED, **getattr(request, "param", {}))
    await settle(hass)
    yield entry
    await hass.config_entries.async_unload(entry.entry_id)
    assert entry.state is ConfigEntryState.NOT_LOADED


async def settle(hass: HomeAssistant) -> None:
    """Let time pass until what has changed was read."""
    async_fire_time_changed(hass, dt_util.utcnow() + timedelta(minutes=5))
    await hass.async_block_till_done(wait_background_tasks=True)


async def ask(
    hass: HomeAssistant, entry: MockConfigEntry, text: str, conversation_id: str | None = None
) -> ConversationResult:
    return await conversation.async_converse(hass, text, conversation_id, Context(), "en", agent_of(hass, entry))


def read(entry: MockConfigEntry) -> int:
    """Return how many tokens the last turn had to read."""
    usage = entry.runtime_data.usage
    return int(usage.prompt_tokens - usage.cached_tokens)


def requests(entry: MockConfigEntry) -> int:
    """Return how often the worker was asked for anything."""
    return int(entry.runtime_data._process._number)


async def test_the_first_turn_finds_the_home_read(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    await ask(hass, entry, "turn on the coffee machine")
    assert entry.runtime_data.usage.prompt_tokens > 800
    assert read(entry) < FEW
    assert entry.runtime_data.allowance.spent > 0


async def test_what_changes_is_read_before_it_is_asked_for(
    hass: HomeAssistant, house: House, entry: MockConfigEntry
) -> None:
    await ask(hass, entry, "turn on the coffee machine")
    house.things["light.ceiling"].show(is_on=False)
    house.things["lock.front"].show(is_locked=False)
    await settle(hass)
    result = await ask(hass, entry, "is the front door locked")
    assert "unlocked" in result.response.speech["plain"]["speech"]
    assert read(entry) < FEW


async def test_a_follow_up_finds_its_conversation_read(
    hass: HomeAssistant, house: House, entry: MockConfigEntry
) -> None:
    """The first turn changes a device, so the home before the conversation is another one by the second."""
    result = await ask(hass, entry, "turn on the coffee machine")
    assert house.state("switch.relay_7") == "on"
    await settle(hass)
    await ask(hass, entry, "turn it off", result.conversation_id)
    assert read(entry) < FEW


async def test_someone_begins_to_speak(hass: HomeAssistant, house: House, entry: MockConfigEntry) -> None:
    house.things["light.ceiling"].show(is_on=False)
    await conversation.async_prepare_agent(hass, agent_of(hass, entry), "en")
    await ask(hass, entry, "turn on the coffee machine")
    assert read(entry) < FEW


async def test_what_says_nothing_new_is_not_read(hass: HomeAssistant, house: House, entry: MockConfigEntry) -> None:
    """A lamp that the agent is not told about changes, and another one is soon as it was."""
    before = requests(entry)
    house.things["light.cellar"].show(is_on=False)
    house.things["light.ceiling"].show(is_on=False)
    house.things["light.ceiling"].show(is_on=True)
    assert house.state("light.cellar") == "off"
    await settle(hass)
    assert requests(entry) == before


@pytest.mark.parametrize("entry", [{"read_ahead": False}], indirect=True)
async def test_it_can_be_switched_off(hass: HomeAssistant, house: House, entry: MockConfigEntry) -> None:
    before = requests(entry)
    house.things["light.ceiling"].show(is_on=False)
    await settle(hass)
    assert requests(entry) == before
    await conversation.async_prepare_agent(hass, agent_of(hass, entry), "en")
    assert requests(entry) > before


async def test_a_busy_model_is_tried_again(hass: HomeAssistant, house: House, entry: MockConfigEntry) -> None:
    backend = entry.runtime_data
    async with aclosing(backend.complete(Completion(prompt="a\n", grammar='root ::= "b"+', max_tokens=999))) as other:
        await anext(other)
        before = requests(entry)
        house.things["light.ceiling"].show(is_on=False)
        await settle(hass)
        assert requests(entry) == before
    await settle(hass)
    await ask(hass, entry, "turn on the coffee machine")
    assert read(entry) < FEW


async def test_an_allowance_that_is_overdrawn_is_waited_for(
    hass: HomeAssistant, house: House, entry: MockConfigEntry
) -> None:
    entry.runtime_data.allowance.spend(100)
    before, wait = requests(entry), entry.runtime_data.allowance.wait()
    assert wait > 60
    house.things["light.ceiling"].show(is_on=False)
    for seconds, more in ((10, False), (wait + 10, True)):
        async_fire_time_changed(hass, dt_util.utcnow() + timedelta(seconds=seconds))
        await hass.async_block_till_done(wait_background_tasks=True)
        assert (requests(entry) > before) is more


async def test_the_options_are_in_an_agents_form(hass: HomeAssistant, house: House, model: Path) -> None:
    entry = await entry_of(hass, backend="local", model_path=str(model), context_length=512)
    person = await adds_agent(hass, entry)
    advanced = {"dialect": "lines", "temperature": 0, "max_tokens": 64}
    await person.enters(name="Still", advanced={**advanced, "read_ahead": False, "home_tokens": 400})
    person = await adds_agent(hass, entry)
    await person.enters(name="Eager", advanced={**advanced, "read_ahead": True, "home_tokens": 1000})
    await hass.async_block_till_done()
    kept = [(agent.data.get("read_ahead"), agent.data.get("home_tokens")) for agent in entry.subentries.values()]
    assert kept == [(False, 400), (None, None)]


def test_an_idle_machine_stays_cool(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(allowance.time, "monotonic", lambda: now)
    spare = Allowance()
    assert spare.wait() == 0
    spare.spend(SAVED + 1)
    assert spare.wait() == pytest.approx(1 / SHARE)
    now += 1 / SHARE
    assert spare.wait() == 0
    spare.spend(1)
    assert spare.wait() == pytest.approx(1 / SHARE)
    now += 10**6
    spare.spend(SAVED)
    assert spare.wait() == 0
    assert spare.spent == 2 * SAVED + 2


def test_the_shelf_has_bounds() -> None:
    shelf = Shelf(1000)
    assert not shelf.has_room(1001)
    for number in range(5):
        shelf.put(Slot(str(number), [number] * 9, state=bytes(300)))
    assert [shelf.best([number] * 9)[1] for number in range(5)] == [0, 0, 9, 9, 9]
    shelf.put(Slot("2", [7] * 9, checkpoints={3: bytes(100)}, state=bytes(900)))
    assert [shelf.best([number] * 9)[1] for number in (2, 3, 4, 7)] == [0, 0, 0, 9]
    for number in range(MAX_SLOTS + 1):
        shelf.put(Slot(str(number), [number] * 9, state=bytes(1)))
    assert shelf.best([0] * 9)[1] == 0
    assert shelf.best([1] * 9)[1] == 9


MORPHY = get_dialect("morphy")
ROOMS = ("kitchen", "hall", "office")


def home(on: int = 0, minute: int = 5) -> Home:
    """Return a home in which a number of lamps are on."""
    devices = tuple(
        Device(f"light.{room}_{n}", (f"{room.title()} Lamp {n}",), "on" if n + 4 * i < on else "off", area=room)
        for i, room in enumerate(ROOMS)
        for n in range(4)
    )
    areas = tuple(Area(room, (room.title(),)) for room in ROOMS)
    services = (Service("light.turn_on", ("brightness_pct",)), Service("light.turn_off"))
    return Home(devices=devices, areas=areas, services=services, now=f"Saturday 2026-11-21 14:0{minute}")


async def test_the_bundled_model_answers_the_same_whatever_it_has_read() -> None:
    """Three agents take turns while the home changes; another worker reads each of their prompts anew."""
    worker, fresh = (LocalBackend(BUNDLED_MODEL, context_length=2048, threads=1) for _ in range(2))
    words = ("turn on hall lamp 2", "which lamps are on", "dim the office to 30 percent", "is kitchen lamp 1 on")
    saved = 0
    try:
        for number in range(12):
            told = home(on=number // 4, minute=number // 3)
            request = Completion(
                prompt=MORPHY.prompt(told, f"You are butler {number % 3} of this house.", words[number % 4]),
                stop=MORPHY.stop,
                grammar=MORPHY.grammar(told),
                max_tokens=60,
                family=str(number % 3),
            )
            if number % 5 == 4:
                await worker.prefill(request.prompt[:-60], family=request.family)
            answer = [piece async for piece in worker.complete(request)]
            await fresh.prefill("something else")
            assert [piece async for piece in fresh.complete(replace(request, family=""))] == answer
            assert worker.usage
            assert fresh.usage
            assert not fresh.usage.cached_tokens
            saved += worker.usage.cached_tokens or 0
        assert saved > 5 * worker.usage.prompt_tokens
    finally:
        await worker.close()
        await fresh.close()
