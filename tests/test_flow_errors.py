"""Corners of the dialogs: every error of a trial on the form it came from, and what an agent keeps of its tools."""

from __future__ import annotations

from typing import Any

import pytest
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.morphy import errors
from custom_components.morphy.const import DOMAIN

from .flows import Person, placeholders
from .model_server import ModelServer

TRIALS = [
    error
    for error in vars(errors).values()
    if isinstance(error, type)
    and issubclass(error, errors.BackendError)
    and not issubclass(error, (errors.RuntimeMissingError, errors.RuntimeInstallError))
    and hasattr(error, "key")
]


@pytest.mark.parametrize("error", TRIALS)
async def test_every_error_of_a_trial_is_told(
    hass: HomeAssistant, server: ModelServer, monkeypatch: pytest.MonkeyPatch, error: type[errors.BackendError]
) -> None:
    assert await async_setup_component(hass, "homeassistant", {})
    person = await Person.adds_entry(hass, "remote")
    await person.enters(url=await server.start())
    given = dict.fromkeys(placeholders(person.texts["error"][error.key]), "such and such")

    async def fail(*_: Any) -> None:
        raise error(**given)

    with monkeypatch.context() as context:
        context.setattr("custom_components.morphy.entry_flow.async_try", fail)
        await person.enters(model="home-3b")
    assert person.result["type"] is FlowResultType.FORM
    assert list(person.errors.values()) == [error.key]
    assert ("such and such" in person.reads(error.key)) is bool(given)

    while person.result["type"] is FlowResultType.FORM:
        await person.enters()
    assert person.result["type"] is FlowResultType.CREATE_ENTRY


@pytest.mark.parametrize(
    ("dialect", "tools", "kept"),
    [("hermes", ["assist"], None), ("hermes", None, []), ("hermes", [], []), ("lines", [], None)],
)
async def test_what_an_agent_keeps_of_its_tools(
    hass: HomeAssistant, server: ModelServer, dialect: str, tools: list[str] | None, kept: list[str] | None
) -> None:
    assert await async_setup_component(hass, "homeassistant", {})
    assert await async_setup_component(hass, "conversation", {})
    data = {"backend": "remote", "url": await server.start(), "model": "home-3b"}
    entry = MockConfigEntry(domain=DOMAIN, title="Home 3B", data=data)
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    key = (entry.entry_id, "conversation")
    flow = await hass.config_entries.subentries.async_init(key, context={"source": "user"})
    person = Person(hass, flow, "conversation")
    advanced = {**person.shown()["advanced"], "dialect": dialect, "read_ahead": False}
    del advanced["llm_hass_api"]
    await person.enters(advanced=advanced if tools is None else {**advanced, "llm_hass_api": tools})
    assert person.result["type"] is FlowResultType.CREATE_ENTRY
    await hass.async_block_till_done()
    [agent] = entry.subentries.values()
    assert agent.data.get("llm_hass_api") == kept
    assert agent.data["read_ahead"] is False
    flow = await entry.start_subentry_reconfigure_flow(hass, agent.subentry_id)
    shown = Person(hass, flow, "conversation").shown()["advanced"]
    assert shown["llm_hass_api"] == (["assist"] if kept is None else kept)
    assert shown["read_ahead"] is False
