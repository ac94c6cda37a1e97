"""A conversation as the training text of a dialect, in pieces: what the assistant says and calls is learnt.

The dialect's own code writes all of it, so that a model reads in training what it will read when it is served.
"""

from __future__ import annotations

import json
from typing import Any

from ..dialect import Reply, Request, Result, Tool, ToolCall, ToolDialect, find_dialect
from ..dialect.chatml import END, START
from ..dialect.text import inert
from ..dialect.tools import Message
from ..errors import DataError
from .conversation import Call, Conversation, Segment

SYSTEM = "You are a helpful assistant."
"""What the assistant is told first where a conversation has no such text."""


def segments(conversation: Conversation, dialect: str) -> list[Segment]:
    """The training text of a conversation; learnt is each reply of the assistant, with the token that ends it.

    A dialect that tells of its tools only at the last request (`mistral`) shows earlier replies without them: those are
    read and not learnt. What comes after the last reply is left out.
    """
    way = find_dialect(dialect)
    if isinstance(way, ToolDialect):
        return _tool_segments(conversation, way)
    if START not in way.special_tokens or conversation.tools:
        raise DataError(f"Conversations of this kind cannot be written in the dialect {dialect}")
    pieces: list[Segment] = []
    for message in conversation.messages:
        said = inert(message.content) + END
        pieces += [Segment(f"{START}{message.role}\n", learn=False), Segment(said, message.role == "assistant")]
        pieces.append(Segment("\n", learn=False))
    return pieces


def told(conversation: Conversation) -> tuple[list[Tool], str, list[Message]]:
    """What a dialect of tools tells of a conversation: tools, system text, and the talk up to its last reply."""
    tools = [Tool(one["name"], one["description"], one["parameters"]) for one in conversation.tools]
    system = "\n".join(one.content for one in conversation.messages if one.role == "system" and one.content) or SYSTEM
    return tools, system, _messages(conversation)


def _tool_segments(conversation: Conversation, way: ToolDialect) -> list[Segment]:
    tools, system, messages = told(conversation)
    whole = way.prompt(tools, system, messages)
    pieces: list[Segment] = []
    done = 0
    for number, message in enumerate(messages):
        if not isinstance(message, Reply):
            continue
        before = way.prompt(tools, system, messages[:number])
        if whole.startswith(before):
            begin = len(before)
            end = _end(whole, begin + len(way.write(message)), way)
            pieces += [Segment(whole[done:begin], learn=False), Segment(whole[begin:end], learn=True)]
            done = end
    return pieces


def _end(text: str, at: int, way: ToolDialect) -> int:
    """Where the token ends that ends the reply whose words end at `at`."""
    rest = text[at:].lstrip(" ")
    ending = next(stop for stop in way.stop if rest.startswith(stop))
    return len(text) - len(rest) + len(ending)


def _messages(conversation: Conversation) -> list[Message]:
    """The talk up to its last reply; each result belongs to the first open call of its name, or to the first at all."""
    talk: list[Message] = []
    calls: list[ToolCall] = []
    last = 0
    for message in conversation.messages:
        match message.role:
            case "user":
                talk.append(Request(message.content))
            case "assistant":
                calls = list(map(_tool_call, message.calls))
                talk.append(Reply(message.content, tuple(calls)))
                last = len(talk)
            case "tool":
                found = next((call for call in calls if message.name in (None, call.name)), None)
                if found is None:
                    raise DataError(f"there is a result of {message.name or 'a function'} that nothing called for")
                calls.remove(found)
                talk.append(Result(found, _value(message.content)))
    return talk[:last]


def _tool_call(call: Call) -> ToolCall:
    return ToolCall(call.name, call.arguments)


def _value(content: str) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        return content
