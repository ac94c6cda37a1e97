"""Every reply of the corpora through every way to a model: the worker, and real servers' completion and chat endpoints.

A model of random weights is held to a reply by a grammar that allows nothing else, so real llama.cpp writes it token by
token, with the calls' markers in its vocabulary.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import pytest
from homeassistant.core import HomeAssistant
from homeassistant.helpers.aiohttp_client import async_get_clientsession

from custom_components.morphy.backends import Backend, Completion
from custom_components.morphy.backends.local import LocalBackend
from custom_components.morphy.backends.remote import RemoteBackend
from custom_components.morphy.dialect import TOOL_DIALECTS, Home, ToolReader, get_dialect
from custom_components.morphy.dialect.grammar import quote

from .dialect.test_homeassistant_json import REPLIES
from .dialect.test_reader import ANSWERS, read
from .dialect.test_tools import SYSTEM, TALK, TOOLS, TRANSCRIPTS, check, merged
from .servers import ServerPool
from .tiny_model import write_tiny_model

MARKERS = ("<tool_call>", "</tool_call>", "[TOOL_CALLS]", "[INST]", "<functioncall>", "<|recipient|>", "<|content|>")
WAYS = ("worker", "llama.cpp", "llama.cpp chat", "llama-cpp-python", "llama-cpp-python chat")


@pytest.fixture(name="pool", scope="module")
def pool_fixture(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerPool]:
    pool = ServerPool(tmp_path_factory.mktemp("servers"))
    yield pool
    pool.stop()


@pytest.fixture(name="tiny", scope="module")
def tiny_fixture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("tiny") / "tiny.gguf", special=MARKERS, context_length=4096)


@pytest.fixture(name="plain", scope="module")
def plain_fixture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a model to which markers are characters: servers do not show special tokens that nobody asked them for."""
    return write_tiny_model(tmp_path_factory.mktemp("plain") / "plain.gguf", context_length=4096)


@pytest.fixture(name="way", params=WAYS)
def way_fixture(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(name="backend")
async def backend_fixture(
    hass: HomeAssistant, socket_enabled: None, pool: ServerPool, tiny: Path, plain: Path, way: str
) -> AsyncGenerator[Backend]:
    if way == "worker":
        backend: Backend = LocalBackend(tiny, context_length=4096, threads=1)
    else:
        url = await pool.url(way.removesuffix(" chat"), plain)
        backend = RemoteBackend(async_get_clientsession(hass), url)
    yield backend
    await backend.close()


async def written(backend: Backend, request: Completion) -> list[str]:
    async with aclosing(backend.complete(request)) as pieces:
        return [piece async for piece in pieces]


async def test_every_transcript(backend: Backend, way: str) -> None:
    for transcript in TRANSCRIPTS:
        request = Completion(
            prompt="<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n",
            grammar=f"root ::= {quote(transcript['text'])}",
            max_tokens=400,
            messages=(("user", "hi"),) if way.endswith("chat") else (),
        )
        reader = ToolReader(transcript.get("begun", ""))
        events = [event for piece in await written(backend, request) for event in reader.feed(piece)]
        check(transcript, merged([*events, *reader.close()]))


async def test_every_answer_about_a_home(backend: Backend, way: str) -> None:
    """What models write that are told of a home is read as it is in one piece."""
    texts = {"lines": [text for text, *_ in ANSWERS if text], "homeassistant_json": [text for text, *_ in REPLIES]}
    for name, answers in texts.items():
        for text in answers:
            request = Completion(
                prompt="<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n",
                grammar=f"root ::= {quote(text)}",
                max_tokens=400,
                messages=(("user", "hi"),) if way.endswith("chat") else (),
            )
            pieces = await written(backend, request)
            sizes = [len(piece) for piece in pieces if piece]
            assert "".join(pieces) == text
            readers = [get_dialect(name).reader(Home()) for _ in range(2)]
            assert read(text, [*sizes, 1], readers[0]) == read(text, None, readers[1])


@pytest.mark.parametrize("name", [name for name in TOOL_DIALECTS if name != "openai"])
@pytest.mark.parametrize("way", ["worker", "llama.cpp", "llama-cpp-python"], indirect=True)
async def test_every_dialect(backend: Backend, name: str) -> None:
    """Each prompt is taken, and under each grammar nothing is written that is neither speech nor a call."""
    dialect = TOOL_DIALECTS[name]
    request = Completion(
        prompt=dialect.prompt(TOOLS, SYSTEM, TALK),
        special=dialect.special_tokens,
        stop=dialect.stop,
        grammar=dialect.grammar(TOOLS),
        max_tokens=30,
    )
    reader = dialect.reader()
    pieces = await written(backend, request)
    events = [event for piece in pieces for event in reader.feed(piece)]
    assert [*events, *reader.close()]


async def test_special_tokens_are_those_of_the_request(hass: HomeAssistant, socket_enabled: None, tiny: Path) -> None:
    """A marker is a token in a prompt of the dialect that has it, and plain characters in all others."""
    backend = LocalBackend(tiny, context_length=4096, threads=1)
    mistral = TOOL_DIALECTS["mistral"]
    prompt = "[INST]<tool_call>"
    told = Completion(prompt=prompt, max_tokens=2, grammar='root ::= "ab"')
    await written(backend, replace(told, special=mistral.special_tokens))
    assert backend.usage
    assert backend.usage.prompt_tokens == 1 + len("<tool_call>")
    await written(backend, told)
    assert backend.usage.prompt_tokens == len(prompt)
    await backend.close()
