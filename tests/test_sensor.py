"""The figures of a backend, and when entities are there to be asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from homeassistant.components import conversation
from homeassistant.const import STATE_UNAVAILABLE, STATE_UNKNOWN, EntityCategory
from homeassistant.core import Context, HomeAssistant
from homeassistant.helpers import device_registry as dr, entity_registry as er
from homeassistant.helpers.entity import Entity
from homeassistant.helpers.icon import async_get_icons
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.morphy.agent_flow import default_agent
from custom_components.morphy.backends.usage import KEPT, Statistics, Usage
from custom_components.morphy.const import DOMAIN
from custom_components.morphy.sensor import SENSORS

from .house import House
from .model_server import ModelServer, says

KEYS = [sensor.key for sensor in SENSORS]
CALL = ["turning on the lamp\n", "light.turn_on(light.kitchen)"]


@pytest.fixture(name="enabled")
def enabled_fixture(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have every sensor switched on."""
    monkeypatch.setattr(Entity, "entity_registry_enabled_default", True)


async def set_up(hass: HomeAssistant, fallback: list[str] | None = None, **data: Any) -> MockConfigEntry:
    settings = default_agent("lines") | ({"fallback": fallback, "fallback_after": 1} if fallback else {})
    agent = {"subentry_type": "conversation", "title": "Butler", "unique_id": None, "data": settings}
    entry = MockConfigEntry(domain=DOMAIN, title="Tiny", data=data, subentries_data=[agent])
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    return entry


def local(model: Path) -> dict[str, Any]:
    return {"backend": "local", "model_path": str(model), "context_length": 2048}


async def converse(hass: HomeAssistant, text: str = "hi") -> conversation.ConversationResult:
    return await conversation.async_converse(hass, text, None, Context(), "en", "conversation.butler")


def shown(hass: HomeAssistant, entry: MockConfigEntry) -> dict[str, str | None]:
    """Return the states of the sensors by key; None for one that has no state."""
    registry, found = er.async_get(hass), {}
    for key in KEYS:
        entity_id = registry.async_get_entity_id("sensor", DOMAIN, f"{entry.entry_id}_{key}")
        assert entity_id
        state = hass.states.get(entity_id)
        found[key] = state.state if state else None
    return found


async def test_they_are_off_until_someone_wants_them(hass: HomeAssistant, house: House, model: Path) -> None:
    entry = await set_up(hass, **local(model))
    assert set(shown(hass, entry).values()) == {None}
    for registered in er.async_entries_for_config_entry(er.async_get(hass), entry.entry_id):
        if registered.domain == "sensor":
            assert registered.disabled_by is er.RegistryEntryDisabler.INTEGRATION
            assert registered.entity_category is EntityCategory.DIAGNOSTIC
            device = dr.async_get(hass).async_get(registered.device_id or "")
            assert device
            assert device.name == "Model Tiny"
            assert device.entry_type is dr.DeviceEntryType.SERVICE


@pytest.mark.usefixtures("enabled")
async def test_a_model_on_this_machine(hass: HomeAssistant, house: House, model: Path) -> None:
    entry = await set_up(hass, **local(model))
    assert set(shown(hass, entry).values()) == {STATE_UNKNOWN}
    await converse(hass)
    first = shown(hass, entry)
    assert float(first["tokens_per_second"] or 0) > 0
    assert int(first["prompt_tokens"] or 0) == entry.runtime_data.usage.prompt_tokens > 100
    await converse(hass)
    assert float(shown(hass, entry)["cache_hit_rate"] or 0) > 30
    assert first["time_to_first_action"] == STATE_UNKNOWN, "it did nothing yet"


@pytest.mark.usefixtures("enabled")
async def test_the_first_action(hass: HomeAssistant, house: House, server: ModelServer) -> None:
    entry = await set_up(hass, backend="remote", url=await server.start())
    server.words = CALL
    result = await converse(hass, "turn on the kitchen light")
    assert result.response.error_code is None
    figures = shown(hass, entry)
    assert 0 < float(figures["time_to_first_action"] or 0) < 10
    assert figures["prompt_tokens"] == figures["cache_hit_rate"] == STATE_UNKNOWN, "this server does not say"
    earlier = figures["time_to_first_action"]
    server.words = ["Hello."]
    await converse(hass)
    assert shown(hass, entry)["time_to_first_action"] == earlier, "of the last turn that had one"


@pytest.mark.usefixtures("enabled")
async def test_they_have_names_units_and_icons(hass: HomeAssistant, house: House, model: Path) -> None:
    entry = await set_up(hass, **local(model))
    await converse(hass)
    states = {state.name: state.attributes for state in hass.states.async_all("sensor") if "Tiny" in state.name}
    assert {name: shown.get("unit_of_measurement") for name, shown in states.items()} == {
        "Model Tiny Prompt cache hit rate": "%",
        "Model Tiny Prompt length": "tokens",
        "Model Tiny Time to first action": "s",
        "Model Tiny Writing speed": "tokens/s",
    }
    assert {shown["state_class"] for shown in states.values()} == {"measurement"}
    icons = (await async_get_icons(hass, "entity", {DOMAIN}))[DOMAIN]
    assert set(icons["sensor"]) == set(KEYS)
    assert entry.runtime_data.statistics.completions == 1


@pytest.mark.usefixtures("enabled")
async def test_entities_are_there_as_long_as_someone_can_answer(
    hass: HomeAssistant, house: House, server: ModelServer
) -> None:
    entry = await set_up(hass, backend="remote", url=await server.start())
    await converse(hass)
    server.completion = says(503)
    assert (await converse(hass)).response.error_code is not None
    assert set(shown(hass, entry).values()) == {STATE_UNAVAILABLE}
    assert state(hass) == STATE_UNAVAILABLE

    server.completion = None
    assert (await converse(hass)).response.error_code is None, "it can be asked all the same"
    assert state(hass) != STATE_UNAVAILABLE
    assert shown(hass, entry)["tokens_per_second"] != STATE_UNAVAILABLE


async def test_an_agent_with_a_fallback_stays(hass: HomeAssistant, house: House, server: ModelServer) -> None:
    entry = await set_up(hass, fallback=["home_assistant"], backend="remote", url=await server.start())
    server.completion = says(503)
    await converse(hass, "turn on the kitchen light")
    assert entry.runtime_data.breaker.open
    assert state(hass) != STATE_UNAVAILABLE


def state(hass: HomeAssistant) -> str:
    found = hass.states.get("conversation.butler")
    assert found
    return found.state


def test_statistics_keep_the_last_ones() -> None:
    statistics, told = Statistics(), []
    statistics.on_change = lambda: told.append(statistics.last)
    assert statistics.last is None
    for tokens in range(KEPT + 5):
        statistics.add(Usage(completion_tokens=tokens))
    assert statistics.completions == len(told) == KEPT + 5
    assert [usage.completion_tokens for usage in statistics.recent] == list(range(5, KEPT + 5))
    assert statistics.last == Usage(completion_tokens=KEPT + 4)


@pytest.mark.parametrize(
    ("usage", "speed", "rate"),
    [
        (Usage(), None, None),
        (Usage(completion_tokens=30, decode_s=2.0), 15.0, None),
        (Usage(completion_tokens=30), None, None),
        (Usage(prompt_tokens=200, cached_tokens=150), None, 0.75),
        (Usage(prompt_tokens=200, cached_tokens=0), None, 0.0),
        (Usage(prompt_tokens=200), None, None),
    ],
)
def test_figures(usage: Usage, speed: float | None, rate: float | None) -> None:
    assert (usage.tokens_per_second, usage.cache_hit_rate) == (speed, rate)
