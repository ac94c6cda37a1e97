"""Data in the formats of others, read as conversations in one neutral form.

- `messages`: OpenAI's roles and contents; `functionary`: the same with `functions` or `tools`, and calls of them
- `hermes`: turns with `<tools>`, `<tool_call>`, `<tool_response>` (NousResearch/hermes-function-calling-v1)
- `glaive`: `system` and `chat` in plain text (glaiveai/glaive-function-calling-v2)

What a format tells about its own form is left out: the dialect that a conversation is written in tells its own.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from ..dialect.tool_reader import ToolCall, read_tool_calls
from ..errors import DataError
from .conversation import Call, Conversation, Message

ROLES = ("system", "user", "assistant", "tool")

_OPENAI_ROLES = {role: role for role in ROLES} | {"function": "tool"}
_HERMES_ROLES = {"system": "system", "human": "user", "user": "user", "gpt": "assistant", "tool": "tool"}
_GLAIVE_ROLES = {"USER": "user", "ASSISTANT": "assistant", "FUNCTION RESPONSE": "tool"}

_TOOLS = re.compile(r"<tools>(.*?)</tools>", re.DOTALL)
_TOOL_CALL = re.compile(r"<tool_call>(.*?)(?:</tool_call>|\Z)", re.DOTALL)
_TOOL_RESPONSE = re.compile(r"<tool_response>(.*?)</tool_response>", re.DOTALL)
_HERMES_FORM = re.compile(r"[^.\n]*(?:function calling AI model|<tools>)")
_GLAIVE_FORM = re.compile(r"You are a helpful assistant with access to the following functions\.[^{]*")
_GLAIVE_TURN = re.compile(rf"^({'|'.join(_GLAIVE_ROLES)}):", re.MULTILINE)
_NO_VALUE = (ValueError, SyntaxError, MemoryError, RecursionError)
_SHAPES: tuple[tuple[str, Any], ...] = (
    ("type", (str, list)),
    ("properties", dict),
    ("required", list),
    ("enum", list),
    ("anyOf", list),
    ("oneOf", list),
)
_GLAIVE_CALL = "<functioncall>"
_GLAIVE_END = "<|endoftext|>"


def parse(format: str, record: dict[str, Any]) -> Conversation:  # noqa: A002 - what a recipe calls it
    """A line of data as a conversation; DataError with the reason when it is none.

    Every call is of a function that the conversation defines, and the assistant says or calls something.
    """
    if format not in _READERS:
        raise DataError(f"No reader for the format {format}; there are {', '.join(_READERS)}")
    conversation = _READERS[format](record)
    names = [tool["name"] for tool in conversation.tools]
    answers = [message for message in conversation.messages if message.role == "assistant"]
    if not answers:
        raise DataError("nobody answers: there is no message of the assistant")
    for message in answers:
        if not message.content.strip() and not message.calls:
            raise DataError("a message of the assistant is empty: it says nothing and calls nothing")
        for call in message.calls:
            if call.name not in names:
                known = ", ".join(names) or "none"
                raise DataError(f"{call.name} is called and not defined; the functions are: {known}")
    return conversation


def _openai(record: dict[str, Any]) -> Conversation:
    found: list[Message] = []
    names: dict[str, str] = {}
    for number, one in enumerate(_turns(record, "messages"), 1):
        role = _OPENAI_ROLES.get(str(one.get("role")))
        calls, ids = _openai_calls(one, number)
        names |= ids
        content = one.get("content")
        if role is None or not (isinstance(content, str) or (content is None and calls)):
            raise DataError(f"message {number} needs a role ({', '.join(ROLES)}) and a content that is text")
        name = one.get("name") or names.get(str(one.get("tool_call_id")))
        found.append(Message(role, content or "", calls, name if role == "tool" else None))
    return Conversation(_definitions(record.get("tools") or record.get("functions") or []), tuple(found))


def _openai_calls(message: dict[str, Any], number: int) -> tuple[tuple[Call, ...], dict[str, str]]:
    """The calls of a message, and the name of the function by the id of its call."""
    given = message.get("tool_calls") or ([message["function_call"]] if message.get("function_call") else [])
    if not isinstance(given, list):
        raise DataError(f"message {number}: tool_calls must be a list")
    if given and message.get("role") != "assistant":
        raise DataError(f"message {number} calls a function, which only the assistant may do")
    calls = [call for one in given for call in _read_calls(json.dumps(one), f"message {number}")]
    return tuple(map(_call, calls)), {call.id: call.name for call in calls if call.id}


def _hermes(record: dict[str, Any]) -> Conversation:
    given = record.get("tools") or []
    found: list[Message] = []
    for number, one in enumerate(_turns(record, "conversations"), 1):
        role, text = _HERMES_ROLES.get(str(one.get("from"))), one.get("value")
        if role is None or not isinstance(text, str):
            raise DataError(f"turn {number} needs a from ({', '.join(_HERMES_ROLES)}) and a value that is text")
        if role == "system":
            given = given or [value for listed in _TOOLS.findall(text) for value in _values(listed, "<tools>")]
            found.append(Message(role, _before(_HERMES_FORM, text)))
        elif role == "assistant":
            calls = [call for block in _TOOL_CALL.findall(text) for call in _hermes_calls(block, f"turn {number}")]
            found.append(Message(role, _TOOL_CALL.sub("", text).strip(), tuple(calls)))
        elif role == "tool":
            found += [_hermes_result(block) for block in _TOOL_RESPONSE.findall(text) or [text]]
        else:
            found.append(Message(role, text))
    return Conversation(_definitions(given), tuple(found))


def _hermes_calls(block: str, where: str) -> Iterator[Call]:
    for value in _values(block, f"{where}, <tool_call>"):
        yield from map(_call, _read_calls(json.dumps(value), where))


def _hermes_result(block: str) -> Message:
    """A result as text; the name of its function stands in it, or nowhere."""
    try:
        value = _one_value(block.strip())
    except _NO_VALUE:
        return Message("tool", block.strip())
    if isinstance(value, dict) and isinstance(value.get("name"), str) and "content" in value:
        content = value["content"]
        return Message("tool", content if isinstance(content, str) else json.dumps(content), name=value["name"])
    return Message("tool", json.dumps(value))


def _glaive(record: dict[str, Any]) -> Conversation:
    system, chat = record.get("system"), record.get("chat")
    if not isinstance(system, str) or not isinstance(chat, str):
        raise DataError("system and chat must be there, and be text")
    system = system.strip().removeprefix("SYSTEM:").strip()
    form = _GLAIVE_FORM.search(system)
    tools = _values(system[form.end() :], "system") if form else []
    before, *turns = _GLAIVE_TURN.split(chat)
    if before.strip():
        raise DataError(f"chat begins with {before.strip()[:40]!r}, not with USER: or ASSISTANT:")
    found = [Message("system", system[: form.start()].strip() if form else system)]
    for number, (role, said) in enumerate(zip(turns[::2], turns[1::2], strict=True), 1):
        text, calls = said.replace(_GLAIVE_END, "").strip(), ""
        if role == "ASSISTANT":
            text, _, calls = text.partition(_GLAIVE_CALL)
        read = [call for part in calls.split(_GLAIVE_CALL) if part for call in _read_calls(part, f"turn {number}")]
        found.append(Message(_GLAIVE_ROLES[role], text.strip(), tuple(map(_call, read))))
    return Conversation(_definitions(tools), tuple(found))


def _turns(record: dict[str, Any], key: str) -> list[dict[str, Any]]:
    given = record.get(key)
    if not isinstance(given, list) or not given:
        raise DataError(f"there is no list of {key}")
    for number, one in enumerate(given, 1):
        if not isinstance(one, dict):
            raise DataError(f"{key}: entry {number} must be an object, not {type(one).__name__}")
    return given


def _before(form: re.Pattern[str], text: str) -> str:
    found = form.search(text)
    return (text[: found.start()] if found else text).strip()


def _values(text: str, where: str) -> list[Any]:
    """The values that stand in a text one after another, or in a list: as JSON, or as Python writes them."""
    decoder, found, text = json.JSONDecoder(strict=False), [], text.strip()
    at = 0
    try:
        while at < len(text):
            value, at = decoder.raw_decode(text, at)
            found.append(value)
            at += len(text[at:]) - len(text[at:].lstrip(" \t\r\n,"))
    except ValueError as error:
        try:
            found = [_one_value(text)]
        except _NO_VALUE:
            raise DataError(f"{where}: {text[:60]!r} is not JSON: {error}") from error
    return [item for value in found for item in (value if isinstance(value, list) else [value])]


def _one_value(text: str) -> Any:
    try:
        return json.loads(text, strict=False)
    except ValueError:
        return ast.literal_eval(text)


def _read_calls(text: str, where: str) -> list[ToolCall]:
    """The calls that a text is."""
    if calls := read_tool_calls(text.strip()):
        return calls
    raise DataError(f"{where}: {text.strip()[:60]!r} is no call: it needs a name, and arguments that are an object")


def _call(call: ToolCall) -> Call:
    return Call(call.name, dict(call.arguments))


def _definitions(given: Any) -> tuple[dict[str, Any], ...]:
    """Functions as OpenAI defines them: name, description, and the JSON schema of the arguments."""
    listed = _values(given, "tools") if isinstance(given, str) else given
    if not isinstance(listed, list):
        raise DataError("the functions must be a list")
    return tuple(map(definition, listed))


def definition(given: Any) -> dict[str, Any]:
    """A function as OpenAI defines it, with or without its wrapper, reduced to name, description and parameters."""
    function = given.get("function", given) if isinstance(given, dict) else None
    if not isinstance(function, dict) or not isinstance(function.get("name"), str) or not function["name"]:
        raise DataError(f"{str(given)[:60]!r} defines no function: it has no name")
    name, parameters = function["name"].removeprefix("functions."), function.get("parameters") or {}
    if not _is_schema(parameters):
        raise DataError(f"the parameters of {name} are no JSON schema")
    return {"name": name, "description": str(function.get("description") or ""), "parameters": parameters}


def _is_schema(value: Any) -> bool:
    """Whether a value has the shape of a JSON schema; its words for types are not looked at, data have their own."""
    if not isinstance(value, dict) or any(key in value and not isinstance(value[key], kind) for key, kind in _SHAPES):
        return False
    parts = [*value.get("properties", {}).values(), *value.get("anyOf", []), *value.get("oneOf", [])]
    return all(map(_is_schema, [*parts, value["items"]] if "items" in value else parts))


_READERS: dict[str, Callable[[dict[str, Any]], Conversation]] = {
    "messages": _openai,
    "hermes": _hermes,
    "glaive": _glaive,
    "functionary": _openai,
}
