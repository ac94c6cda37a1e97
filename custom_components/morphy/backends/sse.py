"""Readers for the two ways in which servers stream: server-sent events, and one JSON object a line."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from typing import Final, override

MAX_EVENT: Final = 2**20
"""Bytes an event may have; longer ones raise ValueError."""
_LINE_END: Final = re.compile(rb"\r\n|\n|\r")


class StreamReader(ABC):
    """Turns bytes, however they were split on their way, into the data of events."""

    def __init__(self) -> None:
        """Begin a stream."""
        self._rest = b""
        self._after_cr = False

    def feed(self, data: bytes) -> list[str]:
        """Return the data of the events that are complete now. Raises ValueError when one grows too long."""
        if not data:
            return []
        if self._after_cr:
            data = data.removeprefix(b"\n")
        *lines, self._rest = _LINE_END.split(self._rest + data)
        self._after_cr = data.endswith(b"\r")
        events = [event for line in lines for event in self._take(line)]
        if len(self._rest) + self._held() > MAX_EVENT:
            raise ValueError("an event is too long")
        return events

    def close(self) -> list[str]:
        """Return the data of a last event that no blank line or newline ended."""
        rest, self._rest = self._rest, b""
        return [*self._take(rest), *self._take(b"")]

    @abstractmethod
    def _take(self, line: bytes) -> list[str]:
        """Take a line without its end; return the data of the events that it completes."""

    def _held(self) -> int:
        """Return how many bytes of an unfinished event are kept."""
        return 0


class EventReader(StreamReader):
    """Server-sent events as in the HTML standard, section 9.2.6: comments, several data lines, any line end.

    A field `error` counts as data, because llama.cpp's server names its errors so.
    """

    def __init__(self) -> None:
        """Begin a stream."""
        super().__init__()
        self._data: list[bytes] = []

    @override
    def _take(self, line: bytes) -> list[str]:
        if not line:
            data, self._data = b"\n".join(self._data), []
            return [data.decode("utf-8", "replace")] if data else []
        field, _, value = line.removeprefix(b"\xef\xbb\xbf").partition(b":")
        if field in (b"data", b"error"):
            self._data.append(value.removeprefix(b" "))
        return []

    @override
    def _held(self) -> int:
        return sum(map(len, self._data))


class LineReader(StreamReader):
    """One JSON object a line, as Ollama writes them."""

    @override
    def _take(self, line: bytes) -> list[str]:
        return [line.decode("utf-8", "replace")] if line.strip() else []
