"""What makes a request hard, beside its category: marks under which an evaluation counts it apart."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from functools import cache

from .data import Exchange
from .dialect import Device, Home
from .generator.kinds import KINDS
from .generator.language import load_language
from .generator.names import plain, slug

FOLLOW_UP = "followup"
"""How the category of a request begins that leans on the turns before it."""

_SHORTEST = 3
"""Letters that a part of an id needs to be told from chance."""


def marks(home: Home, exchange: Exchange) -> Iterator[str]:
    """The marks of a request; `= ` stands in front of each, so that none is taken for a category."""
    devices = [home.by_id[one] for one in exchange.answer.evidence if one in home.by_id]
    if exchange.category.startswith("question"):
        yield "= questions"
    if exchange.category.startswith(FOLLOW_UP):
        yield "= follow-ups"
    if len(exchange.answer.actions) > 1:
        yield "= several actions"
    if exchange.unseen:
        yield "= unseen names"
    if any(unrelated(device) for device in devices):
        yield "= unrelated ids"
    if exchange.answer.actions and any(not tells_domain(device) for device in devices):
        yield "= domain not told"


def unrelated(device: Device) -> bool:
    """Whether no part of the id is part of a name: nobody could guess the one from the other."""
    names = slug("".join(device.names)).replace("_", "")
    parts = device.id.partition(".")[2].split("_")
    return not any(len(part) >= _SHORTEST and part != device.domain and part in names for part in parts)


def tells_domain(device: Device) -> bool:
    """Whether a name has a word for things of its domain: a `ceiling` may be a lamp, a `ceiling fan` is a fan."""
    words = {word for name in device.names for word in plain(name).split()}
    return device.domain in words or any(device.domain in _domains()[word] for word in words)


@cache
def _domains() -> dict[str, set[str]]:
    """The domains that a word stands for, among those which can be controlled."""
    nouns = load_language("en").nouns
    domains: dict[str, set[str]] = defaultdict(set)
    for kind in KINDS.values():
        # A light behind a switch is called a light: its name tells the wrong domain.
        if kind.domain not in ("sensor", "binary_sensor") and kind.name != "switch_light":
            for phrase in (*nouns[kind.name].one, *nouns[kind.name].many):
                for word in phrase.split():
                    domains[word].add(kind.domain)
    return domains
