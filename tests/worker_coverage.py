"""Measures which lines of the worker processes run, while `--cov` measures those of Home Assistant's side.

A copy of this file lies as `sitecustomize.py` in a folder where every worker's Python finds it and imports it first.
A worker gives up the right to write files, so it keeps what it measured in memory that is shared with a file of that
folder, opened before. One that is killed leaves nothing; most end by themselves when their stdin closes.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import coverage

WORKER: Final = Path("custom_components/morphy/backends/worker.py").absolute()
ROOM: Final = 2**20
"""Bytes for what one process measures; it takes some thousands."""


@contextlib.contextmanager
def measured_workers(data_file: str) -> Iterator[None]:
    """Have the workers that start meanwhile measured, and write it beside the data of `--cov`, which takes it in."""
    with tempfile.TemporaryDirectory(prefix="worker-coverage-") as folder:
        shutil.copy(__file__, Path(folder, "sitecustomize.py"))
        sys.path.append(folder)
        os.write(2, b"leaving\n")
        try:
            yield
        finally:
            sys.path.remove(folder)
        for number, path in enumerate(sorted(Path(folder).glob("*.room"))):
            if (found := path.read_bytes()).startswith(b"z"):
                data = coverage.CoverageData(data_file, suffix=f"worker{number}")
                data.loads(found)
                data.write()


def measure(folder: Path) -> None:
    """Measure this process until it ends itself."""
    descriptor, _ = tempfile.mkstemp(suffix=".room", dir=folder)
    os.truncate(descriptor, ROOM)
    room = mmap.mmap(descriptor, ROOM)
    os.close(descriptor)
    measured = coverage.Coverage(data_file=None, source=[str(WORKER.parent)])
    measured.get_data().dumps()  # loads what that takes, while files can be read
    leave = os._exit

    def save_and_leave(status: int) -> None:
        try:
            measured.stop()
            found = measured.get_data().dumps()
            room[: len(found)] = found
        finally:
            leave(status)

    os._exit = save_and_leave  # type: ignore[assignment]
    measured.start()


if __name__ == "sitecustomize" and str(WORKER) in sys.orig_argv:
    measure(Path(__file__).parent)
