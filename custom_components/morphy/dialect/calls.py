"""The call line, `service(target[, target…][, key=value…])`: how it is written and how it is read.

The form is Home-LLM v001's, `light.turn_on(light.kitchen)`; arguments are Morphy's. The reading is tolerant of what
models write (bare or quoted strings, `[255, 0, 0]`, `entity_id=…`), and never guesses at a home.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from .catalogue import WORDS
from .home import Action, ArgumentValue

CALL_START = re.compile(r"\s*[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*\(")
"""How a line begins that may be a call."""

_SERVICE = re.compile(r"[\s;,]*([a-z][a-z0-9_]*\.[a-z][a-z0-9_]*)\(")
_PARTIAL_START = re.compile(r"\s*(?:[a-z][a-z0-9_]*(?:\.(?:[a-z][a-z0-9_]*)?)?)?")
_KEY = re.compile(r"[ \t]*([a-z_][a-z0-9_]*)[ \t]*[=:](?!=)[ \t]*")
_NUMBER = re.compile(r"[+-]?(?:\d{1,15}\.?\d{0,15}|\.\d{1,15})")  # longer ones stay text: Python and JSON have limits
_COLOR_LIMIT = 10**6
_TARGET_KEYS = frozenset({"entity_id", "target_device", "device", "target", "area_id", "floor_id"})
_CLOSING = {"(": ")", "[": "]", "{": "}"}


class CallError(ValueError):
    """A line has the shape of a call but cannot be read as one."""


def may_become_call(text: str) -> bool:
    """Return whether a line that begins with this text could still turn out to be a call."""
    return CALL_START.match(text) is not None or _PARTIAL_START.fullmatch(text) is not None


def write_call(action: Action) -> str:
    """Return the action as a call line."""
    arguments = [*action.targets, *(f"{key}={_write_value(key, value)}" for key, value in action.data.items())]
    return f"{action.service}({', '.join(arguments)})"


def _write_value(key: str, value: ArgumentValue) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return f"({','.join(str(part) for part in value)})"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, str) and key not in WORDS:
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return str(value)


def read_calls(line: str) -> list[Action] | None:
    """Read a line that is nothing but calls, most often one.

    Returns None for a line that is text, also when it begins like a call but goes on after it. Raises CallError for a
    call that breaks off or whose arguments make no sense.
    """
    if CALL_START.match(line) is None:
        return None
    while (shorter := line.rstrip().rstrip(";,.")) != line:
        line = shorter
    actions, position = [], 0
    while position < len(line):
        head = _SERVICE.match(line, position)
        if head is None:
            return None
        end = _closing(line, head.end() - 1)
        if end is None:
            raise CallError(f"the call is not closed: {line}")
        actions.append(_read_call(head[1], line[head.end() : end]))
        position = end + 1
    return actions


def _closing(text: str, opening: int) -> int | None:
    """Return where the bracket at `opening` closes; brackets inside strings do not count."""
    expected: list[str] = []
    for position, character in _outside_strings(text, opening):
        if character in _CLOSING:
            expected.append(_CLOSING[character])
        elif expected and character == expected[-1]:
            expected.pop()
            if not expected:
                return position
    return None


def _outside_strings(text: str, start: int = 0) -> Iterator[tuple[int, str]]:
    """Yield the characters that are not inside a string, with their positions.

    A single quote opens a string only where a value can begin, so that `item=dad's list` stays readable.
    """
    quote, previous, position = "", "", start
    while position < len(text):
        character = text[position]
        if quote:
            if character == "\\":
                position += 1
            elif character == quote:
                quote = ""
        elif character == '"' or (character == "'" and previous in "(=,[{: "):
            quote = character
        else:
            yield position, character
        previous, position = character, position + 1


def _split(text: str) -> list[str]:
    """Split at the commas that stand outside of strings and brackets."""
    parts, depth, begin = [], 0, 0
    for position, character in _outside_strings(text):
        if character in "([{":
            depth += 1
        elif character in ")]}":
            depth -= 1
        elif character == "," and depth == 0:
            parts.append(text[begin:position])
            begin = position + 1
    parts.append(text[begin:])
    return [part.strip() for part in parts if part.strip()]


def _read_call(service: str, arguments: str) -> Action:
    targets: list[str] = []
    data: dict[str, ArgumentValue] = {}
    for part in _split(arguments):
        key = _KEY.match(part)
        if key is None:
            targets.append(_unquoted(part))
        elif key[1] in _TARGET_KEYS:
            targets.extend(_read_targets(key[1], part[key.end() :]))
        else:
            data[key[1]] = _read_value(part[key.end() :])
    return Action(service, tuple(targets), data)


def _read_targets(key: str, text: str) -> Iterator[str]:
    kind = key.removesuffix("_id") if key in ("area_id", "floor_id") else ""
    for item in _split(text[1:-1] if text[:1] in ("[", "(") else text):
        name = _unquoted(item)
        yield f"{kind}.{name}" if kind and "." not in name else name


def _read_value(text: str) -> ArgumentValue:
    if not text:
        raise CallError("an argument has no value")
    if text[0] in "([":
        return _read_color(text)
    if text[0] in "\"'":
        return _unquoted(text)
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    if _NUMBER.fullmatch(text):
        return float(text) if "." in text else int(text)
    return text


def _read_color(text: str) -> tuple[int, ...]:
    try:
        parts = [float(part) for part in _split(text[1:-1])]
    except ValueError as error:
        raise CallError(f"not a list of numbers: {text}") from error
    if not all(abs(part) < _COLOR_LIMIT for part in parts):
        raise CallError(f"not a color: {text}")
    return tuple(map(round, parts))


def _unquoted(text: str) -> str:
    if len(text) >= 2 and text[0] in "\"'" and text[-1] == text[0]:
        return re.sub(r"\\(.)", r"\1", text[1:-1])
    return text
