"""Entries come and go without leaving anything behind: no process, thread, task, timer, file, listener or memory."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest
from homeassistant.components import conversation
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import Context, HomeAssistant
from homeassistant.helpers import device_registry as dr, entity_registry as er, issue_registry as ir
from homeassistant.helpers.dispatcher import DATA_DISPATCHER
from homeassistant.helpers.entity import Entity
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.morphy.agent_flow import default_agent
from custom_components.morphy.backends import Backend
from custom_components.morphy.backends.process import WorkerProcess
from custom_components.morphy.const import DOMAIN
from custom_components.morphy.entity import BackendEntity
from custom_components.morphy.health import resident_memory

from .flows import state_of
from .house import House
from .model_server import ModelServer

WARMING_UP = 3
"""Reloads after which everything that is made once has been made: caches, pools, translations."""
POOLS = ("SyncWorker", "ImportExecutor", "asyncio_")
OURS = (Backend, BackendEntity, WorkerProcess)
MEMORY = 2**20
"""Bytes that Home Assistant may have grown by in 50 reloads, open conversations included, which it forgets later."""


@dataclass(frozen=True)
class Traces:
    """How much there is of everything that a reload could leave behind."""

    children: int
    threads: int
    tasks: int
    timers: int
    files: int
    bus_listeners: int
    dispatcher_listeners: int
    update_listeners: int
    unload_callbacks: int
    states: int
    entities: int
    devices: int
    issues: int
    objects: Counter[str]


def look(hass: HomeAssistant, entry: MockConfigEntry) -> Traces:
    gc.collect()
    loop = asyncio.get_running_loop()
    return Traces(
        children=len(children()),
        # Home Assistant's own pools start as many threads as there was ever work for at once.
        threads=sum(not thread.name.startswith(POOLS) for thread in threading.enumerate()),
        tasks=len(asyncio.all_tasks()),
        timers=sum(not timer.cancelled() for timer in loop._scheduled),  # type: ignore[attr-defined]
        files=len(list(Path("/proc/self/fd").iterdir())),
        bus_listeners=sum(hass.bus.async_listeners().values()),
        dispatcher_listeners=sum(map(len, hass.data[DATA_DISPATCHER].values())),
        update_listeners=len(entry.update_listeners),
        unload_callbacks=len(entry._on_unload or ()),
        states=len(hass.states.async_all()),
        entities=len(er.async_get(hass).entities),
        devices=len(dr.async_get(hass).devices),
        issues=len(ir.async_get(hass).issues),
        objects=Counter(type(one).__name__ for one in gc.get_objects() if isinstance(one, OURS)),
    )


def children() -> list[int]:
    """Return the ids of this process's children, those that ended and wait to be noticed among them."""
    tasks = Path("/proc/self/task").iterdir()
    return [int(pid) for task in tasks for pid in (task / "children").read_text().split()]


def differences(before: Traces, after: Traces) -> dict[str, tuple[Any, Any]]:
    """Return what there is more of than before."""
    then, now = asdict(before), asdict(after)
    return {name: (then[name], now[name]) for name in then if not now[name] <= then[name]}


async def set_up(hass: HomeAssistant, **data: Any) -> MockConfigEntry:
    agents = [
        {"subentry_type": "conversation", "title": title, "unique_id": None, "data": default_agent("lines")}
        for title in ("Butler", "Guest")
    ]
    entry = MockConfigEntry(domain=DOMAIN, title="Tiny", data=data, subentries_data=agents)
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    return entry


async def reload(hass: HomeAssistant, entry: MockConfigEntry, *, speak: bool) -> None:
    assert await hass.config_entries.async_reload(entry.entry_id)
    await hass.async_block_till_done()
    assert state_of(entry) is ConfigEntryState.LOADED
    if speak:
        result = await conversation.async_converse(hass, "hi", None, Context(), "en", "conversation.butler")
        assert result.response.error_code is None


@pytest.fixture(autouse=True)
def sensors(monkeypatch: pytest.MonkeyPatch, socket_enabled: None) -> None:
    """Have the sensors too."""
    monkeypatch.setattr(Entity, "entity_registry_enabled_default", True)


@pytest.fixture(autouse=True)
def silence() -> Iterator[None]:
    """Log nothing: pytest keeps what is logged, with all that it speaks of."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("times", [8, pytest.param(50, marks=pytest.mark.long)])
async def test_reloads_with_a_worker(hass: HomeAssistant, house: House, model: Path, times: int) -> None:
    others = len(children())
    entry = await set_up(hass, backend="local", model_path=str(model), context_length=2048, threads=1)
    for _ in range(WARMING_UP):
        await reload(hass, entry, speak=True)
    before, memory = look(hass, entry), resident_memory(os.getpid())
    assert before.children == others + 1
    for number in range(times):
        await reload(hass, entry, speak=number % 4 == 0)
    await reload(hass, entry, speak=True)
    grown = (resident_memory(os.getpid()) or 0) - (memory or 0)
    assert differences(before, look(hass, entry)) == {}
    assert grown < MEMORY
    print(f"{times} reloads: {grown / 2**20:+.2f} MiB")

    assert await hass.config_entries.async_remove(entry.entry_id)
    await hass.async_block_till_done()
    gone = look(hass, entry)
    assert gone.children == others
    assert gone.objects == Counter()
    assert gone.unload_callbacks == gone.update_listeners == 0


async def test_reloads_with_a_server(hass: HomeAssistant, house: House, server: ModelServer) -> None:
    entry = await set_up(hass, backend="remote", url=await server.start())
    for _ in range(WARMING_UP):
        await reload(hass, entry, speak=True)
    before = look(hass, entry)
    for _ in range(10):
        await reload(hass, entry, speak=True)
    more = differences(before, look(hass, entry))
    assert set(more) <= {"files", "timers", "tasks"}, "of the connections, which the session keeps open for others"
    assert all(now - then <= 2 for then, now in more.values())


async def test_reloads_that_fail(hass: HomeAssistant, house: House, model: Path, tmp_path: Path) -> None:
    """A set-up that fails leaves nothing either; the model comes and goes."""
    path = tmp_path / "mine.gguf"
    path.write_bytes(model.read_bytes())  # noqa: ASYNC240
    entry = await set_up(hass, backend="local", model_path=str(path), context_length=512, threads=1)

    async def gone_and_back() -> None:
        path.rename(tmp_path / "elsewhere.gguf")
        assert not await hass.config_entries.async_reload(entry.entry_id)
        assert state_of(entry) is ConfigEntryState.SETUP_RETRY
        (tmp_path / "elsewhere.gguf").rename(path)
        await reload(hass, entry, speak=False)

    for _ in range(2):
        await gone_and_back()
    before = look(hass, entry)
    for _ in range(3):
        await gone_and_back()
    assert differences(before, look(hass, entry)) == {}


async def test_what_is_left_behind_is_seen(hass: HomeAssistant, house: House, server: ModelServer) -> None:
    """The traces show what someone has forgotten to take along."""
    entry = await set_up(hass, backend="remote", url=await server.start())
    await reload(hass, entry, speak=False)
    before = look(hass, entry)
    lost = [entry.runtime_data]
    # Several of each: something of Home Assistant's own may end meanwhile.
    removes = [hass.bus.async_listen("something", lambda _: None) for _ in range(9)]
    timers = [hass.loop.call_later(60, lambda: None) for _ in range(9)]
    event = threading.Event()
    threads = [threading.Thread(target=event.wait) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        await reload(hass, entry, speak=False)
        seen = differences(before, look(hass, entry))
    finally:
        event.set()
        for thread in threads:
            thread.join()
        for timer in timers:
            timer.cancel()
        for remove in removes:
            remove()
    assert {"bus_listeners", "timers", "threads", "objects"} <= set(seen)
    assert lost
