"""Setting an entry up and taking it down, with a real model in a real worker: nothing is left behind."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import AsyncGenerator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from homeassistant.components import conversation
from homeassistant.config_entries import SOURCE_REAUTH, ConfigEntry, ConfigEntryState
from homeassistant.const import EVENT_HOMEASSISTANT_STOP
from homeassistant.core import Context, HomeAssistant
from homeassistant.helpers import issue_registry as ir
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.morphy import BUNDLED_MODEL, create_backend
from custom_components.morphy.backends.local import LocalBackend
from custom_components.morphy.backends.remote import RemoteBackend
from custom_components.morphy.config_flow import default_agent
from custom_components.morphy.const import DOMAIN

from .flows import english, state_of
from .model_server import ModelServer, hangs, says

AGENT = {"subentry_type": "conversation", "title": "Butler", "unique_id": None, "data": default_agent("lines")}


@pytest.fixture(autouse=True)
async def home(hass: HomeAssistant, socket_enabled: None) -> None:
    """Set up what conversation needs."""
    assert await async_setup_component(hass, "homeassistant", {})


@pytest.fixture(name="backends", autouse=True)
async def backends_fixture(
    hass: HomeAssistant, monkeypatch: pytest.MonkeyPatch
) -> AsyncGenerator[list[LocalBackend | RemoteBackend]]:
    """Return every backend that was made; in the end entries are unloaded and no process may be left."""
    made: list[Any] = []

    def create(*args: Any) -> Any:
        made.append(create_backend(*args))
        return made[-1]

    monkeypatch.setattr("custom_components.morphy.create_backend", create)
    yield made
    for entry in hass.config_entries.async_entries(DOMAIN):
        if entry.state.recoverable:
            await hass.config_entries.async_unload(entry.entry_id)
    assert not [backend.pid for backend in made if isinstance(backend, LocalBackend) and backend.pid]


async def set_up(hass: HomeAssistant, **data: Any) -> MockConfigEntry:
    """Return an entry with one agent, set up as well as it could be."""
    entry = MockConfigEntry(domain=DOMAIN, title="Tiny", data=data, subentries_data=[AGENT])
    entry.add_to_hass(hass)
    await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    return entry


def local(model: Path) -> dict[str, Any]:
    """Return the data of an entry with this model."""
    return {"backend": "local", "model_path": str(model), "context_length": 512}


def alive(pid: int) -> bool:
    """Return whether a process runs."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_an_entry_brings_its_agent_and_leaves_nothing(hass: HomeAssistant, model: Path) -> None:
    entry = await set_up(hass, **local(model))
    assert state_of(entry) is ConfigEntryState.LOADED
    assert hass.states.get("conversation.butler")
    pid = entry.runtime_data.pid
    assert alive(pid)

    assert await hass.config_entries.async_unload(entry.entry_id)
    assert state_of(entry) is ConfigEntryState.NOT_LOADED
    assert not alive(pid)
    agent = hass.states.get("conversation.butler")
    assert agent
    assert agent.state == "unavailable"

    assert await hass.config_entries.async_remove(entry.entry_id)
    await hass.async_block_till_done()
    assert not hass.states.get("conversation.butler")


async def test_home_assistant_stops(hass: HomeAssistant, model: Path) -> None:
    entry = await set_up(hass, **local(model))
    pid = entry.runtime_data.pid
    hass.bus.async_fire(EVENT_HOMEASSISTANT_STOP)
    await hass.async_block_till_done()
    assert not alive(pid)


async def test_a_change_reloads_once(hass: HomeAssistant, model: Path, backends: list[LocalBackend]) -> None:
    entry = await set_up(hass, **local(model))
    [subentry_id] = entry.subentries
    hass.config_entries.async_update_subentry(entry, entry.subentries[subentry_id], title="Guard")
    await hass.async_block_till_done()
    assert len(backends) == 2
    assert backends[0].pid is None
    assert entry.runtime_data is backends[1]

    hass.config_entries.async_remove_subentry(entry, subentry_id)
    await hass.async_block_till_done()
    assert not hass.states.get("conversation.butler")
    assert state_of(entry) is ConfigEntryState.LOADED


@pytest.mark.parametrize(
    ("content", "state", "error"),
    [
        (None, ConfigEntryState.SETUP_RETRY, "model_missing"),
        (b"This is a letter to my aunt.", ConfigEntryState.SETUP_ERROR, "model_not_gguf"),
    ],
    ids=["missing", "text"],
)
async def test_local_trouble(
    hass: HomeAssistant, tmp_path: Path, model: Path, content: bytes | None, state: ConfigEntryState, error: str
) -> None:
    path = tmp_path / "mine.gguf"
    if content is not None:
        path.write_bytes(content)
    entry = await set_up(hass, **local(path))
    assert state_of(entry) is state
    assert_told(entry, error)

    path.write_bytes(model.read_bytes())  # noqa: ASYNC240
    assert await hass.config_entries.async_reload(entry.entry_id)
    assert state_of(entry) is ConfigEntryState.LOADED


@pytest.mark.parametrize(
    ("interpreter", "state", "error"),
    [
        ("/nowhere/python", ConfigEntryState.SETUP_ERROR, "runtime_missing"),
        ("/bin/false", ConfigEntryState.SETUP_ERROR, "runtime_broken"),
    ],
)
async def test_worker_trouble(
    hass: HomeAssistant,
    model: Path,
    monkeypatch: pytest.MonkeyPatch,
    interpreter: str,
    state: ConfigEntryState,
    error: str,
) -> None:
    monkeypatch.setitem(LocalBackend.__init__.__kwdefaults__, "interpreter", interpreter)
    entry = await set_up(hass, **local(model))
    assert state_of(entry) is state
    assert_told(entry, error)


@pytest.mark.parametrize(
    ("listing", "state", "error"),
    [
        (hangs, ConfigEntryState.SETUP_RETRY, "server_timeout"),
        (says(503), ConfigEntryState.SETUP_RETRY, "server_status"),
        (says(html="<html></html>"), ConfigEntryState.SETUP_RETRY, "server_bad_answer"),
        (says(json_body={"data": []}), ConfigEntryState.SETUP_ERROR, "server_model_missing"),
        (says(401), ConfigEntryState.SETUP_ERROR, "server_auth"),
    ],
    ids=["silent", "503", "html", "without the model", "locked"],
)
async def test_remote_trouble(
    hass: HomeAssistant,
    server: ModelServer,
    monkeypatch: pytest.MonkeyPatch,
    listing: Any,
    state: ConfigEntryState,
    error: str,
) -> None:
    monkeypatch.setattr("custom_components.morphy.RemoteBackend", partial(RemoteBackend, timeout=0.3))
    server.listing = listing
    entry = await set_up(hass, backend="remote", url=await server.start(), model="home-3b")
    assert state_of(entry) is state
    assert_told(entry, error)
    reauth = [flow for flow in hass.config_entries.flow.async_progress() if flow["context"]["source"] == SOURCE_REAUTH]
    assert bool(reauth) is (error == "server_auth")

    server.listing = None
    assert await hass.config_entries.async_reload(entry.entry_id)
    assert state_of(entry) is ConfigEntryState.LOADED


async def test_remote_server_away(hass: HomeAssistant, unused_tcp_port: int) -> None:
    entry = await set_up(hass, backend="remote", url=f"http://127.0.0.1:{unused_tcp_port}")
    assert state_of(entry) is ConfigEntryState.SETUP_RETRY
    assert_told(entry, "server_unreachable")


async def test_an_unexpected_error_leaves_no_process(
    hass: HomeAssistant, model: Path, monkeypatch: pytest.MonkeyPatch, backends: list[LocalBackend]
) -> None:
    async def forward(*_args: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(hass.config_entries, "async_forward_entry_setups", forward)
    entry = await set_up(hass, **local(model))
    assert state_of(entry) is ConfigEntryState.SETUP_ERROR
    assert backends[0].pid is None


def test_without_a_path_it_is_the_bundled_model(hass: HomeAssistant) -> None:
    backend = create_backend(hass, {"backend": "local"})
    assert isinstance(backend, LocalBackend)
    assert BUNDLED_MODEL.parts[-4:] == ("custom_components", "morphy", "models", "morphy.gguf")


# Settings of other versions


@pytest.fixture(name="stored")
def stored_fixture(hass_storage: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the entries that Morphy 0.1 has written, as Home Assistant keeps them on disk."""
    content = json.loads((Path(__file__).parent / "fixtures" / "config_entries_0.1.json").read_text(encoding="utf-8"))
    hass_storage["core.config_entries"] = content
    entries: list[dict[str, Any]] = content["data"]["entries"]
    return entries


async def start_with(hass: HomeAssistant) -> dict[str, ConfigEntry]:
    """Start Home Assistant with the stored entries; return those of Morphy by title."""
    await hass.config_entries.async_initialize()
    assert await async_setup_component(hass, DOMAIN, {})
    await hass.async_block_till_done()
    return {entry.title: entry for entry in hass.config_entries.async_entries(DOMAIN)}


async def test_settings_of_version_0_1(
    hass: HomeAssistant, stored: list[dict[str, Any]], model: Path, server: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("custom_components.morphy.BUNDLED_MODEL", model)
    server.key = "an-old-key"
    stored[1]["data"]["url"] = await server.start()
    before = copy.deepcopy(stored)
    entries = await start_with(hass)
    assert [state_of(entry) for entry in entries.values()] == [ConfigEntryState.LOADED] * 2
    for entry, kept in zip(entries.values(), before, strict=True):
        assert entry.data == kept["data"]
        assert [dict(agent.data) for agent in entry.subentries.values()] == [one["data"] for one in kept["subentries"]]
    agents = set(hass.states.async_entity_ids("conversation")) - {conversation.HOME_ASSISTANT_AGENT}
    assert len(agents) == 3
    for agent in agents:
        result = await conversation.async_converse(hass, "hello", None, Context(), "en", agent)
        assert result.response.error_code is None


async def test_settings_of_a_newer_version_that_this_one_can_read(
    hass: HomeAssistant, stored: list[dict[str, Any]], model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("custom_components.morphy.BUNDLED_MODEL", model)
    stored[:] = stored[:1]
    stored[0]["minor_version"] = 9
    stored[0]["data"]["something_new"] = True
    stored[0]["subentries"][0]["data"]["something_new"] = True
    entries = await start_with(hass)
    assert state_of(entries["Tiny"]) is ConfigEntryState.LOADED
    assert entries["Tiny"].data["something_new"]
    assert not ir.async_get(hass).issues


async def test_settings_of_a_newer_version_that_this_one_cannot_read(
    hass: HomeAssistant, stored: list[dict[str, Any]], server: ModelServer
) -> None:
    server.key = "an-old-key"
    stored[1]["data"]["url"] = await server.start()
    stored[0]["version"] = 2
    before = copy.deepcopy(stored[0])
    entries = await start_with(hass)
    assert state_of(entries["Tiny"]) is ConfigEntryState.MIGRATION_ERROR
    assert entries["Tiny"].data == before["data"]
    assert state_of(entries["morphy-7b"]) is ConfigEntryState.LOADED, "the other entry does not suffer"
    [issue] = ir.async_get(hass).issues.values()
    texts = english()["issues"][issue.translation_key]
    told = " ".join(text.format(**(issue.translation_placeholders or {})) for text in texts.values())
    assert "Tiny" in told
    assert "Install the newer version" in told


def assert_told(entry: MockConfigEntry, error: str) -> None:
    """The reason that is shown on the entry's card is a whole sentence."""
    assert entry.error_reason_translation_key == error
    sentence = english()["exceptions"][error]["message"]
    assert sentence.format(**(entry.error_reason_translation_placeholders or {}))
