"""AI tasks in real Home Assistant: what comes back is of the structure that was asked for, or an error that says why.

Models of random weights write here, so it is the grammar alone that makes their data what it has to be.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import llama_cpp
import probatio
import pytest
from aiohttp import web
from homeassistant.components import ai_task
from homeassistant.components.conversation import Attachment
from homeassistant.config_entries import SOURCE_USER
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import entity_registry as er, llm
from homeassistant.helpers.chat_session import async_get_chat_session
from homeassistant.helpers.selector import selector
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.morphy import ai_task as morphy_ai_task
from custom_components.morphy.const import DOMAIN
from custom_components.morphy.dialect.schema_grammar import schema_grammar
from custom_components.morphy.errors import MorphyError

from .flows import Person
from .servers import Handler, ServerPool, serving, streaming
from .tiny_model import write_tiny_model

STRUCTURE = {
    "size": {"required": True, "selector": {"number": {"min": -3, "max": 12}}},
    "windy": {"required": True, "selector": {"boolean": {}}},
    "colour": {"required": True, "selector": {"select": {"options": ["green", 'dark "blue"', "grün"]}}},
    "tags": {"selector": {"select": {"options": ["new", "old", "rare"], "multiple": True}}},
    "day": {"selector": {"date": {}}},
    "spot": {"selector": {"location": {}}},
    "shade": {"required": True, "selector": {"color_rgb": {}}},
}
"""Everything that ends by itself: a text may go on as long as a random model likes."""


@pytest.fixture(name="random_model", scope="module")
def random_model_fixture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("models") / "random.gguf", context_length=4096)


@pytest.fixture(name="pool", scope="module")
def pool_fixture(tmp_path_factory: pytest.TempPathFactory) -> Any:
    pool = ServerPool(tmp_path_factory.mktemp("servers"))
    yield pool
    pool.stop()


type Writer = Callable[..., Any]


@pytest.fixture(name="add")
async def add_fixture(hass: HomeAssistant, socket_enabled: None) -> AsyncGenerator[Writer]:
    """Return a way to add an entry that has AI tasks and nothing else; it returns the id of their entity."""
    assert await async_setup_component(hass, "homeassistant", {})
    entries: list[MockConfigEntry] = []

    async def add(settings: dict[str, Any] | None = None, **data: Any) -> str:
        task = {"subentry_type": "ai_task_data", "title": "Writer", "unique_id": None, "data": settings or {}}
        entry = MockConfigEntry(domain=DOMAIN, title="test", data=data, subentries_data=[task])
        entry.add_to_hass(hass)
        assert await hass.config_entries.async_setup(entry.entry_id)
        entries.append(entry)
        return er.async_get(hass).async_get_entity_id(  # type: ignore[return-value]
            "ai_task", DOMAIN, next(iter(entry.subentries))
        )

    yield add
    for entry in entries:
        await hass.config_entries.async_unload(entry.entry_id)


async def ask(hass: HomeAssistant, entity_id: str, **task: Any) -> Any:
    """Call the action as an automation does, and return the data."""
    answer = await hass.services.async_call(
        "ai_task",
        "generate_data",
        {"entity_id": entity_id, "task_name": "test", "instructions": "Write.", **task},
        blocking=True,
        return_response=True,
    )
    assert answer
    return answer["data"]


def of_structure(data: Any) -> bool:
    """Return whether data has what STRUCTURE requires, and of the rest nothing that it does not allow."""
    fields = {
        (probatio.Required if field.get("required") else probatio.Optional)(name): selector(field["selector"])
        for name, field in STRUCTURE.items()
    }
    probatio.Schema(fields)(data)
    return len(set(data.get("tags", ()))) == len(data.get("tags", ()))


# The grammar


NESTED = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 2, "maxLength": 9},
        "count": {"type": "integer", "minimum": -12, "maximum": 7},
        "share": {"type": "number", "minimum": -1.5, "maximum": 2.5},
        "free": {"type": "number"},
        "kind": {"enum": ["a", 'b "c"\\\n', "ü", 3, None, True]},
        "fixed": {"const": "yes"},
        "either": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
        "both": {"type": ["boolean", "null"]},
        "when": {"type": "string", "format": "date-time"},
        "lamp": {"type": "string", "format": "entity_id"},
        "rooms": {
            "type": "array",
            "minItems": 1,
            "maxItems": 3,
            "items": {
                "type": "object",
                "properties": {"id": {"type": "integer"}, "on": {"type": "boolean"}},
                "required": ["on"],
            },
        },
        "none": {"type": "array", "maxItems": 0},
        "empty": {"type": "object", "additionalProperties": False},
        "set": {"type": "array", "uniqueItems": True, "items": {"enum": ["x", "y", "z"]}},
    },
    "required": ["name", "count", "share", "fixed", "rooms", "lamp"],
}


@pytest.fixture(name="write", scope="module")
def write_fixture(random_model: Path) -> Callable[[dict[str, Any], int], str]:
    """Return a function that lets the model write under a schema's grammar, with a seed, at a high temperature."""
    model = llama_cpp.Llama(str(random_model), n_ctx=4096, n_threads=1, verbose=False)

    def complete(schema: dict[str, Any], seed: int) -> str:
        compiled = llama_cpp.LlamaGrammar.from_string(schema_grammar(schema), verbose=False)
        answer = model.create_completion(
            "hello", grammar=compiled, temperature=3, top_k=0, top_p=1.0, min_p=0.0, seed=seed, max_tokens=300
        )
        return str(answer["choices"][0]["text"]) if answer["choices"][0]["finish_reason"] == "stop" else ""

    return complete


def test_whatever_is_written_under_the_grammar_is_json_of_the_schema(
    write: Callable[[dict[str, Any], int], str],
) -> None:
    seen: set[str] = set()
    for seed in range(6):
        data = json.loads(write(NESTED, seed))
        seen |= set(data)
        assert set(NESTED["required"]) <= set(data) < set(NESTED["properties"])
        assert list(data) == [name for name in NESTED["properties"] if name in data]
        assert 2 <= len(data["name"]) <= 9
        assert type(data["count"]) is int
        assert -12 <= data["count"] <= 7
        assert -1.5 <= data["share"] <= 2.5
        assert data.get("kind", "a") in NESTED["properties"]["kind"]["enum"]
        assert data["fixed"] == "yes"
        assert data.get("either") is None or type(data["either"]) is int
        assert data.get("both") in (True, False, None)
        assert 1 <= len(data["rooms"]) <= 3
        for room in data["rooms"]:
            assert type(room["on"]) is bool
            assert type(room.get("id", 1)) is int
        assert data["lamp"].count(".") == 1
        assert data.get("none", []) == []
        assert data.get("empty", {}) == {}
        assert len(set(data.get("set", ()))) == len(data.get("set", ()))
    assert seen > set(NESTED["required"]), "what may lack was never written"


@pytest.mark.parametrize(
    ("schema", "written"),
    [
        ({"type": "integer", "minimum": 5, "maximum": 5}, "5"),
        ({"type": "number", "minimum": 5, "maximum": 5}, "5"),
        ({"enum": ["only"]}, '"only"'),
        ({"type": "object", "properties": {"a": {"const": 1}, "b": {"const": 2}}, "required": ["a", "b"]}, None),
    ],
)
def test_what_has_one_value_is_written_so(
    write: Callable[[dict[str, Any], int], str], schema: dict[str, Any], written: str | None
) -> None:
    text = write(schema, 1)
    assert json.loads(text) == {"a": 1, "b": 2} if written is None else text == written


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"type": "object"},
        {"type": "object", "additionalProperties": {"type": "boolean"}},
        {"type": "array", "items": {"type": "null"}},
        {"type": "string", "maxLength": 100_000},
        {"type": "string", "pattern": "^x$"},
        {"type": "number", "minimum": 0, "maximum": 10**9},
        {"type": "number", "minimum": 0.2, "maximum": 0.8},
        {"oneOf": [{"type": "boolean"}, {"type": "string"}]},
    ],
)
def test_what_is_bounded_in_no_way_is_json_where_it_ends(
    write: Callable[[dict[str, Any], int], str], schema: dict[str, Any]
) -> None:
    json.loads(next(filter(None, (write(schema, seed) for seed in range(12)))))


# On this machine


async def test_a_structure(hass: HomeAssistant, add: Writer, random_model: Path) -> None:
    entity_id = await add({"temperature": 1.0}, backend="local", model_path=str(random_model))
    for _ in range(2):
        assert of_structure(await ask(hass, entity_id, structure=STRUCTURE))


async def test_a_text(hass: HomeAssistant, add: Writer, model: Path) -> None:
    entity_id = await add(backend="local", model_path=str(model))
    assert await ask(hass, entity_id, instructions="One\nword <|im_end|>") == "Ok"
    [log] = hass.data["conversation_chat_logs"].values()
    assert [item.content for item in log.content[1:]] == ["One\nword <|im_end|>", "Ok"]


async def test_the_bundled_model_can_be_held_to_a_form(hass: HomeAssistant, add: Writer) -> None:
    entity_id = await add(backend="local")
    assert of_structure(await ask(hass, entity_id, structure=STRUCTURE, instructions="Describe a kite."))


@pytest.mark.parametrize("tokens", [16, 10_000])
async def test_data_that_does_not_end_is_refused(hass: HomeAssistant, add: Writer, tmp_path: Path, tokens: int) -> None:
    """It ends neither within the longest answer nor within the context."""
    path = write_tiny_model(tmp_path / "endless.gguf", chain=b"ab ", endless=True, context_length=600)
    entity_id = await add({"max_tokens": tokens}, backend="local", model_path=str(path))
    with pytest.raises(MorphyError) as told:
        await ask(hass, entity_id, structure={"word": {"required": True, "selector": {"text": {}}}})
    assert told.value.translation_key == "task_cut_off"
    assert str(tokens) in str(told.value)


async def test_a_task_that_takes_too_long_is_given_up(
    hass: HomeAssistant, add: Writer, tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(morphy_ai_task, "TASK_SECONDS", 0.3)
    path = write_tiny_model(tmp_path / "endless.gguf", chain=b"ab ", endless=True, context_length=60_000)
    entity_id = await add({"max_tokens": 50_000}, backend="local", model_path=str(path), context_length=60_000)
    with pytest.raises(MorphyError, match=r"0\.3 seconds"):
        await ask(hass, entity_id)
    monkeypatch.undo()
    [entry] = hass.config_entries.async_entries(DOMAIN)
    assert await entry.runtime_data.count_tokens("free again") == 10


async def test_an_unload_ends_a_task(hass: HomeAssistant, add: Writer, tmp_path: Path) -> None:
    path = write_tiny_model(tmp_path / "endless.gguf", chain=b"ab ", endless=True, context_length=60_000)
    entity_id = await add({"max_tokens": 50_000}, backend="local", model_path=str(path), context_length=60_000)
    task = asyncio.create_task(ask(hass, entity_id))
    await asyncio.sleep(0.3)
    assert not task.done()
    [entry] = hass.config_entries.async_entries(DOMAIN)
    assert await hass.config_entries.async_unload(entry.entry_id)
    with pytest.raises(MorphyError):
        await task
    assert await hass.config_entries.async_setup(entry.entry_id)


# On a server


@pytest.mark.parametrize("kind", ["llama.cpp", "llama-cpp-python"])
async def test_a_structure_on_a_real_server(
    hass: HomeAssistant, add: Writer, pool: ServerPool, random_model: Path, kind: str
) -> None:
    entity_id = await add({"temperature": 1.0}, backend="remote", url=await pool.url(kind, random_model))
    assert of_structure(await ask(hass, entity_id, structure=STRUCTURE))


@pytest.mark.parametrize("kind", ["llama.cpp", "llama-cpp-python"])
async def test_a_text_on_a_real_server(
    hass: HomeAssistant, add: Writer, pool: ServerPool, model: Path, kind: str
) -> None:
    entity_id = await add(backend="remote", url=await pool.url(kind, model))
    assert await ask(hass, entity_id, instructions="One word\n") == "Ok"


def chatting(text: str, asked: list[dict[str, Any]] | None = None) -> dict[str, Handler | Any]:
    """Return the paths of a server that is no more than OpenAI's interface, and writes this."""
    pieces = [{"choices": [{"delta": {"content": letter}, "finish_reason": None}]} for letter in text]
    last = {"choices": [{"delta": {}, "finish_reason": "stop"}]}
    events = b"".join(f"data: {json.dumps(piece)}\n\n".encode() for piece in [*pieces, last])

    async def chat(request: web.Request) -> web.StreamResponse:
        if asked is not None:
            asked.append(await request.json())
        return await streaming(events, b"data: [DONE]\n\n")(request)

    trial = b'data: {"choices": [{"text": "Hi", "finish_reason": "stop"}]}\n\n'
    return {
        "/v1/models": {"data": [{"id": "general"}]},
        "/v1/completions": streaming(trial),
        "/v1/chat/completions": chat,
    }


SEVEN = {"seven": {"required": True, "description": "the number", "selector": {"number": {"min": 7, "max": 7}}}}


async def test_a_server_without_grammars_is_sent_the_schema(hass: HomeAssistant, add: Writer) -> None:
    asked: list[dict[str, Any]] = []
    async with serving(chatting('{"seven": 7}', asked)) as url:
        entity_id = await add({"max_tokens": 99}, backend="remote", url=url)
        assert await ask(hass, entity_id, structure=SEVEN, instructions="Name a number.") == {"seven": 7}
    [body] = asked
    assert body["response_format"]["type"] == "json_schema"
    assert body["response_format"]["json_schema"]["schema"]["required"] == ["seven"]
    assert (body["model"], body["max_tokens"], body["temperature"]) == ("general", 99, 0.0)
    assert [message["role"] for message in body["messages"]] == ["system", "user"]
    assert '"description": "the number"' in body["messages"][0]["content"]
    assert body["messages"][1]["content"] == "Name a number."


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ("Seven, I think.", "task_form"),
        ('```json\n{"seven": 7}\n```', "task_form"),
        ('{"seven": 8}', "task_form"),
        ('{"eight": 7}', "task_form"),
        ("[7]", "task_form"),
        ('{"seven": 7} and that is it', "task_form"),
        ('{"seven": ', "task_cut_off"),
        ("", "empty_answer"),
    ],
)
async def test_what_is_not_of_the_structure_is_never_returned(
    hass: HomeAssistant, add: Writer, written: str, key: str
) -> None:
    async with serving(chatting(written)) as url:
        entity_id = await add(backend="remote", url=url)
        with pytest.raises(MorphyError) as told:
            await ask(hass, entity_id, structure=SEVEN)
    assert told.value.translation_key == key


async def test_a_server_that_refuses_the_grammar_is_sent_the_schema(hass: HomeAssistant, add: Writer) -> None:
    """And the agents' grammars are sent to it all the same."""
    asked: list[dict[str, Any]] = []
    routes = chatting('{"seven": 7}', asked)
    answers = routes["/v1/chat/completions"]

    async def chat(request: web.Request) -> web.StreamResponse:
        if "grammar" in await request.json():
            return web.json_response({"error": {"message": "Failed to parse grammar"}}, status=400)
        return await answers(request)

    trial = streaming(b'data: {"content": "Hi", "stop": true}\n\n')
    props = {"default_generation_settings": {"n_ctx": 512}}
    async with serving({**routes, "/v1/chat/completions": chat, "/props": props, "/completion": trial}) as url:
        entity_id = await add(backend="remote", url=url)
        assert await ask(hass, entity_id, structure=SEVEN) == {"seven": 7}
        [entry] = hass.config_entries.async_entries(DOMAIN)
        assert entry.runtime_data._kind.grammar
    assert asked[-1]["response_format"]["type"] == "json_schema"


async def test_a_server_without_chat_is_told(hass: HomeAssistant, add: Writer) -> None:
    routes = chatting("")
    del routes["/v1/chat/completions"]
    async with serving(routes) as url:
        entity_id = await add(backend="remote", url=url)
        with pytest.raises(MorphyError, match="no chat endpoint"):
            await ask(hass, entity_id)


# What it cannot do


async def test_attachments_are_refused(hass: HomeAssistant, add: Writer, model: Path) -> None:
    """By Home Assistant, which also hides them in the action's form, and by us, should a caller pass that by."""
    entity_id = await add(backend="local", model_path=str(model))
    assert hass.states.get(entity_id).attributes["supported_features"] == ai_task.AITaskEntityFeature.GENERATE_DATA  # type: ignore[union-attr]
    picture = {"media_content_id": "media-source://camera/camera.door", "media_content_type": "image/jpeg"}
    with pytest.raises(HomeAssistantError, match="does not support attachments"):
        await ask(hass, entity_id, attachments=[picture])
    entity = hass.data[ai_task.const.DATA_COMPONENT].get_entity(entity_id)
    assert entity
    seen = Attachment(media_content_id="x", mime_type="image/jpeg", path=Path("x.jpg"))
    task = ai_task.GenDataTask("test", "What is this?", attachments=[seen])
    with async_get_chat_session(hass) as session, pytest.raises(MorphyError, match="reads text only"):
        await entity.internal_async_generate_data(session, task)


async def test_tools_are_refused(hass: HomeAssistant, add: Writer, model: Path) -> None:
    assert await async_setup_component(hass, "llm", {})
    entity_id = await add(backend="local", model_path=str(model))
    [api] = [api for api in llm.async_get_apis(hass) if api.id == llm.LLM_API_ASSIST]
    with pytest.raises(MorphyError, match="cannot use tools"):
        await ai_task.async_generate_data(
            hass, task_name="test", entity_id=entity_id, instructions="Lights on.", llm_api=api
        )


# The dialogs


async def adds(hass: HomeAssistant, entry: MockConfigEntry) -> Person:
    flows = hass.config_entries.subentries
    result = await flows.async_init((entry.entry_id, "ai_task_data"), context={"source": SOURCE_USER})
    return Person(hass, result, "ai_task_data")


async def test_it_is_added_and_changed(hass: HomeAssistant, add: Writer, model: Path) -> None:
    await add(backend="local", model_path=str(model))
    [entry] = hass.config_entries.async_entries(DOMAIN)
    person = await adds(hass, entry)
    assert person.step == "add"
    assert person.shown() == {"name": "Morphy AI Task", "temperature": 0.0, "max_tokens": 1024}
    await person.enters(name="Clerk", max_tokens=200.0)
    assert person.result["type"] is FlowResultType.CREATE_ENTRY
    await hass.async_block_till_done()
    task = next(task for task in entry.subentries.values() if task.title == "Clerk")
    assert task.data == {"temperature": 0.0, "max_tokens": 200}
    assert await ask(hass, "ai_task.clerk") == "Ok"
    person = Person(hass, await entry.start_subentry_reconfigure_flow(hass, task.subentry_id), "ai_task_data")
    assert person.shown() == {"name": "Clerk", "temperature": 0.0, "max_tokens": 200}
    await person.enters(name="Poet", temperature=1.5)
    assert person.result["reason"] == "reconfigure_successful"
    await hass.async_block_till_done()
    assert entry.subentries[task.subentry_id].title == "Poet"
    assert entry.subentries[task.subentry_id].data == {"temperature": 1.5, "max_tokens": 200}


async def test_that_the_bundled_model_is_no_writer_is_said_first(hass: HomeAssistant, add: Writer) -> None:
    await add(backend="local")
    [entry] = hass.config_entries.async_entries(DOMAIN)
    person = await adds(hass, entry)
    assert person.step == "no_writer"
    assert "will make no sense" in person.texts["step"]["no_writer"]["description"]
    await person.enters()
    assert person.step == "add"
    await person.enters()
    assert person.result["type"] is FlowResultType.CREATE_ENTRY
    await hass.async_block_till_done()
