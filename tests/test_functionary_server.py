"""Functionary as a drop-in OpenAI endpoint: `llama_cpp.server` with a model of its format, asked over HTTP.

The model is tiny and knows one thing, which token follows which: after `<|recipient|>` it names the tool `now`, and
then it writes whatever the server's own grammar of the arguments allows. So what is tested is the form, not the sense.
Two clients ask: the official `openai` package, and an agent of ours in Home Assistant.
"""

from __future__ import annotations

import asyncio
import json
import textwrap
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import voluptuous as vol
from homeassistant.components import conversation
from homeassistant.const import CONF_URL
from homeassistant.core import Context, HomeAssistant
from homeassistant.helpers import llm

from custom_components.morphy.const import BACKEND_REMOTE, CONF_BACKEND
from custom_components.morphy.dialect import TOOL_DIALECTS
from custom_components.morphy.tool_turn import MAX_ROUNDS

from .house import House
from .servers import SERVER_PYTHON, ServerPool
from .test_conversation import add_agent, agent_of, failed, speech
from .tiny_model import IM_END, IM_START, NEVER_IN_TEXT, byte_characters, write_tiny_model

SPECIAL = TOOL_DIALECTS["functionary_v2"].special_tokens
TEMPLATE = (
    "{% for m in messages %}{{ '<|from|>' + (m.name if m.name is defined else m.role) }}"
    "{{ '\\n<|recipient|>all\\n<|content|>' + (m.content or '') + '\\n' }}{% endfor %}"
)

CLIENT = """
    import json, sys
    from openai import OpenAI

    client = OpenAI(base_url=sys.argv[1], api_key="none", max_retries=0, timeout=60)
    tools = [{
        "type": "function",
        "function": {
            "name": "now",
            "description": "Tells the time.",
            "parameters": {
                "type": "object",
                "properties": {"zone": {"enum": ["home", "utc"]}},
                "required": ["zone"],
            },
        },
    }]
    messages = [{"role": "user", "content": "how late is it?"}]
    first = client.chat.completions.create(model="tiny", messages=messages, tools=tools, max_tokens=40)
    said = first.choices[0].message
    messages.append(said.model_dump(exclude_none=True))
    for call in said.tool_calls or []:
        messages.append({"role": "tool", "tool_call_id": call.id, "name": call.function.name, "content": "14:05"})
    last = client.chat.completions.create(
        model="tiny", messages=messages, tools=tools, tool_choice="none", max_tokens=40
    )
    streamed = client.chat.completions.create(
        model="tiny", messages=messages[:1], tools=tools, max_tokens=40, stream=True
    )
    parts = [part.choices[0].delta for part in streamed if part.choices]
    calls = [call.function for delta in parts for call in delta.tool_calls or []]
    print(json.dumps({
        "reason": first.choices[0].finish_reason,
        "calls": [[call.function.name, call.function.arguments] for call in said.tool_calls or []],
        "said": last.choices[0].message.content,
        "called": bool(last.choices[0].message.tool_calls),
        "streamed": ["".join(c.name or "" for c in calls), "".join(c.arguments or "" for c in calls)],
    }))
"""


def write_tokenizer(folder: Path) -> Path:
    """Write the tokenizer of the tiny model as transformers reads one."""
    characters = byte_characters()
    for place, token in zip(NEVER_IN_TEXT, SPECIAL, strict=False):
        characters[place] = token
    vocabulary = {text: number for number, text in enumerate([*characters, IM_START, IM_END])}
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}
    added = [
        {"id": vocabulary[token], "content": token, "special": True}
        | dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
        for token in (*SPECIAL, IM_START, IM_END)
    ]
    tokenizer = {
        "version": "1.0",
        "added_tokens": added,
        "pre_tokenizer": byte_level,
        "decoder": byte_level,
        "model": {"type": "BPE", "vocab": vocabulary, "merges": []},
    }
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "additional_special_tokens": list(SPECIAL),
        "eos_token": IM_END,
        "chat_template": TEMPLATE,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
    return folder


def write_model(folder: Path) -> Path:
    """Write a model that calls `now` whenever it is asked to whom it speaks."""
    places = dict(zip(SPECIAL, NEVER_IN_TEXT, strict=False))
    order = [places["<|recipient|>"], *b"now\n", places["<|content|>"]]
    follows = dict(pairwise(order)) | {ord("}"): places["<|stop|>"]}
    return write_tiny_model(folder / "functionary.gguf", follows=follows, special=SPECIAL, context_length=4096)


@pytest.fixture(name="pool", scope="module")
def pool_fixture(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerPool]:
    pool = ServerPool(tmp_path_factory.mktemp("servers"))
    yield pool
    pool.stop()


@pytest.fixture(name="model", scope="module")
def model_fixture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("functionary")
    write_tokenizer(folder)
    return write_model(folder)


@pytest.fixture(name="url")
async def url_fixture(socket_enabled: None, pool: ServerPool, model: Path) -> str:
    options = ("--chat_format", "functionary-v2", "--hf_pretrained_model_name_or_path", str(model.parent))
    return await pool.url("llama-cpp-python", model, *options)


async def test_the_official_client(url: str) -> None:
    process = await asyncio.create_subprocess_exec(
        SERVER_PYTHON, "-c", textwrap.dedent(CLIENT), f"{url}/v1",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    output, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()[-1500:]
    told: dict[str, Any] = json.loads(output)
    assert told["reason"] == "tool_calls"
    [[name, arguments]] = told["calls"]
    assert name == "now"
    assert json.loads(arguments)["zone"] in ("home", "utc")
    assert not told["called"]
    assert isinstance(told["said"], str)
    assert told["streamed"][0] == "now"
    assert json.loads(told["streamed"][1])["zone"] in ("home", "utc")


class _ClockTool(llm.Tool):
    name = "now"
    description = "Tells the time."
    integration = "morphy"
    parameters = vol.Schema({vol.Required("zone"): vol.In(["home", "utc"])})

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def async_call(
        self, hass: HomeAssistant, tool_input: llm.ToolInput, llm_context: llm.LLMContext
    ) -> llm.ToolResult:
        self.asked.append(self.parameters(tool_input.tool_args)["zone"])
        return llm.ToolResult(data={"time": "14:05"})


class _ClockAPI(llm.API):
    clock = _ClockTool()

    async def async_get_api_instance(self, llm_context: llm.LLMContext) -> llm.APIInstance:
        return llm.APIInstance(self, "", llm_context, [self.clock])


async def test_an_agent(hass: HomeAssistant, house: House, url: str) -> None:
    """This model answers with a call whatever it is told: the tool is called in every round, then there is an end."""
    llm.async_register_api(hass, api := _ClockAPI(hass=hass, id="clock", name="Clock"))
    settings: dict[str, Any] = {"dialect": "openai", "max_tokens": 40, "llm_hass_api": ["clock"]}
    entry = await add_agent(hass, {CONF_BACKEND: BACKEND_REMOTE, CONF_URL: url}, **settings)
    result = await conversation.async_converse(hass, "how late is it?", None, Context(), "en", agent_of(hass, entry))
    await hass.config_entries.async_unload(entry.entry_id)
    assert failed(result)
    assert speech(result).startswith("I have tried 10 times")
    assert len(api.clock.asked) == MAX_ROUNDS
    assert set(api.clock.asked) <= {"home", "utc"}
