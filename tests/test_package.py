"""llama-cpp-python on demand: installed by the real installer from an index of wheels, and tried in a real worker."""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import pytest
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers import issue_registry as ir
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.morphy import package
from custom_components.morphy.const import DOMAIN
from custom_components.morphy.errors import ModelMissingError, RuntimeBrokenError, WorkerDiedError
from scripts import environment

from .flows import Person, state_of
from .model_server import ModelServer
from .package_index import (
    LACKS_AN_INSTRUCTION,
    LEADS_HERE,
    OF_ANOTHER_SYSTEM,
    PACKAGES,
    WANTS_NUMPY,
    PackageIndex,
    llama_cpp,
)

BUNDLED: dict[str, Any] = {"backend": "local", "context_length": 512, "threads": 1}


@pytest.fixture(autouse=True)
async def home(
    hass: HomeAssistant, socket_enabled: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncGenerator[None]:
    """Have a configuration folder of its own, and no llama_cpp but what is installed there."""
    monkeypatch.setattr(hass.config, "config_dir", str(tmp_path / "config"))
    monkeypatch.setattr(package, "preinstalled", lambda: False)
    assert await async_setup_component(hass, "homeassistant", {})
    yield
    for entry in hass.config_entries.async_entries(DOMAIN):
        await hass.config_entries.async_unload(entry.entry_id)


@pytest.fixture(name="index")
async def index_fixture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[PackageIndex]:
    """Return an index that has a good wheel."""
    folder = tmp_path / "index"
    folder.mkdir()
    index = PackageIndex(folder)
    index.offer()
    await index.start()
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    monkeypatch.setenv("UV_DEFAULT_INDEX", index.default_url)
    yield index
    await index.stop()


@pytest.fixture(name="folder")
def folder_fixture(hass: HomeAssistant) -> Path:
    """Return where installations go."""
    return Path(hass.config.config_dir) / ".cache" / "morphy" / "llama-cpp-python"


def installed(folder: Path, code: str = LEADS_HERE, version: str = package.VERSION) -> Path:
    """Have a llama_cpp in the folder as if it had been installed there before."""
    for name, text in llama_cpp(code).items():
        path = folder / version / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    shutil.copy(PACKAGES / "typing_extensions.py", folder / version)
    return folder / version


def found(folder: Path) -> list[str]:
    """Return the installations."""
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


async def until(condition: Callable[[], object]) -> None:
    """Wait for what happens soon."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def told(person: Person) -> str:
    """Return the words about what went wrong."""
    return str(person.result["description_placeholders"]["reason"])


async def test_installed_on_demand(hass: HomeAssistant, index: PackageIndex, folder: Path) -> None:
    person = await Person.adds_entry(hass, "local")
    assert person.step == "runtime_missing"
    await person.picks("install")
    assert person.shown() == {"index": "https://abetlen.github.io/llama-cpp-python/whl/cpu"}
    await person.enters(index=f" {index.url} ")
    assert person.step == "local_model"

    assert found(folder) == [package.VERSION]
    contents = {path.name for path in (folder / package.VERSION).iterdir() if path.suffix != ".lock"}
    assert {"llama_cpp", "typing_extensions.py"} <= contents
    assert not contents & {"numpy", "jinja2", "diskcache"}
    assert not [path for path in sys.path if path.startswith(str(folder))], "Home Assistant's own path is as it was"

    await person.picks("bundled")
    await person.enters(advanced={"context_length": 512, "threads": 1})
    assert person.result["type"] is FlowResultType.CREATE_ENTRY
    await hass.async_block_till_done()
    entry = person.result["result"]
    assert state_of(entry) is ConfigEntryState.LOADED
    assert entry.runtime_data.packages == folder / package.VERSION

    person = await Person.adds_entry(hass, "local")
    assert person.step == "local_model", "it is asked for once only"


async def test_the_real_wheel(hass: HomeAssistant, index: PackageIndex, folder: Path) -> None:
    """The whole package of this environment, libraries and all."""
    wheel = environment.cached_wheel()
    if wheel is None:
        pytest.skip("there is no compiled wheel: scripts/setup makes one, where no index has it")
    index.withdraw()
    shutil.copy(wheel, index.folder)
    await package.async_install(hass, index.url)
    assert list((folder / package.VERSION / "llama_cpp" / "lib").glob("libllama.so*"))
    assert await package.async_check(hass, await package.async_locate(hass))


async def test_what_is_there_already_is_used(
    hass: HomeAssistant, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    assert package.preinstalled()
    assert package._locate(folder) is None
    installed(folder)
    assert package._locate(folder) == folder / package.VERSION, "what was installed on purpose comes first"


async def test_no_other_packages_are_in_reach(hass: HomeAssistant, index: PackageIndex, folder: Path) -> None:
    """Home Assistant's environment has numpy; a worker with packages of its own does not see it."""
    assert (PACKAGES / "numpy").is_dir()
    with pytest.raises(RuntimeBrokenError) as caught:
        await package.async_check(hass, installed(folder, WANTS_NUMPY))
    assert "No module named 'numpy'" in str(caught.value.translation_placeholders)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (LACKS_AN_INSTRUCTION, "SIGILL"),
        (OF_ANOTHER_SYSTEM, "libc.of-another-system.so.1"),
        ("import this is", "SyntaxError"),
    ],
    ids=["instruction", "libc", "damaged"],
)
async def test_a_build_that_does_not_run_here(
    hass: HomeAssistant, index: PackageIndex, folder: Path, code: str, words: str
) -> None:
    index.offer(code)
    person = await Person.adds_entry(hass, "local")
    await person.picks("install")
    await person.enters(index=index.url)
    assert person.step == "runtime_broken"
    assert words in told(person)
    assert found(folder) == [], "nothing is kept of it"
    await person.picks("install")
    assert person.shown() == {"index": index.url}


@pytest.mark.parametrize("kind", ["another platform", "source", "another version", "nothing"])
async def test_no_wheel_then_one(hass: HomeAssistant, index: PackageIndex, folder: Path, kind: str) -> None:
    if kind == "another platform":
        index.offer(tag="py3-none-macosx_11_0_arm64")
    elif kind == "another version":
        index.offer(version="0.3.2")
    else:
        index.withdraw()
    if kind == "source":
        (index.folder / "llama_cpp_python-0.3.36.tar.gz").write_bytes(b"a source")
    person = await Person.adds_entry(hass, "local")
    await person.picks("install")
    await person.enters(index=index.url)
    assert person.step == "no_wheel"
    assert "llama-cpp-python" in told(person)
    assert "hint" not in told(person)
    assert person.result["description_placeholders"]["index"] == index.url
    assert found(folder) == []

    if kind == "another platform":
        index.offer()
        await person.picks("install")
        await person.enters()
        assert person.step == "local_model"


@pytest.mark.parametrize("damage", ["cut", "digest"])
async def test_a_wheel_that_came_damaged(hass: HomeAssistant, index: PackageIndex, folder: Path, damage: str) -> None:
    wheel = index.offer()
    if damage == "cut":
        wheel.write_bytes(wheel.read_bytes()[:300])
    else:
        index.hints[wheel.name] = "#sha256=" + "0" * 64
    person = await Person.adds_entry(hass, "local")
    await person.picks("install")
    await person.enters(index=index.url)
    assert person.step == "install_failed"
    assert told(person)
    assert found(folder) == []


async def test_from_nowhere_then_a_server(
    hass: HomeAssistant, index: PackageIndex, server: ModelServer, unused_tcp_port: int
) -> None:
    person = await Person.adds_entry(hass, "local")
    await person.picks("install")
    await person.enters(index=f"http://127.0.0.1:{unused_tcp_port}/whl")
    assert person.step == "install_failed"
    assert str(unused_tcp_port) in told(person)
    await person.picks("remote")
    assert person.shown() == {}
    await person.enters(url=await server.start())
    await person.enters()
    assert person.result["type"] is FlowResultType.CREATE_ENTRY


async def test_installer_hangs(hass: HomeAssistant, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    connections: list[asyncio.StreamWriter] = []
    monkeypatch.setattr(package, "INSTALL_TIMEOUT", 0.5)
    async with await asyncio.start_server(lambda _, writer: connections.append(writer), "127.0.0.1", 0) as silent:
        url = "http://{}:{}/whl".format(*silent.sockets[0].getsockname())
        monkeypatch.setenv("UV_DEFAULT_INDEX", url)
        person = await Person.adds_entry(hass, "local")
        await person.picks("install")
        await person.enters(index=url)
        assert person.step == "install_failed"
        assert "0.5 s" in told(person)
        silent.close_clients()


@pytest.mark.parametrize(("command", "words"), [("/bin/false", "exit status 1"), ("/nowhere/uv", "FileNotFoundError")])
async def test_installer_is_broken(
    hass: HomeAssistant, monkeypatch: pytest.MonkeyPatch, command: str, words: str
) -> None:
    monkeypatch.setattr(package, "_command", lambda *_: [command])
    person = await Person.adds_entry(hass, "local")
    await person.picks("install")
    await person.enters()
    assert person.step == "install_failed"
    assert words in told(person)


async def test_closing_the_dialog_ends_the_installer(
    hass: HomeAssistant, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pid_file = tmp_path / "pid"
    script = f"echo $$ > {pid_file}; exec sleep 3600"
    monkeypatch.setattr(package, "_command", lambda *_: ["/bin/sh", "-c", script])
    person = await Person.adds_entry(hass, "local")
    await person.picks("install")
    result = await hass.config_entries.flow.async_configure(person.result["flow_id"], person.shown())
    assert result["type"] is FlowResultType.SHOW_PROGRESS
    await until(lambda: pid_file.exists() and pid_file.read_text())
    pid = int(pid_file.read_text())
    hass.config_entries.flow.async_abort(person.result["flow_id"])
    await until(lambda: not Path(f"/proc/{pid}").exists() and not found(folder))


# Later


async def start(hass: HomeAssistant, **data: Any) -> MockConfigEntry:
    """Return an entry, set up as well as it could be."""
    entry = MockConfigEntry(domain=DOMAIN, title="Home", data=data)
    entry.add_to_hass(hass)
    await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    return entry


async def settle(hass: HomeAssistant) -> None:
    """Wait for what goes on in the background."""
    await hass.async_block_till_done(wait_background_tasks=True)


async def remember(hass: HomeAssistant, index: str) -> None:
    """Have llama-cpp-python installed from this index once."""
    await package._store(hass).async_save({"index": index})


async def test_a_build_that_stops_to_run(hass: HomeAssistant, index: PackageIndex, folder: Path) -> None:
    """After a move to another machine, say: a repair issue with the last words, and the way to mend it."""
    installed(folder, LACKS_AN_INSTRUCTION)
    entry = await start(hass, **BUNDLED)
    assert state_of(entry) is ConfigEntryState.SETUP_ERROR
    assert entry.error_reason_translation_key == "runtime_broken"
    [issue] = ir.async_get(hass).issues.values()
    assert issue.translation_key == "runtime_missing"
    assert "SIGILL" in (issue.translation_placeholders or {})["error"]

    person = await Person(hass, await entry.start_reconfigure_flow(hass)).waits()
    assert person.step == "runtime_broken"
    assert told(person) == "SIGILL"
    await person.picks("install")
    await person.enters(index=index.url)
    await person.picks("bundled")
    await person.enters()
    await hass.async_block_till_done()
    assert state_of(entry) is ConfigEntryState.LOADED
    assert not ir.async_get(hass).issues


async def test_a_model_that_dies_is_not_the_packages_fault(
    hass: HomeAssistant, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packages = installed(folder)
    died, gone = WorkerDiedError(reason="SIGSEGV"), ModelMissingError(path="x")
    assert await package.async_explain(hass, died, packages) is died
    assert await package.async_explain(hass, gone, folder / "nowhere") is gone


async def test_another_version_takes_the_place_of_the_old_one(
    hass: HomeAssistant, index: PackageIndex, folder: Path
) -> None:
    old = installed(folder, version="0.3.35")
    await remember(hass, index.url)
    entry = await start(hass, **BUNDLED)
    assert state_of(entry) is ConfigEntryState.LOADED
    assert entry.runtime_data.packages == old, "nobody waits for the installation"
    await settle(hass)
    assert found(folder) == [package.VERSION]
    assert entry.runtime_data.packages == folder / package.VERSION
    assert state_of(entry) is ConfigEntryState.LOADED


async def test_another_version_that_does_not_come(
    hass: HomeAssistant, index: PackageIndex, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    installed(folder, version="0.3.35")
    index.withdraw()
    await remember(hass, index.url)
    entry = await start(hass, **BUNDLED)
    await settle(hass)
    assert "could not be installed; the next start tries again" in caplog.text
    assert found(folder) == ["0.3.35"]
    assert state_of(entry) is ConfigEntryState.LOADED


async def test_a_restored_backup_has_no_cache(hass: HomeAssistant, index: PackageIndex, folder: Path) -> None:
    await remember(hass, index.url)
    entry = await start(hass, **BUNDLED)
    assert state_of(entry) is ConfigEntryState.SETUP_ERROR
    assert entry.error_reason_translation_key == "runtime_missing"
    await settle(hass)
    assert state_of(entry) is ConfigEntryState.LOADED


async def test_nothing_is_installed_that_nobody_asked_for(
    hass: HomeAssistant, index: PackageIndex, folder: Path
) -> None:
    entry = await start(hass, **BUNDLED)
    await settle(hass)
    assert state_of(entry) is ConfigEntryState.SETUP_ERROR
    assert not index.asked
    assert found(folder) == []


async def test_removed_with_the_last_model_on_this_machine(
    hass: HomeAssistant, index: PackageIndex, folder: Path, model: Path, server: ModelServer
) -> None:
    await package.async_install(hass, index.url)
    bundled = await start(hass, **BUNDLED)
    other = await start(hass, **BUNDLED, model_path=str(model))
    remote = await start(hass, backend="remote", url=await server.start(), model="home-3b")
    await hass.config_entries.async_remove(remote.entry_id)
    await hass.config_entries.async_remove(bundled.entry_id)
    assert found(folder) == [package.VERSION]
    await hass.config_entries.async_remove(other.entry_id)
    assert found(folder) == []
    assert await package._store(hass).async_load() is None
    assert await asyncio.to_thread(model.is_file), "a file of the user's stays"


async def test_removed_while_another_version_is_installed(
    hass: HomeAssistant, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed(folder, version="0.3.35")
    await remember(hass, "http://127.0.0.1:1")
    monkeypatch.setattr(package, "_command", lambda *_: ["sleep", "3600"])
    entry = await start(hass, **BUNDLED)
    await asyncio.sleep(0.1)
    await hass.config_entries.async_remove(entry.entry_id)
    await settle(hass)
    assert found(folder) == []


def test_the_version_is_the_one_that_is_tried_here() -> None:
    """Whoever moves one of the two moves the other."""
    assert environment.LLAMA_CPP == package.VERSION


def test_the_installer_is_told_what_it_may_do(tmp_path: Path) -> None:
    command = package._command("https://wheels.example", tmp_path)
    assert command[command.index("--only-binary") + 1] == ":all:"
    assert command[command.index("--index") + 1] == "https://wheels.example"
    assert command[command.index("--target") + 1] == str(tmp_path)
    assert command[-2] == "llama-cpp-python==0.3.36"


async def test_a_silent_worker_is_a_broken_build(
    hass: HomeAssistant, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("custom_components.morphy.backends.local.LOAD_SILENCE", 0.5)
    with pytest.raises(RuntimeBrokenError):
        await package.async_check(hass, installed(folder, "import time\ntime.sleep(3600)\n"))


async def test_a_damaged_bundled_model_is_not_the_packages_fault(
    hass: HomeAssistant, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    damaged = tmp_path / "morphy.gguf"
    damaged.write_bytes(b"GGUF")
    monkeypatch.setattr(package, "TRIAL_MODEL", damaged)
    assert await package.async_check(hass, installed(folder)) is None
