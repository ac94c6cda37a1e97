"""Who answers when an agent's own model cannot: which one, in whose dialect, with whose rights, and who is told."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import pytest
from homeassistant.components import conversation
from homeassistant.config_entries import SOURCE_REAUTH, ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.morphy.const import DOMAIN
from custom_components.morphy.dialect import get_dialect
from custom_components.morphy.fallback import Models

from .flows import state_of
from .house import House
from .model_server import ModelServer, hangs, says
from .test_conversation import Talk, add_agent, agent_of, failed, speech
from .tiny_model import write_tiny_model

type Agent = Callable[..., Any]

PATIENCE = 1


@pytest.fixture(name="other")
async def other_fixture(socket_enabled: None) -> AsyncGenerator[ModelServer]:
    """Return the server of another entry, not yet running."""
    other = ModelServer()
    yield other
    await other.stop()


@pytest.fixture(name="agent")
async def agent_fixture(hass: HomeAssistant, house: House, server: ModelServer) -> AsyncGenerator[Agent]:
    """Return a way to make the agent that is spoken to; its server answers with status 500 unless told otherwise."""
    url = await server.start()

    async def make(*fallback: str, well: bool = False, **settings: Any) -> Talk:
        data = {"backend": "remote", "url": url, "model": "morphy-7b"}
        entry = await add_agent(hass, data, fallback=list(fallback), fallback_after=PATIENCE, **settings)
        server.completion = None if well else says(500)
        talk = Talk(hass, server)
        talk.agent = agent_of(hass, entry)
        return talk

    yield make
    for entry in hass.config_entries.async_entries(DOMAIN):
        if entry.state is ConfigEntryState.LOADED:
            await hass.config_entries.async_unload(entry.entry_id)


async def entry_of(hass: HomeAssistant, other: ModelServer, text: str, **settings: Any) -> MockConfigEntry:
    """Return another entry, whose model writes this."""
    other.words = [text[n : n + 4] for n in range(0, len(text), 4)]
    return await add_agent(hass, {"backend": "remote", "url": await other.start(), "model": "home-3b"}, **settings)


def own(hass: HomeAssistant) -> MockConfigEntry:
    """Return the entry of the agent that is spoken to."""
    entry: Any = hass.config_entries.async_entries(DOMAIN)[-1]
    return entry


# Another entry


async def test_a_well_model_is_not_passed_over(agent: Agent, hass: HomeAssistant, other: ModelServer) -> None:
    second = await entry_of(hass, other, "Second.")
    talk = await agent(second.entry_id, well=True)
    talk.writes("First.")
    other.asked.clear()
    assert speech(await talk.say("hello")) == "First."
    assert not other.asked


async def test_a_local_model_stands_in_for_a_server(agent: Agent, hass: HomeAssistant, tmp_path: Path) -> None:
    path = write_tiny_model(tmp_path / "model.gguf", chain=b"Ok", context_length=8000)
    local = await add_agent(hass, {"backend": "local", "model_path": str(path), "context_length": 8000})
    talk = await agent(local.entry_id)
    assert speech(await talk.say("hello")) == "Ok"


async def test_the_other_model_is_spoken_to_in_its_own_dialect(
    agent: Agent,
    hass: HomeAssistant,
    other: ModelServer,
    house: House,
) -> None:
    text = "turning it off\n```homeassistant\nlight.turn_off(light.ceiling)\n```"
    second = await entry_of(hass, other, text, dialect="lines")
    talk = await agent(second.entry_id)
    assert speech(await talk.say("ceiling light off")) == "turning it off"
    assert house.state("light.ceiling") == "off"
    prompt = str(other.asked[-1]["prompt"])
    assert "light.ceiling 'Ceiling Light' = on\n" in prompt
    assert prompt.startswith("<|im_start|>system\nYou are 'Al'")


async def test_the_rights_stay_those_of_the_agent_that_was_asked(
    agent: Agent,
    hass: HomeAssistant,
    other: ModelServer,
    house: House,
) -> None:
    second = await entry_of(hass, other, "lock.unlock(lock.front)\nUnlocked.", confirm_risky=False)
    talk = await agent(second.entry_id)
    assert speech(await talk.say("unlock the front door")).endswith("?")
    assert house.state("lock.front") == "locked"
    talk = await agent(second.entry_id, domains=["light"], confirm_risky=False)
    await talk.say("unlock the front door")
    assert house.state("lock.front") == "locked"


async def test_the_order_is_kept_and_who_is_not_there_is_passed_over(
    agent: Agent, hass: HomeAssistant, other: ModelServer, socket_enabled: None
) -> None:
    third = ModelServer()
    ill = await entry_of(hass, other, "Second.")
    well = await entry_of(hass, third, "Third.")
    gone = await add_agent(hass, {"backend": "remote", "url": "http://127.0.0.1:9"}, fallback=["home_assistant"])
    await hass.config_entries.async_unload(gone.entry_id)
    talk = await agent("01DELETED", gone.entry_id, ill.entry_id, well.entry_id)
    other.completion = says(500)
    assert speech(await talk.say("hello")) == "Third."
    assert other.asked
    other.completion = None
    assert speech(await talk.say("hello")) == "Third.", "the second is still being looked at"
    await third.stop()


async def test_when_all_fail_that_is_told(agent: Agent, hass: HomeAssistant, other: ModelServer) -> None:
    second = await entry_of(hass, other, "Second.")
    talk = await agent(second.entry_id)
    other.completion = says(503)
    result = await talk.say("hello")
    assert failed(result)
    assert "503" in speech(result)
    # With nobody else to ask, the own model is asked again, however ill it was.
    talk.model.completion = None
    talk.writes("Back.")
    assert speech(await talk.say("hello")) == "Back."


async def test_a_model_that_is_too_slow_to_begin(
    agent: Agent, hass: HomeAssistant, other: ModelServer, caplog: pytest.LogCaptureFixture
) -> None:
    second = await entry_of(hass, other, "Second.")
    talk = await agent(second.entry_id)
    talk.model.completion = hangs
    assert speech(await talk.say("hello")) == "Second."
    assert "gave no word within 1 seconds" in caplog.text


@pytest.mark.parametrize("words", [[], [" ", "\n"]])
async def test_an_empty_answer_falls_back_and_is_no_outage(
    agent: Agent, hass: HomeAssistant, other: ModelServer, words: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    second = await entry_of(hass, other, "Second.")
    talk = await agent(second.entry_id, well=True)
    talk.model.words = words
    assert speech(await talk.say("hello")) == "Second."
    assert not own(hass).runtime_data.breaker.open
    assert "cannot answer for now" not in caplog.text


async def test_a_refused_key_is_asked_for_while_the_other_answers(
    agent: Agent, hass: HomeAssistant, other: ModelServer
) -> None:
    second = await entry_of(hass, other, "Second.")
    talk = await agent(second.entry_id, well=True)
    talk.model.key = "new"
    assert speech(await talk.say("hello")) == "Second."
    [flow] = hass.config_entries.flow.async_progress()
    assert flow["context"]["source"] == SOURCE_REAUTH


async def test_reading_ahead_is_done_by_who_will_answer(agent: Agent, hass: HomeAssistant, other: ModelServer) -> None:
    second = await entry_of(hass, other, "Second.")
    talk = await agent(second.entry_id)
    await talk.say("hello")
    talk.model.asked.clear()
    other.asked.clear()
    await conversation.async_prepare_agent(hass, talk.agent, "en")
    assert [body["max_tokens"] for body in other.asked] == [1]
    assert not talk.model.asked


# At Home Assistant's start


@pytest.mark.parametrize(
    ("listing", "issue", "reauth"),
    [(says(503), False, False), (says(401), False, True), (says(json_body={"data": []}), True, False)],
    ids=["away", "locked", "without the model"],
)
async def test_an_agent_with_a_fallback_is_there_though_its_server_is_not(
    agent: Agent,
    hass: HomeAssistant,
    other: ModelServer,
    server: ModelServer,
    caplog: pytest.LogCaptureFixture,
    listing: Any,
    issue: bool,
    reauth: bool,
) -> None:
    second = await entry_of(hass, other, "Second.")
    server.listing = listing
    talk = await agent(second.entry_id)
    assert state_of(own(hass)) is ConfigEntryState.LOADED
    assert speech(await talk.say("hello")) == "Second."
    told = [record for record in caplog.records if "cannot answer for now" in record.getMessage()]
    assert [record.levelno for record in told] == [logging.WARNING]
    assert bool(hass.config_entries.flow.async_progress()) is reauth
    issues = [found for found in ir.async_get(hass).issues.values() if found.domain == DOMAIN]
    assert [found.translation_key for found in issues] == ["model_unusable"] * issue

    server.listing = server.completion = None
    await hass.config_entries.async_reload(own(hass).entry_id)
    talk.writes("First.")
    assert speech(await talk.say("hello")) == "First."
    assert not [found for found in ir.async_get(hass).issues.values() if found.domain == DOMAIN]


# Home Assistant's own sentences


async def test_home_assistant_comes_last(agent: Agent, hass: HomeAssistant, house: House) -> None:
    talk = await agent("home_assistant")
    result = await talk.say("turn on the coffee machine")
    assert house.state("switch.relay_7") == "on"
    assert not failed(result)
    assert talk.log[-1].content == speech(result)
    # Of the models none is well now: it does not wait for them.
    talk.model.completion = hangs
    assert not failed(await talk.say("turn off the coffee machine"))
    assert house.state("switch.relay_7") == "off"


async def test_what_home_assistant_does_not_understand_is_the_models_failure(agent: Agent) -> None:
    talk = await agent("home_assistant")
    for _ in range(2):
        result = await talk.say("make it cosy in here, will you")
        assert failed(result)
        assert "500" in speech(result)


@pytest.mark.parametrize(
    ("settings", "text", "entity_id"),
    [
        ({}, "unlock the front door", "lock.front"),
        ({}, "open the garage door", "cover.garage"),
        ({}, "open all covers", "cover.garage"),
        ({}, "open the garden tap", "valve.garden"),
        ({"confirm_entities": ["switch.relay_8"]}, "turn off the aquarium pump", "switch.relay_8"),
        ({"domains": ["light"]}, "turn on the coffee machine", "switch.relay_7"),
        ({"domains": ["light"], "confirm_risky": False}, "unlock the front door", "lock.front"),
        ({"domains": []}, "turn off the ceiling light", "light.ceiling"),
    ],
)
async def test_home_assistant_does_nothing_that_the_agent_would_not_do(
    agent: Agent,
    house: House,
    settings: dict[str, Any],
    text: str,
    entity_id: str,
) -> None:
    before = house.state(entity_id)
    talk = await agent("home_assistant", **settings)
    assert failed(await talk.say(text))
    assert house.state(entity_id) == before


@pytest.mark.parametrize(
    ("settings", "text", "entity_id", "state"),
    [
        ({"confirm_risky": False}, "unlock the front door", "lock.front", "unlocked"),
        ({"domains": ["light"]}, "turn off the ceiling light", "light.ceiling", "off"),
        ({"confirm_entities": ["switch.relay_8"]}, "turn on the coffee machine", "switch.relay_7", "on"),
    ],
)
async def test_home_assistant_does_what_the_agent_would_do(
    agent: Agent,
    house: House,
    settings: dict[str, Any],
    text: str,
    entity_id: str,
    state: str,
) -> None:
    talk = await agent("home_assistant", **settings)
    assert not failed(await talk.say(text))
    assert house.state(entity_id) == state


async def test_home_assistant_answers_questions(agent: Agent) -> None:
    talk = await agent("home_assistant", domains=[])
    result = await talk.say("is the front door locked")
    assert not failed(result)
    assert "Yes" in speech(result)


# Settings


async def test_without_a_fallback_there_is_the_own_model_alone(agent: Agent, hass: HomeAssistant) -> None:
    talk = await agent()
    models = Models(hass, own(hass), get_dialect("morphy"), {})
    assert [model.entry for model in models.well()] == [own(hass)]
    assert not models.then_home_assistant
    assert failed(await talk.say("turn on the coffee machine"))
