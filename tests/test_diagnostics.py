"""What diagnostics and system health tell: what helps, and nothing of the home."""

from __future__ import annotations

import json
import os
import re
import signal
from pathlib import Path
from typing import Any

import pytest
from homeassistant.components import conversation
from homeassistant.components.homeassistant.exposed_entities import async_expose_entity
from homeassistant.core import Context, HomeAssistant
from homeassistant.helpers import area_registry as ar, entity_registry as er, floor_registry as fr
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import MockConfigEntry, get_system_health_info
from pytest_homeassistant_custom_component.components.diagnostics import get_diagnostics_for_config_entry
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.morphy import diagnostics
from custom_components.morphy.agent_flow import default_agent
from custom_components.morphy.const import DOMAIN
from custom_components.morphy.errors import (
    BackendError,
    ModelMissingError,
    PromptTooLongError,
    RuntimeMissingError,
    ServerStatusError,
    WorkerDiedError,
)
from custom_components.morphy.health import resident_memory

from .flows import english
from .house import House
from .model_server import ModelServer, says

SECRET = "zyzzyva"
"""Stands in every place where someone's own words, names, addresses and keys can be."""

KEY = "sk-quokka"

AGENT = {
    **default_agent("lines"),
    "instructions": f"You are {SECRET}'s butler.",
    "domains": ["light", "lock"],
    "confirm_entities": [f"lock.{SECRET}"],
    "fallback": ["home_assistant"],
    "fallback_after": 5,
    "not_thought_of_yet": SECRET,
}


async def set_up(hass: HomeAssistant, **data: Any) -> MockConfigEntry:
    agent = {"subentry_type": "conversation", "title": f"{SECRET}'s agent", "unique_id": None, "data": AGENT}
    entry = MockConfigEntry(
        domain=DOMAIN, title=f"{SECRET}'s server", data={**data, "not_thought_of_yet": SECRET}, subentries_data=[agent]
    )
    entry.add_to_hass(hass)
    await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    return entry


@pytest.fixture(name="private_home")
async def private_home_fixture(hass: HomeAssistant, house: House) -> None:
    """Have a home whose names are all secret."""
    assert await async_setup_component(hass, "repairs", {})
    assert await async_setup_component(hass, "diagnostics", {})
    await hass.config.async_update(location_name=SECRET)
    floor = fr.async_get(hass).async_create(f"{SECRET} floor")
    area = ar.async_get(hass).async_create(f"{SECRET} room", floor_id=floor.floor_id, aliases={f"{SECRET} den"})
    lamp = er.async_get(hass).async_get_or_create("light", "demo", SECRET, suggested_object_id=f"{SECRET}_lamp")
    er.async_get(hass).async_update_entity(lamp.entity_id, area_id=area.id, aliases=[f"{SECRET} glow"])
    hass.states.async_set(lamp.entity_id, "on", {"friendly_name": f"{SECRET} lamp"})
    async_expose_entity(hass, "conversation", lamp.entity_id, True)


async def say(hass: HomeAssistant, text: str) -> None:
    [agent] = [name for name in hass.states.async_entity_ids("conversation") if SECRET in name]
    await conversation.async_converse(hass, text, None, Context(), "en", agent)


def assert_nothing_private(dump: Any) -> None:
    assert not re.search(f"{SECRET}|{KEY}", json.dumps(dump), re.IGNORECASE)


@pytest.mark.usefixtures("private_home")
async def test_of_a_server(hass: HomeAssistant, hass_client: ClientSessionGenerator, server: ModelServer) -> None:
    server.key = KEY
    server.models = [f"/home/{SECRET}/home-3b.gguf"]
    url = (await server.start()).replace("http://", f"http://{SECRET}:{SECRET}@") + f"/{SECRET}/.."
    entry = await set_up(hass, backend="remote", url=url, api_key=KEY, model=server.models[0])
    server.words = [f"Hello {SECRET}"]
    await say(hass, f"I am {SECRET}")
    server.completion = says(400, json_body={"error": {"message": f"what is {SECRET}?"}})
    await say(hass, f"I am {SECRET}, really")
    assert SECRET in str(entry.runtime_data.breaker.error), "the test would find it"

    dump = await get_diagnostics_for_config_entry(hass, hass_client, entry)
    assert_nothing_private(dump)
    assert_nothing_private(diagnostics_keys(dump))
    assert dump["state"] == "loaded"
    assert dump["settings"]["model"] == "home-3b.gguf"
    assert dump["settings"]["server"].startswith("http, port ")
    assert dump["settings"]["has_key"] is True
    assert "not_thought_of_yet" in dump["settings"]["also_set"]
    [agent] = dump["agents"]
    assert agent["dialect"] == "lines"
    assert agent["domains"] == ["light", "lock"]
    assert agent["confirm_entities"] == 1
    assert agent["fallback"] == {"entries": 0, "home_assistant": True}
    assert {"instructions", "not_thought_of_yet"} <= set(agent["also_set"])
    assert dump["backend"]["available"] is False
    assert dump["backend"]["error"] == {"key": "server_status", "status": "400", "kind": None}
    assert dump["backend"]["completions"] == len(dump["backend"]["last"]) == 1
    assert dump["backend"]["kind"] == "openai"
    assert dump["home"]["devices"]["light"] > 1
    assert dump["home"]["aliases"] >= 1


def diagnostics_keys(dump: Any) -> list[str]:
    """Return every key: a name of a home could be one too."""
    if isinstance(dump, dict):
        return [key for name, value in dump.items() for key in (str(name), *diagnostics_keys(value))]
    return [key for value in dump for key in diagnostics_keys(value)] if isinstance(dump, list) else []


@pytest.mark.usefixtures("private_home")
async def test_of_a_model_on_this_machine(
    hass: HomeAssistant, hass_client: ClientSessionGenerator, model: Path, tmp_path: Path
) -> None:
    folder = tmp_path / SECRET
    folder.mkdir()
    path = folder / "mine.gguf"
    path.write_bytes(model.read_bytes())  # noqa: ASYNC240
    entry = await set_up(hass, backend="local", model_path=str(path), context_length=2048, threads=1)
    await say(hass, f"I am {SECRET}")
    dump = await get_diagnostics_for_config_entry(hass, hass_client, entry)
    assert_nothing_private(dump)
    settings = dump["settings"]
    assert (settings["context_length"], settings["threads"], settings["own_model"]) == (2048, 1, True)
    assert settings["model_file"]["sha256"]
    backend = dump["backend"]
    assert (backend["model"], backend["context_length"], backend["process"]) == ("Tiny", 2048, True)
    assert 2**20 < backend["memory"] < 2**30
    assert backend["last"][0]["prompt_tokens"] > 100
    assert backend["error"] is None
    assert re.fullmatch(r"\d+\.\d+\.\d+", dump["llama_cpp_python"])
    assert dump["machine"]["cores"] == os.process_cpu_count()


@pytest.mark.usefixtures("private_home")
async def test_of_an_entry_that_does_not_come_up(
    hass: HomeAssistant, hass_client: ClientSessionGenerator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(AGENT, "fallback")
    entry = await set_up(hass, backend="local", model_path=str(tmp_path / f"{SECRET}.gguf"), context_length=512)
    dump = await get_diagnostics_for_config_entry(hass, hass_client, entry)
    assert_nothing_private(dump)
    assert (dump["state"], dump["reason"], dump["issues"]) == ("setup_retry", "model_missing", ["model_missing"])
    assert dump["backend"] is None


@pytest.mark.usefixtures("private_home")
async def test_of_an_entry_that_lives_by_its_fallback(
    hass: HomeAssistant, hass_client: ClientSessionGenerator, tmp_path: Path
) -> None:
    await async_setup_component(hass, "system_health", {})
    entry = await set_up(hass, backend="local", model_path=str(tmp_path / f"{SECRET}.gguf"), context_length=512)
    dump = await get_diagnostics_for_config_entry(hass, hass_client, entry)
    assert_nothing_private(dump)
    assert dump["state"] == "loaded"
    backend = dump["backend"]
    assert (backend["available"], backend["process"], backend["memory"], backend["model"]) == (False, False, None, None)
    assert backend["error"] == {"key": "model_missing", "kind": None}
    assert (await health(hass))["models"] == "?"


def test_memory_of_a_process_that_is_gone() -> None:
    assert resident_memory(2**22 + 1) is None


@pytest.mark.usefixtures("private_home")
@pytest.mark.parametrize(
    ("error", "told"),
    [
        (WorkerDiedError(reason=f"SIGSEGV: {SECRET}"), {"key": "worker_died", "kind": "SIGSEGV"}),
        (WorkerDiedError(reason=f"said {SECRET}"), {"key": "worker_died", "kind": None}),
        (RuntimeMissingError(reason=f"ImportError: {SECRET}"), {"key": "runtime_missing", "kind": "ImportError"}),
        (ModelMissingError(path=f"/{SECRET}"), {"key": "model_missing", "kind": None}),
        (
            ServerStatusError(url=f"http://{SECRET}", status="500", reason=SECRET * 2 + "!"),
            {"key": "server_status", "status": "500", "kind": None},
        ),
        (
            PromptTooLongError(tokens="900", context_length="512"),
            {"key": "prompt_too_long", "tokens": "900", "context_length": "512", "kind": None},
        ),
    ],
)
def test_errors_are_told_without_words(error: BackendError, told: dict[str, Any]) -> None:
    assert diagnostics._error(error) == told


@pytest.mark.parametrize(
    ("url", "told"),
    [
        (None, None),
        (f"https://{SECRET}.example", "https, port 443, path of 0"),
        (f"http://{SECRET}:{SECRET}@10.0.0.1:8080/v1/{SECRET}", "http, port 8080, path of 2"),
        (f"http://{SECRET}:port", "no address"),
    ],
)
def test_addresses_are_told_without_whose_they_are(url: str | None, told: str | None) -> None:
    assert diagnostics._server(url) == told


async def test_system_health(hass: HomeAssistant, house: House, model: Path, server: ModelServer) -> None:
    assert await async_setup_component(hass, "system_health", {})
    local = await set_up(hass, backend="local", model_path=str(model), context_length=2048)
    await set_up(hass, backend="remote", url=await server.start())
    info = await health(hass)
    texts = english()["system_health"]["info"]
    assert set(info) == set(texts)
    assert_nothing_private(info)
    assert info["entries_loaded"] == "2/2"
    assert info["models"] == "Tiny (2048), openai"
    assert info["processes"] == info["servers"] == "1/1"
    assert int(info["memory"].removesuffix(" MiB")) > 1

    os.kill(local.runtime_data.pid, signal.SIGKILL)
    await local.runtime_data._process._answers_task
    server.listing = says(503)
    info = await health(hass)
    assert info["processes"] == info["servers"] == "0/1"
    assert info["memory"] == "0 MiB"


async def test_system_health_without_entries(hass: HomeAssistant, house: House) -> None:
    assert await async_setup_component(hass, "system_health", {})
    assert await async_setup_component(hass, DOMAIN, {})
    info = await health(hass)
    assert info["entries_loaded"] == info["servers"] == info["processes"] == "0/0"
    assert info["models"] == "-"


async def health(hass: HomeAssistant) -> dict[str, Any]:
    """Return what is told, with what is still to be found out."""
    info: dict[str, Any] = await get_system_health_info(hass, DOMAIN)
    return {key: await value if hasattr(value, "__await__") else value for key, value in info.items()}
