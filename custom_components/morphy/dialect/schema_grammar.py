"""The GBNF grammar of a JSON schema: whatever is written under it is JSON that the schema allows.

llama.cpp and llama-cpp-python have converters of their own. This one is for servers and workers alike, bounds numbers
that have a range (theirs bound integers alone, and Home Assistant's numbers are none), and leaves no room for spaces
without end. It knows what Home Assistant's selectors come to; a schema it does not know, such as one with `pattern`,
allows any JSON, or any string, so what is written under it has to be checked all the same.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import count
from typing import Any

from .grammar import one_of, quote

MAX_SPAN = 1000
"""Whole numbers between a minimum and a maximum that are spelled out; a wider range is left to whoever checks."""
MAX_REPEAT = 1000
"""Characters or items that are counted; llama.cpp takes no grammar that counts much further."""

Schema = Mapping[str, Any]

_COMMON_RULES = r"""
value ::= object | array | string | number | boolean | null
object ::= "{" (pair ("," " "? pair)*)? "}"
pair ::= string ":" " "? value
array ::= "[" (value ("," " "? value)*)? "]"
string ::= "\"" char* "\""
char ::= [^"\\\x00-\x1f\x7f] | "\\" ["\\/bfnrt]
number ::= integer fraction?
integer ::= "-"? ("0" | [1-9] [0-9]{0,14})
fraction ::= "." [0-9]{1,6}
boolean ::= "true" | "false"
null ::= "null"
date ::= [12] [0-9]{3} "-" ("0" [1-9] | "1" [0-2]) "-" ("0" [1-9] | [12] [0-9] | "3" [01])
time ::= ([01] [0-9] | "2" [0-3]) ":" [0-5] [0-9] ":" [0-5] [0-9]
word ::= [a-z0-9_]{1,64}
"""

_FORMATS = {
    "date": "date",
    "time": "time",
    "date-time": 'date "T" time',
    "entity_id": 'word "." word',
    "ISO 3166-1 alpha-2": "[A-Z]{2}",
}
_COLOUR_PART = {"type": "integer", "minimum": 0, "maximum": 255}


def schema_grammar(schema: Schema) -> str:
    """Return the grammar; its start symbol is `root`, and its JSON has no spaces but after commas and colons."""
    return schema_rules({"root": schema})


def schema_rules(schemas: Mapping[str, Schema]) -> str:
    """Return a rule of each name for its schema, and the rules that these need, as part of a larger grammar."""
    rules = _Rules()
    named = [f"{name} ::= {rules.value(schema)}" for name, schema in schemas.items()]
    return "\n".join([*named, *rules.written, _COMMON_RULES.strip(), ""])


class _Rules:
    """Turns the parts of a schema into expressions, and writes the rules that these need."""

    def __init__(self) -> None:
        self.written: list[str] = []
        self._numbers = count()

    def value(self, schema: Schema) -> str:
        """Return the expression for a schema."""
        if "const" in schema or schema.get("enum"):
            return one_of(map(_json, schema.get("enum") or [schema["const"]]))
        if alternatives := schema.get("anyOf") or schema.get("oneOf"):
            return self._any_of(alternatives)
        kind = schema.get("type")
        if isinstance(kind, list):
            return self._any_of([{**schema, "type": one} for one in kind])
        match kind:
            case "object":
                return self._object(schema)
            case "array":
                return self._array(schema)
            case "string":
                return self._string(schema)
            case "integer" | "number":
                return _number(schema, "" if kind == "integer" else " fraction?")
            case "boolean" | "null":
                return str(kind)
        return "value"

    def _add(self, expression: str) -> str:
        name = f"r{next(self._numbers)}"
        self.written.append(f"{name} ::= {expression}")
        return name

    def _any_of(self, schemas: Iterable[Schema]) -> str:
        return f"({' | '.join(map(self.value, schemas))})"

    def _object(self, schema: Schema) -> str:
        properties: Mapping[str, Schema] = schema.get("properties", {})
        if properties:
            required = schema.get("required", ())
            fields = [(self._field(quote(_json(name)), part), name in required) for name, part in properties.items()]
            return f'"{{" {self._listed(fields)} "}}"'
        others = schema.get("additionalProperties", True)
        if isinstance(others, Mapping):
            field = self._add(self._field("string", others))
            return f'"{{" ({field} ("," " "? {field})*)? "}}"'
        return "object" if others else '"{}"'

    def _field(self, name: str, schema: Schema) -> str:
        return f'{name} ":" " "? {self.value(schema)}'

    def _listed(self, parts: Sequence[tuple[str, bool]]) -> str:
        """Return the expression for parts in this order, with commas between; those that are not required may lack."""
        first = more = '""'
        for part, required in reversed(parts):
            part = self._add(part)  # noqa: PLW2901 - the same part, by its name
            before = first
            first = self._add(f"{part} {more}" if required else f"{part} {more} | {before}")
            more = self._add(f'"," " "? {part} {more}' if required else f'("," " "? {part})? {more}')
        return first

    def _array(self, schema: Schema) -> str:
        items: Schema = _COLOUR_PART if schema.get("format") == "RGB" else schema.get("items", {})
        if schema.get("uniqueItems") and items.get("enum"):
            return f'"[" {self._listed([(quote(_json(item)), False) for item in items["enum"]])} "]"'
        item = self._add(self.value(items))
        least, most = _bounds(schema, "minItems", "maxItems")
        if most == 0:
            return '"[]"'
        several = f'{item} ("," " "? {item}){_times(max(least - 1, 0), None if most is None else most - 1)}'
        return f'"[" {several} "]"' if least else f'"[" ({several})? "]"'

    def _string(self, schema: Schema) -> str:
        if known := _FORMATS.get(schema.get("format", "")):
            return rf'"\"" {known} "\""'
        least, most = _bounds(schema, "minLength", "maxLength")
        if least == 0 and most is None:
            return "string"
        return rf'"\"" char{_times(least, most)} "\""'


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _bounds(schema: Schema, least: str, most: str) -> tuple[int, int | None]:
    """Return the least and the greatest number of things, as far as they can be counted."""
    low, high = int(schema.get(least, 0)), schema.get(most)
    return min(low, MAX_REPEAT), int(high) if high is not None and high <= MAX_REPEAT else None


def _times(least: int, most: int | None) -> str:
    return f"{{{least},{'' if most is None else most}}}"


def _number(schema: Schema, fraction: str) -> str:
    """Return the expression for a number between `minimum` and `maximum`; `fraction` is what may follow whole ones."""
    low, high = schema.get("minimum", -math.inf), schema.get("maximum", math.inf)
    whole = range(math.ceil(low), math.floor(high) + 1) if high - low <= MAX_SPAN else range(0)
    if not whole:
        return f"integer{fraction}"
    if not fraction:
        return one_of(map(str, whole))
    inner = [str(n) for n in whole if (n >= 0 and n + 1 <= high) or (n < 0 and n - 1 >= low)]
    ends = one_of(map(str, whole))
    return f"({one_of(inner)}{fraction} | {ends})" if inner else ends
