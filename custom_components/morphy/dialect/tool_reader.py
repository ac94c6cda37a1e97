"""The incremental reader of replies with tool calls: turns the text that a model writes into speech and calls.

It knows the forms of all dialects at once, since models mix them up: JSON after `<tool_call>`, `[TOOL_CALLS]` or
`<functioncall>`, Functionary's name before its JSON, and JSON without any marker, which is what servers leave that hide
special tokens. A call is out as soon as its JSON closes. What a string holds is never a marker. The reader never
raises, and what is a call, or was meant as one, is never speech.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

from .reader import Malformed, Speech


class _State(Enum):
    """What the reader is in."""

    TEXT = auto()
    CALL = auto()
    """After a marker: JSON, or a name and JSON."""
    BARE = auto()
    """In JSON without a marker, which may be speech."""
    RECIPIENT = auto()
    """After `<|recipient|>`: `all`, or the name of a tool."""
    THOUGHT = auto()


_MARKERS: dict[str, _State] = {
    "<tool_call>": _State.CALL,
    "[TOOL_CALLS]": _State.CALL,
    "<functioncall>": _State.CALL,
    "<|START_OF_FUNCTION_CALL|>": _State.CALL,
    "<|recipient|>": _State.RECIPIENT,
    "<think>": _State.THOUGHT,
} | dict.fromkeys(
    [
        "</tool_call>", "</functioncall>", "</think>", "<|END_OF_FUNCTION_CALL|>", "<|END_OF_ASSISTANT|>",
        "<|from|>assistant", "<|from|>", "<|content|>", "<|stop|>", "<|endoftext|>", "<|im_end|>", "</s>",
    ],
    _State.TEXT,
)  # fmt: skip
"""What is never speech, and what follows it."""

_CALL_LIKE = re.compile(r'\{\s*"(?:name|function|arguments|parameters)"')
_NEXT = re.compile(
    "|".join(map(re.escape, sorted(_MARKERS, key=len, reverse=True)))
    + r"|^[ \t]*(?:```(?:json|tool_call)?[ \t]*\n\s*)?(?=\{|\[\s*\{)"
    + rf"|(?={_CALL_LIKE.pattern})",
    re.MULTILINE,
)
"""A marker, or JSON without one: at the start of a line or of a fence, or anywhere if it looks like a call."""
_MAYBE_BARE = re.compile(
    r"""^[ \t]*(?:`{1,2}|```[a-z_]{0,9}[ \t]*(?:\n\s*)?)?(?:\[\s*)?\Z|\{\s*(?:"[a-z]{0,10})?\Z""", re.MULTILINE
)
_FENCE_END = re.compile(r"\s*```[ \t]*")
_MAYBE_FENCE_END = re.compile(r"\s*`{0,2}\Z")
_LINE_END = re.compile(r"\n")
_NAME = r"\s*([A-Za-z_][\w.\-/]{0,127})"
_NAMED = re.compile(_NAME + r"[ \t]*(?:\[ARGS\]|:)?\s*(?:<\|content\|>)?\s*(?=\{)")
"""A name before its arguments: `name:` in Functionary v1, `name<|content|>` in v2, `name[ARGS]` in newer Mistrals."""
_MAYBE_NAMED = re.compile(_NAME + r"?[ \t]*(?:\[[ARGS]*\]?|:)?\s*(?:<[|a-z]{0,9}>?)?\s*\Z")
_ALL = re.compile(r"\s*all\s*(?:<\|content\|>|(?<=\n)(?=[^<\s]))")
_MAYBE_ALL = re.compile(r"\s*(?:a|al|all\s*(?:<[|a-z]{0,9})?)?\Z")
_QUOTED_OBJECT = re.compile(r"'(\{.*\})'", re.DOTALL)
"""Glaive's data has arguments as JSON in single quotes, which is no JSON."""
_CUT = 3
"""Where a reply breaks off, so many characters of a marker are not said; fewer are text, as in `I <3 you`."""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call that a model asks for. Nothing of it has been checked."""

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    id: str = ""


@dataclass(frozen=True, slots=True)
class Called:
    """A call that was read."""

    call: ToolCall


ToolEvent = Speech | Called | Malformed


class ToolReader:
    """Reads one reply. Feed it the pieces as they come, then close it."""

    def __init__(self, begun: str = "") -> None:
        """Begin a new reply; `begun` is what the prompt has written of it already."""
        self._text = begun
        self._state = _State.TEXT
        self._scan: JsonScan | None = None
        self._line_start = True  # the text begins at the start of a line
        self._opening = ""  # what stood before JSON without a marker, to be said if that turns out to be speech
        self._spaces = ""  # spaces that are speech only if more speech follows
        self._said = False
        self._beside_call = False  # the last thing was a call: line ends around it are not speech
        self._fenced = False  # the last thing was a call in a fence that is still open
        self._events: list[ToolEvent] = []

    def feed(self, text: str) -> list[ToolEvent]:
        """Take the next piece of the reply and return what it makes certain."""
        self._text += text
        while self._step():
            pass
        return self._take()

    def close(self) -> list[ToolEvent]:
        """End the reply and return what was still held."""
        rest, self._text = self._text, ""
        meant = self._state is _State.BARE and ('"name"' in rest or '"arguments"' in rest)
        if self._state is _State.CALL or meant:
            self._malformed(rest)
        elif self._state is _State.BARE:
            self._say(self._opening + rest)
        elif self._state is _State.TEXT or (self._state is _State.RECIPIENT and not _MAYBE_ALL.match(rest)):
            cut = _partial(rest)
            self._say(rest[: len(rest) - cut] if cut >= _CUT else rest)
        return self._take()

    def _take(self) -> list[ToolEvent]:
        events, self._events = self._events, []
        return events

    def _step(self) -> bool:
        """Go on by one thing; return False when that takes more text."""
        match self._state:
            case _State.TEXT:
                return self._read_text()
            case _State.CALL:
                return self._read_call()
            case _State.BARE:
                return self._read_bare()
            case _State.RECIPIENT:
                return self._read_recipient()
        return self._read_thought()

    def _read_text(self) -> bool:
        if self._fenced:
            if _MAYBE_FENCE_END.match(self._text):
                return False
            self._fenced = False
            if end := _FENCE_END.match(self._text):
                self._text = self._text[end.end() :]
        found = self._next()
        if found is None:
            self._consume(len(self._text) - max(_partial(self._text), self._maybe_bare()))
            return False
        self._consume(found.start())
        if any(marker != found[0] and marker.startswith(self._text) for marker in _MARKERS):
            return False
        if found[0] in _MARKERS:
            self._state = _MARKERS[found[0]]
        else:
            self._state, self._opening = _State.BARE, found[0]
        self._text, self._line_start = self._text[len(found[0]) :], True
        return True

    def _next(self) -> re.Match[str] | None:
        """Return the first marker or the first JSON without one."""
        for found in _NEXT.finditer(self._text):
            if found.start() or self._line_start or found[0] in _MARKERS or _CALL_LIKE.match(self._text):
                return found
        return None

    def _maybe_bare(self) -> int:
        """Return how many characters at the end may become the start of JSON without a marker."""
        for found in _MAYBE_BARE.finditer(self._text):
            if found.start() or self._line_start or found[0].startswith("{"):
                return len(found[0])
        return 0

    def _consume(self, length: int) -> None:
        """Say so much of the text."""
        if length:
            text, self._text = self._text[:length], self._text[length:]
            self._line_start = text.endswith("\n")
            self._say(text)

    def _read_call(self) -> bool:
        named = None
        if self._scan is None and not (text := self._text.lstrip()):
            return False
        if self._scan is None:
            self._text = text
        if self._text[0] not in "{[":
            named = _NAMED.match(self._text)
            if named is None:
                return not _MAYBE_NAMED.match(self._text) and self._pass_over()
        begin = named.end() if named else 0
        found = self._json(begin)
        if found is None:
            return False
        calls = _named_call(named[1], found) if named else read_tool_calls(found)
        self._called(calls, f"{named[1]} {found}" if named else found)
        return True

    def _json(self, begin: int = 0) -> str | None:
        """Return the JSON that begins there, once it is whole, and go on behind it."""
        self._scan = self._scan or JsonScan(begin)
        end = self._scan.end(self._text)
        if end is None:
            return None
        found, self._text, self._scan = self._text[begin:end], self._text[end:], None
        return found

    def _pass_over(self) -> bool:
        """Pass over what follows a marker and is no call, to the next marker or the end of the line."""
        ends = [found.start() for found in (_NEXT.search(self._text, 1), _LINE_END.search(self._text)) if found]
        if not ends:
            return False
        end = min(ends)
        self._malformed(self._text[:end])
        self._text, self._state = self._text[end:], _State.TEXT
        return True

    def _read_bare(self) -> bool:
        found = self._json()
        if found is None:
            return False
        calls = read_tool_calls(found)
        if calls:
            self._called(calls, found)
            self._fenced = "`" in self._opening
        else:
            self._state, self._line_start = _State.TEXT, False
            self._say(self._opening + found)
        return True

    def _read_recipient(self) -> bool:
        if spoken := _ALL.match(self._text):
            self._text, self._state = self._text[spoken.end() :], _State.TEXT
        elif _NAMED.match(self._text):
            self._state = _State.CALL
        elif _MAYBE_ALL.match(self._text) or _MAYBE_NAMED.match(self._text):
            return False
        else:
            self._state = _State.TEXT
        return True

    def _read_thought(self) -> bool:
        _, end, after = self._text.partition("</think>")
        if end:
            self._text, self._state = after, _State.TEXT
        return bool(end)

    def _called(self, calls: list[ToolCall], text: str) -> None:
        self._state, self._line_start = _State.TEXT, True
        if calls:
            self._beside_call = True
            self._events += map(Called, calls)
        else:
            self._malformed(text)

    def _malformed(self, text: str) -> None:
        self._beside_call = True
        self._events.append(Malformed(text.strip()))

    def _say(self, text: str) -> None:
        spoken = text.rstrip()
        if not spoken:
            self._spaces += text
            return
        begin = self._spaces + spoken
        self._spaces = text[len(spoken) :]
        if self._beside_call or not self._said:
            begin = ("\n" if self._said else "") + begin.lstrip()
        self._said, self._beside_call = True, False
        if self._events and isinstance(last := self._events[-1], Speech):
            self._events[-1] = Speech(last.text + begin)
        else:
            self._events.append(Speech(begin))


class JsonScan:
    """Finds where JSON closes. Brackets inside strings do not count, and nothing is looked at twice."""

    def __init__(self, begin: int = 0) -> None:
        """Begin at an opening bracket."""
        self._at = begin
        self._depth = 0
        self._in_string = False

    def end(self, text: str) -> int | None:
        """Return where it ends, or None where it does not yet."""
        while self._at < len(text):
            character = text[self._at]
            if self._in_string and character == "\\":
                if self._at + 1 == len(text):
                    return None
                self._at += 1
            elif character == '"':
                self._in_string = not self._in_string
            elif not self._in_string and character in "{[":
                self._depth += 1
            elif not self._in_string and character in "}]":
                self._depth -= 1
            self._at += 1
            if self._depth == 0:
                return self._at
        return None


def read_tool_calls(text: str) -> list[ToolCall]:
    """Return the calls in JSON as models write it: an object with name and arguments, or a list of them.

    Returns an empty list for anything else, and also when one of several is none: who lists calls means all of them.
    """
    value = _load(text)
    calls = [_call(item) for item in (value if isinstance(value, list) else [value])]
    return [call for call in calls if call] if all(calls) else []


def _call(value: Any) -> ToolCall | None:
    if not isinstance(value, dict):
        return None
    if isinstance(function := value.get("function"), dict):  # as OpenAI's interface wraps it
        value = {"id": value.get("id"), **function}
    arguments = next((value[key] for key in ("arguments", "parameters") if key in value), None)
    name, id_ = value.get("name"), value.get("id")
    if isinstance(arguments, str):  # JSON inside of JSON, as OpenAI's interface has it
        arguments = _load(arguments) if arguments.strip() else {}
    if not isinstance(name, str) or not name or not isinstance(arguments, dict):
        return None
    return ToolCall(name.removeprefix("functions."), arguments, id_ if isinstance(id_, str) else "")


def _named_call(name: str, text: str) -> list[ToolCall]:
    arguments = _load(text)
    return [ToolCall(name.removeprefix("functions."), arguments)] if isinstance(arguments, dict) else []


def _load(text: str) -> Any:
    """Return the value of JSON, also of Glaive's, or None for what is none."""
    for attempt in _attempts(text):
        try:
            return json.loads(attempt, strict=False)
        except (ValueError, RecursionError):
            continue
    return None


def _attempts(text: str) -> Iterator[str]:
    yield text
    if quoted := _QUOTED_OBJECT.search(text):
        yield text[: quoted.start()] + quoted[1] + text[quoted.end() :]


def _partial(text: str) -> int:
    """Return how many characters at the end of a text may become a marker."""
    for begin in range(max(0, len(text) - max(map(len, _MARKERS)) + 1), len(text)):
        if any(marker.startswith(text[begin:]) for marker in _MARKERS):
            return len(text) - begin
    return 0
