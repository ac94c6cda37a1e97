"""Expected calls beside those that came.

Exact: the same functions with the same arguments, no call more and none less; calls have no order. An argument that is
left out is its default, and 5 is 5.0. Lenient: arguments are compared by the type that their function's schema names:
`"5"` is 5 where a number is meant, numbers may be 1 % off, of text case, spaces and the full stop do not count, and
what is optional and empty is not there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ..dialect import Tool, ToolCall

TOLERANCE = 0.01
"""How far a number may be off, as a share of it, to be right leniently."""

EXACT, CLOSE, EXTRA, MISSED, ARGUMENTS, FUNCTION, UNREADABLE, ANSWER, TOO_LONG = OUTCOMES = (
    "exact", "close", "extra call", "missed call", "arguments", "function", "unreadable", "answer", "too long",
)  # fmt: skip
"""Right exactly; right leniently alone; all that is right and more, or a call where none is right; some or all of the
calls missing; the right functions with wrong arguments; another function; something that was meant as a call; a wrong
answer in words; a request that does not fit the model's context."""

Schema = Mapping[str, Any]
Same = Callable[[ToolCall, ToolCall], bool]


def outcome(
    expected: Sequence[ToolCall], got: Sequence[ToolCall], tools: Iterable[Tool] = (), *, unreadable: bool = False
) -> str:
    """What came of a request, as one of `OUTCOMES`; `unreadable` when something was meant as a call and is none."""
    schemas = {tool.name: tool.parameters for tool in tools}

    def exactly(one: ToolCall, other: ToolCall) -> bool:
        return one.name == other.name and _equal(*_filled(one, other, schemas.get(one.name, {})))

    def leniently(one: ToolCall, other: ToolCall) -> bool:
        schema = schemas.get(one.name, {})
        return one.name == other.name and _close_objects(*_filled(one, other, schema), schema)

    if unreadable:
        return UNREADABLE
    missing = _unmatched(expected, got, leniently)
    if not missing and len(got) > len(expected):
        return EXTRA
    if not missing:
        return CLOSE if _unmatched(expected, got, exactly) else EXACT
    if len(missing) == len(expected) - len(got):
        return MISSED
    names = sorted(call.name for call in expected) == sorted(call.name for call in got)
    return ARGUMENTS if names else FUNCTION


def _unmatched(expected: Sequence[ToolCall], got: Sequence[ToolCall], same: Same) -> list[ToolCall]:
    """The expected calls that nothing came for, when as many as possible are paired (by augmenting paths)."""
    partner: dict[int, int] = {}

    def pair(one: int, tried: set[int]) -> bool:
        for other in range(len(got)):
            if other not in tried and same(expected[one], got[other]):
                tried.add(other)
                if other not in partner or pair(partner[other], tried):
                    partner[other] = one
                    return True
        return False

    return [call for one, call in enumerate(expected) if not pair(one, set())]


def _filled(one: ToolCall, other: ToolCall, schema: Schema) -> tuple[dict[str, Any], dict[str, Any]]:
    """The arguments of both, with defaults for what is left out or null."""
    properties: Schema = schema.get("properties", {})
    required = schema.get("required", ())
    defaults = {name: part["default"] for name, part in properties.items() if "default" in part}

    def filled(call: ToolCall) -> dict[str, Any]:
        return defaults | {key: value for key, value in call.arguments.items() if value is not None or key in required}

    return filled(one), filled(other)


def _equal(one: Any, other: Any) -> bool:
    """Whether two values are the same JSON: true is not 1, and 1 is 1.0."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(_equal(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_equal, one, other))
    return bool(one == other)


def _close_objects(expected: Mapping[str, Any], got: Mapping[str, Any], schema: Schema) -> bool:
    properties: Schema = schema.get("properties", {})
    required = schema.get("required", ())

    def there(value: Mapping[str, Any]) -> dict[str, Any]:
        return {key: one for key, one in value.items() if key in required or one not in (None, "", [], {})}

    one, other = there(expected), there(got)
    return one.keys() == other.keys() and all(_close(one[key], other[key], properties.get(key, {})) for key in one)


def _close(expected: Any, got: Any, schema: Schema) -> bool:
    expected, got = _typed(expected, schema), _typed(got, schema)
    if isinstance(expected, bool) or isinstance(got, bool):
        return expected is got
    if isinstance(expected, (int, float)) and isinstance(got, (int, float)):
        whole = schema.get("type") == "integer"
        return bool(expected == got) if whole else math.isclose(expected, got, rel_tol=TOLERANCE, abs_tol=1e-9)
    if isinstance(expected, str) and isinstance(got, str):
        return _plain(expected) == _plain(got)
    if isinstance(expected, Mapping) and isinstance(got, Mapping):
        return _close_objects(expected, got, schema)
    if isinstance(expected, list) and isinstance(got, list):
        return _close_lists(expected, got, schema)
    return bool(expected == got)


def _close_lists(expected: list[Any], got: list[Any], schema: Schema) -> bool:
    items: Schema = schema.get("items", {})
    if len(expected) != len(got):
        return False
    if not schema.get("uniqueItems"):
        return all(_close(one, other, items) for one, other in zip(expected, got, strict=True))
    rest = list(got)
    for one in expected:
        found = next((place for place, other in enumerate(rest) if _close(one, other, items)), None)
        if found is None:
            return False
        rest.pop(found)
    return True


def _typed(value: Any, schema: Schema) -> Any:
    """A value as its schema means it: text that is a number or a truth value there, a number that is text."""
    kind = schema.get("type")
    if isinstance(value, str):
        word = value.strip()
        if kind == "boolean" and word.lower() in ("true", "false"):
            return word.lower() == "true"
        if kind in ("integer", "number"):
            try:
                return float(word)
            except ValueError:
                return value
    elif kind == "string" and isinstance(value, (int, float)) and not isinstance(value, bool):
        return f"{value:g}" if isinstance(value, float) else str(value)
    elif kind == "array" and not isinstance(value, (list, type(None))):
        return [value]
    return value


def _plain(text: str) -> str:
    """Text without what does not count: case, spaces at the ends and doubled, the full stop."""
    return " ".join(text.casefold().split()).rstrip(".!?,; ")
