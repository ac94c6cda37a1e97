"""Dialects of models that call tools: what they talk about, and what each of them can do.

A tool is a function with a JSON schema for its arguments; the integration takes them from Home Assistant's LLM APIs. A
turn is a chain: the user asks, the model calls, reads the result, calls again, and answers in the end.
"""

from __future__ import annotations

import hashlib
import json
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from .schema_grammar import Schema
from .text import inert, one_line, shortened, words
from .tool_reader import ToolCall, ToolReader

_INDENT = re.compile(" *")

ID_LENGTH = 9
"""Characters of a call's id."""

MAX_CALLS = 8
"""Calls one reply may hold."""

MAX_NAME_CHARS = 128
"""Longest name of a called tool that is told."""

MAX_DESCRIPTION_CHARS = 600
"""Longest description of a tool that is told."""

MAX_RESULT_CHARS = 6000
"""Longest result that is told; one that is longer is cut."""


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that the model may call; `parameters` is the JSON schema of an object, its arguments by name."""

    name: str
    description: str = ""
    parameters: Schema = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Request:
    """What the user said."""

    text: str


@dataclass(frozen=True, slots=True)
class Reply:
    """What the model said and called; `text` is what stands before the calls."""

    text: str = ""
    calls: tuple[ToolCall, ...] = ()


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a call: any JSON value."""

    call: ToolCall
    value: Any


Message = Request | Reply | Result


class ToolDialect(ABC):
    """How one family of models is told about tools, how it calls them, and how it is told the results."""

    name: ClassVar[str]
    default_instructions: ClassVar[str] = "You are Al, who looks after a home. Answer briefly, in plain words."
    special_tokens: ClassVar[tuple[str, ...]]
    """The strings in a prompt that are tokens of their own."""
    stop: ClassVar[tuple[str, ...]]
    """The end of a reply first; a model that begins another turn instead has ended it too."""

    chat: ClassVar[bool] = False
    """Whether a server is told messages and tools, and frames them itself."""

    @abstractmethod
    def prompt(self, tools: Sequence[Tool], system: str, messages: Sequence[Message]) -> str:
        """Return the prompt, up to the point where the model begins to reply; `system` is what it is told first."""

    @abstractmethod
    def write(self, reply: Reply) -> str:
        """Return the raw text of a reply, as a model is trained to write it, without its end."""

    @abstractmethod
    def grammar(self, tools: Sequence[Tool]) -> str:
        """Return the GBNF grammar of a reply: text, and calls of these tools with what their schemas allow."""

    def reader(self) -> ToolReader:
        """Return a reader for one reply."""
        return ToolReader()


def tool_json(tool: Tool) -> dict[str, Any]:
    """Return a tool as OpenAI's interface describes it."""
    function = {
        "name": tool.name,
        "description": shortened(tool.description, MAX_DESCRIPTION_CHARS),
        "parameters": parameters_of(tool),
    }
    return {"type": "function", "function": function}


def inert_tool_json(tool: Tool) -> dict[str, Any]:
    """Return the same for a server that puts it into a prompt itself: what others have written of a tool is data."""
    told: dict[str, Any] = json.loads(dump(tool_json(tool)))
    return told


def parameters_of(tool: Tool) -> Schema:
    """Return a tool's schema, which is that of an object even where there is nothing in it."""
    return {"type": "object", "properties": {}, **tool.parameters}


def argument_schema(tool: Tool) -> Schema:
    """Return the schema of what may be written: nothing where a tool takes nothing."""
    return (
        parameters_of(tool) if tool.parameters.get("properties") else {"type": "object", "additionalProperties": False}
    )


def name_of(call: ToolCall) -> str:
    """Return the name of a called tool as it may stand in a prompt: a model may have made up any."""
    return inert(shortened(one_line(call.name), MAX_NAME_CHARS))


def call_json(call: ToolCall) -> dict[str, Any]:
    """Return a call as an object with a name and arguments."""
    return {"name": call.name, "arguments": call.arguments}


def dump(value: Any, indent: int | None = None) -> str:
    """Return JSON that is inert: all it could mean as form stands inside its strings, and is broken up there."""
    return inert(json.dumps(value, ensure_ascii=False, indent=indent, default=str))


def told_result(value: Any) -> str:
    """Return a result as it may stand in a prompt."""
    return shortened(dump(value), MAX_RESULT_CHARS)


def lines(text: str) -> str:
    """Return text of more than one line as it may stand in a prompt; what is indented stays so."""
    return inert("\n".join(_INDENT.match(line)[0] + one_line(line) for line in text.split("\n")))  # type: ignore[index]


def call_schema(tools: Sequence[Tool], **more: Schema) -> Schema:
    """Return the schema of one call as an object with name and arguments, and whatever else it has."""
    return {"anyOf": [_one_call(tool, more) for tool in tools]}


def _one_call(tool: Tool, more: Mapping[str, Schema]) -> Schema:
    properties = {"name": {"const": tool.name}, "arguments": argument_schema(tool), **more}
    return {"type": "object", "properties": properties, "required": list(properties)}


def chat_messages(system: str, messages: Sequence[Message]) -> tuple[Mapping[str, Any], ...]:
    """Return a talk as OpenAI's interface has it. Texts are data there, and made inert all the same."""
    return ({"role": "system", "content": lines(system)}, *map(_chat_message, messages))


def _chat_message(message: Message) -> Mapping[str, Any]:
    if isinstance(message, Request):
        return {"role": "user", "content": words(message.text)}
    if isinstance(message, Result):
        id_ = {"tool_call_id": call_id(message.call)}
        return {"role": "tool", **id_, "name": name_of(message.call), "content": told_result(message.value)}
    told: dict[str, Any] = {"role": "assistant", "content": lines(message.text)}
    if message.calls:
        told["tool_calls"] = [_chat_call(call) for call in message.calls]
    return told


def _chat_call(call: ToolCall) -> Mapping[str, Any]:
    function = {"name": name_of(call), "arguments": dump(call.arguments)}
    return {"id": call_id(call), "type": "function", "function": function}


def call_id(call: ToolCall) -> str:
    """Return a call's id, nine letters and digits: Mistral's tokenizer takes no other, and all others take that."""
    if len(call.id) == ID_LENGTH and call.id.isascii() and call.id.isalnum():
        return call.id
    return hashlib.sha256((call.id or dump(call_json(call))).encode()).hexdigest()[:ID_LENGTH]
