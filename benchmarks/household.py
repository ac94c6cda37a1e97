"""A home in real Home Assistant with Morphy's agents in it, and what a turn with them takes.

It measures at public seams alone: the conversation agent is asked as a pipeline asks it, the action is the event that
Home Assistant sends, the tokens are what the backend yields and tells in its usage.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import os
import tempfile
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from homeassistant.components import conversation
from homeassistant.components.conversation import async_converse
from homeassistant.components.conversation.agent_manager import async_get_agent
from homeassistant.const import EVENT_CALL_SERVICE
from homeassistant.core import Context, Event, HomeAssistant, callback
from homeassistant.helpers import entity_registry as er
from homeassistant.loader import DATA_CUSTOM_COMPONENTS
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import MockConfigEntry, async_test_home_assistant

import custom_components  # noqa: F401  before Home Assistant looks for a package of that name
from custom_components.morphy.agent_flow import default_agent
from custom_components.morphy.backends import Backend, Completion
from custom_components.morphy.const import CONF_INSTRUCTIONS, CONF_MAX_TOKENS, DOMAIN
from custom_components.morphy.dialect import get_dialect
from custom_components.morphy.home import snapshot
from demo.server import listen_on
from tests.house import House
from tests.servers import free_port

if TYPE_CHECKING:
    from custom_components.morphy.backends.usage import Usage

from .homes import async_build_home, change

DIALECT: Final = "morphy"
NAMES: Final = ("Al", "Bea", "Cleo", "Dov")
"""What the agents are called: their instructions differ, as those of agents in one home do."""
QUIET_SHARE: Final = 0.05
"""A worker that uses less of a core than this has nothing to do."""
QUIET_SECONDS: Final = 0.3
QUIETER: Final = {
    "homeassistant.loader": logging.ERROR,  # it warns of custom integrations
    "homeassistant.components.camera.img_util": logging.CRITICAL,  # it misses a library for pictures
}
PATIENCE: Final = 60
"""Seconds to wait for a worker to become quiet."""
CLOCK_TICKS: Final = os.sysconf("SC_CLK_TCK")
MEGABYTE: Final = 2**20


@dataclass(frozen=True, slots=True)
class Turn:
    """What one turn took: milliseconds from the request on, and tokens. None and 0 where nothing of the kind was."""

    last_word_ms: float
    first_token_ms: float | None = None
    first_action_ms: float | None = None
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    prefill_ms: float = 0.0
    decode_ms: float = 0.0
    speech: str = ""
    conversation_id: str | None = None
    completion: Completion | None = None
    """What the backend was asked."""

    def with_usage(self, usage: Usage | None) -> Turn:
        """Return the turn with what the backend says of it."""
        if usage is None:
            return self
        return replace(
            self,
            prompt_tokens=usage.prompt_tokens,
            cached_tokens=usage.cached_tokens or 0,
            completion_tokens=usage.completion_tokens,
            prefill_ms=usage.prefill_s * 1000,
            decode_ms=usage.decode_s * 1000,
        )


@dataclass(slots=True)
class _Watch:
    """What is seen of a turn while it runs."""

    began: float
    first_token: float | None = None
    first_action: float | None = None
    completion: Completion | None = None
    usage: Usage | None = None

    def since(self, moment: float | None) -> float | None:
        return None if moment is None else (moment - self.began) * 1000


_watch: ContextVar[_Watch] = ContextVar("watch")


async def async_add_morphy(
    hass: HomeAssistant, data: Mapping[str, Any], agents: Sequence[Mapping[str, Any]]
) -> tuple[MockConfigEntry, list[str]]:
    """Return an entry of Morphy with this data, and the entity ids of its agents in their order."""
    hass.data.pop(DATA_CUSTOM_COMPONENTS, None)  # so that it looks for integrations of others
    for component in ("homeassistant", "conversation"):
        await async_setup_component(hass, component, {})
    subentries = [
        {"subentry_type": "conversation", "title": f"Agent {number}", "unique_id": None, "data": agent}
        for number, agent in enumerate(agents)
    ]
    entry = MockConfigEntry(domain=DOMAIN, title="Benchmark", data=data, subentries_data=subentries)
    entry.add_to_hass(hass)
    if not await hass.config_entries.async_setup(entry.entry_id):
        raise RuntimeError(f"Morphy could not be set up: {entry.reason}")
    await hass.async_block_till_done()
    ids = {
        entity.config_subentry_id: entity.entity_id
        for entity in er.async_entries_for_config_entry(er.async_get(hass), entry.entry_id)
        if entity.domain == "conversation"
    }
    return entry, [ids[subentry] for subentry in entry.subentries]


def resident(pid: int) -> float:
    """Return the resident memory of a process in megabytes."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / MEGABYTE


def busy_seconds(pid: int) -> float:
    """Return how many seconds of a core a process has used."""
    user, system = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / CLOCK_TICKS


class Household:
    """The home with its agents."""

    def __init__(self, hass: HomeAssistant, house: House, entry: MockConfigEntry, agents: Sequence[str]) -> None:
        """Take a home in which Morphy is set up."""
        self._hass = hass
        self._house = house
        self._entry = entry
        self._agents = agents
        self._changes = itertools.count(1)
        self._changing = self._in_order_of_change()
        self._watches: dict[str, _Watch] = {}
        self._watch_backend()
        hass.bus.async_listen(EVENT_CALL_SERVICE, self._note_action)

    def _in_order_of_change(self) -> list[Any]:
        """Return the things room by room, those that change by themselves before those that somebody switches."""
        areas = {area: place for place, area in enumerate(self._house.areas.values())}
        registry = er.async_get(self._hass)

        def order(thing: Any) -> tuple[bool, int]:
            entry = registry.async_get(thing.entity_id)
            assert entry
            return thing.domain not in ("sensor", "binary_sensor"), areas[entry.area_id or ""]

        return sorted(self._house.things.values(), key=order)

    @property
    def backend(self) -> Backend:
        """The backend of the entry, which is another one after a reload."""
        backend: Backend = self._entry.runtime_data
        return backend

    def _watch_backend(self) -> None:
        """See what the backend is asked, and when its first piece comes."""
        complete = self.backend.complete

        async def watched(request: Completion) -> AsyncGenerator[str]:
            watch, before = _watch.get(None), self.backend.usage
            if watch:
                watch.completion = request
            async with aclosing(complete(request)) as pieces:
                async for piece in pieces:
                    if watch and watch.first_token is None:
                        watch.first_token = time.perf_counter()
                    yield piece
            if watch and self.backend.usage is not before:
                watch.usage = self.backend.usage

        setattr(self.backend, "complete", watched)  # noqa: B010 - a method is not assigned to

    @callback
    def _note_action(self, event: Event[Any]) -> None:
        watch = self._watches.get(event.context.id)
        if watch and watch.first_action is None:
            watch.first_action = time.perf_counter()

    async def say(self, text: str, conversation_id: str | None = None, agent: int = 0) -> Turn:
        """Ask an agent, in a conversation of its own unless one is named."""
        return await self._converse(text, conversation_id, self._agents[agent])

    async def say_built_in(self, text: str) -> Turn:
        """Ask Home Assistant's own agent."""
        return await self._converse(text, None, conversation.HOME_ASSISTANT_AGENT)

    async def _converse(self, text: str, conversation_id: str | None, agent: str) -> Turn:
        context = Context()
        self._watches[context.id] = watch = _Watch(time.perf_counter())
        _watch.set(watch)
        result = await async_converse(self._hass, text, conversation_id, context, "en", agent)
        ended = time.perf_counter()
        del self._watches[context.id]
        turn = Turn(
            last_word_ms=(ended - watch.began) * 1000,
            first_token_ms=watch.since(watch.first_token),
            first_action_ms=watch.since(watch.first_action),
            speech=result.response.speech.get("plain", {}).get("speech", ""),
            conversation_id=result.conversation_id,
            completion=watch.completion,
        )
        return turn.with_usage(watch.usage)

    async def crowd(self, clients: int, turns: int, requests: Sequence[str]) -> list[Turn]:
        """Let so many clients ask at once, each one request after another in a conversation of its own."""

        async def client(number: int) -> list[Turn]:
            asked = itertools.islice(itertools.cycle(requests), number, number + turns)
            return [await self._converse(text, None, self._agents[number % len(self._agents)]) for text in asked]

        every = await asyncio.gather(*(asyncio.create_task(client(number)) for number in range(clients)))
        return list(itertools.chain.from_iterable(every))

    async def change(self, count: int) -> None:
        """Change the states of so many things, always the same: those first that stand where requests are about."""
        for thing in itertools.islice(itertools.cycle(self._changing), count):
            change(thing, next(self._changes))
        await self._hass.async_block_till_done()

    async def prepare(self, agent: int = 0) -> None:
        """Tell an agent that somebody begins to speak."""
        await async_get_agent(self._hass, self._agents[agent]).async_prepare("en")  # type: ignore[union-attr]

    async def settle(self, seconds: float) -> None:
        """Wait, then until the worker has nothing to do: whatever it reads ahead is read by then."""
        await asyncio.sleep(seconds)
        if (pid := getattr(self.backend, "pid", None)) is None:
            return
        async with asyncio.timeout(PATIENCE):
            used, busy = busy_seconds(pid), True
            while busy:
                await asyncio.sleep(QUIET_SECONDS)
                used, before = busy_seconds(pid), used
                busy = used - before > QUIET_SHARE * QUIET_SECONDS

    async def restart(self) -> float:
        """Reload the entry, which starts another worker; return how many milliseconds that took."""
        began = time.perf_counter()
        await self._hass.config_entries.async_reload(self._entry.entry_id)
        seconds = time.perf_counter() - began
        self._watch_backend()
        return seconds * 1000

    async def decode(self, completion: Completion, grammar: str | None) -> Turn:
        """Have the model answer a prompt once more, under this grammar or under none, past the agent."""
        watch = _Watch(time.perf_counter())
        _watch.set(watch)
        async with aclosing(self.backend.complete(replace(completion, grammar=grammar))) as pieces:
            async for _ in pieces:
                pass
        turn = Turn((time.perf_counter() - watch.began) * 1000, watch.since(watch.first_token))
        return turn.with_usage(watch.usage)

    def whole_grammar(self) -> tuple[str, float]:
        """Return a grammar in which every device of the home can be named, and the milliseconds it took to write."""
        home = snapshot(self._hass)
        began = time.perf_counter()
        grammar = get_dialect(DIALECT).grammar(home)
        return grammar, (time.perf_counter() - began) * 1000

    def memory(self) -> dict[str, float]:
        """Return the resident memory of this process and of the worker, in megabytes."""
        pid = getattr(self.backend, "pid", None)
        return {"home_assistant": resident(os.getpid())} | ({"worker": resident(pid)} if pid else {})

    def busy(self) -> dict[str, float]:
        """Return how many seconds of a core this process and the worker have used."""
        pid = getattr(self.backend, "pid", None)
        return {"home_assistant": busy_seconds(os.getpid())} | ({"worker": busy_seconds(pid)} if pid else {})


@asynccontextmanager
async def household(
    size: int, data: Mapping[str, Any], *, agents: int = 1, max_tokens: int | None = None
) -> AsyncIterator[Household]:
    """Run a home of so many exposed entities, with an entry of Morphy with this data."""
    made = [agent_settings(name, max_tokens) for name in itertools.islice(agent_names(), agents)]
    with tempfile.TemporaryDirectory(prefix="morphy-benchmark-") as config:
        listen_on(Path(config), free_port())  # of its own for each home, and none that others may want
        async with async_test_home_assistant(config_dir=config) as hass:
            hass.loop.set_debug(False)
            for name, level in QUIETER.items():
                logging.getLogger(name).setLevel(level)
            await async_setup_component(hass, "homeassistant", {})
            house = await async_build_home(hass, size)
            entry, ids = await async_add_morphy(hass, data, made)
            try:
                yield Household(hass, house, entry, ids)
            finally:
                with contextlib.suppress(Exception):
                    await hass.config_entries.async_unload(entry.entry_id)
                await hass.async_stop(force=True)


def agent_names() -> Iterator[str]:
    """Yield names for agents."""
    yield from NAMES
    yield from (f"{name} {number}" for number in itertools.count(2) for name in NAMES)


def agent_settings(name: str, max_tokens: int | None) -> dict[str, Any]:
    """Return the settings of an agent of this name, the first of them those that a user gets."""
    settings = default_agent(DIALECT)
    if name != NAMES[0]:
        instructions = get_dialect(DIALECT).default_instructions
        settings[CONF_INSTRUCTIONS] = instructions.replace(NAMES[0], name)
    if max_tokens is not None:
        settings[CONF_MAX_TOKENS] = max_tokens
    return settings


def local(model: Path | None = None, threads: int | None = None) -> dict[str, Any]:
    """Return the data of an entry with a model on this machine, the bundled one unless another is named."""
    data: dict[str, Any] = {"backend": "local"}
    if model is not None:
        data["model_path"] = str(model)
    if threads is not None:
        data["threads"] = threads
    return data
