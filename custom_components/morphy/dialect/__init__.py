"""The dialects: pure Python, shared with `training/`, so that a model is served as it was trained."""

from __future__ import annotations

from .base import Dialect
from .calls import CallError, read_calls, write_call
from .catalogue import CATALOGUE, SERVICES, services_for
from .home import Action, Answer, Area, Device, Floor, Home, Service, Turn
from .lines import LinesDialect
from .morphy import MorphyDialect
from .reader import Call, Event, Malformed, Reader, Speech

DIALECTS: dict[str, Dialect] = {dialect.name: dialect for dialect in (MorphyDialect(), LinesDialect())}
"""The dialects by name."""

SPECIAL_TOKENS: tuple[str, ...] = tuple(
    dict.fromkeys(token for dialect in DIALECTS.values() for token in dialect.special_tokens)
)
"""The special tokens that any dialect writes; a prompt means no others."""


def get_dialect(name: str) -> Dialect:
    """Return the dialect of this name; KeyError for one that is not there."""
    return DIALECTS[name]


__all__ = [
    "CATALOGUE",
    "DIALECTS",
    "SERVICES",
    "SPECIAL_TOKENS",
    "Action",
    "Answer",
    "Area",
    "Call",
    "CallError",
    "Device",
    "Dialect",
    "Event",
    "Floor",
    "Home",
    "LinesDialect",
    "Malformed",
    "MorphyDialect",
    "Reader",
    "Service",
    "Speech",
    "Turn",
    "get_dialect",
    "read_calls",
    "services_for",
    "write_call",
]
