"""The dialogs, against real models in real workers and real HTTP servers that misbehave."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from homeassistant.config_entries import SOURCE_REAUTH, SOURCE_USER, ConfigEntry, ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType, InvalidData
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.morphy import create_backend, entry_flow
from custom_components.morphy.agent_flow import default_agent, suggest_dialect
from custom_components.morphy.backends.local import LocalBackend
from custom_components.morphy.backends.remote import RemoteBackend
from custom_components.morphy.const import DOMAIN
from custom_components.morphy.dialect import CATALOGUE, get_dialect

from .flows import Person, state_of
from .model_server import ModelServer, breaks_off, hangs, says
from .tiny_model import write_tiny_model

AGENT = default_agent("lines")
ADVANCED = {"context_length": 512}
ALL_DOMAINS = list(CATALOGUE)


@pytest.fixture(autouse=True)
async def home(hass: HomeAssistant, socket_enabled: None) -> None:
    """Set up what conversation needs."""
    assert await async_setup_component(hass, "homeassistant", {})


@pytest.fixture(autouse=True)
async def clean(hass: HomeAssistant) -> AsyncGenerator[None]:
    """Unload every entry in the end, so that no process stays."""
    yield
    for entry in hass.config_entries.async_entries(DOMAIN):
        await hass.config_entries.async_unload(entry.entry_id)


def created(person: Person) -> Any:
    """Return the entry that a dialog ended with."""
    assert person.result["type"] is FlowResultType.CREATE_ENTRY, person.result
    return person.result["result"]


def settings_of(entry: ConfigEntry) -> dict[str, Any]:
    """Return what was entered, without what is remembered about the model's file."""
    return {key: value for key, value in entry.data.items() if key != "model_file"}


def reason(person: Person) -> str:
    """Return why a dialog was aborted."""
    assert person.result["type"] is FlowResultType.ABORT, person.result
    return str(person.result["reason"])


# A model on this machine


async def test_local_file(hass: HomeAssistant, model: Path) -> None:
    person = await Person.adds_entry(hass, "local", "file")
    assert person.shown() == {"advanced": {"context_length": 4096}}
    await person.enters(model_path=f" {model} ", advanced={"context_length": 512, "threads": 1})

    entry = created(person)
    assert entry.title == "Tiny"
    assert settings_of(entry) == {"backend": "local", "model_path": str(model), "context_length": 512, "threads": 1}
    assert isinstance(entry.data["context_length"], int)
    [agent] = entry.subentries.values()
    assert (agent.subentry_type, agent.title, agent.data) == ("conversation", "Morphy", AGENT)
    await hass.async_block_till_done()
    assert state_of(entry) is ConfigEntryState.LOADED


@pytest.mark.parametrize("content", [None, b"A letter"], ids=["missing", "no model"])
async def test_a_failure_that_is_quick_is_shown_no_sooner_than_a_browser_listens(
    hass: HomeAssistant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None
) -> None:
    """Home Assistant tells of the end of progress once; a browser that did not listen yet would wait for ever."""
    path = tmp_path / "model.gguf"
    if content:
        path.write_bytes(content)
    person = await Person.adds_entry(hass, "local", "file")
    monkeypatch.setattr(entry_flow, "SHOWN", 0.5)
    began = time.monotonic()
    await person.enters(model_path=str(path), advanced=ADVANCED)
    assert 0.5 <= time.monotonic() - began < 3
    assert set(person.errors) == {"model_path"}


async def test_local_bundled_model(hass: HomeAssistant, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("custom_components.morphy.BUNDLED_MODEL", model)
    person = await Person.adds_entry(hass, "local", "bundled")
    await person.enters()
    entry = created(person)
    assert entry.data == {"backend": "local", "context_length": 2048}
    [agent] = entry.subentries.values()
    assert agent.data["dialect"] == "morphy"


async def test_local_path_may_be_relative_to_the_configuration(
    hass: HomeAssistant, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hass.config, "config_dir", str(model.parent))
    person = await Person.adds_entry(hass, "local", "file")
    await person.enters(model_path="house.gguf", advanced=ADVANCED)
    assert created(person).data["model_path"] == str(model)


@pytest.mark.parametrize(
    ("content", "error", "field"),
    [
        (None, "model_missing", "model_path"),
        (b"This is a letter to my aunt.\n" * 100, "model_not_gguf", "model_path"),
        (b"", "model_not_gguf", "model_path"),
        ("half", "model_truncated", "model_path"),
        ("silent", "empty_answer", "base"),
    ],
    ids=["missing", "text", "empty", "truncated", "silent"],
)
async def test_local_unusable_file(
    hass: HomeAssistant, tmp_path: Path, model: Path, content: bytes | str | None, error: str, field: str
) -> None:
    path = tmp_path / "mine.gguf"
    whole = model.read_bytes()  # noqa: ASYNC240
    if content == "half":
        content = whole[: len(whole) // 2]
    if content == "silent":
        write_tiny_model(path, chain=b"")
    elif isinstance(content, bytes):
        path.write_bytes(content)

    person = await Person.adds_entry(hass, "local", "file")
    entered = {"model_path": str(path), "advanced": {"context_length": 1024, "threads": 1}}
    await person.enters(**entered)
    assert person.step == "file"
    assert person.errors == {field: error}
    assert str(path) in person.reads(error) or field == "base"
    assert person.shown() == entered

    path.write_bytes(whole)
    await person.enters()
    assert settings_of(created(person)) == {
        "backend": "local",
        "model_path": str(path),
        "context_length": 1024,
        "threads": 1,
    }


async def test_local_worker_dies(hass: HomeAssistant, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    person = await Person.adds_entry(hass, "local", "file")
    with monkeypatch.context() as patch:
        patch.setattr("custom_components.morphy.LocalBackend", partial(LocalBackend, interpreter="/bin/false"))
        await person.enters(model_path=str(model), advanced=ADVANCED)
    assert person.errors == {"base": "worker_died"}
    created(await person.enters())


async def test_unexpected_error(hass: HomeAssistant, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def start(_self: LocalBackend) -> None:
        raise ZeroDivisionError

    person = await Person.adds_entry(hass, "local", "file")
    with monkeypatch.context() as patch:
        patch.setattr(LocalBackend, "start", start)
        await person.enters(model_path=str(model), advanced=ADVANCED)
    assert person.errors == {"base": "unknown"}
    created(await person.enters())


async def test_unexpected_error_before_anything_is_asked(
    hass: HomeAssistant, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def look() -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("custom_components.morphy.machine.look", look)
    person = await Person.adds_entry(hass, "local")
    assert reason(person) == "unknown"
    assert "Unexpected error in step look" in caplog.text


async def test_model_that_never_gets_to_a_word(
    hass: HomeAssistant, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def complete(_self: LocalBackend, _request: object) -> AsyncGenerator[str]:
        yield " "

    person = await Person.adds_entry(hass, "local", "file")
    with monkeypatch.context() as patch:
        patch.setattr(LocalBackend, "complete", complete)
        await person.enters(model_path=str(model), advanced=ADVANCED)
    assert person.errors == {"base": "empty_answer"}
    created(await person.enters())


async def test_closing_the_dialog_ends_the_trial(
    hass: HomeAssistant, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backends: list[LocalBackend] = []
    loading = asyncio.Event()

    def create(*args: Any) -> Any:
        backends.append(create_backend(*args))  # type: ignore[arg-type]
        return backends[-1]

    async def complete(_self: LocalBackend, _request: object) -> AsyncGenerator[str]:
        loading.set()
        await asyncio.sleep(3600)
        yield ""

    person = await Person.adds_entry(hass, "local", "file")
    monkeypatch.setattr("custom_components.morphy.create_backend", create)
    monkeypatch.setattr(LocalBackend, "complete", complete)
    result = await hass.config_entries.flow.async_configure(
        person.result["flow_id"], {"model_path": str(model), "advanced": ADVANCED}
    )
    assert result["type"] is FlowResultType.SHOW_PROGRESS
    async with asyncio.timeout(30):
        await loading.wait()
    assert backends[0].pid
    hass.config_entries.flow.async_abort(person.result["flow_id"])
    async with asyncio.timeout(10):
        while backends[0].pid:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_local_duplicate(hass: HomeAssistant, model: Path) -> None:
    MockConfigEntry(domain=DOMAIN, data={"backend": "local", "model_path": str(model)}).add_to_hass(hass)
    person = await Person.adds_entry(hass, "local", "file")
    await person.enters(model_path=str(model), advanced=ADVANCED)
    assert reason(person) == "already_configured"


@pytest.mark.parametrize("advanced", [{"context_length": 5}, {"context_length": 512, "threads": 0}, {}])
async def test_local_numbers_out_of_range(hass: HomeAssistant, model: Path, advanced: dict[str, int]) -> None:
    person = await Person.adds_entry(hass, "local", "file")
    if not advanced:  # the default steps in
        assert person.shown()["advanced"] == {"context_length": 4096}
        return
    with pytest.raises(InvalidData):
        await person.enters(model_path=str(model), advanced=advanced)
    created(await person.enters(model_path=str(model), advanced=ADVANCED))


# A server


async def test_remote(hass: HomeAssistant, server: ModelServer) -> None:
    server.key = "secret"
    url = await server.start()
    person = await Person.adds_entry(hass, "remote")
    await person.enters(url=f"{url}/".removeprefix("http://"), api_key=" secret ")
    assert person.step == "model"
    assert offered(person) == server.models
    assert person.shown() == {"model": "home-3b"}

    await person.enters(model="morphy-7b")
    entry = created(person)
    assert entry.title == "morphy-7b"
    assert entry.data == {"backend": "remote", "url": url, "api_key": "secret", "model": "morphy-7b"}
    assert server.asked[-1]["model"] == "morphy-7b"
    [agent] = entry.subentries.values()
    assert agent.data["dialect"] == "morphy"
    await hass.async_block_till_done()
    assert state_of(entry) is ConfigEntryState.LOADED


@pytest.mark.parametrize(
    ("trouble", "error", "field"),
    [
        ("unreachable", "server_unreachable", "url"),
        ("silent", "server_timeout", "base"),
        ("locked", "server_auth", "api_key"),
        (says(404, json_body={}), "server_status", "base"),
        (says(500, json_body={"error": "out of memory"}), "server_status", "base"),
        (says(html="<html><body>Router</body></html>"), "server_bad_answer", "url"),
        (says(json_body={"hello": "world"}), "server_bad_answer", "url"),
        (says(json_body=None), "server_bad_answer", "url"),
    ],
    ids=["unreachable", "silent", "locked", "404", "500", "html", "other json", "null"],
)
async def test_remote_server_in_trouble(
    hass: HomeAssistant,
    server: ModelServer,
    unused_tcp_port: int,
    monkeypatch: pytest.MonkeyPatch,
    trouble: Any,
    error: str,
    field: str,
) -> None:
    monkeypatch.setattr("custom_components.morphy.remote_flow.PROBE_TIMEOUT", 0.3)
    url = await server.start()
    entered = {"url": url, "api_key": "old"}
    if trouble == "unreachable":
        entered["url"] = f"http://127.0.0.1:{unused_tcp_port}"
    elif trouble == "silent":
        server.listing = hangs
    elif trouble == "locked":
        server.key = "new"
    else:
        server.listing = trouble

    person = await Person.adds_entry(hass, "remote")
    await person.enters(**entered)
    assert person.step == "remote"
    assert person.errors == {field: error}
    assert entered["url"] in person.reads(error)
    assert person.shown() == entered

    server.listing = None
    await person.enters(url=url, api_key="new")
    assert person.step == "model"
    created(await person.enters())


@pytest.mark.parametrize("url", ["http://", "ftp://127.0.0.1", "http://127.0.0.1:port", "http://me:secret@host:port"])
async def test_remote_not_a_url(hass: HomeAssistant, server: ModelServer, url: str) -> None:
    person = await Person.adds_entry(hass, "remote")
    await person.enters(url=url)
    assert person.errors == {"url": "server_unreachable"}
    assert "secret" not in person.reads("server_unreachable")
    await person.enters(url=await server.start())
    assert person.step == "model"


async def test_remote_unexpected_error(
    hass: HomeAssistant, server: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def list_models(_self: RemoteBackend) -> list[str]:
        raise ZeroDivisionError

    url = await server.start()
    person = await Person.adds_entry(hass, "remote")
    with monkeypatch.context() as patch:
        patch.setattr(RemoteBackend, "list_models", list_models)
        await person.enters(url=url)
    assert person.errors == {"base": "unknown"}
    await person.enters()
    assert person.step == "model"


@pytest.mark.parametrize(
    ("trouble", "error", "step", "field"),
    [
        (says(500, json_body={"error": {"message": "out of memory"}}), "server_status", "model", "base"),
        (says(404, json_body={"error": {"message": "no such path"}}), "server_no_completion", "model", "base"),
        (says(html="<html></html>"), "server_bad_answer", "remote", "url"),
        (says(401), "server_auth", "remote", "api_key"),
        (breaks_off, "server_broke_off", "model", "base"),
        (hangs, "server_timeout", "model", "base"),
        ("silent", "empty_answer", "model", "base"),
    ],
    ids=["500", "404", "html", "locked", "breaks off", "hangs", "silent"],
)
async def test_remote_model_in_trouble(
    hass: HomeAssistant,
    server: ModelServer,
    monkeypatch: pytest.MonkeyPatch,
    trouble: Any,
    error: str,
    step: str,
    field: str,
) -> None:
    monkeypatch.setattr("custom_components.morphy.RemoteBackend", partial(RemoteBackend, timeout=0.5))
    url = await server.start()
    person = await Person.adds_entry(hass, "remote")
    await person.enters(url=url, api_key="key")
    words = server.words
    if trouble == "silent":
        server.words = []
    else:
        server.completion = trouble
    await person.enters(model="morphy-7b")
    assert person.step == step
    assert person.errors == {field: error}
    assert url in person.reads(error) or error == "empty_answer"

    server.completion, server.words = None, words
    if step == "remote":
        assert person.shown() == {"url": url, "api_key": "key"}
        await person.enters()
    assert person.shown() == {"model": "morphy-7b"}
    assert created(await person.enters()).data["model"] == "morphy-7b"


async def test_remote_model_that_goes_meanwhile(hass: HomeAssistant, server: ModelServer) -> None:
    """What is refused is not offered again."""
    person = await Person.adds_entry(hass, "remote")
    await person.enters(url=await server.start())
    server.models = ["morphy-7b"]
    await person.enters(model="home-3b")
    assert person.errors == {"model": "server_model_missing"}
    assert "home-3b" in person.reads("server_model_missing")
    assert offered(person) == ["morphy-7b"]
    assert person.shown() == {"model": "morphy-7b"}
    created(await person.enters())


async def test_remote_refuses_a_name_that_is_not_offered(hass: HomeAssistant, server: ModelServer) -> None:
    person = await Person.adds_entry(hass, "remote")
    await person.enters(url=await server.start())
    with pytest.raises(InvalidData):
        await person.enters(model="gone-1b")


async def test_remote_without_models_at_first(hass: HomeAssistant, server: ModelServer) -> None:
    server.models = []
    url = await server.start()
    person = await Person.adds_entry(hass, "remote")
    await person.enters(url=url)
    assert person.step == "remote"
    assert person.errors == {"url": "server_no_models"}
    assert url in person.reads("server_no_models")
    server.models = ["home-3b"]
    await person.enters()
    created(await person.enters())


async def test_remote_without_models_after_a_while(hass: HomeAssistant, server: ModelServer) -> None:
    person = await Person.adds_entry(hass, "remote")
    await person.enters(url=await server.start())
    server.models = []
    await person.enters()
    assert person.errors == {"url": "server_no_models"}


def offered(person: Person) -> list[str]:
    """Return the models that a form offers."""
    options: list[str] = person.result["data_schema"].schema["model"].config["options"]
    return options


async def test_remote_duplicate(hass: HomeAssistant, server: ModelServer) -> None:
    url = await server.start()
    MockConfigEntry(domain=DOMAIN, data={"backend": "remote", "url": url, "model": "home-3b"}).add_to_hass(hass)
    person = await Person.adds_entry(hass, "remote")
    await person.enters(url=url)
    await person.enters(model="home-3b")
    assert reason(person) == "already_configured"


# Another key


async def test_reauth(hass: HomeAssistant, server: ModelServer) -> None:
    server.key = "new"
    data = {"backend": "remote", "url": await server.start(), "model": "home-3b", "api_key": "old"}
    entry = MockConfigEntry(domain=DOMAIN, data=data, title="My server")
    entry.add_to_hass(hass)
    assert not await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    assert state_of(entry) is ConfigEntryState.SETUP_ERROR
    [progress] = hass.config_entries.flow.async_progress()
    assert progress["context"]["source"] == SOURCE_REAUTH

    person = Person(hass, await hass.config_entries.flow.async_configure(progress["flow_id"]))
    assert person.step == "reauth_confirm"
    await person.enters(api_key="wrong")
    assert person.errors == {"api_key": "server_auth"}
    await person.enters(api_key="new")
    assert reason(person) == "reauth_successful"
    await hass.async_block_till_done()
    assert entry.data == {**data, "api_key": "new"}
    assert entry.title == "My server"
    assert state_of(entry) is ConfigEntryState.LOADED


async def test_reauth_while_the_server_is_away(hass: HomeAssistant, server: ModelServer, unused_tcp_port: int) -> None:
    entry = MockConfigEntry(
        domain=DOMAIN, data={"backend": "remote", "url": f"http://127.0.0.1:{unused_tcp_port}", "api_key": "old"}
    )
    entry.add_to_hass(hass)
    person = Person(hass, await entry.start_reauth_flow(hass))
    await person.enters(api_key="new")
    assert person.errors == {"base": "server_unreachable"}


async def test_reauth_with_a_server_that_lists_its_models_to_anyone(hass: HomeAssistant, server: ModelServer) -> None:
    server.completion = says(401)
    entry = MockConfigEntry(domain=DOMAIN, data={"backend": "remote", "url": await server.start(), "api_key": "old"})
    entry.add_to_hass(hass)
    person = Person(hass, await entry.start_reauth_flow(hass))
    await person.enters(api_key="wrong")
    assert person.errors == {"api_key": "server_auth"}
    server.completion = None
    await person.enters(api_key="new")
    assert reason(person) == "reauth_successful"


async def test_reauth_that_fails_unexpectedly(
    hass: HomeAssistant, server: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def start(_self: RemoteBackend) -> None:
        raise ZeroDivisionError

    entry = MockConfigEntry(domain=DOMAIN, data={"backend": "remote", "url": await server.start(), "api_key": "old"})
    entry.add_to_hass(hass)
    person = Person(hass, await entry.start_reauth_flow(hass))
    with monkeypatch.context() as patch:
        patch.setattr(RemoteBackend, "start", start)
        await person.enters(api_key="new")
    assert person.errors == {"base": "unknown"}
    await person.enters(api_key="new")
    assert reason(person) == "reauth_successful"


# Changing an entry


async def entry_of(hass: HomeAssistant, agents: Sequence[str] = (), **data: Any) -> MockConfigEntry:
    """Return an entry that Home Assistant has set up as well as it could, with agents that speak these dialects."""
    subentries = [
        {"subentry_type": "conversation", "title": str(number), "unique_id": None, "data": default_agent(dialect)}
        for number, dialect in enumerate(agents)
    ]
    entry = MockConfigEntry(domain=DOMAIN, data=data, title="Before", subentries_data=subentries)
    entry.add_to_hass(hass)
    await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    return entry


async def reconfigures(hass: HomeAssistant, entry: MockConfigEntry) -> Person:
    """Open the entry's form."""
    return await Person(hass, await entry.start_reconfigure_flow(hass)).waits()


async def test_reconfigure_local(hass: HomeAssistant, model: Path) -> None:
    entry = await entry_of(hass, backend="local", model_path=str(model), context_length=512, threads=1)
    before = entry.runtime_data
    reloads = count_reloads(entry)
    person = await (await reconfigures(hass, entry)).picks("file")
    assert person.shown() == {"model_path": str(model), "advanced": {"context_length": 512, "threads": 1}}
    await person.enters(advanced={"context_length": 1024})
    assert reason(person) == "reconfigure_successful"
    await hass.async_block_till_done()
    assert settings_of(entry) == {"backend": "local", "model_path": str(model), "context_length": 1024}
    assert entry.title == "Before"
    assert state_of(entry) is ConfigEntryState.LOADED
    assert entry.runtime_data is not before
    assert before.pid is None
    assert len(reloads) == 1


async def test_reconfigure_local_after_the_file_has_moved(hass: HomeAssistant, model: Path, tmp_path: Path) -> None:
    entry = await entry_of(hass, backend="local", model_path=str(tmp_path / "moved.gguf"), context_length=512)
    assert state_of(entry) is ConfigEntryState.SETUP_RETRY
    person = await (await reconfigures(hass, entry)).picks("file")
    await person.enters()
    assert person.errors == {"model_path": "model_missing"}
    await person.enters(model_path=str(model))
    assert reason(person) == "reconfigure_successful"
    await hass.async_block_till_done()
    assert entry.title == "Tiny"
    assert state_of(entry) is ConfigEntryState.LOADED


async def test_reconfigure_remote(hass: HomeAssistant, server: ModelServer) -> None:
    url = await server.start()
    entry = await entry_of(hass, backend="remote", url=url, model="home-3b", api_key="old")
    person = await reconfigures(hass, entry)
    assert person.shown() == {"url": url, "api_key": "old"}
    person.result["data_schema"].schema.pop("api_key")  # the field is emptied
    await person.enters()
    assert person.shown() == {"model": "home-3b"}
    await person.enters(model="morphy-7b")
    assert reason(person) == "reconfigure_successful"
    await hass.async_block_till_done()
    assert entry.data == {"backend": "remote", "url": url, "model": "morphy-7b"}
    assert entry.title == "morphy-7b"
    assert state_of(entry) is ConfigEntryState.LOADED


async def test_reconfigure_into_another_entry(hass: HomeAssistant, model: Path, tmp_path: Path) -> None:
    MockConfigEntry(domain=DOMAIN, data={"backend": "local", "model_path": str(model)}).add_to_hass(hass)
    entry = MockConfigEntry(domain=DOMAIN, data={"backend": "local", "model_path": str(tmp_path / "other.gguf")})
    entry.add_to_hass(hass)
    person = await (await reconfigures(hass, entry)).picks("file")
    await person.enters(model_path=str(model), advanced=ADVANCED)
    assert reason(person) == "already_configured"


async def test_reconfigure_a_name_without_its_tag(hass: HomeAssistant, server: ModelServer) -> None:
    server.models = ["other:1b", "home:latest"]
    entry = await entry_of(hass, backend="remote", url=await server.start(), model="home")
    person = await reconfigures(hass, entry)
    await person.enters()
    assert person.shown() == {"model": "home:latest"}


@pytest.mark.parametrize(
    ("spoken", "then"), [("lines", "morphy"), ("morphy", "morphy")], ids=["suggested", "chosen by hand"]
)
async def test_agents_follow_the_model_in_their_dialect(
    hass: HomeAssistant, model: Path, monkeypatch: pytest.MonkeyPatch, spoken: str, then: str
) -> None:
    """Two agents: one as suggested for the old model, which follows the new one, and one that was told otherwise."""
    monkeypatch.setattr("custom_components.morphy.BUNDLED_MODEL", model)
    entry = await entry_of(hass, agents=[spoken, "morphy"], backend="local", model_path=str(model), context_length=512)
    reloads = count_reloads(entry)
    person = await (await reconfigures(hass, entry)).picks("bundled")
    assert person.shown() == {"advanced": {"context_length": 2048}}
    await person.enters()
    assert reason(person) == "reconfigure_successful"
    await hass.async_block_till_done()
    assert [agent.data["dialect"] for agent in entry.subentries.values()] == [then, "morphy"]
    assert entry.data == {"backend": "local", "context_length": 2048}
    assert len(reloads) == 1


async def test_an_agent_that_was_told_otherwise_stays_with_it(
    hass: HomeAssistant, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("custom_components.morphy.BUNDLED_MODEL", model)
    entry = await entry_of(hass, agents=["lines"], backend="local")
    person = await (await reconfigures(hass, entry)).picks("file")
    await person.enters(model_path=str(model), advanced=ADVANCED)
    await hass.async_block_till_done()
    assert [agent.data["dialect"] for agent in entry.subentries.values()] == ["lines"]


def count_reloads(entry: ConfigEntry) -> list[ConfigEntryState]:
    """Return a list that grows with each time the entry is loaded."""
    loaded: list[ConfigEntryState] = []

    def changed() -> None:
        if entry.state is ConfigEntryState.LOADED:
            loaded.append(entry.state)

    entry.async_on_state_change(changed)
    return loaded


# Agents


async def adds_agent(hass: HomeAssistant, entry: MockConfigEntry) -> Person:
    """Open the form of a new agent."""
    flows = hass.config_entries.subentries
    result = await flows.async_init((entry.entry_id, "conversation"), context={"source": SOURCE_USER})
    return Person(hass, result, "conversation")


async def test_agent_is_added_and_changed(hass: HomeAssistant, model: Path) -> None:
    entry = await entry_of(hass, backend="local", model_path=str(model), context_length=512)
    before = entry.runtime_data
    person = await adds_agent(hass, entry)
    lines = get_dialect("lines")
    shown = person.shown()
    advanced = shown.pop("advanced")
    assert shown == {
        "name": "Morphy",
        "instructions": lines.default_instructions,
        "confirm_risky": True,
        "control": {"domains": ALL_DOMAINS},
        "stand_in": {"fallback": [], "fallback_after": 10, "home_assistant_first": False},
    }
    assert advanced.items() >= {"dialect": "lines", "temperature": 0.0, "max_tokens": 256}.items()
    await person.enters(name="Butler")
    assert person.result["type"] is FlowResultType.CREATE_ENTRY
    await hass.async_block_till_done()
    [agent] = entry.subentries.values()
    assert (agent.title, agent.data) == ("Butler", AGENT)
    assert state_of(entry) is ConfigEntryState.LOADED
    assert entry.runtime_data is not before, "the entry was not reloaded"

    person = Person(hass, await entry.start_subentry_reconfigure_flow(hass, agent.subentry_id), "conversation")
    assert person.shown()["name"] == "Butler"
    await person.enters(
        name="Guard",
        instructions="You are {{ 'a guard' }}.",
        confirm_risky=False,
        control={"domains": ["lock", "light"], "confirm_entities": ["light.hall"]},
        advanced={**advanced, "dialect": "morphy", "temperature": 0.5, "max_tokens": 64.0},
        stand_in={"fallback": ["home_assistant"], "fallback_after": 5.0, "home_assistant_first": True},
    )
    assert reason(person) == "reconfigure_successful"
    await hass.async_block_till_done()
    [agent] = entry.subentries.values()
    assert agent.title == "Guard"
    assert agent.data == {
        "instructions": "You are {{ 'a guard' }}.",
        "domains": ["light", "lock"],
        "confirm_risky": False,
        "confirm_entities": ["light.hall"],
        "dialect": "morphy",
        "temperature": 0.5,
        "max_tokens": 64,
        "fallback": ["home_assistant"],
        "fallback_after": 5,
        "home_assistant_first": True,
    }

    person = Person(hass, await entry.start_subentry_reconfigure_flow(hass, agent.subentry_id), "conversation")
    stand_in = {"fallback": ["home_assistant"], "fallback_after": 5, "home_assistant_first": True}
    assert person.shown()["stand_in"] == stand_in
    await person.enters(
        instructions=lines.default_instructions,
        control={"domains": [], "confirm_entities": []},
        stand_in={"fallback": [], "fallback_after": 5},
    )
    [agent] = entry.subentries.values()
    assert agent.data["domains"] == []
    assert not {"instructions", "confirm_entities", *stand_in} & set(agent.data)
    await hass.async_block_till_done()


async def test_agent_suggests_what_the_others_speak(hass: HomeAssistant) -> None:
    entry = MockConfigEntry(
        domain=DOMAIN,
        title="home-3b",
        data={"backend": "local"},
        subentries_data=[
            {"subentry_type": "conversation", "title": "A", "unique_id": None, "data": default_agent("morphy")}
        ],
    )
    entry.add_to_hass(hass)
    person = await adds_agent(hass, entry)
    assert person.shown()["advanced"]["dialect"] == "morphy"


async def test_agent_falls_back_to_other_entries(hass: HomeAssistant) -> None:
    """Those of Morphy, but for its own, in the order of the choice; one that was deleted is forgotten."""
    MockConfigEntry(domain="elsewhere", title="Elsewhere").add_to_hass(hass)
    others = [MockConfigEntry(domain=DOMAIN, title=title, data={"backend": "local"}) for title in ("One", "Two")]
    entry = MockConfigEntry(
        domain=DOMAIN,
        data={"backend": "local"},
        subentries_data=[
            {
                "subentry_type": "conversation",
                "title": "A",
                "unique_id": None,
                "data": default_agent("morphy") | {"fallback": ["gone", others[1].entry_id], "fallback_after": 3},
            }
        ],
    )
    for made in (*others, entry):
        made.add_to_hass(hass)
    [agent] = entry.subentries.values()
    person = Person(hass, await entry.start_subentry_reconfigure_flow(hass, agent.subentry_id), "conversation")
    options = person.result["data_schema"].schema["stand_in"].schema.schema["fallback"].config["options"]
    assert [option["label"] for option in options] == ["One", "Two", "Home Assistant"]
    shown = {"fallback": [others[1].entry_id], "fallback_after": 3, "home_assistant_first": False}
    assert person.shown()["stand_in"] == shown
    order = [others[1].entry_id, "home_assistant", others[0].entry_id]
    await person.enters(stand_in={"fallback": order, "fallback_after": 3})
    [agent] = entry.subentries.values()
    assert agent.data["fallback"] == order


@pytest.mark.parametrize(
    "wrong",
    [
        {"instructions": "{{ unfinished"},
        {"stand_in": {"fallback": ["nobody"], "fallback_after": 10}},
        {"stand_in": {"fallback_after": 0}},
        {"control": {"domains": ["camera"]}},
        {"advanced": {"dialect": "latin", "temperature": 0, "max_tokens": 64}},
        {"advanced": {"dialect": "lines", "temperature": 3, "max_tokens": 64}},
        {"advanced": {"dialect": "lines", "temperature": 0, "max_tokens": 0}},
    ],
)
async def test_agent_refuses_nonsense(hass: HomeAssistant, wrong: dict[str, Any]) -> None:
    entry = MockConfigEntry(domain=DOMAIN, data={"backend": "local"})
    entry.add_to_hass(hass)
    person = await adds_agent(hass, entry)
    with pytest.raises(InvalidData):
        await person.enters(**wrong)
    await person.enters()
    assert person.result["type"] is FlowResultType.CREATE_ENTRY


@pytest.mark.parametrize(
    ("names", "dialect"),
    [
        (("Morphy 1B",), "morphy"),
        (("general", "/models/Morphy-7B-Q4.gguf"), "morphy"),
        (("/morphy/models/home-3b.gguf",), "lines"),
        (("home-3b",), "lines"),
        (("",), "lines"),
    ],
)
def test_suggested_dialect(names: tuple[str, ...], dialect: str) -> None:
    assert suggest_dialect(*names) == dialect


async def test_every_form_reaches_the_browser(
    hass: HomeAssistant, hass_client: ClientSessionGenerator, server: ModelServer, tmp_path: Path
) -> None:
    """The forms can be sent as JSON, and their answers come back through the same door."""
    for component in ("config", "conversation"):
        assert await async_setup_component(hass, component, {})
    client = await hass_client()
    flows = "/api/config/config_entries/flow"

    async def post(path: str, **body: Any) -> dict[str, Any]:
        response = await client.post(path, json=body)
        assert response.status == 200, await response.text()
        answer: dict[str, Any] = await response.json()
        return answer

    shown = await post(flows, handler=DOMAIN)
    shown = await post(f"{flows}/{shown['flow_id']}", next_step_id="local")
    while shown["type"] == "progress":
        await hass.async_block_till_done(wait_background_tasks=True)
        shown = await post(f"{flows}/{shown['flow_id']}")
    assert shown["menu_options"] == ["bundled", "file", "hub"]
    shown = await post(f"{flows}/{shown['flow_id']}", next_step_id="file")
    assert [field["name"] for field in shown["data_schema"]] == ["model_path", "advanced"]
    context_length, threads = shown["data_schema"][1]["schema"]
    assert context_length["selector"]["number"]["unit_of_measurement"] == "tokens"
    assert threads["optional"]

    shown = await post(flows, handler=DOMAIN)
    shown = await post(f"{flows}/{shown['flow_id']}", next_step_id="remote")
    assert [field["name"] for field in shown["data_schema"]] == ["url", "api_key"]
    shown = await post(f"{flows}/{shown['flow_id']}", url=await server.start())
    assert shown["data_schema"][0]["selector"]["select"]["options"] == server.models

    entry = MockConfigEntry(domain=DOMAIN, data={"backend": "local"})
    entry.add_to_hass(hass)
    shown = await post("/api/config/config_entries/subentries/flow", handler=[entry.entry_id, "conversation"])
    assert [field["name"] for field in shown["data_schema"]] == [
        "name",
        "instructions",
        "confirm_risky",
        "control",
        "advanced",
        "stand_in",
    ]
