"""What each run cost and scored: one file for all runs of a folder, a JSON line for each step of each.

A step that was stopped and gone on with has a line for each time; one that was killed has none for that time.
"""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from . import torchrun
from .errors import RunError, Stopped
from .runs import Folder

LEDGER = "ledger.jsonl"
"""Its name, beside the run folders."""


@contextmanager
def entered(folder: Folder, step: str, machine: str = "the CPU") -> Iterator[dict[str, Any]]:
    """Time a step; what it scores goes into the dict that this gives, and all of it into the ledger at the end."""
    scored: dict[str, Any] = {}
    begun = time.monotonic()
    try:
        yield scored
    except Stopped:
        _enter(folder, step, machine, begun, {**scored, "stopped": True})
        raise
    _enter(folder, step, machine, begun, scored)


def _enter(folder: Folder, step: str, machine: str, begun: float, scored: dict[str, Any]) -> None:
    if torchrun.rank():
        return
    processor = platform.processor() or platform.machine()
    entry = {
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "run": folder.path.name,
        "step": step,
        "machine": f"{machine} ({processor})" if machine == "the CPU" else machine,
        "processes": torchrun.processes(),
        "minutes": round((time.monotonic() - begun) / 60, 2),
        "scored": scored,
    }
    folder.path.parent.mkdir(parents=True, exist_ok=True)
    with (folder.path.parent / LEDGER).open("a", encoding="utf-8") as ledger:
        ledger.write(f"{json.dumps(entry, ensure_ascii=False)}\n")


def table(folder: Path) -> str:
    """The ledger of the runs in a folder, as Markdown; RunError when there is none."""
    path = folder / LEDGER
    if not path.exists():
        raise RunError(f"{path} is not there yet: no step has been done in {folder}")
    lines = ["| when | run | step | machine | minutes | scored |", "|---|---|---|---|--:|---|"]
    for entry in map(json.loads, path.read_text(encoding="utf-8").splitlines()):
        machine = entry["machine"] + (f" × {entry['processes']}" if entry["processes"] > 1 else "")
        scored = ", ".join(f"{name} {_short(value)}" for name, value in entry["scored"].items())
        lines.append(
            f"| {entry['when']} | {entry['run']} | {entry['step']} | {machine} | {entry['minutes']:.1f} | {scored} |"
        )
    return "\n".join(lines)


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
