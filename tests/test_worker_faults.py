"""All that can befall the worker process, and what it may do: real processes, real signals, a real kernel.

What each costs is one turn at most; nothing is left behind, and the next turn works.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator
from datetime import timedelta
from functools import partialmethod
from pathlib import Path
from typing import Any

import pytest
from homeassistant.components import conversation
from homeassistant.config_entries import ConfigEntryState
from homeassistant.const import EVENT_HOMEASSISTANT_STOP
from homeassistant.core import Context, HomeAssistant
from homeassistant.helpers import issue_registry as ir
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util
from pytest_homeassistant_custom_component.common import MockConfigEntry, async_fire_time_changed

from custom_components.morphy.agent_flow import default_agent
from custom_components.morphy.backends import Completion, confine, local, process
from custom_components.morphy.backends.local import LocalBackend
from custom_components.morphy.const import DOMAIN
from custom_components.morphy.errors import (
    BackendError,
    ModelChangedError,
    ModelInvalidError,
    ModelTruncatedError,
    WorkerDiedError,
    WorkerSilentError,
)

from .flows import english, state_of
from .test_backend_local import (  # noqa: F401 - the fixtures `make` and `models` are used by their names
    HOME,
    PROMPT,
    TEXT,
    MakeBackend,
    alive,
    drain,
    make_fixture,
    models_fixture,
    open_files,
    say,
    until,
)

AGENT = {"subentry_type": "conversation", "title": "Butler", "unique_id": None, "data": default_agent("lines")}


def script(path: Path, text: str) -> str:
    """Write a program that stands in the place of the Python that runs the worker, and return its path."""
    beside = path.with_suffix(".new")
    beside.write_text(text)
    beside.chmod(0o755)
    beside.replace(path)  # one that runs may not be written to
    return str(path)


PYTHON = f'#!/bin/sh\nexport PYTHONPATH="{os.pathsep.join(filter(None, sys.path))}"\n%s\nexec "{sys.executable}" "$@"\n'
"""The Python that runs the worker, after some commands of a shell."""


def reason(caught: pytest.ExceptionInfo[BackendError]) -> str:
    """Return the reason that an error's sentence gives."""
    return str((caught.value.translation_placeholders or {})["reason"])


def gone(pid: int | None) -> bool:
    """Return whether there is no such process any more, not even a zombie."""
    return not Path(f"/proc/{pid}").exists()


def memory(pid: int) -> int:
    """Return the resident memory of a process in bytes."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize()


# Killed, hung, out of memory


@pytest.mark.parametrize(
    "times", [15, pytest.param(100, marks=pytest.mark.long)], ids=["a few times", "a hundred times"]
)
async def test_killed_at_any_moment(make: MakeBackend, monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    """While it starts, loads, reads, writes or waits."""
    monkeypatch.setattr(local, "BACKOFF_MAX", 0.05)
    backend = make("llama", context_length=8192)
    expected = await say(backend, max_tokens=4)
    tasks, files, pids = len(asyncio.all_tasks()), open_files(), {backend.pid}
    chance = random.Random(times)
    for _ in range(times):
        if chance.random() < 0.4 and backend.pid:
            os.kill(backend.pid, signal.SIGKILL)  # so that the turn begins with a start
        turn = asyncio.create_task(say(backend, HOME * 4, max_tokens=100))
        await asyncio.sleep(chance.random() * 0.4)
        if backend.pid:
            pids.add(backend.pid)
            os.kill(backend.pid, signal.SIGKILL)
        [result] = await asyncio.gather(turn, return_exceptions=True)
        assert isinstance(result, (str, WorkerDiedError)), result
        await asyncio.sleep(0.06)
        assert await say(backend, max_tokens=4) == expected
    assert len(asyncio.all_tasks()) == tasks
    assert open_files() == files
    assert all(map(gone, pids - {backend.pid}))


async def test_hung_while_only_a_count_waits(make: MakeBackend) -> None:
    backend = make("text", silence=0.5)
    await backend.start()
    assert backend.pid
    os.kill(backend.pid, signal.SIGSTOP)
    stat = Path(f"/proc/{backend.pid}/stat")
    await until(lambda: stat.read_text().rpartition(")")[2].split()[0] == "T")  # it stops a moment later
    with pytest.raises(WorkerSilentError):
        await asyncio.wait_for(backend.count_tokens("abc"), 10)
    assert await say(backend) == TEXT


async def test_hung_in_a_turn_although_counts_are_answered(make: MakeBackend) -> None:
    """The thread that counts may be well when the one that computes hangs: the model's own signs of life matter."""
    backend = make("endless", context_length=60000, silence=1)
    await backend.start()
    assert backend._process
    channel = backend._process.request("complete", prompt="", stop=[], grammar=None, max_tokens=1, temperature=0)
    assert "error" in await channel.result()
    stuck = process.Channel(backend._process, 10**6, "complete")
    backend._process._channels[stuck.number] = stuck  # a request that the worker never answers
    backend._process._set_alarm()

    async def count() -> None:
        while True:
            await backend.count_tokens("abc")
            await asyncio.sleep(0.05)

    counting = asyncio.create_task(count())
    with pytest.raises(WorkerSilentError):
        await asyncio.wait_for(stuck.result(), 10)
    counting.cancel()
    await asyncio.gather(counting, return_exceptions=True)


async def test_hung_while_loading(make: MakeBackend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "LOAD_SILENCE", 0.5)
    backend = make("text", interpreter=script(tmp_path / "python", "#!/bin/sh\nexec sleep 1000\n"))
    loading = asyncio.create_task(backend.start())
    await until(lambda: backend.pid is not None)
    pid = backend.pid
    with pytest.raises(WorkerSilentError):
        await loading
    assert pid
    assert gone(pid)


async def test_too_little_memory_to_load(make: MakeBackend, tmp_path: Path) -> None:
    python = script(tmp_path / "python", PYTHON % "ulimit -v 200000")
    with pytest.raises(ModelInvalidError) as caught:
        await make("llama", context_length=60000, interpreter=python).start()
    assert "alloc" in reason(caught)
    assert await say(make("text", context_length=256, interpreter=python)) == TEXT


async def test_memory_runs_out_in_a_turn(make: MakeBackend) -> None:
    """Whatever breaks for want of memory, it is told as an error, and the next turn works."""
    backend = make("llama", context_length=8192)
    expected = await say(backend, max_tokens=4)
    assert backend.pid
    resource.prlimit(backend.pid, resource.RLIMIT_AS, (2**20, 2**20))
    with pytest.raises(WorkerDiedError) as caught:
        await say(backend, HOME * 4, grammar='root ::= "x"+', max_tokens=50)
    assert reason(caught)
    if backend.pid:
        os.kill(backend.pid, signal.SIGKILL)  # it lived on, without memory
        await until(lambda: backend.pid is None)
    assert await say(backend, max_tokens=4) == expected


async def test_memory_stays_flat(make: MakeBackend) -> None:
    """benchmarks/soak.py does the same for 10,000 turns in Home Assistant."""
    backend = make("lfm2")

    async def turns(count: int) -> tuple[int, int]:
        for number in range(count):
            await say(backend, f"{HOME[:500]}{number}", max_tokens=4)
        assert backend.pid
        gc.collect()
        return memory(backend.pid), memory(os.getpid())

    worker, own = await turns(200)
    worker_later, own_later = await turns(300)
    assert worker_later - worker < 2**20
    assert own_later - own < 4 * 2**20


# Another file


async def test_file_replaced_under_it(make: MakeBackend, models: Path, tmp_path: Path) -> None:
    path = tmp_path / "mine.gguf"
    shutil.copyfile(models / "text.gguf", path)
    backend = make(path)
    assert await say(backend) == TEXT
    shutil.copyfile(models / "endless.gguf", tmp_path / "other.gguf")
    (tmp_path / "other.gguf").replace(path)
    with pytest.raises(ModelChangedError):
        await say(backend)
    shutil.copyfile(models / "text.gguf", path)
    assert await say(backend) == TEXT


async def test_file_cut_off_in_mid_turn(make: MakeBackend, models: Path, tmp_path: Path) -> None:
    path = tmp_path / "mine.gguf"
    shutil.copyfile(models / "endless.gguf", path)
    backend = make(path, context_length=60000)
    answer = backend.complete(Completion(prompt=PROMPT, max_tokens=50000))
    await anext(answer)
    os.truncate(path, 4096)  # its pages are gone: SIGBUS
    with pytest.raises(WorkerDiedError) as caught:
        await drain(answer)
    assert reason(caught) == "SIGBUS"
    with pytest.raises(ModelTruncatedError):
        await say(backend)
    shutil.copyfile(models / "endless.gguf", path)
    assert await say(backend, max_tokens=3) == "abc"


# Crashes again and again


def test_pauses_grow() -> None:
    assert [local.pause_after(deaths) for deaths in range(1, 9)] == [0, 2, 4, 8, 16, 30, 30, 30]


async def test_crash_at_load_is_no_restart_storm(make: MakeBackend, tmp_path: Path) -> None:
    starts = tmp_path / "starts"
    python = script(tmp_path / "python", f'#!/bin/sh\necho >> "{starts}"\necho no luck >&2\nexit 1\n')
    backend = make("text", interpreter=python)
    loop = asyncio.get_running_loop()
    end = loop.time() + 1.5
    while loop.time() < end:
        with pytest.raises(WorkerDiedError) as caught:
            await say(backend)
        assert reason(caught) == "no luck"
    assert starts.read_text().count("\n") == 2


async def test_crash_at_load_ten_times_is_told(
    make: MakeBackend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "BACKOFF_MAX", 0.0)
    python = script(tmp_path / "python", "#!/bin/sh\nkill -SEGV $$\n")
    backend = make("text", interpreter=python)
    told: list[BackendError | None] = []
    backend.on_trouble = told.append
    for _ in range(10):
        with pytest.raises(WorkerDiedError) as caught:
            await backend.start()
        assert reason(caught) == "SIGSEGV"
    assert len(told) == 10 - local.TROUBLE + 1
    assert all(isinstance(error, WorkerDiedError) for error in told)
    script(Path(python), PYTHON % "")
    assert await say(backend) == TEXT
    assert told[-1] is None


@pytest.fixture(name="hass_with_conversation")
async def hass_with_conversation_fixture(hass: HomeAssistant, socket_enabled: None) -> AsyncGenerator[HomeAssistant]:
    """Return a Home Assistant in which agents can be talked to."""
    assert await async_setup_component(hass, "homeassistant", {})
    assert await async_setup_component(hass, "conversation", {})
    yield hass
    for entry in hass.config_entries.async_entries(DOMAIN):
        await hass.config_entries.async_unload(entry.entry_id)


async def set_up(hass: HomeAssistant, model: Path, context_length: int = 2048) -> MockConfigEntry:
    """Return an entry with one agent, set up as well as it could be."""
    data = {"backend": "local", "model_path": str(model), "context_length": context_length}
    entry = MockConfigEntry(domain=DOMAIN, title="Tiny", data=data, subentries_data=[AGENT])
    entry.add_to_hass(hass)
    await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    return entry


async def converse(hass: HomeAssistant, text: str = "hi") -> Any:
    """Return the answer to one message."""
    return await conversation.async_converse(hass, text, None, Context(), "en", "conversation.butler")


def issues(hass: HomeAssistant) -> list[str | None]:
    """Return the translation keys of what Home Assistant's repairs show."""
    shown = [issue for (domain, _), issue in ir.async_get(hass).issues.items() if domain == DOMAIN]
    for issue in shown:
        texts = english()["issues"][issue.translation_key]
        assert texts["title"].format(**issue.translation_placeholders or {})
        description = texts["fix_flow"]["step"]["init"]["description"] if issue.is_fixable else texts["description"]
        assert description.format(**issue.translation_placeholders or {})
    return [issue.translation_key for issue in shown]


async def test_repairs_tell_of_a_model_that_crashes_at_set_up(
    hass_with_conversation: HomeAssistant, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hass = hass_with_conversation
    starts = tmp_path / "starts"
    python = script(tmp_path / "python", f'#!/bin/sh\necho >> "{starts}"\nkill -SEGV $$\n')

    class Backend(LocalBackend):
        __init__ = partialmethod(LocalBackend.__init__, interpreter=python)

    monkeypatch.setattr("custom_components.morphy.LocalBackend", Backend)
    entry = await set_up(hass, model)
    for _ in range(9):
        assert state_of(entry) is ConfigEntryState.SETUP_RETRY
        assert issues(hass) == ["worker_dies"]
        await hass.config_entries.async_reload(entry.entry_id)
    assert starts.read_text().count("\n") == 10
    script(Path(python), PYTHON % "")
    await hass.config_entries.async_reload(entry.entry_id)
    assert state_of(entry) is ConfigEntryState.LOADED
    assert issues(hass) == []


async def test_repairs_tell_of_a_model_that_crashes_in_its_turns(
    hass_with_conversation: HomeAssistant, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hass = hass_with_conversation
    monkeypatch.setattr(local, "BACKOFF_MAX", 0.0)
    entry = await set_up(hass, model)
    for _ in range(local.TROUBLE):
        assert issues(hass) == []
        await entry.runtime_data.start()
        os.kill(entry.runtime_data.pid, signal.SIGKILL)
        await until(lambda: entry.runtime_data.pid is None)
    await entry.runtime_data.start()
    assert issues(hass) == ["worker_dies"]
    assert (await converse(hass)).response.speech["plain"]["speech"] == "Ok"
    assert issues(hass) == []


async def test_home_assistant_stops_in_mid_turn(hass_with_conversation: HomeAssistant, models: Path) -> None:
    hass = hass_with_conversation
    entry = await set_up(hass, models / "endless.gguf", 60000)
    hass.config_entries.async_update_subentry(
        entry,
        next(iter(entry.subentries.values())),
        data={**AGENT["data"], "max_tokens": 50000},  # type: ignore[dict-item]
    )
    await hass.async_block_till_done()
    pid = entry.runtime_data.pid
    turn = asyncio.create_task(converse(hass))
    await until(lambda: entry.runtime_data._line.busy)
    await asyncio.sleep(0.2)
    assert not turn.done()
    hass.bus.async_fire(EVENT_HOMEASSISTANT_STOP)
    result = await asyncio.wait_for(turn, 10)
    assert result.response.response_type.value == "error"
    assert "closed" in result.response.speech["plain"]["speech"]
    await until(lambda: gone(pid))
    async_fire_time_changed(hass, dt_util.utcnow() + timedelta(hours=1))  # Home Assistant's own timer of the session


def test_a_stopped_worker_ends_with_a_killed_parent(models: Path, tmp_path: Path) -> None:
    """It cannot see that its stdin was closed, but the kernel can."""
    parent = f"""
import asyncio, os, signal, sys
sys.path.insert(0, {str(Path(__file__).parent.parent)!r})
from pathlib import Path
import custom_components
from custom_components.morphy.backends.local import LocalBackend
async def main():
    backend = LocalBackend(Path({str(models / "text.gguf")!r}), context_length=256, threads=1)
    await backend.start()
    os.kill(backend.pid, signal.SIGSTOP)
    print(backend.pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", parent], capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    pid = int(done.stdout)
    for _ in range(100):
        if not alive(pid):
            break
        signal.sigtimedwait([], 0.05)
    assert not alive(pid)


# What it may do

PROBE = """
import ctypes, importlib.util, json, os, socket, subprocess, sys, threading
from pathlib import Path
spec = importlib.util.spec_from_file_location("confine", sys.argv[1])
confine = importlib.util.module_from_spec(spec)
spec.loader.exec_module(confine)
model, folder = Path(sys.argv[2]), Path(sys.argv[3])
for number in map(int, sys.argv[4].split(",") if sys.argv[4] else ()):
    confine.refuse(number)
held = confine.confine(str(model))
def attempt(do):
    try:
        do()
    except Exception as error:
        return getattr(error, "errno", None) or type(error).__name__
    return "done"
found = {
    "held": held,
    "read the model": attempt(lambda: model.read_bytes()),
    "read its second part": attempt(lambda: model.with_name("m-00002-of-00002.gguf").read_bytes()),
    "read another file": attempt(lambda: (folder / "secret").read_text()),
    "list a folder": attempt(lambda: os.listdir(folder)),
    "write a file": attempt(lambda: (folder / "new").write_text("x")),
    "change the model": attempt(lambda: model.open("r+b").write(b"x")),
    "delete the model": attempt(lambda: model.unlink()),
    "open a socket": attempt(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)),
    "open a local socket": attempt(lambda: socket.socket(socket.AF_UNIX)),
    "become another program": attempt(lambda: os.execv("/bin/true", ["true"])),
    "kill its parent": attempt(lambda: os.kill(os.getppid(), 0)),
    "open many files": attempt(lambda: [os.dup(0) for _ in range(1000)]),
    "start a thread": attempt(lambda: threading.Thread(target=int).start()),
    "reserve memory": attempt(lambda: bytearray(2**24)),
}
print(json.dumps(found))
"""


def probe(tmp_path: Path, refused: str = "", model: str = "m-00001-of-00002.gguf") -> dict[str, Any]:
    """Return what a confined process was able to do: done, or the number or name of the error."""
    folder = tmp_path / "folder"
    folder.mkdir(exist_ok=True)
    for file in (folder / "secret", tmp_path / "m-00001-of-00002.gguf", tmp_path / "m-00002-of-00002.gguf"):
        file.write_text("x")
    arguments = [confine.__file__, str(tmp_path / model), str(folder), refused]
    done = subprocess.run([sys.executable, "-c", PROBE, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


HERE = sys.platform == "linux" and os.uname().machine in confine.FORBIDDEN
LAYERS = ["limits", "no new privileges", "capabilities", "files", "system calls"]
LANDLOCK = "444"


@pytest.mark.skipif(not HERE, reason="a system of which the worker knows less")
def test_a_confined_process_reads_its_model_and_does_little_else(tmp_path: Path) -> None:
    found = probe(tmp_path)
    if "files" not in found["held"]:
        pytest.skip("this kernel has no Landlock")
    permitted = {key for key, value in found.items() if value == "done"}
    assert permitted == {"read the model", "read its second part", "start a thread", "reserve memory"}
    assert found["held"] == LAYERS
    assert (tmp_path / "m-00001-of-00002.gguf").read_text() == "x"


@pytest.mark.skipif(not HERE, reason="a system of which the worker knows less")
def test_a_folder_in_the_place_of_a_model_opens_nothing(tmp_path: Path) -> None:
    found = probe(tmp_path, model="folder")
    if "files" not in found["held"]:
        pytest.skip("this kernel has no Landlock")
    assert found["read another file"] == 13
    assert found["list a folder"] == 13


@pytest.mark.skipif(not HERE, reason="a system of which the worker knows less")
def test_without_landlock_the_other_layers_hold(tmp_path: Path) -> None:
    """The kernel here is made to refuse Landlock, as an older one does."""
    found = probe(tmp_path, refused=LANDLOCK)
    assert found["held"] == [layer for layer in LAYERS if layer != "files"]
    assert found["read another file"] == "done"
    assert found["write a file"] == 27  # EFBIG: it may be made, but holds nothing
    assert found["open a socket"] == 1
    assert found["become another program"] == 1


def told_of(pid: int | None, what: str) -> list[str]:
    """Return the lines that the kernel tells about a process."""
    return Path(f"/proc/{pid}/{what}").read_text().splitlines()


async def test_the_worker_is_confined(make: MakeBackend, models: Path) -> None:
    backend = make("text")
    await backend.start()
    status = dict(line.split(":\t", 1) for line in told_of(backend.pid, "status"))
    assert status["NoNewPrivs"] == "1"
    assert status["Seccomp"] == ("2" if HERE else "0")
    assert int(status["CapPrm"], 16) in (0, confine.CAP_DAC_READ_SEARCH)
    assert [line.split()[4:6] for line in told_of(backend.pid, "limits") if line.startswith("Max core file")] == [
        ["0", "0"]
    ]
    assert backend._process
    other = {"path": str(models / "lfm2.gguf"), "context_length": 256, "threads": 1}
    answer = await backend._process.request("load", **other).result()
    assert answer["error"] == "model_invalid"
    assert answer["reason"] == "Permission denied"
    assert await say(backend) == TEXT


async def test_the_worker_inherits_no_secret_and_no_file(
    make: MakeBackend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUPERVISOR_TOKEN", "hush")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    python = script(tmp_path / "python", PYTHON % f'env > "{tmp_path}/env"\nls /proc/$$/fd > "{tmp_path}/fd"')
    with (tmp_path / "secret").open("w") as file:
        os.set_inheritable(file.fileno(), True)
        await make("text", interpreter=python).start()
        assert str(file.fileno()) not in (tmp_path / "fd").read_text().split()
    environment = (tmp_path / "env").read_text()
    assert "hush" not in environment
    assert "OMP_NUM_THREADS=1" in environment
    assert "GGML_NO_BACKTRACE=1" in environment


# What goes through the pipes

LOADED = {
    "model": "Fake",
    "context_length": 512,
    "chat_template": None,
    "languages": None,
    "confined": [],
    "file": {"size": 1, "modified": 1, "sha256": ""},
}
FAKE = f"""#!{sys.executable}
import json, sys
def answer(line):
    sys.stdout.write(line + "\\n")
    sys.stdout.flush()
answer(json.dumps({{"id": json.loads(sys.stdin.readline())["id"], "done": {LOADED!r}}}))
number = json.loads(sys.stdin.readline())["id"]
%s
sys.stdin.read()
"""


@pytest.mark.parametrize(
    "sends",
    [
        "answer('nonsense')",
        "answer('[1, 2]')",
        "answer('null')",
        "answer('7')",
        "answer('\"text\"')",
        "answer('[' * 200000)",
        "answer('x' * 2**21)",
        "answer('{}')",
        "answer('{\"id\": [1]}')",
        "answer(json.dumps({'id': number, 'done': 5}))",
        "answer(json.dumps({'id': number, 'done': None}))",
        "answer(json.dumps({'id': number, 'done': {'no': 'usage'}}))",
        "answer(json.dumps({'id': number, 'text': 5}))",
        "answer(json.dumps({'id': number, 'error': []}))",
        "answer(json.dumps({'id': number, 'error': 'model_missing', 'path': 'x'}))",
        "answer(json.dumps({'id': number, 'error': 'prompt_too_long'}))",
        "answer(json.dumps({'id': number, 'error': 'no such'}))",
        "while True: answer(json.dumps({'id': number, 'text': 'x' * 10000}))",
        "while True: answer(json.dumps({'id': number, 'read': 1}))",
    ],
)
async def test_a_worker_gone_mad_breaks_nothing(
    make: MakeBackend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sends: str
) -> None:
    monkeypatch.setattr(process, "MAX_ANSWERS", 2**18)
    backend = make("text", interpreter=script(tmp_path / "python", FAKE % sends))
    await backend.start()
    with pytest.raises(BackendError) as caught:
        await asyncio.wait_for(say(backend), 20)
    assert caught.value.translation_key in ("worker_died", "model_missing")
    script(tmp_path / "python", PYTHON % "")
    backend.file = None  # the fake one's
    if backend.pid:
        os.kill(backend.pid, signal.SIGKILL)
        await until(lambda: backend.pid is None)
    assert await say(backend) == TEXT


async def test_a_request_that_is_too_long_is_not_sent(make: MakeBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "MAX_REQUEST", 10000)
    backend = make("text")
    with pytest.raises(WorkerDiedError) as caught:
        await say(backend, grammar="x" * 10000)
    assert reason(caught) == "the request has more than 10000 bytes"
    pid = backend.pid
    assert await say(backend) == TEXT
    assert backend.pid == pid


def test_the_longest_prompt_fits_into_a_request() -> None:
    worst = json.dumps("\N{GRINNING FACE}" * 1000)
    assert len(worst) / 1000 * local.MAX_PROMPT < process.MAX_REQUEST - 2**20


def test_the_worker_passes_over_what_is_no_request(models: Path) -> None:
    lines = [
        *("nonsense", "[]", "7", "null", "{}", "[" * 100000, '{"id": "1", "op": "load"}', '{"id": 1, "op": "serve"}'),
        json.dumps({"id": 1, "op": "load", "path": str(models / "text.gguf"), "context_length": 256, "threads": 1}),
        *("[]", '{"id": 2, "op": "count"}', '{"id": 3, "op": "complete"}', '{"id": 4, "op": "cancel"}'),
        json.dumps({"id": 5, "op": "count", "text": "abc"}),
        json.dumps({"id": 6, "op": "prefill", "prompt": "abc"}),
    ]
    worker = subprocess.run(
        [sys.executable, "-P", str(process.WORKER)],
        input="\n".join([*lines, ""]),
        capture_output=True,
        text=True,
        check=False,
    )
    # It ends with its stdin, so the last requests may remain unanswered; in the order of a queue the rest is not.
    answers = [json.loads(line) for line in worker.stdout.splitlines()]
    assert worker.returncode == 0
    assert worker.stderr.count("no request") == 9
    assert {answer["id"] for answer in answers} <= {1, 2, 3, 5, 6}


def test_the_worker_takes_no_request_without_end(models: Path) -> None:
    worker = subprocess.run(
        [sys.executable, "-P", str(process.WORKER)],
        input=b"x" * (16 * 2**20 + 10),
        capture_output=True,
        check=False,
    )
    assert b"a request has more than" in worker.stderr
