"""Fifty at once: each gets its own answer, in turn, and Home Assistant's event loop goes on meanwhile."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager, suppress
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from homeassistant.components import conversation
from homeassistant.const import CONF_MODEL, CONF_URL
from homeassistant.core import Context, HomeAssistant

from custom_components.morphy import BUNDLED_MODEL
from custom_components.morphy.backends import Backend, Completion, line
from custom_components.morphy.backends.line import WaitingLine
from custom_components.morphy.backends.remote import SIDE_BY_SIDE, RemoteBackend
from custom_components.morphy.const import BACKEND_LOCAL, BACKEND_REMOTE, CONF_BACKEND, CONF_MODEL_PATH
from custom_components.morphy.errors import BusyError, EmptyAnswerError

from .house import House
from .model_server import ModelServer, stream, write
from .servers import ServerPool
from .test_backend_local import (  # noqa: F401 - the fixtures `make` and `models` are used by their names
    MakeBackend,
    make_fixture,
    models_fixture,
    say,
)
from .test_conversation import add_agent, agent_of, failed, speech

MANY = 50
LONGEST_BLOCK = 0.05
"""Seconds for which the event loop may do one thing."""


def time_in_queue() -> float:
    """Return how many seconds this thread was ready to run while others had the processor."""
    return int(Path("/proc/thread-self/schedstat").read_text().split()[1]) / 1e9


@asynccontextmanager
async def loop_goes_on(longest: float = LONGEST_BLOCK) -> AsyncGenerator[list[float]]:
    """See that nothing blocks the event loop, not counting the time that other processes take the processor away."""
    blocks: list[float] = []
    asyncio.get_running_loop().set_debug(False)  # in which each task keeps the stack that made it

    async def tick() -> None:
        while True:
            began, waited = time.perf_counter(), time_in_queue()
            await asyncio.sleep(0.005)
            blocks.append(time.perf_counter() - began - 0.005 - (time_in_queue() - waited))

    ticking = asyncio.create_task(tick())
    try:
        yield blocks
    finally:
        ticking.cancel()
    assert max(blocks) < longest


async def test_the_loop_monitor_sees_a_block() -> None:
    async with loop_goes_on(longest=10) as blocks:
        await asyncio.sleep(0.01)
        time.sleep(2 * LONGEST_BLOCK)  # noqa: ASYNC251 - that is what it is to see
        await asyncio.sleep(0.01)
    assert max(blocks) > LONGEST_BLOCK


async def ask(backend: Backend, prompt: str, caller: str = "", max_tokens: int = 8) -> str:
    """Return the whole answer, which may be nothing."""
    request = Completion(prompt=prompt, caller=caller, max_tokens=max_tokens)
    pieces = []
    with suppress(EmptyAnswerError):
        async for piece in backend.complete(request):
            pieces.append(piece)  # noqa: PERF401 - they are wanted although it ends in an error
    return "".join(pieces)


# The line


async def test_callers_take_turns() -> None:
    waiting, served = WaitingLine(), []

    async def turn(caller: str, number: int) -> None:
        with await waiting.enter(caller):
            served.append(f"{caller}{number}")
            await asyncio.sleep(0)

    await asyncio.gather(*(turn("a", n) for n in range(4)), turn("b", 0), turn("b", 1), turn("c", 0))
    assert served == ["a0", "a1", "b0", "c0", "a2", "b1", "a3"]
    assert not waiting.busy
    assert waiting.waiting == 0


async def test_whoever_goes_leaves_no_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line, "MAX_WAITING", 2)
    waiting = WaitingLine(2)
    places = [await waiting.enter("a"), await waiting.enter("b")]
    turns = [asyncio.create_task(waiting.enter(caller)) for caller in ("a", "a")]
    await asyncio.sleep(0)
    with pytest.raises(BusyError) as caught:
        await waiting.enter("c")
    assert caught.value.translation_placeholders == {"waiting": "2"}
    turns[0].cancel()
    with suppress(asyncio.CancelledError):
        await turns[0]
    assert waiting.waiting == 1
    places[0].leave()
    places[0].leave()
    (await turns[1]).leave()
    places[1].leave()
    assert not waiting.busy
    assert waiting.waiting == 0


@pytest.mark.parametrize("cancelled_first", [True, False])
async def test_cancelled_in_the_moment_of_being_called(cancelled_first: bool) -> None:
    waiting = WaitingLine()
    place = await waiting.enter("a")
    turns = [asyncio.create_task(waiting.enter("b")) for _ in range(2)]
    await asyncio.sleep(0)
    for step in (turns[0].cancel, place.leave) if cancelled_first else (place.leave, turns[0].cancel):
        step()
    (await asyncio.wait_for(turns[1], 1)).leave()
    assert turns[0].cancelled()
    assert not waiting.busy
    assert waiting.waiting == 0


# One worker


async def test_fifty_on_one_worker(make: MakeBackend) -> None:
    prompts = [f"<|im_start|>user\n{number}\n" for number in range(MANY)]
    alone = make("llama")
    expected = [await ask(alone, prompt) for prompt in prompts]
    assert len(set(expected)) > MANY / 2
    backend = make("llama")
    await backend.start()
    async with loop_goes_on():
        answers = await asyncio.gather(*(ask(backend, prompt, str(n)) for n, prompt in enumerate(prompts)))
    assert answers == expected


async def test_one_who_asks_much_does_not_starve_the_others(make: MakeBackend) -> None:
    backend = make("endless")
    await backend.start()
    served: list[str] = []

    async def turn(caller: str) -> None:
        await ask(backend, "hi\n", caller, 20)
        served.append(caller)

    greedy = [asyncio.create_task(turn("greedy")) for _ in range(30)]
    await asyncio.sleep(0)
    modest = [asyncio.create_task(turn(f"modest {number}")) for number in range(10)]
    await asyncio.gather(*greedy, *modest)
    assert all(f"modest {number}" in served[: 11 + 2] for number in range(10))


async def test_a_worker_is_busy_past_the_bound(make: MakeBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line, "MAX_WAITING", 5)
    backend = make("endless", context_length=60000)
    await backend.start()
    long = asyncio.create_task(ask(backend, "hi\n", "long", 50000))
    await asyncio.sleep(0.1)
    turns = [asyncio.create_task(ask(backend, "hi\n", str(number), 3)) for number in range(5)]
    await asyncio.sleep(0)
    with pytest.raises(BusyError):
        await ask(backend, "hi\n")
    await backend.prefill("hi\n")  # not now, and without a word
    turns[2].cancel()
    await asyncio.sleep(0)
    turns[2] = asyncio.create_task(ask(backend, "hi\n", "new", 3))
    await asyncio.sleep(0)
    assert not turns[2].done()
    long.cancel()
    assert await asyncio.wait_for(asyncio.gather(*turns), 20) == ["abc"] * 5
    with pytest.raises(asyncio.CancelledError):
        await long


async def test_whoever_reads_slowly_keeps_no_one_waiting(make: MakeBackend) -> None:
    """An answer's reader may wait for a device that it has switched; the model is free for the next one meanwhile."""
    backend = make("endless")
    async with aclosing(backend.complete(Completion(prompt="hi\n", max_tokens=20))) as slow:
        assert await anext(slow) == "a"
        assert await asyncio.wait_for(say(backend, max_tokens=3), 20) == "abc"
        assert "".join([piece async for piece in slow]) == "bc" + "abc" * 5 + "ab"


# A server


async def echo(request: web.Request) -> web.StreamResponse:
    """Answer with the number in the user's words, one digit at a time."""
    prompt = str((await request.json())["prompt"])
    response = await stream(request)
    for digit in "".join(re.findall(r"number (\d+)", prompt)[-1:]) or "0":
        await asyncio.sleep(0.01)
        await write(response, digit)
    await write(response, "", "stop")
    return response


async def test_fifty_on_a_server(server: ModelServer) -> None:
    at_once, most = 0, 0

    async def counted(request: web.Request) -> web.StreamResponse:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        try:
            return await echo(request)
        finally:
            at_once -= 1

    server.completion = counted
    async with aiohttp.ClientSession() as session:
        backend = RemoteBackend(session, await server.start(), model="home-3b")
        await backend.start()
        async with loop_goes_on():
            answers = await asyncio.gather(*(ask(backend, f"number {n}", str(n)) for n in range(1000, 1000 + MANY)))
        await backend.close()
    assert answers == [str(n) for n in range(1000, 1000 + MANY)]
    assert 1 < most <= SIDE_BY_SIDE


@pytest.mark.parametrize("kind", ["llama.cpp", "llama-cpp-python"])
async def test_fifty_on_a_real_server(
    make: MakeBackend, models: Path, socket_enabled: None, tmp_path: Path, kind: str
) -> None:
    prompts = [f"<|im_start|>user\n{number}\n" for number in range(MANY)]
    pool = ServerPool(tmp_path)
    try:
        url = await pool.url(kind, models / "llama.gguf")
        async with aiohttp.ClientSession() as session:
            backend = RemoteBackend(session, url)
            await backend.start()
            alone = [await ask(backend, prompt, max_tokens=4) for prompt in prompts[:5]]
            async with loop_goes_on():
                answers = await asyncio.gather(*(ask(backend, prompt, prompt, 4) for prompt in prompts))
            await backend.close()
    finally:
        pool.stop()
    assert answers[:5] == alone
    assert len(set(answers)) > MANY / 2


# In Home Assistant


async def converse(hass: HomeAssistant, agent: str, text: str) -> conversation.ConversationResult:
    """Return the answer to the first message of a conversation."""
    return await conversation.async_converse(hass, text, None, Context(), "en", agent)


async def test_fifty_conversations_with_a_server(hass: HomeAssistant, house: House, server: ModelServer) -> None:
    server.completion = echo
    entry = await add_agent(hass, {CONF_BACKEND: BACKEND_REMOTE, CONF_URL: await server.start(), CONF_MODEL: "home-3b"})
    agent = agent_of(hass, entry)
    await converse(hass, agent, "number 1")  # what Home Assistant loads once
    async with loop_goes_on():
        results = await asyncio.gather(*(converse(hass, agent, f"number {1000 + n}") for n in range(MANY)))
    assert [speech(result) for result in results] == [str(n) for n in range(1000, 1000 + MANY)]
    await hass.config_entries.async_unload(entry.entry_id)


async def test_busy_is_said_in_words(
    hass: HomeAssistant,
    house: House,
    server: ModelServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(line, "MAX_WAITING", 3)
    release = asyncio.Event()

    async def held(request: web.Request) -> web.StreamResponse:
        await release.wait()
        return await echo(request)

    server.completion = echo
    entry = await add_agent(hass, {CONF_BACKEND: BACKEND_REMOTE, CONF_URL: await server.start(), CONF_MODEL: "home-3b"})
    agent = agent_of(hass, entry)
    server.completion = held
    turns = asyncio.as_completed([converse(hass, agent, f"number {n}") for n in range(1000, 1000 + MANY)])
    busy = [await next(turns) for _ in range(MANY - SIDE_BY_SIDE - 3)]
    release.set()
    assert not [turn for turn in turns if failed(await turn)]
    assert {speech(result) for result in busy} == {
        "I am busy right now: 3 requests are waiting. Please ask again in a moment."
    }
    assert not failed(await converse(hass, agent, "number 7"))
    await hass.config_entries.async_unload(entry.entry_id)


REQUESTS = ("turn on the coffee machine", "turn off the ceiling light", "is the front door locked")


@pytest.mark.parametrize("count", [8, pytest.param(MANY, marks=pytest.mark.long)])
async def test_conversations_with_the_bundled_model(
    hass: HomeAssistant,
    house: House,
    socket_enabled: None,
    count: int,
) -> None:
    data = {CONF_BACKEND: BACKEND_LOCAL, CONF_MODEL_PATH: str(BUNDLED_MODEL)}
    entry = await add_agent(hass, data)
    agent = agent_of(hass, entry)
    for request in REQUESTS:
        await converse(hass, agent, request)  # afterwards all is as it was asked for
    expected = [speech(await converse(hass, agent, request)) for request in REQUESTS]
    async with loop_goes_on():
        results = await asyncio.gather(*(converse(hass, agent, REQUESTS[n % len(REQUESTS)]) for n in range(count)))
    assert [speech(result) for result in results] == [expected[n % len(REQUESTS)] for n in range(count)]
    await hass.config_entries.async_unload(entry.entry_id)
