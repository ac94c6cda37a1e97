"""Results that are kept one by one as they come, so that killed work goes on where it was."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

from .errors import RunError


class Journal:
    """A file of JSON lines: first what the work was asked to be, then a key and a value each. Threads may share it.

    A last line that was cut by a kill is dropped.
    """

    def __init__(self, path: Path, settings: Any = None) -> None:
        """Go on with the file, or begin it; RunError when it was begun with other settings."""
        self._lock = threading.Lock()
        settings = json.loads(json.dumps(settings))
        path.parent.mkdir(parents=True, exist_ok=True)
        content = path.read_bytes() if path.exists() else b""
        whole = content[: content.rfind(b"\n") + 1]
        lines = [json.loads(line) for line in whole.splitlines()]
        if lines and lines[0] != settings:
            raise RunError(
                f"{path} was begun with other settings: {_difference(lines[0], settings)}; remove it or name another"
            )
        self._values: dict[str, Any] = dict(lines[1:])
        if len(whole) < len(content):
            path.write_bytes(whole)
        self._file = path.open("a", encoding="utf-8")
        if not lines:
            self._write(settings)

    def __contains__(self, key: str) -> bool:
        """Whether there is a value."""
        return key in self._values

    def __getitem__(self, key: str) -> Any:
        """The value; KeyError without one."""
        return self._values[key]

    def __setitem__(self, key: str, value: Any) -> None:
        """Keep a value; it is in the file when this returns."""
        with self._lock:
            self._write([key, value])
            self._values[key] = value

    def _write(self, line: Any) -> None:
        self._file.write(json.dumps(line, ensure_ascii=False) + "\n")
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _difference(old: Any, new: Any) -> str:
    if isinstance(old, dict) and isinstance(new, dict):
        names = [name for name in {**old, **new} if old.get(name) != new.get(name)]
        return ", ".join(f"{name} was {old.get(name)!r}, not {new.get(name)!r}" for name in names)
    return f"{old!r}, not {new!r}"
