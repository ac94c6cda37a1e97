"""A conversation in a form that belongs to no format, and a training text in pieces."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Call:
    """A call of a function."""

    name: str
    arguments: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Message:
    """What one side said or called; `role` is system, user, assistant or tool, and a tool's message names it."""

    role: str
    content: str
    calls: tuple[Call, ...] = ()
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Conversation:
    """Messages, and the functions that may be called in them, as OpenAI defines functions."""

    tools: tuple[dict[str, Any], ...]
    messages: tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of a training text, and whether it is learnt."""

    text: str
    learn: bool
