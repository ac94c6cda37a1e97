"""A large home in conversation: what the model is told, what is said of the rest, and what a turn costs the loop."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest
from homeassistant.components.homeassistant.exposed_entities import async_expose_entity
from homeassistant.const import CONF_MODEL, CONF_URL
from homeassistant.core import HomeAssistant
from homeassistant.helpers import area_registry as ar, entity_registry as er
from homeassistant.setup import async_setup_component

from custom_components.morphy.const import BACKEND_REMOTE, CONF_BACKEND
from custom_components.morphy.dialect import choice
from custom_components.morphy.speech import async_sentence
from tests.model_server import ModelServer
from tests.test_conversation import Talk, add_agent, agent_of, speech
from tests.test_keeper import Monitor, counted, rebuilt

WINDOWS = 500
QUESTION = "are all windows closed?"


@pytest.fixture(name="talk")
async def talk_fixture(hass: HomeAssistant, server: ModelServer) -> AsyncGenerator[Talk]:
    """Return a conversation in a home of a thousand entities, half of them windows, of which three are open."""
    assert await async_setup_component(hass, "homeassistant", {})
    assert await async_setup_component(hass, "conversation", {})
    assert await async_setup_component(hass, "light", {})
    areas = [ar.async_get(hass).async_create(f"Room {n}").id for n in range(40)]
    registry = er.async_get(hass)
    for n in range(2 * WINDOWS):
        domain, name = ("binary_sensor", "Window") if n % 2 else ("light", "Lamp")
        entry = registry.async_get_or_create(domain, "large", str(n), suggested_object_id=f"thing_{n}")
        registry.async_update_entity(entry.entity_id, area_id=areas[n // 2 % 40], name=f"{name} {n}")
        async_expose_entity(hass, "conversation", entry.entity_id, True)
        attributes = {"friendly_name": f"{name} {n}"} | ({"device_class": "window"} if n % 2 else {})
        hass.states.async_set(entry.entity_id, "on" if n in (101, 501, 901) else "off", attributes)
    url = await server.start()
    talk = Talk(hass, server)
    entry = await add_agent(hass, {CONF_BACKEND: BACKEND_REMOTE, CONF_URL: url, CONF_MODEL: "morphy-7b"})
    talk.agent = agent_of(hass, entry)
    yield talk
    assert await hass.config_entries.async_unload(entry.entry_id)


async def caveat(hass: HomeAssistant) -> str:
    return await async_sentence(hass, "en", "may_be_incomplete")


async def test_an_answer_that_may_not_know_all_says_so(hass: HomeAssistant, talk: Talk) -> None:
    talk.writes("No, 3 windows are open.")
    said = speech(await talk.say(QUESTION))
    assert said == f"No, 3 windows are open. {await caveat(hass)}"
    told = str(talk.model.asked[-1]["prompt"])
    assert all(f"binary_sensor.thing_{n} = open" in told for n in (101, 501, 901)), "what matters is told first"
    talk.writes("Yes.")
    await talk.say(QUESTION)
    assert await caveat(hass) not in str(talk.model.asked[-1]["prompt"]), "the model does not learn to say it"


@pytest.mark.parametrize(
    ("request_", "answer"),
    [
        ("is lamp 8 on?", "Lamp 8 is off."),
        ("tell me a joke", "I know none."),
        ("close all windows", "light.turn_off(light.thing_8)\nTurned off Lamp 8."),
    ],
)
async def test_an_answer_that_looked_at_all_or_acted_does_not(
    hass: HomeAssistant, talk: Talk, request_: str, answer: str
) -> None:
    talk.writes(answer)
    assert await caveat(hass) not in speech(await talk.say(request_))


async def test_a_turn_in_a_large_home_never_holds_up_the_loop(hass: HomeAssistant, talk: Talk) -> None:
    """No step of it may do the work of two thirds of a whole reading, which is what takes 5 ms."""
    whole = counted(lambda: rebuilt(hass))
    talk.writes("No, 3 windows are open.")
    await talk.say(QUESTION)
    choice._index.cache_clear()
    with Monitor() as monitor:
        await talk.say("is lamp 8 on, or the lamp in room seven?")
    assert monitor.longest < whole * 2 / 3, (monitor.longest, whole)
