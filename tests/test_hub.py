"""A model from a hub: listed, chosen for this machine, downloaded through all that goes wrong, and tried."""

from __future__ import annotations

import asyncio
import resource
import signal
import threading
from collections.abc import AsyncGenerator, Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from homeassistant.config_entries import SOURCE_RECONFIGURE, ConfigEntryState, ConfigFlowContext
from homeassistant.core import Event, HomeAssistant, callback
from homeassistant.data_entry_flow import EVENT_DATA_ENTRY_FLOW_PROGRESS_UPDATE, FlowResultType, InvalidData
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.morphy import download, hub_flow, machine
from custom_components.morphy.const import DOMAIN
from custom_components.morphy.errors import HubRepositoryError
from custom_components.morphy.hub import HubFile, read_repository
from custom_components.morphy.machine import Machine

from .flows import Person, state_of
from .hub_server import HubServer
from .model_server import hangs, says

SMALL = "Tiny-Q4_K_M.gguf"
LARGE = "Tiny-Q8_0.gguf"
ADVANCED = {"context_length": 512, "threads": 1}


@pytest.fixture(autouse=True)
async def home(
    hass: HomeAssistant, socket_enabled: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncGenerator[None]:
    """Have a configuration folder of its own, wait for nothing, and tell everything at once."""
    monkeypatch.setattr(hass.config, "config_dir", str(tmp_path / "config"))
    monkeypatch.setattr(download, "PAUSE", 0)
    monkeypatch.setattr(hub_flow, "TELL_EVERY", 0)
    assert await async_setup_component(hass, "homeassistant", {})
    yield
    for entry in hass.config_entries.async_entries(DOMAIN):
        await hass.config_entries.async_unload(entry.entry_id)


@pytest.fixture(name="hub")
async def hub_fixture(model: Path, socket_enabled: None) -> AsyncGenerator[HubServer]:
    """Return a hub with two models that can be downloaded, and what else is in a repository."""
    hub = HubServer()
    content = model.read_bytes()  # noqa: ASYNC240
    hub.files = {SMALL: content, LARGE: content + bytes(64)}
    hub.listed = {"Tiny-F16.gguf": 9 * 10**6, "mmproj-F16.gguf": 9, "config.json": 9}
    await hub.start()
    yield hub
    await hub.stop()


@pytest.fixture(name="folder")
def folder_fixture(hass: HomeAssistant) -> Path:
    """Return where models are downloaded to."""
    return Path(hass.config.config_dir) / ".cache" / "morphy" / "models"


@pytest.fixture(name="progress")
def progress_fixture(hass: HomeAssistant) -> list[float]:
    """Return what a dialog tells of how far it is, from 0 to 1."""
    progress: list[float] = []

    @callback
    def listen(event: Event[Any]) -> None:
        progress.append(event.data["progress"])

    hass.bus.async_listen(EVENT_DATA_ENTRY_FLOW_PROGRESS_UPDATE, listen)
    return progress


def here(folder: Path) -> list[str]:
    """Return the names of the files that are there."""
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


async def finds(hass: HomeAssistant, hub: HubServer, **fields: Any) -> Person:
    """Go as far as the choice of a file."""
    person = await Person.adds_entry(hass, "local", "hub")
    return await asks(person, hub, **fields)


async def asks(person: Person, hub: HubServer, **fields: Any) -> Person:
    """Enter the repository."""
    where = {"url": hub.url, "revision": "main"}
    return await person.enters(**{"repository": "home/models", "advanced": where, **fields})


async def takes(person: Person, file: str = SMALL) -> Person:
    """Choose a file."""
    return await person.enters(file=file, advanced=ADVANCED)


def created(person: Person) -> Any:
    """Return the entry that a dialog ended with."""
    assert person.result["type"] is FlowResultType.CREATE_ENTRY, person.result
    return person.result["result"]


async def until(condition: Callable[[], object]) -> None:
    """Wait for what happens soon."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


# From the repository to the entry


async def test_a_model_from_a_hub(hass: HomeAssistant, hub: HubServer, folder: Path, progress: list[float]) -> None:
    hub.token = "hf_secret"
    person = await Person.adds_entry(hass, "local", "hub")
    assert person.shown() == {"advanced": {"url": "https://huggingface.co", "revision": "main"}}
    await asks(person, hub, repository=f" {hub.url}/home/models/tree/main ", token=" hf_secret ")
    assert person.step == "hub_file"
    options = person.result["data_schema"].schema["file"].config["options"]
    assert [option["value"] for option in options] == [SMALL, LARGE, "Tiny-F16.gguf"]
    assert [option["label"] for option in options] == ["Q4_K_M (3 MB)", "Q8_0 (3 MB)", "F16 (9 MB)"]
    assert person.shown()["file"] == LARGE, "the largest one below 16 bits"
    rows = person.result["description_placeholders"]["files"].splitlines()
    assert [row.split("|")[1].strip() for row in rows] == ["Q4_K_M", "Q8_0", "F16"]

    await takes(person)
    entry = created(person)
    assert entry.title == "Tiny"
    path = Path(entry.data["model_path"])
    assert path == folder / "home--models" / sha256(hub.files[SMALL]).hexdigest()[:12] / SMALL
    assert path.read_bytes() == hub.files[SMALL]  # noqa: ASYNC240
    assert here(folder) == [SMALL, f"{SMALL}.sha256"]
    assert entry.data["hub"] == {"url": hub.url, "repository": "home/models", "revision": "main", "file": SMALL}
    assert "hf_secret" not in str(entry.as_dict())
    assert hub.seen == [None], "the token is for the hub alone"
    assert progress
    assert progress == sorted(progress)
    assert progress[-1] == 1
    await hass.async_block_till_done()
    assert state_of(entry) is ConfigEntryState.LOADED

    assert await hass.config_entries.async_remove(entry.entry_id)
    assert here(folder) == []


async def test_a_download_is_told_of_now_and_then(
    hass: HomeAssistant, hub: HubServer, progress: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The dialog is drawn anew each time."""
    monkeypatch.setattr(hub_flow, "TELL_EVERY", 30)
    hub.cuts = [300_000, 300_000]
    created(await takes(await finds(hass, hub)))
    assert len(progress) == 1


async def test_another_file_takes_the_place_of_the_first(hass: HomeAssistant, hub: HubServer, folder: Path) -> None:
    entry = created(await takes(await finds(hass, hub)))
    await hass.async_block_till_done()
    context = ConfigFlowContext(source=SOURCE_RECONFIGURE, entry_id=entry.entry_id)
    person = Person(hass, await hass.config_entries.flow.async_init(DOMAIN, context=context))
    await (await person.waits()).picks("hub")
    assert person.shown() == {"repository": "home/models", "advanced": {"url": hub.url, "revision": "main"}}
    await person.enters()
    assert person.shown() == {"file": SMALL, "advanced": ADVANCED}
    await takes(person, LARGE)
    assert person.result["reason"] == "reconfigure_successful"
    await hass.async_block_till_done()
    assert here(folder) == [LARGE, f"{LARGE}.sha256"]
    assert state_of(entry) is ConfigEntryState.LOADED


async def test_a_file_that_another_entry_uses_stays(hass: HomeAssistant, hub: HubServer, folder: Path) -> None:
    entry = created(await takes(await finds(hass, hub)))
    await hass.async_block_till_done()
    MockConfigEntry(domain=DOMAIN, data={**entry.data, "threads": 1}).add_to_hass(hass)
    await hass.config_entries.async_remove(entry.entry_id)
    assert here(folder) == [SMALL, f"{SMALL}.sha256"]


async def test_a_file_that_is_here_is_not_fetched_again(hass: HomeAssistant, hub: HubServer) -> None:
    entry = created(await takes(await finds(hass, hub)))
    person = await takes(await finds(hass, hub))
    assert person.result["reason"] == "already_configured"
    await hass.async_block_till_done()
    hass.config_entries.async_update_entry(entry, data={"backend": "local", "context_length": 512})
    await hass.async_block_till_done()
    created(await takes(await finds(hass, hub)))
    assert len(hub.asked) == 1


async def test_two_dialogs_want_the_same_file(hass: HomeAssistant, hub: HubServer) -> None:
    hub.gate = asyncio.Event()
    people = [await finds(hass, hub), await finds(hass, hub)]
    for person in people:
        await person._configure({"file": SMALL, "advanced": ADVANCED})
    await until(lambda: hub.asked)
    hub.gate.set()
    await people[0].waits()
    created(people[0])
    await people[1].waits()
    assert len(hub.asked) == 1


# Connections that break


async def test_a_connection_that_breaks_is_taken_up_again(hass: HomeAssistant, hub: HubServer, folder: Path) -> None:
    hub.cuts = [1000, 0, 0, 50_000, 0]
    created(await takes(await finds(hass, hub)))
    assert hub.asked == ["", *["bytes=1000-"] * 3, *["bytes=51000-"] * 2]
    assert here(folder) == [SMALL, f"{SMALL}.sha256"]


async def test_a_connection_that_never_holds(hass: HomeAssistant, hub: HubServer, folder: Path) -> None:
    hub.cuts = [300_000, *[0] * download.ATTEMPTS]
    person = await takes(await finds(hass, hub))
    assert person.step == "hub_file"
    assert person.errors == {"base": "download_broke_off"}
    whole = len(hub.files[SMALL]) / 1e6
    assert f"; 0 MB of {whole:.0f} MB are here." in person.reads("download_broke_off")
    assert here(folder) == [f"{SMALL}.part"]
    assert person.shown() == {"file": SMALL, "advanced": ADVANCED}
    hub.asked.clear()
    created(await person.enters())
    assert hub.asked == ["bytes=300000-"]


async def test_a_file_is_written_in_pieces(
    hass: HomeAssistant, hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "CHUNK", 100_000)
    hub.cuts = [250_000]
    created(await takes(await finds(hass, hub)))
    assert hub.asked == ["", "bytes=250000-"]


async def test_the_dialog_is_closed_while_the_disk_is_busy(
    hass: HomeAssistant, hub: HubServer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the disk has begun it finishes, before the file is let go of."""
    begun, go_on = asyncio.Event(), threading.Event()
    write = download._Part.write

    def slow(part: download._Part, data: bytes) -> None:
        hass.loop.call_soon_threadsafe(begun.set)
        go_on.wait(20)
        write(part, data)

    person = await finds(hass, hub)
    with monkeypatch.context() as patch:
        patch.setattr(download._Part, "write", slow)
        await person._configure({"file": SMALL, "advanced": ADVANCED})
        await begun.wait()
        hass.config_entries.flow.async_abort(person.result["flow_id"])
        await asyncio.sleep(0)
        go_on.set()
        await until(lambda: [path.stat().st_size for path in folder.rglob("*.part")] == [len(hub.files[SMALL])])
    created(await takes(await finds(hass, hub)))
    assert len(hub.asked) == 1, "it was here as a whole"


async def test_a_folder_that_cannot_be_written(hass: HomeAssistant, hub: HubServer, folder: Path) -> None:
    folder.parent.mkdir(parents=True)
    folder.write_text("This is no folder.")  # noqa: ASYNC240
    person = await takes(await finds(hass, hub))
    assert person.errors == {"base": "unknown"}
    folder.unlink()  # noqa: ASYNC240
    created(await person.enters())


async def test_a_hub_that_is_busy_for_a_while(hass: HomeAssistant, hub: HubServer) -> None:
    answers = [503, 429]

    async def content(request: web.Request) -> web.StreamResponse:
        if len(answers) == 1:
            hub.content = None
        return web.Response(status=answers.pop())

    hub.content = content
    created(await takes(await finds(hass, hub)))
    assert len(hub.asked) == 3


async def test_closing_the_dialog_keeps_what_has_come(
    hass: HomeAssistant, hub: HubServer, folder: Path, progress: list[float]
) -> None:
    hub.cuts = [200_000]
    hub.gate = asyncio.Event()
    person = await finds(hass, hub)
    await person._configure({"file": SMALL, "advanced": ADVANCED})
    assert person.result["type"] is FlowResultType.SHOW_PROGRESS
    await until(lambda: progress and progress[-1] == 200_000 / len(hub.files[SMALL]))
    await person._configure(None)
    assert person.result["description_placeholders"]["done"] == "0 MB"
    hass.config_entries.flow.async_abort(person.result["flow_id"])
    await until(lambda: [path.stat().st_size for path in folder.rglob("*.part")] == [200_000])
    hub.gate.set()
    hub.gate = None
    created(await takes(await finds(hass, hub)))
    assert hub.asked == ["", "bytes=200000-"]


@pytest.mark.parametrize("kind", ["no ranges", "another range", "none is left"])
async def test_a_hub_that_cannot_go_on(hass: HomeAssistant, hub: HubServer, folder: Path, kind: str) -> None:
    """The download begins anew where what comes does not fit what is here."""
    hub.cuts = [1000]
    hub.ranges = kind != "no ranges"
    calls = 0

    async def content(request: web.Request) -> web.StreamResponse:
        nonlocal calls
        calls += 1
        if calls == 2 and kind == "another range":
            return web.Response(status=206, body=b"x" * 10, headers={"Content-Range": "bytes 7-16/17"})
        if calls == 2 and kind == "none is left":
            return web.Response(status=416)
        hub.content = None
        try:
            return await hub._send(request)
        finally:
            hub.asked.pop()
            hub.content = content

    hub.content = content
    person = await takes(await finds(hass, hub))
    if kind == "another range":  # ten bytes of something else: found out in the end
        assert person.errors == {"base": "download_damaged"}
        assert here(folder) == []
        await person.enters()
    created(person)
    assert here(folder) == [SMALL, f"{SMALL}.sha256"]


# What is not what it should be


async def test_a_file_with_another_digest(hass: HomeAssistant, hub: HubServer, folder: Path) -> None:
    content = hub.files[SMALL]
    hub.digests[SMALL] = sha256(content).hexdigest()
    hub.files[SMALL] = content[:-1] + b"!"
    person = await takes(await finds(hass, hub))
    assert person.errors == {"base": "download_damaged"}
    assert SMALL in person.reads("download_damaged")
    assert here(folder) == []
    hub.files[SMALL] = content
    created(await person.enters())


async def test_a_file_that_does_not_end(hass: HomeAssistant, hub: HubServer, folder: Path) -> None:
    hub.listed[SMALL] = 100_000
    person = await takes(await finds(hass, hub))
    assert person.errors == {"base": "download_damaged"}
    assert here(folder) == []


async def test_what_is_here_is_more_than_there_should_be(hass: HomeAssistant, hub: HubServer, folder: Path) -> None:
    part = folder / "home--models" / sha256(hub.files[SMALL]).hexdigest()[:12] / f"{SMALL}.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(bytes(len(hub.files[SMALL]) + 1))
    created(await takes(await finds(hass, hub)))
    assert hub.asked == [""]


async def test_a_file_that_is_no_model(hass: HomeAssistant, hub: HubServer, folder: Path) -> None:
    """It is deleted, since another attempt would find it here."""
    hub.files[SMALL] = b"This is a letter to my aunt.\n" * 100
    person = await takes(await finds(hass, hub))
    assert person.step == "hub_file"
    assert person.errors == {"base": "model_not_gguf"}
    assert here(folder) == []
    created(await takes(person, LARGE))


# The disk


async def test_too_little_room(hass: HomeAssistant, hub: HubServer, folder: Path) -> None:
    hub.listed["Huge-Q2_K.gguf"] = 10**16
    person = await takes(await finds(hass, hub), "Huge-Q2_K.gguf")
    assert person.errors == {"base": "disk_full"}
    assert "10000000.5 GB" in person.reads("disk_full")
    assert not hub.asked
    created(await takes(person))


async def test_the_disk_fills_up_meanwhile(hass: HomeAssistant, hub: HubServer, folder: Path) -> None:
    """A real limit of the kernel's: it lets nobody write more than 100 kB into a file."""
    hub.cuts = [50_000]
    person = await finds(hass, hub)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        await person._configure({"file": SMALL, "advanced": ADVANCED})
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
        await hass.async_block_till_done(wait_background_tasks=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    await person.waits()
    assert person.errors == {"base": "disk_full"}
    assert here(folder) == [], "what is there would only be in the way"
    created(await person.enters())


# The hub


@pytest.mark.parametrize(
    ("trouble", "error", "field"),
    [
        (says(401, json_body={}), "hub_token", "token"),
        (says(403, json_body={}), "hub_token", "token"),
        (says(404, json_body={}), "hub_missing", "repository"),
        (says(500, json_body={}), "hub_status", "base"),
        (says(html="<html><body>Router</body></html>"), "hub_answer", "base"),
        (says(json_body=[]), "hub_answer", "base"),
        (says(json_body={"sha": "1", "siblings": [{}]}), "hub_answer", "base"),
        (says(html="x" * 200), "hub_answer", "base"),
        (hangs, "hub_unreachable", "base"),
        ("away", "hub_unreachable", "base"),
    ],
    ids=["401", "403", "404", "500", "html", "list", "other json", "too long", "silent", "away"],
)
async def test_a_hub_in_trouble(
    hass: HomeAssistant,
    hub: HubServer,
    unused_tcp_port: int,
    monkeypatch: pytest.MonkeyPatch,
    trouble: Any,
    error: str,
    field: str,
) -> None:
    monkeypatch.setattr("custom_components.morphy.hub.TIMEOUT", 0.3)
    person = await Person.adds_entry(hass, "local", "hub")
    if trouble == "away":
        await asks(person, hub, advanced={"url": f"http://127.0.0.1:{unused_tcp_port}", "revision": "main"})
    else:
        hub.listing = trouble
        monkeypatch.setattr("custom_components.morphy.hub.MAX_LISTING", 150)
        await asks(person, hub)
    assert person.step == "hub"
    assert person.errors == {field: error}
    assert "http://127.0.0.1" in person.reads(error)
    monkeypatch.undo()
    hub.listing = None
    await asks(person, hub)
    assert person.step == "hub_file"


@pytest.mark.parametrize("code", ["RepoNotFound", "RevisionNotFound"])
async def test_a_repository_that_is_not_shown(hass: HomeAssistant, hub: HubServer, code: str) -> None:
    async def listing(_request: web.Request) -> web.StreamResponse:
        return web.Response(status=401, headers={"X-Error-Code": code})

    hub.listing = listing
    person = await finds(hass, hub)
    assert person.errors == {"repository": "hub_missing"}
    assert "home/models" in person.reads("hub_missing")


@pytest.mark.parametrize(("code", "error"), [("GatedRepo", "hub_gated"), ("", "hub_token")])
async def test_a_repository_that_asks_who_one_is(
    hass: HomeAssistant, hub: HubServer, folder: Path, code: str, error: str
) -> None:
    """It lists its files to anyone, and gives them only to those who have accepted its terms."""
    hub.token, hub.error_code = "hf_mine", code
    person = await takes(await finds(hass, hub))
    assert person.step == "hub"
    assert person.errors == {"token": error}
    assert hub.url in person.reads(error)
    await person.enters(token="hf_other")
    await takes(person)
    assert person.errors == {"token": error}
    await person.enters(token="hf_mine")
    created(await takes(person))


@pytest.mark.parametrize(
    ("names", "error"),
    [
        ((), "hub_no_model"),
        (("model.safetensors", "mmproj-Q8_0.gguf", ".hidden.gguf"), "hub_no_model"),
        (("big-Q4_K_M-00001-of-00002.gguf", "big-Q4_K_M-00002-of-00002.gguf"), "hub_parts"),
    ],
    ids=["empty", "others", "parts"],
)
async def test_a_repository_without_a_model(
    hass: HomeAssistant, hub: HubServer, names: tuple[str, ...], error: str
) -> None:
    hub.files, hub.listed = {}, dict.fromkeys(names, 1000)
    person = await finds(hass, hub)
    assert person.errors == {"repository": error}
    assert "home/models" in person.reads(error)


async def test_a_file_that_could_not_be_checked_is_not_offered(hass: HomeAssistant, hub: HubServer) -> None:
    hub.digests[SMALL] = "not a digest"
    person = await finds(hass, hub)
    options = person.result["data_schema"].schema["file"].config["options"]
    assert SMALL not in [option["value"] for option in options]
    with pytest.raises(InvalidData):
        await takes(person)


async def test_not_a_repository(hass: HomeAssistant, hub: HubServer) -> None:
    person = await finds(hass, hub, repository="morphy")
    assert person.errors == {"repository": "hub_repository"}
    assert person.shown()["repository"] == "morphy"
    await asks(person, hub, advanced={"url": hub.url, "revision": "v2"})
    assert person.step == "hub_file"


@pytest.mark.parametrize(
    ("text", "repository"),
    [
        ("owner/name", "owner/name"),
        (" Own-er/na.me_1B-GGUF ", "Own-er/na.me_1B-GGUF"),
        ("https://huggingface.co/owner/name", "owner/name"),
        ("https://huggingface.co/owner/name/blob/main/name.gguf", "owner/name"),
        ("name", None),
        ("", None),
        ("../etc", None),
        ("owner/..", None),
        ("owner/na me", None),
        ("/owner/name", None),
        ("https://huggingface.co/", None),
    ],
)
def test_repositories(text: str, repository: str | None) -> None:
    if repository is None:
        with pytest.raises(HubRepositoryError):
            read_repository(text)
    else:
        assert read_repository(text) == repository


# Which file


@pytest.mark.parametrize(
    ("path", "quantisation"),
    [
        ("home-3b-v3.q4_k_m.gguf", "Q4_K_M"),
        ("Llama-3.2-1B-Instruct-IQ4_XS.gguf", "IQ4_XS"),
        ("Qwen3-0.6B-UD-Q5_K_XL.gguf", "Q5_K_XL"),
        ("Q8_0/model-Q8_0.gguf", "Q8_0"),
        ("model-BF16.gguf", "BF16"),
        ("model.fp16.gguf", "FP16"),
        ("gpt-oss-mxfp4.gguf", "MXFP4"),
        ("Qwen2-7B.gguf", None),
        ("model.gguf", None),
    ],
)
def test_quantisations(path: str, quantisation: str | None) -> None:
    assert HubFile(path, 1, "").quantisation == quantisation


def of(free: float, rate: float) -> Machine:
    """Return a machine with so many GB of free memory, that reads so many GB a second."""
    return Machine(
        processor="", features=(), cores=4, memory=int(2 * free * 1e9), free=int(free * 1e9), bandwidth=rate * 1e9
    )


QUANTISED = tuple(
    HubFile(f"m-{name}.gguf", int(gigabytes * 1e9), "")
    for name, gigabytes in (("Q2_K", 1.2), ("Q4_K_M", 2.0), ("Q8_0", 3.4), ("F16", 6.4))
)


@pytest.mark.parametrize(
    ("machine_", "chosen"),
    [
        (of(free=30, rate=40), "Q8_0"),
        (of(free=3, rate=40), "Q4_K_M"),
        (of(free=30, rate=11), "Q4_K_M"),
        (of(free=1, rate=40), "Q2_K"),
        (of(free=30, rate=1), "Q2_K"),
    ],
    ids=["large", "little memory", "slow memory", "too little memory", "too slow"],
)
def test_the_file_that_suits_a_machine(machine_: Machine, chosen: str) -> None:
    assert hub_flow.suggest(machine_, QUANTISED).quantisation == chosen


def test_files_of_the_same_quantisation_are_called_by_their_paths() -> None:
    files = (HubFile("a/m-Q4_0.gguf", 1, ""), HubFile("b/m-Q4_0.gguf", 1, ""), HubFile("m.gguf", 1, ""))
    assert [hub_flow.label(file, files) for file in files] == [file.path for file in files]


# This machine

PI_CPU = """processor\t: 0
BogoMIPS\t: 108.00
Features\t: fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp
CPU implementer\t: 0x41
"""
PI_MEMORY = "MemTotal:  8245440 kB\nMemFree:  402132 kB\nMemAvailable:  6012345 kB\nHugePages_Total:  0\n"


def test_this_machine() -> None:
    seen = machine.look()
    assert seen.cores >= 1
    assert 0 < seen.free <= seen.memory
    assert seen.processor
    assert 1e8 < seen.bandwidth < 1e12
    assert 0 <= seen.largest < seen.memory


def test_a_raspberry_pi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As its files are; one of a container that has but 2 GB of it."""
    proc, cgroup = tmp_path / "proc", tmp_path / "cgroup"
    (proc / "device-tree").mkdir(parents=True)
    cgroup.mkdir()
    (proc / "cpuinfo").write_text(PI_CPU)
    (proc / "meminfo").write_text(PI_MEMORY)
    (proc / "device-tree" / "model").write_text("Raspberry Pi 5 Model B Rev 1.0\0")
    monkeypatch.setattr(machine, "PROC", proc)
    monkeypatch.setattr(machine, "CGROUP", cgroup)
    seen = machine.look()
    assert (seen.processor, seen.features) == ("Raspberry Pi 5 Model B Rev 1.0", ("NEON", "DOTPROD"))
    assert (seen.memory, seen.free) == (8245440 * 1024, 6012345 * 1024)
    (cgroup / "memory.max").write_text("2000000000\n")
    (cgroup / "memory.current").write_text("500000000\n")
    assert machine._memory() == (2_000_000_000, 1_500_000_000)
    (cgroup / "memory.max").write_text("max\n")
    assert machine._memory()[0] == 8245440 * 1024


def test_a_machine_that_tells_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "PROC", tmp_path)
    monkeypatch.setattr(machine, "CGROUP", tmp_path)
    seen = machine.look()
    assert seen.processor
    assert seen.features == ()
    assert 0 < seen.free < seen.memory


def test_what_computes_bounds_the_speed_like_what_reads() -> None:
    slow = Machine(processor="", features=(), cores=4, memory=8, free=8, bandwidth=9e9, compute=1e9)
    assert slow.speed(10**9) == 3, "one core of four is left to others"
    fast = Machine(processor="", features=(), cores=4, memory=8, free=8, bandwidth=9e9, compute=8e9)
    assert fast.speed(10**9) == 9
