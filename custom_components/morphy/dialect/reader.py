"""The incremental reader: turns the text a model writes, piece by piece, into speech and calls.

It holds text back only while it could still become a call, so speech streams; it never raises; and what it has called
speech never contains a line that is a call. Between two lines of speech it keeps the line end; line ends beside calls
are dropped with them.
"""

from __future__ import annotations

from dataclasses import dataclass

from .calls import CallError, may_become_call, read_calls
from .home import Action

FENCE = "```"
CALL_FENCES = frozenset({"homeassistant"})
"""What may stand behind a fence that holds nothing but calls."""


@dataclass(frozen=True, slots=True)
class Speech:
    """Words for the user."""

    text: str


@dataclass(frozen=True, slots=True)
class Call:
    """A call, and the line it stood in."""

    action: Action
    text: str


@dataclass(frozen=True, slots=True)
class Malformed:
    """A line that was meant as a call and cannot be read."""

    text: str


Event = Speech | Call | Malformed


class Reader:
    """Reads one answer. Feed it the pieces as they come, then close it."""

    def __init__(self) -> None:
        """Begin a new answer."""
        self._line = ""  # what is held of the current line
        self._streaming = False  # the current line is speech for sure, and its start is out already
        self._carriage_return = False  # the last character was \r and may belong to a \r\n
        self._breaks = ""  # line ends that are speech only if more speech follows
        self._said = False  # some speech is out
        self._fence: str | None = None  # the info string of the open fence
        self._fence_spoken = False  # the open fence is part of the speech
        self._held_fence: str | None = None  # an opening fence that is speech only if no call follows
        self._events: list[Event] = []

    def feed(self, text: str) -> list[Event]:
        """Take the next piece of the answer and return what it makes certain."""
        if self._carriage_return:
            text, self._carriage_return = "\r" + text, False
        if text.endswith("\r"):
            text, self._carriage_return = text[:-1], True
        *lines, rest = text.replace("\r\n", "\n").split("\n")
        for line in lines:
            self._extend(line)
            self._end_line("\n")
        self._extend(rest)
        return self._take()

    def close(self) -> list[Event]:
        """End the answer and return what was still held."""
        if self._carriage_return:
            self._carriage_return = False
            self._extend("\r")
        self._end_line("")
        self._release_fence()
        return self._take()

    def is_note(self, line: str) -> bool:
        """Return whether a whole line is neither speech nor call, but something the model noted for itself."""
        return False

    def may_become_note(self, line: str) -> bool:
        """Return whether a line that begins with this text could still turn out to be a note."""
        return False

    def _take(self) -> list[Event]:
        events, self._events = self._events, []
        return events

    def _extend(self, text: str) -> None:
        if not text:
            return
        if self._streaming:
            self._say(text)
            return
        self._line += text
        if not self._may_be_held(self._line):
            held, self._line, self._streaming = self._line, "", True
            self._say(held)

    def _may_be_held(self, line: str) -> bool:
        stripped = line.lstrip(" \t")
        may_be_fence = stripped.startswith(FENCE) or FENCE.startswith(stripped)
        return may_be_fence or may_become_call(line) or self.may_become_note(line)

    def _end_line(self, line_end: str) -> None:
        if self._streaming:
            self._streaming = False
            self._breaks += line_end
            return
        line, self._line = self._line, ""
        info = line.strip(" \t").removeprefix(FENCE)
        if line.strip(" \t").startswith(FENCE) and "`" not in info:
            self._read_fence(line, info.strip(), line_end)
        elif not self.is_note(line):
            self._read_line(line, line_end)

    def _read_line(self, line: str, line_end: str) -> None:
        try:
            actions = read_calls(line)
        except CallError:
            actions = []
        if actions is None:
            self._read_text(line, line_end)
            return
        self._held_fence = None
        text = line.strip()
        self._events.extend([Call(action, text) for action in actions] or [Malformed(text)])

    def _read_text(self, line: str, line_end: str) -> None:
        if not line.strip(" \t"):
            self._breaks += line + line_end
        else:
            self._say(line)
            self._breaks += line_end

    def _read_fence(self, line: str, info: str, line_end: str) -> None:
        if self._fence is None:
            self._fence, self._fence_spoken = info, False
            self._held_fence = None if info in CALL_FENCES else line + line_end
            return
        self._release_fence()
        if self._fence_spoken:
            self._say(line)
            self._breaks += line_end
        self._fence = None

    def _release_fence(self) -> None:
        """Say a held opening fence after all: what follows it is text."""
        if self._held_fence is None:
            return
        held, self._held_fence, self._fence_spoken = self._held_fence, None, True
        fence = held.rstrip("\n")
        self._append_speech(fence)
        self._breaks = held[len(fence) :] + self._breaks

    def _say(self, text: str) -> None:
        self._release_fence()
        self._append_speech(text)

    def _append_speech(self, text: str) -> None:
        text = (self._breaks if self._said else "") + text
        self._breaks, self._said = "", True
        if self._events and isinstance(last := self._events[-1], Speech):
            self._events[-1] = Speech(last.text + text)
        else:
            self._events.append(Speech(text))
