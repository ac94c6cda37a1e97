"""The remote backend: against two real servers with a model of ours, and against servers that misbehave."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from itertools import pairwise
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from hypothesis import given, strategies as st

from custom_components.morphy.backends import Completion, remote
from custom_components.morphy.backends.remote import RemoteBackend
from custom_components.morphy.backends.sse import MAX_EVENT, EventReader, LineReader
from custom_components.morphy.errors import (
    BackendError,
    EmptyAnswerError,
    PromptTooLongError,
    ServerAuthError,
    ServerBadAnswerError,
    ServerBrokeOffError,
    ServerModelMissingError,
    ServerNoCompletionError,
    ServerStatusError,
    ServerTimeoutError,
    ServerUnreachableError,
)

from .servers import Handler, ServerPool, repeating, serving, streaming
from .tiny_model import write_tiny_model

type MakeBackend = Callable[..., RemoteBackend]

TEXT = "Lamp€5 ok"
PROMPT = "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n"
REAL = pytest.mark.parametrize("kind", ["llama.cpp", "llama-cpp-python"])
MODELS: dict[str, Any] = {"data": [{"id": "tiny"}]}
KEY = "sk-a-very-secret-key"


@pytest.fixture(name="pool", scope="session")
def pool_fixture(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerPool]:
    """Return the real servers."""
    pool = ServerPool(tmp_path_factory.mktemp("servers"))
    yield pool
    pool.stop()


@pytest.fixture(name="models", scope="session")
def models_fixture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of small models."""
    folder = tmp_path_factory.mktemp("models")
    write_tiny_model(folder / "text.gguf", chain=TEXT.encode(), context_length=4096)
    write_tiny_model(folder / "endless.gguf", chain=b"abc", endless=True, context_length=4096)
    return folder


@pytest.fixture(name="make")
async def make_fixture(socket_enabled: None) -> AsyncGenerator[MakeBackend]:
    """Return a way to make backends that share a session."""
    made: list[RemoteBackend] = []
    async with aiohttp.ClientSession() as session:

        def make(url: str, **options: Any) -> RemoteBackend:
            made.append(RemoteBackend(session, url, **options))
            return made[-1]

        yield make
        for backend in made:
            await backend.close()


async def say(backend: RemoteBackend, prompt: str = PROMPT, **options: Any) -> str:
    """Return the whole answer."""
    return "".join([piece async for piece in backend.complete(Completion(prompt=prompt, **options))])


def event(text: str, finish: str | None = None) -> bytes:
    """Return an event as OpenAI's interface has it."""
    return f"data: {json.dumps({'choices': [{'text': text, 'finish_reason': finish}]})}\n\n".encode()


DONE = b"data: [DONE]\n\n"


# Real servers


@REAL
async def test_real_server_tells_what_it_is(make: MakeBackend, pool: ServerPool, models: Path, kind: str) -> None:
    url = await pool.url(kind, models / "text.gguf")
    backend = make(url)
    info = await backend.start()
    assert backend.kind == kind
    assert info.grammar
    assert [info.model] == await backend.list_models()
    if kind == "llama.cpp":
        assert info.context_length == 4096
        assert info.chat_template
    assert await backend.count_tokens("<|im_start|>user\né<|im_end|>") == 9


@REAL
async def test_real_server_streams(make: MakeBackend, pool: ServerPool, models: Path, kind: str) -> None:
    backend = make(f"{await pool.url(kind, models / 'text.gguf')}/v1/")
    pieces = [piece async for piece in backend.complete(Completion(prompt=PROMPT))]
    assert "".join(pieces) == TEXT
    assert len(pieces) > 5
    assert backend.usage
    assert backend.usage.completion_tokens >= len(TEXT)


@REAL
@pytest.mark.parametrize(("stop", "text"), [(("p€5",), "Lam"), (("okay",), TEXT), (("ok", "€"), "Lamp")])
async def test_real_server_stops(
    make: MakeBackend, pool: ServerPool, models: Path, kind: str, stop: tuple[str, ...], text: str
) -> None:
    assert await say(make(await pool.url(kind, models / "text.gguf")), stop=(*stop, "<|im_end|>")) == text


@REAL
async def test_real_server_honours_grammar_and_limit(
    make: MakeBackend, pool: ServerPool, models: Path, kind: str
) -> None:
    backend = make(await pool.url(kind, models / "endless.gguf"))
    assert await say(backend, grammar='root ::= "light." ("kitchen" | "hall") "!"') in ("light.kitchen!", "light.hall!")
    assert await say(backend, max_tokens=10) == "abcabcabca"


@REAL
async def test_real_server_says_nothing(make: MakeBackend, pool: ServerPool, models: Path, kind: str) -> None:
    with pytest.raises(EmptyAnswerError):
        await say(make(await pool.url(kind, models / "text.gguf")), "a newline is lacking here: Q")


@REAL
async def test_real_server_prompt_too_long(make: MakeBackend, pool: ServerPool, models: Path, kind: str) -> None:
    backend = make(await pool.url(kind, models / "text.gguf"))
    # llama_cpp.server only ends its stream, without a word.
    expected = PromptTooLongError if kind == "llama.cpp" else ServerBrokeOffError
    with pytest.raises(expected) as caught:
        await say(backend, "x" * 5000 + "\n")
    if kind == "llama.cpp":
        assert caught.value.translation_placeholders == {"tokens": "5001", "context_length": "4096"}
    assert await say(backend) == TEXT


@REAL
async def test_real_server_stops_writing_for_who_left(
    make: MakeBackend, pool: ServerPool, models: Path, kind: str
) -> None:
    url = await pool.url(kind, models / "endless.gguf")
    backend = make(url)
    async with aclosing(backend.complete(Completion(prompt=PROMPT, max_tokens=4000))) as answer:
        assert await anext(answer)
    turn = asyncio.create_task(say(backend, max_tokens=4000))
    await asyncio.sleep(0.1)
    turn.cancel()
    with pytest.raises(asyncio.CancelledError):
        await turn
    started = time.perf_counter()
    assert await say(backend, max_tokens=3) == "abc"
    assert time.perf_counter() - started < 2


@REAL
async def test_real_server_requests_queue(make: MakeBackend, pool: ServerPool, models: Path, kind: str) -> None:
    backend = make(await pool.url(kind, models / "endless.gguf"))
    answers = await asyncio.gather(*(say(backend, max_tokens=number) for number in (300, 3, 100)))
    assert [len(answer) for answer in answers] == [300, 3, 100]


@REAL
async def test_real_server_prefill(make: MakeBackend, pool: ServerPool, models: Path, kind: str) -> None:
    backend = make(await pool.url(kind, models / "text.gguf"))
    home = "light.kitchen = on " * 50
    await backend.prefill(home)
    assert await say(backend, f"{home}\n") == TEXT
    if kind == "llama.cpp":
        assert backend.usage
        assert backend.usage.cached_tokens > len(home) - 64


@REAL
async def test_real_server_has_another_model(make: MakeBackend, pool: ServerPool, models: Path, kind: str) -> None:
    url = await pool.url(kind, models / "text.gguf")
    with pytest.raises(ServerModelMissingError) as caught:
        await make(url, model="gpt-17").start()
    assert caught.value.translation_placeholders == {"url": url, "model": "gpt-17"}


async def test_real_server_wants_a_key(make: MakeBackend, pool: ServerPool, models: Path, tmp_path: Path) -> None:
    model = write_tiny_model(tmp_path / "guarded.gguf", chain=TEXT.encode())
    url = await pool.url("llama.cpp", model, "--api-key", KEY)
    for key in (None, "wrong"):
        with pytest.raises(ServerAuthError):
            await make(url, api_key=key).start()
    backend = make(url, api_key=KEY)
    assert (await backend.start()).grammar
    assert await say(backend) == TEXT


# Servers that misbehave


async def test_nobody_listens(make: MakeBackend) -> None:
    async with serving({}) as url:
        pass
    for call in (make(url).start(), make(url).list_models(), say(make(url))):
        with pytest.raises(ServerUnreachableError) as caught:
            await call
        assert caught.value.translation_placeholders == {"url": url}
    await make(url).prefill("x")


@pytest.mark.parametrize("url", ["", "http://", "ftp://127.0.0.1", "http://[", "http://host:99999", "no such host"])
async def test_address_that_is_none(make: MakeBackend, url: str) -> None:
    with pytest.raises(ServerUnreachableError):
        await make(url).start()


async def test_server_that_does_not_answer(make: MakeBackend) -> None:
    async def sleep(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(30)
        raise AssertionError

    async with serving({"*": sleep}) as url:
        with pytest.raises(ServerTimeoutError) as caught:
            await make(url, timeout=0.3).start()
        assert caught.value.translation_placeholders == {"url": url, "seconds": "0.3"}


async def test_server_that_stops_answering(make: MakeBackend) -> None:
    async with completing(streaming(event("a"), 30.0)) as url:
        backend = make(url, timeout=0.3)
        answer = backend.complete(Completion(prompt=PROMPT))
        assert await anext(answer) == "a"
        with pytest.raises(ServerTimeoutError):
            await anext(answer)


async def test_slow_but_alive(make: MakeBackend) -> None:
    pieces = (b": keep-alive\n\n", 0.2, b": keep-alive\n\n", 0.2, b": keep-alive\n\n", 0.2, event("a"), 0.2, DONE)
    async with completing(streaming(*pieces)) as url:
        assert await say(make(url, timeout=0.4)) == "a"


@pytest.mark.parametrize("status", [401, 403])
async def test_key_refused(make: MakeBackend, status: int, caplog: pytest.LogCaptureFixture) -> None:
    async def refuse(request: web.Request) -> web.StreamResponse:
        words = f"Incorrect API key provided: {request.headers['Authorization']}"
        return web.json_response({"error": {"message": words}}, status=status)

    async with serving({"*": refuse}) as url:
        with pytest.raises(ServerAuthError) as caught:
            await make(url, api_key=KEY).start()
    assert KEY not in repr(caught.value.translation_placeholders)
    assert KEY not in caplog.text


@pytest.mark.parametrize("status", [301, 404, 418, 500, 502, 503, 599])
async def test_status(make: MakeBackend, status: int, caplog: pytest.LogCaptureFixture) -> None:
    async def fail(request: web.Request) -> web.StreamResponse:
        words = f"no luck with {request.headers['Authorization']} {'x' * 1000}"
        return web.json_response({"error": {"message": words}}, status=status, headers={"Location": "/elsewhere"})

    async with serving({"*": fail}) as url:
        for call in (make(url, api_key=KEY).start(), make(url, api_key=KEY).list_models()):
            with pytest.raises(ServerStatusError) as caught:
                await call
            placeholders = caught.value.translation_placeholders
            assert placeholders
            assert placeholders["status"] == str(status)
            assert placeholders["reason"].startswith("no luck with Bearer ***")
            assert len(placeholders["reason"]) <= 200
    assert KEY not in caplog.text


async def test_user_and_password_in_the_address(make: MakeBackend) -> None:
    seen: list[str | None] = []

    async def fail(request: web.Request) -> web.StreamResponse:
        seen.append(request.headers.get("Authorization"))
        raise web.HTTPInternalServerError

    async with serving({"*": fail}) as url:
        with pytest.raises(ServerStatusError) as caught:
            await make(url.replace("http://", "http://someone:secret@") + "/v1?token=secret").start()
        assert caught.value.translation_placeholders
        assert caught.value.translation_placeholders["url"] == url
        assert "secret" not in repr(caught.value.translation_placeholders)
        assert seen[0] == aiohttp.encode_basic_auth("someone", "secret")


async def test_web_page(make: MakeBackend) -> None:
    async def page(request: web.Request) -> web.StreamResponse:
        return web.Response(text="<!DOCTYPE html><title>Welcome</title>", content_type="text/html")

    async with serving({"*": page}) as url:
        for call in (make(url).start(), make(url).list_models(), say(make(url))):
            with pytest.raises(ServerBadAnswerError) as caught:
                await call
            assert caught.value.translation_placeholders == {"url": url, "reason": "it sent a web page"}
    async with completing(page) as url:
        with pytest.raises(ServerBadAnswerError):
            await say(make(url))


@pytest.mark.parametrize("answer", [[], {"data": 3}, {"data": [{}]}, {"error": "Unexpected endpoint"}, None, "x"])
async def test_list_that_is_none(make: MakeBackend, answer: Any) -> None:
    async with serving({"/v1/models": lambda _: _json(answer)}) as url:
        with pytest.raises(ServerBadAnswerError):
            await make(url).list_models()


async def test_answer_that_is_too_long(make: MakeBackend) -> None:
    async with serving({"*": repeating(b"[" * 2**16, content_type="application/json")}) as url:
        with pytest.raises(ServerBadAnswerError):
            await make(url).list_models()


async def test_server_without_raw_completion(make: MakeBackend) -> None:
    async with serving({"/v1/models": MODELS, "/v1/chat/completions": {}}) as url:
        with pytest.raises(ServerNoCompletionError):
            await make(url).start()


async def test_model_taken_away(make: MakeBackend) -> None:
    async def missing(request: web.Request) -> web.StreamResponse:
        return web.json_response({"error": {"message": "The model `tiny` does not exist."}}, status=404)

    async with completing(missing) as url:
        with pytest.raises(ServerModelMissingError):
            await say(make(url, model="tiny"))


@pytest.mark.parametrize(
    "handler",
    [
        streaming(event("a"), cut=True),
        streaming(event("a")),
        streaming(b"data: {"),
        streaming(),
        streaming(cut=True),
    ],
)
async def test_server_that_breaks_off(make: MakeBackend, handler: Handler) -> None:
    async with completing(handler) as url:
        with pytest.raises((ServerBrokeOffError, ServerBadAnswerError)) as caught:
            await say(make(url))
        assert caught.value.translation_placeholders
        assert caught.value.translation_placeholders["url"] == url


async def test_server_that_hangs_up_at_once(make: MakeBackend) -> None:
    async def hang_up(request: web.Request) -> web.StreamResponse:
        assert request.transport
        request.transport.abort()
        return web.Response()

    async with serving({"*": hang_up}) as url:
        with pytest.raises(ServerBrokeOffError):
            await make(url).start()


async def test_connection_from_before_a_restart(make: MakeBackend) -> None:
    """A kept connection that the server has closed meanwhile is replaced without a word."""
    stale: list[bool] = [False, True, False]

    async def answer(request: web.Request) -> web.StreamResponse:
        if stale.pop(0):
            assert request.transport
            request.transport.abort()
        return web.json_response(MODELS)

    async with serving({"/v1/models": answer}) as url:
        backend = make(url)
        assert await backend.list_models() == ["tiny"]
        assert await backend.list_models() == ["tiny"]


async def test_something_else_than_http(make: MakeBackend) -> None:
    async def talk(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH_9.9\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises((ServerBadAnswerError, ServerBrokeOffError)):
            await make(f"http://127.0.0.1:{port}").start()


@pytest.mark.parametrize(
    "data",
    [
        b"data: {\n\n",
        b"data: 3\n\n",
        b"data: null\n\n",
        b'data: {"choices": 3}\n\n',
        b'data: {"choices": [3]}\n\n',
        b'data: {"other": 1}\n\n',
        b'data: {"error": {"message": "out of memory"}}\n\n',
        b'error: {"code": 500, "error": "out of memory"}\n\n',
    ],
)
async def test_event_that_is_none(make: MakeBackend, data: bytes) -> None:
    async with completing(streaming(event("a"), data, DONE)) as url:
        with pytest.raises(ServerBadAnswerError) as caught:
            await say(make(url))
        if b"memory" in data:
            assert caught.value.translation_placeholders == {"url": url, "reason": "out of memory"}


async def test_json_instead_of_a_stream(make: MakeBackend) -> None:
    async with completing({"choices": [{"text": "a"}]}) as url:
        with pytest.raises(ServerBadAnswerError):
            await say(make(url))


@pytest.mark.parametrize("pieces", [(DONE,), (event(""), event("", "stop")), (event(" \n"), DONE)])
async def test_empty_answer(make: MakeBackend, pieces: tuple[bytes, ...]) -> None:
    async with completing(streaming(*pieces)) as url:
        with pytest.raises(EmptyAnswerError):
            await say(make(url))


async def test_endless_text_ends_at_our_limit(make: MakeBackend) -> None:
    async with completing(repeating(event("a"))) as url:
        assert await say(make(url), max_tokens=7) == "aaaaaaa"
    async with completing(repeating(event("a" * 1000))) as url:
        assert len(await say(make(url), max_tokens=50)) <= 50 * remote.CHARACTERS_PER_TOKEN


@pytest.mark.parametrize("piece", [b"data: aaaaaaaa" + b"a" * 2**16, b"data: aaaa" * 2**12 + b"\n", event("")])
async def test_endless_nothing_is_an_error(make: MakeBackend, piece: bytes) -> None:
    async with completing(repeating(piece)) as url:
        with pytest.raises(ServerBadAnswerError):
            await asyncio.wait_for(say(make(url), max_tokens=7), 10)


async def test_done_is_a_whole_line_only(make: MakeBackend) -> None:
    async with completing(streaming(event("say "), event("[DONE]"), event(" twice", "stop"))) as url:
        assert await say(make(url)) == "say [DONE] twice"


async def test_stop_string_that_the_server_overlooks(make: MakeBackend) -> None:
    async with completing(streaming(event("ab<|im"), event("_end|>"), event("more"), DONE)) as url:
        assert await say(make(url), stop=("<|im_end|>",)) == "ab"


async def test_cancelling_closes_the_connection(make: MakeBackend) -> None:
    left = asyncio.Event()

    async def write(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        try:
            while True:
                await response.write(event("a"))
                await asyncio.sleep(0.02)
        finally:
            left.set()

    async with completing(write) as url:
        turn = asyncio.create_task(say(make(url), max_tokens=10**6))
        await asyncio.sleep(0.2)
        assert not left.is_set()
        turn.cancel()
        with pytest.raises(asyncio.CancelledError):
            await turn
        await asyncio.wait_for(left.wait(), 2)
        left.clear()
        backend = make(url)
        turn = asyncio.create_task(say(backend, max_tokens=10**6))
        await asyncio.sleep(0.2)
        await backend.close()
        with pytest.raises(BackendError):
            await asyncio.wait_for(turn, 1)
        await asyncio.wait_for(left.wait(), 2)


async def test_closing_ends_a_request_that_has_no_answer_yet(make: MakeBackend) -> None:
    begun, left = asyncio.Event(), asyncio.Event()

    async def hang(request: web.Request) -> web.StreamResponse:
        begun.set()
        try:
            await asyncio.sleep(3600)
        finally:
            left.set()
        raise AssertionError

    async with completing(hang) as url:
        backend = make(url)
        turn = asyncio.create_task(say(backend))
        await asyncio.wait_for(begun.wait(), 2)
        await backend.close()
        with pytest.raises(ServerBrokeOffError):
            await asyncio.wait_for(turn, 1)
        await asyncio.wait_for(left.wait(), 2)


# Kinds of server that cannot be run here: what they are sent is what their documentation says


@pytest.mark.parametrize(
    ("version", "field"), [("0.11.2", {"guided_grammar": "g"}), ("0.12.0", {"structured_outputs": {"grammar": "g"}})]
)
async def test_vllm(make: MakeBackend, version: str, field: dict[str, Any]) -> None:
    bodies: list[dict[str, Any]] = []

    async def complete(request: web.Request) -> web.StreamResponse:
        bodies.append(await request.json())
        return await streaming(event("hi"), event("", "stop"), DONE)(request)

    routes = {
        "/version": {"version": version},
        "/v1/models": {"data": [{"id": "tiny", "max_model_len": 8192}]},
        "/tokenize": {"count": 4, "tokens": [1, 2, 3, 4]},
        "/v1/completions": complete,
    }
    async with serving(routes) as url:
        backend = make(url, api_key=KEY)
        info = await backend.start()
        assert (backend.kind, info.model, info.context_length, info.grammar) == ("vllm", "tiny", 8192, True)
        assert await say(backend, grammar="g", stop=("s",), max_tokens=9) == "hi"
        assert await backend.count_tokens("x") == 4
    assert bodies[1] == {
        "model": "tiny",
        "prompt": PROMPT,
        "max_tokens": 9,
        "temperature": 0.0,
        "stop": ["s"],
        "stream": True,
        "skip_special_tokens": False,
        **field,
    }


async def test_grammar_that_the_server_refuses(make: MakeBackend) -> None:
    async def complete(request: web.Request) -> web.StreamResponse:
        if "structured_outputs" in await request.json():
            return web.json_response({"error": {"message": "Grammar error: cannot parse"}}, status=400)
        return await streaming(event("hi", "stop"))(request)

    async with serving({"/version": {"version": "0.12.0"}, "/v1/models": MODELS, "/v1/completions": complete}) as url:
        backend = make(url)
        assert await say(backend, grammar="g") == "hi"
        assert await say(backend, grammar="g") == "hi"


async def test_ollama(make: MakeBackend) -> None:
    bodies: list[dict[str, Any]] = []

    async def generate(request: web.Request) -> web.StreamResponse:
        bodies.append(await request.json())
        lines = [{"response": "h", "done": False}, {"response": "i", "done": False}]
        last = {"response": "", "done": True, "prompt_eval_count": 7, "eval_count": 2, "eval_duration": 5 * 10**8}
        data = "".join(json.dumps(line) + "\n" for line in [*lines, last]).encode()
        return await streaming(data[:20], 0.01, data[20:], content_type="application/x-ndjson")(request)

    routes = {
        "/api/version": {"version": "0.13.5"},
        "/v1/models": {"data": [{"id": "tiny:latest"}]},
        "/api/generate": generate,
    }
    async with serving(routes) as url:
        backend = make(url, model="tiny")
        info = await backend.start()
        assert (backend.kind, info.model, info.grammar) == ("ollama", "tiny", False)
        assert await say(backend, grammar="g", stop=("s",), max_tokens=9) == "hi"
        assert await backend.count_tokens("x") is None
    assert backend.usage
    assert (backend.usage.prompt_tokens, backend.usage.completion_tokens, backend.usage.decode_s) == (7, 2, 0.5)
    options = {"num_predict": 9, "temperature": 0.0, "stop": ["s"]}
    assert bodies[1] == {"model": "tiny", "prompt": PROMPT, "raw": True, "stream": True, "options": options}


async def test_server_of_which_nothing_is_known(make: MakeBackend) -> None:
    async with completing(streaming(event("hi", "stop"))) as url:
        backend = make(url.removeprefix("http://"))
        info = await backend.start()
        assert (backend.kind, info.model, info.context_length, info.grammar) == ("openai", "tiny", None, False)
        assert await backend.list_models() == ["tiny"]
        await backend.prefill("x")


# The readers of streams


@given(st.lists(st.integers(0, 200), max_size=6), st.sampled_from([b"\n", b"\r\n", b"\r"]))
def test_events_split_anywhere(cuts: list[int], end: bytes) -> None:
    lines = ["\ufeff: hello", "", "data: one", "", "event: x", "data:two", "data: lines", "id: 7", "", "data", ""]
    lines += [": bye", "data: é€", ""]
    stream = end.join(line.encode() for line in lines)
    reader = EventReader()
    edges = [0, *sorted(cut for cut in cuts if cut < len(stream)), len(stream)]
    events = [event for left, right in pairwise(edges) for event in reader.feed(stream[left:right])]
    assert [*events, *reader.close()] == ["one", "two\nlines", "é€"]


@given(st.lists(st.integers(0, 30), max_size=4))
def test_lines_split_anywhere(cuts: list[int]) -> None:
    stream = '{"a": "é"}\n\r\n{"b": 2}'.encode()
    reader = LineReader()
    edges = [0, *sorted(cut for cut in cuts if cut < len(stream)), len(stream)]
    events = [event for left, right in pairwise(edges) for event in reader.feed(stream[left:right])]
    assert [*events, *reader.close()] == ['{"a": "é"}', '{"b": 2}']


def test_event_too_long() -> None:
    with pytest.raises(ValueError, match="too long"):
        EventReader().feed(b"data: " + b"a" * MAX_EVENT)


async def _json(answer: Any) -> web.Response:
    return web.json_response(answer)


def completing(handler: Handler | Any) -> Any:
    """Serve a server of which nothing is known but its model and its completions."""
    return serving({"/v1/models": MODELS, "/v1/completions": handler})
