"""A server behind a network that fails in every way: what comes of it, how fast, and that nothing leaks or repeats.

The faults are those of `fault_proxy.py`, in front of the scripted server of `model_server.py`.
"""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import ssl
import time
from collections.abc import AsyncGenerator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from homeassistant.const import EVENT_CALL_SERVICE
from homeassistant.core import HomeAssistant
from pytest_homeassistant_custom_component.common import MockConfigEntry, async_capture_events
from yarl import URL

from custom_components.morphy.backends import Completion
from custom_components.morphy.backends.breaker import Breaker
from custom_components.morphy.backends.connection import MAX_REASON, MAX_RETRY_AFTER
from custom_components.morphy.backends.remote import RemoteBackend
from custom_components.morphy.errors import (
    BackendError,
    ServerCertificateError,
    ServerStatusError,
    ServerTimeoutError,
    ServerUnreachableError,
)

from .fault_proxy import FAULTS, LATE_FAULTS, SLOW_BODY, FaultProxy
from .house import House
from .model_server import ModelServer
from .servers import ServerPool
from .test_conversation import Talk, add_agent, agent_of, failed, speech
from .tiny_model import write_tiny_model

KEY = "sk-never-to-be-seen-0123456789"
TIMEOUT = 0.5
SLACK = 1.5
"""Seconds that a busy machine may add to a limit."""
TOGGLE = "switch.toggle(switch.relay_7)\nToggled Coffee Machine."
PATIENCE = 1

COMPLETIONS = "/v1/completions"


@pytest.fixture(autouse=True)
def no_key_in_the_log(caplog: pytest.LogCaptureFixture) -> Any:
    """Look for the key in all that was logged, down to the last detail."""
    caplog.set_level(logging.DEBUG)
    yield
    for record in [*caplog.get_records("setup"), *caplog.get_records("call")]:
        assert KEY not in logging.Formatter().format(record)


@pytest.fixture(name="proxy")
async def proxy_fixture(server: ModelServer) -> AsyncGenerator[FaultProxy]:
    """Return a proxy, not yet listening, in front of a server that wants the key."""
    server.key = KEY
    url = URL(await server.start())
    assert url.host
    assert url.port
    proxy = FaultProxy((url.host, url.port))
    yield proxy
    await proxy.stop()


@pytest.fixture(name="session")
async def session_fixture(socket_enabled: None) -> AsyncGenerator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def backend_at(session: aiohttp.ClientSession, url: str) -> RemoteBackend:
    backend = RemoteBackend(session, url, api_key=KEY, timeout=TIMEOUT)
    await backend.start()
    return backend


async def say(backend: RemoteBackend) -> str:
    return "".join([piece async for piece in backend.complete(Completion(prompt="Hello"))])


async def _to_the_end(answer: AsyncGenerator[str]) -> None:
    async for _ in answer:
        pass


def assert_silent_about_the_key(error: BaseException) -> None:
    """Neither the error nor what it came from holds the key."""
    seen: BaseException | None = error
    while seen:
        assert KEY not in f"{seen!r} {vars(seen)}"
        seen = seen.__cause__ or seen.__context__


# One request


@pytest.mark.parametrize("fault", FAULTS)
async def test_every_fault_is_a_named_error_in_time(
    proxy: FaultProxy, session: aiohttp.ClientSession, fault: str
) -> None:
    backend = await backend_at(session, await proxy.start())
    before = proxy.count(COMPLETIONS)
    proxy.fault = FAULTS[fault]
    began = time.monotonic()
    with pytest.raises(BackendError) as caught:
        await say(backend)
    # An answer may take ten times the limit as a whole, while the server shows signs of life.
    assert time.monotonic() - began < (10 if fault in ("slow head", "endless comments") else 3) * TIMEOUT + SLACK
    assert_silent_about_the_key(caught.value)
    assert len((caught.value.translation_placeholders or {}).get("reason", "")) <= MAX_REASON
    assert proxy.count(COMPLETIONS) - before <= 4, "bounded"
    proxy.fault = None
    assert await say(backend) == "Hi there"
    await backend.close()


@pytest.mark.parametrize("fault", FAULTS)
async def test_every_fault_while_a_server_is_looked_at(
    proxy: FaultProxy, session: aiohttp.ClientSession, fault: str
) -> None:
    url = await proxy.start()
    proxy.fault = FAULTS[fault]
    for call in ("list_models", "start"):
        backend = RemoteBackend(session, url, api_key=KEY, timeout=TIMEOUT)
        began = time.monotonic()
        with pytest.raises(BackendError) as caught:
            await getattr(backend, call)()
        assert time.monotonic() - began < 5 * TIMEOUT + SLACK
        assert_silent_about_the_key(caught.value)
        await backend.close()


@pytest.mark.parametrize("fault", LATE_FAULTS)
async def test_a_failure_after_a_word_is_told_and_nothing_is_asked_twice(
    proxy: FaultProxy, session: aiohttp.ClientSession, server: ModelServer, fault: str
) -> None:
    backend = await backend_at(session, await proxy.start())
    server.words = ["one ", "two ", "three ", "four ", "five ", "six "]
    before = proxy.count(COMPLETIONS)
    proxy.fault = LATE_FAULTS[fault]
    answer = backend.complete(Completion(prompt="Hello"))
    assert await anext(answer) == "one "
    with pytest.raises(BackendError):
        await asyncio.wait_for(_to_the_end(answer), 10 * TIMEOUT)
    assert proxy.count(COMPLETIONS) - before == 1
    await backend.close()


async def test_a_slow_body_is_an_answer(proxy: FaultProxy, session: aiohttp.ClientSession, server: ModelServer) -> None:
    backend = await backend_at(session, await proxy.start())
    server.words = ["one ", "two ", "three "]
    proxy.fault = SLOW_BODY
    assert await say(backend) == "one two three "
    await backend.close()


@pytest.mark.parametrize(("fault", "sent"), [("503", 2), ("429", 1), ("500", 1), ("400", 1), ("404", 1), ("reset", 4)])
async def test_only_what_may_pass_is_tried_again(
    proxy: FaultProxy, session: aiohttp.ClientSession, fault: str, sent: int
) -> None:
    """A connection that is reset has a second attempt of its own, since kept ones look so after a restart."""
    backend = await backend_at(session, await proxy.start())
    before = proxy.count(COMPLETIONS)
    proxy.fault = FAULTS[fault]
    with pytest.raises(BackendError):
        await say(backend)
    assert proxy.count(COMPLETIONS) - before == sent
    await backend.close()


@pytest.mark.parametrize("fault", ["503", "502", "reset", "hangs up", "reset in the head"])
async def test_one_failure_that_passes_is_not_noticed(
    proxy: FaultProxy, session: aiohttp.ClientSession, fault: str
) -> None:
    backend = await backend_at(session, await proxy.start())

    async def once(request: Any) -> None:
        proxy.fault = None
        await FAULTS[fault](request)

    proxy.fault = once
    assert await say(backend) == "Hi there"
    await backend.close()


@pytest.mark.parametrize(("fault", "low", "high"), [("429", 2, 2), ("429 until a date", 3600, MAX_RETRY_AFTER)])
async def test_how_long_to_wait_is_taken_from_the_server(
    proxy: FaultProxy, session: aiohttp.ClientSession, fault: str, low: float, high: float
) -> None:
    backend = await backend_at(session, await proxy.start())
    proxy.fault = FAULTS[fault]
    with pytest.raises(ServerStatusError) as caught:
        await say(backend)
    assert low <= caught.value.retry_after <= high
    await backend.close()


async def test_refused(proxy: FaultProxy, session: aiohttp.ClientSession) -> None:
    backend = await backend_at(session, await proxy.start())
    await proxy.stop()
    began = time.monotonic()
    with pytest.raises(ServerUnreachableError):
        await say(backend)
    assert time.monotonic() - began < SLACK


async def test_nobody_answers_the_connection(session: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch) -> None:
    """A queue that is full: the machine is there, and takes no connection, as behind a firewall that drops packets."""
    monkeypatch.setattr("custom_components.morphy.backends.connection.CONNECT_TIMEOUT", 0.3)
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting = [socket.socket() for _ in range(3)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        backend = RemoteBackend(session, f"http://127.0.0.1:{full.getsockname()[1]}", api_key=KEY, timeout=TIMEOUT)
        began = time.monotonic()
        with pytest.raises((ServerUnreachableError, ServerTimeoutError)):
            await backend.start()
        assert time.monotonic() - began < TIMEOUT + SLACK
        for one in waiting:
            one.close()


def certificate(folder: Path, name: str, days: int) -> ssl.SSLContext:
    """Return the TLS of a server whose certificate nobody has signed but itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=30))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / f"{name}.pem"
    pem = serialization.Encoding.PEM
    path.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()) + made.public_bytes(pem)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


@pytest.mark.parametrize(("name", "days"), [("localhost", 30), ("another.example", 30), ("localhost", -1)])
async def test_a_certificate_that_is_not_trusted(
    proxy: FaultProxy, session: aiohttp.ClientSession, tmp_path: Path, name: str, days: int
) -> None:
    url = await proxy.start(certificate(tmp_path, name, days))
    with pytest.raises(ServerCertificateError) as caught:
        await RemoteBackend(session, url, api_key=KEY, timeout=TIMEOUT).start()
    assert caught.value.translation_placeholders == {"url": url}
    assert not proxy.requests, "no key was sent"


async def test_tls_where_there_is_none(server: ModelServer, session: aiohttp.ClientSession) -> None:
    url = (await server.start()).replace("http:", "https:")
    with pytest.raises(ServerCertificateError):
        await RemoteBackend(session, url, api_key=KEY, timeout=5).start()


async def test_no_tls_where_there_is_some(proxy: FaultProxy, session: aiohttp.ClientSession, tmp_path: Path) -> None:
    url = (await proxy.start(certificate(tmp_path, "localhost", 30))).replace("https:", "http:")
    with pytest.raises(BackendError):
        await RemoteBackend(session, url, api_key=KEY, timeout=TIMEOUT).start()


async def test_a_redirect_gets_no_key(proxy: FaultProxy, session: aiohttp.ClientSession) -> None:
    elsewhere = FaultProxy(proxy.upstream)
    target = await elsewhere.start()

    async def redirect(request: Any) -> None:
        await request.send(f"HTTP/1.1 307 Elsewhere\r\nLocation: {target}/v1/completions\r\n\r\n".encode())

    backend = await backend_at(session, await proxy.start())
    proxy.fault = redirect
    with pytest.raises(ServerStatusError):
        await say(backend)
    assert not elsewhere.requests
    await elsewhere.stop()


@pytest.mark.parametrize("words", [f"Bad key {KEY}", f"line\nbreak \x1b[31m {KEY}", f"{'x' * 190}{KEY}"])
async def test_a_server_that_repeats_the_key(proxy: FaultProxy, session: aiohttp.ClientSession, words: str) -> None:
    body = json.dumps({"error": {"message": words}}).encode()

    async def repeat(request: Any) -> None:
        await request.send(b"HTTP/1.1 500 Oops\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))

    backend = await backend_at(session, await proxy.start())
    proxy.fault = repeat
    with pytest.raises(ServerStatusError) as caught:
        await say(backend)
    assert_silent_about_the_key(caught.value)
    reason = (caught.value.translation_placeholders or {})["reason"]
    assert KEY[:10] not in reason
    assert reason.isprintable()


# A whole turn, with another entry to fall back to


@pytest.fixture(name="impatient")
def impatient_fixture(monkeypatch: pytest.MonkeyPatch) -> None:
    """Probe soon."""
    for name, seconds in (("first_pause", 0.2), ("longest_pause", 0.4)):
        monkeypatch.setitem(Breaker.__init__.__kwdefaults__, name, seconds)


class Stand:
    """An agent whose server is behind the proxy, with another server to fall back to; both write the same."""

    def __init__(self, talk: Talk, other: ModelServer, proxy: FaultProxy, entry: MockConfigEntry) -> None:
        self.talk, self.other, self.proxy, self.entry = talk, other, proxy, entry
        self.calls = async_capture_events(talk.hass, EVENT_CALL_SERVICE)

    @property
    def toggles(self) -> int:
        """How often the switch was toggled."""
        return sum(event.data["service"] == "toggle" for event in self.calls)

    async def own_again(self) -> None:
        """Wait until the agent's own server may be asked again."""
        async with asyncio.timeout(10):
            while self.entry.runtime_data.breaker.open:  # noqa: ASYNC110
                await asyncio.sleep(0.02)


@pytest.fixture(name="stand")
async def stand_fixture(
    hass: HomeAssistant,
    house: House,
    server: ModelServer,
    proxy: FaultProxy,
    impatient: None,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncGenerator[Stand]:
    other = ModelServer()
    data = {"backend": "remote", "url": await other.start(), "model": "morphy-7b"}
    second = await add_agent(hass, data)
    data = {"backend": "remote", "url": await proxy.start(), "model": "morphy-7b", "api_key": KEY}
    entry = await add_agent(hass, data, fallback=[second.entry_id], fallback_after=PATIENCE)
    talk = Talk(hass, server)
    talk.agent = agent_of(hass, entry)
    for model in (server, other):
        model.words = [TOGGLE[n : n + 3] for n in range(0, len(TOGGLE), 3)]
        model.asked.clear()
    yield Stand(talk, other, proxy, entry)
    for loaded in (entry, second):
        await hass.config_entries.async_unload(loaded.entry_id)
    await other.stop()


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what Morphy has warned of."""
    return [
        record.getMessage()
        for record in caplog.records
        if record.name.startswith("custom_components.morphy") and record.levelno >= logging.WARNING
    ]


@pytest.mark.parametrize(
    "fault", sorted(FAULTS.keys() - {"429 until a date"})
)  # that one asks to be left alone for hours
async def test_a_turn_falls_back_and_comes_back(
    stand: Stand,
    house: House,
    fault: str,
    caplog: pytest.LogCaptureFixture,
    record_property: Callable[[str, object], None],
) -> None:
    stand.proxy.fault = FAULTS[fault]
    began = time.monotonic()
    result = await stand.talk.say("toggle the coffee machine")
    took = time.monotonic() - began
    record_property("seconds", round(took, 2))
    assert took < PATIENCE + 2
    assert speech(result) == "Toggled Coffee Machine."
    assert not failed(result)
    assert stand.toggles == 1
    assert len(stand.other.asked) == 1
    assert len(warnings(caplog)) == 1

    # Now it is known: the other is asked at once, and nothing is logged again.
    began = time.monotonic()
    assert speech(await stand.talk.say("toggle the coffee machine")) == "Toggled Coffee Machine."
    assert time.monotonic() - began < PATIENCE
    assert stand.toggles == 2
    assert len(stand.other.asked) == 2
    assert len(warnings(caplog)) == 1

    stand.proxy.fault = None
    await stand.own_again()
    assert speech(await stand.talk.say("toggle the coffee machine")) == "Toggled Coffee Machine."
    assert stand.toggles == 3
    assert len(stand.other.asked) == 2, "its own server has answered"
    assert caplog.text.count("answers again") == 1
    assert KEY not in str(result.as_dict())


@pytest.mark.parametrize("fault", LATE_FAULTS)
async def test_nothing_is_done_twice(stand: Stand, fault: str) -> None:
    stand.entry.runtime_data._connection._timeout = TIMEOUT
    stand.proxy.fault = LATE_FAULTS[fault]
    result = await stand.talk.say("toggle the coffee machine")
    assert not stand.other.asked, "a word had come"
    assert stand.toggles <= 1
    assert "Toggled" not in speech(result)
    assert ("only part" in speech(result)) is (stand.toggles == 1)
    assert result.response.error_code


async def test_a_real_server_that_is_killed_and_started_again(
    hass: HomeAssistant, house: House, impatient: None, tmp_path: Path, socket_enabled: None
) -> None:
    """llama.cpp's own server, ended with SIGKILL as the kernel does when memory runs out."""
    model = write_tiny_model(tmp_path / "model.gguf", chain=b"Ok", context_length=12_000)
    pool, other = ServerPool(tmp_path), ModelServer()

    async def start() -> tuple[str, int]:
        url = URL(await pool.url("llama.cpp", model, "-c", "12000"))
        return str(url.host), int(url.port or 0)

    try:
        proxy = FaultProxy(await start())
        second = await add_agent(hass, {"backend": "remote", "url": await other.start(), "model": "home-3b"})
        entry = await add_agent(hass, {"backend": "remote", "url": await proxy.start()}, fallback=[second.entry_id])
        talk = Talk(hass, other)
        talk.agent = agent_of(hass, entry)
        assert speech(await talk.say("hello")) == "Ok"
        pool.stop()
        began = time.monotonic()
        assert speech(await talk.say("hello")) == "Hi there"
        assert time.monotonic() - began < 2
        pool = ServerPool(tmp_path)
        proxy.upstream = await start()
        await Stand(talk, other, proxy, entry).own_again()
        assert speech(await talk.say("hello")) == "Ok"
        for loaded in (entry, second):
            await hass.config_entries.async_unload(loaded.entry_id)
        await proxy.stop()
    finally:
        await other.stop()
        pool.stop()
