"""Sentence templates: one line of text stands for many sentences.

The notation is the one Home Assistant's translators know: `(a|b)` is a choice, `[a]` may be left out, `{slot}` is
filled in by the caller, `<rule>` stands for another template that has a name. In a language whose words bend,
`{slot:form}` and `~mark {slot}` ask for a form (`forms.py`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import cast

from .forms import Forms


class Slot(str):
    """A hole in a template, by name."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Bent:
    """A hole whose filling takes a form, behind a mark that agrees with it, or with the class `kind`.

    `first` is a hole whose filling becomes the beginning of a compound. Each but `slot` may be empty.
    """

    slot: str
    first: str
    mark: str
    kind: str
    form: str
    forms: Forms


class Choice(tuple["Node", ...]):
    """One of several nodes, equally likely."""

    __slots__ = ()


class Row(tuple["Node", ...]):
    """Nodes one after the other."""

    __slots__ = ()


Node = str | Slot | Bent | Choice | Row

_TOKENS = re.compile(r"[()\[\]|]|(?:~\w+(?:\.\w+)? )?(?:\{\w+:join\})?\{\w+(?::\w+)?\}|<\w+>|[^()\[\]|{}<>~]+")
_BENT = re.compile(r"(?:~(\w+)(?:\.(\w+))? )?(?:\{(\w+):join\})?\{(\w+)(?::(\w+))?\}")


@dataclass(frozen=True, slots=True)
class Template:
    """A compiled template; `slots` names every hole in any of its branches."""

    node: Node
    slots: frozenset[str]

    def fill(self, random: Callable[[], float], slots: Mapping[str, str]) -> str:
        """Return one sentence, single-spaced. Raises KeyError for a slot that is not given."""
        parts: list[str] = []
        _emit(self.node, random, slots, parts)
        return " ".join("".join(parts).split())


def _emit(node: Node, random: Callable[[], float], slots: Mapping[str, str], parts: list[str]) -> None:
    kind = type(node)
    if kind is str:
        parts.append(cast(str, node))
    elif kind is Slot:
        parts.append(slots[cast(Slot, node)])
    elif kind is Choice:
        choice = cast(Choice, node)
        _emit(choice[int(random() * len(choice))], random, slots, parts)
    elif kind is Bent:
        bent = cast(Bent, node)
        start = bent.forms.joint(slots[bent.first]) if bent.first else ""
        parts.append(bent.forms.bent(start + slots[bent.slot], bent.form, bent.mark, bent.kind))
    else:
        for child in cast(Row, node):
            _emit(child, random, slots, parts)


def compile_template(text: str, rules: Mapping[str, Node], forms: Forms | None = None) -> Template:
    """Compile one line. Raises ValueError for a bracket out of place, an unknown rule, or a form that is not known."""
    tokens = _TOKENS.findall(text)
    if "".join(tokens) != text:
        raise ValueError(f"cannot read template: {text!r}")
    position, node = _alternatives(tokens, 0, rules, text, forms)
    if position != len(tokens):
        raise ValueError(f"unbalanced bracket in template: {text!r}")
    return Template(node, frozenset(_slots(node)))


def _alternatives(
    tokens: list[str], position: int, rules: Mapping[str, Node], text: str, forms: Forms | None
) -> tuple[int, Node]:
    branches: list[Node] = []
    row: list[Node] = []
    while position < len(tokens) and tokens[position] not in (")", "]"):
        token = tokens[position]
        position += 1
        if token == "|":
            branches.append(_row(row))
            row = []
        elif token in ("(", "["):
            position, inner = _alternatives(tokens, position, rules, text, forms)
            if position >= len(tokens) or tokens[position] != {"(": ")", "[": "]"}[token]:
                raise ValueError(f"unbalanced bracket in template: {text!r}")
            position += 1
            row.append(inner if token == "(" else Choice(("", inner)))
        elif token[0] in "{~":
            row.append(_slot(token, text, forms))
        elif token[0] == "<":
            if token[1:-1] not in rules:
                raise ValueError(f"unknown rule {token} in template: {text!r}")
            row.append(rules[token[1:-1]])
        else:
            row.append(token)
    branches.append(_row(row))
    return position, branches[0] if len(branches) == 1 else Choice(branches)


def _slot(token: str, text: str, forms: Forms | None) -> Node:
    mark, kind, first, slot, form = cast("re.Match[str]", _BENT.fullmatch(token)).groups("")
    if not mark and not form and not first:
        return Slot(slot)
    if forms is None or not forms.knows(mark, form):
        raise ValueError(f"unknown form {token} in template: {text!r}")
    return Bent(slot, first, mark, kind, form, forms)


def _row(nodes: list[Node]) -> Node:
    return nodes[0] if len(nodes) == 1 else Row(nodes) if nodes else ""


def _slots(node: Node) -> set[str]:
    if type(node) is Slot:
        return {str(node)}
    if isinstance(node, Bent):
        return {node.slot, node.first} - {""}
    if isinstance(node, (Choice, Row)):
        return {slot for child in node for slot in _slots(child)}
    return set()
