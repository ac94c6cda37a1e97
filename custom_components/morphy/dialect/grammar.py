"""The GBNF grammar of one turn: it can write the calls that this very Home allows, and text that is no call.

GBNF is llama.cpp's notation (grammars/README.md there). Ids stand in prefix trees, so that a token is checked against
a few alternatives however large the home is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .catalogue import FLAGS, NAMED_ONLY, NUMBERS, WORDS
from .home import Home, Service

MAX_CALLS = 12
"""Calls one answer may hold; a larger group is one call on an area, a floor or `all`."""

MAX_TARGETS = 8
"""Targets one call may name."""

_COMMON_RULES = r"""
number ::= "-"? [0-9]{1,5} ("." [0-9]{1,2})?
flag ::= "true" | "false"
word ::= [a-z] [a-z_ ]{0,30}
text ::= "\"" [^"\\\n\r\x00-\x1f]{1,120} "\""
"""

# A line of speech. It cannot begin like a call or a fence, nor with a space or a quote, so no line of it is a call.
_SPEECH_RULES = r"""
speech ::= name "."? | name other rest | [a-z0-9_]* "." [^a-z\n\r\x00-\x1f] rest | start rest
name ::= [a-z0-9_]+
other ::= [^a-z0-9_.\n\r\x00-\x1f]
start ::= [^a-z0-9_. `"\n\r\x00-\x1f]
rest ::= [^\n\r\x00-\x1f]*
"""


def quote(text: str) -> str:
    """Return the text as a GBNF literal."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r")
    return f'"{escaped}"'


def one_of(words: Iterable[str]) -> str:
    """Return an expression that matches exactly these words, as a prefix tree."""
    return _tree(sorted(set(words)))


def _tree(words: Sequence[str]) -> str:
    """Return the expression for sorted, different words."""
    if len(words) == 1:
        return quote(words[0])
    prefix = _common_prefix(words[0], words[-1])
    tails = [word[len(prefix) :] for word in words]
    branches = ['""'] if tails[0] == "" else []
    begin = len(branches)
    for end in range(begin + 1, len(tails) + 1):
        if end == len(tails) or tails[end][0] != tails[begin][0]:
            branches.append(_tree(tails[begin:end]))
            begin = end
    choice = f"({' | '.join(branches)})"
    return f"{quote(prefix)} {choice}" if prefix else choice


def _common_prefix(first: str, last: str) -> str:
    length = 0
    while length < min(len(first), len(last)) and first[length] == last[length]:
        length += 1
    return first[:length]


def call_rules(home: Home) -> str | None:
    """Return the rules under `call`: one call on listed devices, or None for a home in which nothing can be called."""
    targets = targets_by_domain(home)
    services: dict[str, list[Service]] = {}
    for service in home.services:
        if service.domain in targets:
            services.setdefault(service.domain, []).append(service)
    if not services:
        return None
    rules = [f"call ::= {' | '.join(_rule_name(domain) for domain in services)}"]
    for domain, of_domain in services.items():
        name = _rule_name(domain)
        calls = " | ".join(_call(service, name) for service in of_domain)
        rules.append(f'{name} ::= {quote(domain + ".")} ({calls}) ")"')
        rules.append(f'{name}-targets ::= {name}-target (", " {name}-target){{0,{MAX_TARGETS - 1}}}')
        rules.append(f"{name}-target ::= {one_of(targets[domain])}")
    return "\n".join(rules) + "\n" + _COMMON_RULES.strip()


def targets_by_domain(home: Home) -> dict[str, list[str]]:
    """Return what a call of each domain may name: its devices, the areas and floors that hold one, and `all`.

    The domains of NAMED_ONLY have their devices alone.
    """
    targets: dict[str, dict[str, None]] = {}
    for device in home.devices:
        of_domain = targets.setdefault(device.domain, {} if device.domain in NAMED_ONLY else {"all": None})
        of_domain[device.id] = None
        area = home.area_by_id.get(device.area or "")
        if area is not None and device.domain not in NAMED_ONLY:
            of_domain[f"area.{area.id}"] = None
            if area.floor in home.floor_by_id:
                of_domain[f"floor.{area.floor}"] = None
    return {domain: list(of_domain) for domain, of_domain in targets.items()}


def speech_rules() -> str:
    """Return the rule `speech`: one line of text that no reader can take for a call."""
    return _SPEECH_RULES.strip()


def _rule_name(domain: str) -> str:
    return "d-" + domain.replace("_", "-")


def _call(service: Service, rule: str) -> str:
    call = f"{quote(service.name.partition('.')[2] + '(')} {rule}-targets"
    if not service.arguments:
        return call
    arguments = " | ".join(f"{quote(name + '=')} {_value_rule(name)}" for name in service.arguments)
    return f'{call} (", " ({arguments})){{0,{len(service.arguments)}}}'


def _value_rule(argument: str) -> str:
    if argument in NUMBERS:
        return "number"
    if argument in FLAGS:
        return "flag"
    return "word" if argument in WORDS else "text"
