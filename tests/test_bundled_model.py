"""The bundled model in its real worker, set up as a user does it: what it is asked happens.

Easy requests only: this is a test of the whole way, not of the model. How good the model is, benchmarks tell.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from homeassistant.components import conversation
from homeassistant.const import CONF_URL
from homeassistant.core import Context, HomeAssistant
from homeassistant.helpers import entity_registry as er

from custom_components.morphy import BUNDLED_MODEL
from custom_components.morphy.const import BACKEND_REMOTE, CONF_BACKEND, DOMAIN

from .flows import Person
from .house import House
from .servers import ServerPool
from .test_conversation import add_agent, agent_of


@pytest.fixture
async def agent(hass: HomeAssistant, house: House, socket_enabled: None) -> AsyncGenerator[str]:
    person = await Person.adds_entry(hass, "local", "bundled")
    await person.enters()
    await hass.async_block_till_done()
    [entry] = hass.config_entries.async_entries(DOMAIN)
    entities = er.async_entries_for_config_entry(er.async_get(hass), entry.entry_id)
    [entity] = [entity for entity in entities if entity.domain == "conversation"]
    yield entity.entity_id
    await hass.config_entries.async_unload(entry.entry_id)


@pytest.mark.parametrize(
    ("request_", "entity_id", "state"),
    [
        ("turn off the ceiling light", "light.ceiling", "off"),
        ("turn on the coffee machine", "switch.relay_7", "on"),
        ("turn on the aquarium pump", "switch.relay_8", "on"),
        ("turn on the loft fan", "fan.loft", "on"),
    ],
)
async def test_requests(
    hass: HomeAssistant, house: House, agent: str, request_: str, entity_id: str, state: str
) -> None:
    before = {id_: house.state(id_) for id_ in house.things}
    result = await conversation.async_converse(hass, request_, None, Context(), "en", agent)
    assert house.state(entity_id) == state
    assert {id_ for id_ in house.things if house.state(id_) != before[id_]} == {entity_id}
    assert result.response.speech["plain"]["speech"]


async def test_a_question(hass: HomeAssistant, house: House, agent: str) -> None:
    result = await conversation.async_converse(hass, "is the front door locked", None, Context(), "en", agent)
    assert "locked" in result.response.speech["plain"]["speech"]
    assert house.state("lock.front") == "locked"


def test_it_is_small_enough_for_git_and_for_a_raspberry_pi() -> None:
    assert BUNDLED_MODEL.stat().st_size < 40 * 2**20


@pytest.mark.parametrize("kind", ["llama.cpp", "llama-cpp-python"])
async def test_the_same_model_on_a_real_server(
    hass: HomeAssistant, house: House, socket_enabled: None, tmp_path: Path, kind: str
) -> None:
    pool = ServerPool(tmp_path)
    try:
        data = {CONF_BACKEND: BACKEND_REMOTE, CONF_URL: await pool.url(kind, BUNDLED_MODEL)}
        entry = await add_agent(hass, data)
        result = await conversation.async_converse(
            hass, "turn on the coffee machine", None, Context(), "en", agent_of(hass, entry)
        )
        assert house.state("switch.relay_7") == "on", result.response.speech
        await hass.config_entries.async_unload(entry.entry_id)
    finally:
        pool.stop()
