"""The dialects: pure Python, shared with `training/`, so that a model is served as it was trained."""

from __future__ import annotations

from .base import Dialect
from .calls import CallError, read_calls, write_call
from .catalogue import CATALOGUE, SERVICES, services_for
from .chatml import END, START
from .functionary import FunctionaryV1Dialect, FunctionaryV2Dialect
from .glaive import GlaiveDialect
from .hermes import HermesDialect, OpenAIDialect
from .home import Action, Answer, Area, Device, Floor, Home, Service, Turn
from .homeassistant_json import HomeAssistantJsonDialect, HomeAssistantJsonV3Dialect, HomeAssistantJsonV3SmallDialect
from .lines import LinesDialect
from .mistral import MistralDialect
from .morphy import MorphyDialect
from .reader import Call, Event, Malformed, Reader, Speech
from .tool_reader import Called, ToolCall, ToolReader
from .tools import Reply, Request, Result, Tool, ToolDialect

DIALECTS: dict[str, Dialect] = {
    dialect.name: dialect
    for dialect in (
        MorphyDialect(),
        LinesDialect(),
        HomeAssistantJsonDialect(),
        HomeAssistantJsonV3Dialect(),
        HomeAssistantJsonV3SmallDialect(),
    )
}
"""The dialects that tell of a home, by name."""

OPENAI = OpenAIDialect()
"""Tools in the form of a server's chat endpoint."""

TOOL_DIALECTS: dict[str, ToolDialect] = {
    dialect.name: dialect
    for dialect in (
        HermesDialect(),
        MistralDialect(),
        FunctionaryV1Dialect(),
        FunctionaryV2Dialect(),
        GlaiveDialect(),
        OPENAI,
    )
}
"""The dialects that tell of tools, by name."""

SPECIAL_TOKENS: tuple[str, ...] = (START, END)
"""The special tokens of prompts that name no others."""


def get_dialect(name: str) -> Dialect:
    """Return the dialect of this name that tells of a home; KeyError for one that is not there."""
    return DIALECTS[name]


def find_dialect(name: str) -> Dialect | ToolDialect:
    """Return the dialect of this name, of either kind; KeyError for one that is not there."""
    return DIALECTS.get(name) or TOOL_DIALECTS[name]


__all__ = [
    "CATALOGUE",
    "DIALECTS",
    "OPENAI",
    "SERVICES",
    "SPECIAL_TOKENS",
    "TOOL_DIALECTS",
    "Action",
    "Answer",
    "Area",
    "Call",
    "CallError",
    "Called",
    "Device",
    "Dialect",
    "Event",
    "Floor",
    "Home",
    "LinesDialect",
    "Malformed",
    "MorphyDialect",
    "Reader",
    "Reply",
    "Request",
    "Result",
    "Service",
    "Speech",
    "Tool",
    "ToolCall",
    "ToolDialect",
    "ToolReader",
    "Turn",
    "find_dialect",
    "get_dialect",
    "read_calls",
    "services_for",
    "write_call",
]
