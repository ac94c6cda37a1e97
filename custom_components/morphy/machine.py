"""What this machine can do for a model: cores, memory and processor, and what to expect of a file of a given size.

A model writes a token by reading its whole file once. How fast that goes is bounded twice: by what a core computes,
which a trial run of the bundled model measures, and by what the memory delivers, which is measured here. Both are
rough, and so are the numbers made from them.
"""

from __future__ import annotations

import ctypes
import os
import platform
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

PROC: Final = Path("/proc")
CGROUP: Final = Path("/sys/fs/cgroup")
FEATURES: Final[Mapping[str, str]] = {
    "avx": "AVX",
    "avx2": "AVX2",
    "fma": "FMA",
    "f16c": "F16C",
    "avx512f": "AVX-512",
    "avx512_vnni": "VNNI",
    "avx_vnni": "VNNI",
    "amx_int8": "AMX",
    "asimd": "NEON",
    "asimddp": "DOTPROD",
    "i8mm": "I8MM",
    "sve": "SVE",
}
"""Instructions that llama.cpp has code for, by what Linux calls them."""
BLOCK: Final = 16 * 2**20
"""Bytes that each core copies to measure the memory; more than a cache of one core."""
ROUNDS: Final = 4
READS_PER_COPY: Final = 1.5
"""Bytes that could have been read for each that was copied: a copy also writes."""
GROWTH: Final = 1.2
"""Memory for each byte of a model's file: the cache of a usual context comes on top of the weights."""
BASE: Final = 100 * 2**20
"""Bytes the process takes with any model."""
SHARE: Final = 0.9
"""Of the free memory that a model may take."""
BEARABLE: Final = 5.0
"""Tokens a second below which one waits for an answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What a machine has: `memory` and what is `free` of it in bytes, `bandwidth` and `compute` in bytes a second.

    `compute` is what one core reads of a model while it computes, None where no trial run has measured it.
    """

    processor: str
    features: tuple[str, ...]
    cores: int
    memory: int
    free: int
    bandwidth: float
    compute: float | None = None

    def need(self, size: int) -> int:
        """Return the bytes of memory that a model file of `size` bytes takes, about."""
        return int(size * GROWTH) + BASE

    def fits(self, size: int) -> bool:
        """Return whether a model file of `size` bytes fits into what is free."""
        return self.need(size) <= self.free * SHARE

    def speed(self, size: int) -> float:
        """Return the tokens a second that a model file of `size` bytes will write, about."""
        return self._rate / size

    @property
    def largest(self) -> int:
        """The bytes of the largest model file that fits and is bearably fast."""
        return max(0, min(int((self.free * SHARE - BASE) / GROWTH), int(self._rate / BEARABLE)))

    @property
    def _rate(self) -> float:
        """Bytes of a model that are read in a second, with one core left to others."""
        if self.compute is None:
            return self.bandwidth
        return min(self.bandwidth, self.compute * max(1, self.cores - 1))


def look() -> Machine:
    """Return this machine; takes a tenth of a second or so, and must not run in the event loop."""
    processor, features = _processor()
    cores = os.process_cpu_count() or 1
    memory, free = _memory()
    return Machine(
        processor=processor,
        features=features,
        cores=cores,
        memory=memory,
        free=free,
        bandwidth=READS_PER_COPY * _copy_rate(min(cores, 4)),
    )


def _processor() -> tuple[str, tuple[str, ...]]:
    """Return the processor's name, or the architecture's where it has none, and what it can do."""
    lines = (line.partition(":") for line in _read(PROC / "cpuinfo").splitlines())
    found = {key.strip(): value.strip() for key, _, value in lines}
    flags = found.get("flags", found.get("Features", "")).split()
    features = dict.fromkeys(name for flag, name in FEATURES.items() if flag in flags)
    board = _read(PROC / "device-tree" / "model").strip("\0\n ")
    return found.get("model name") or board or platform.machine(), tuple(features)


def _memory() -> tuple[int, int]:
    """Return the bytes of memory in all, and those that are free; a container may have less than the machine."""
    lines = (line.partition(":") for line in _read(PROC / "meminfo").splitlines())
    found = {key: int(value.split()[0]) * 1024 for key, _, value in lines if value.split()}
    total = found.get("MemTotal") or os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    free = found.get("MemAvailable", total // 2)
    limit = _read(CGROUP / "memory.max").strip()
    if limit.isdigit():
        total = min(total, int(limit))
        free = min(free, max(0, total - int(_read(CGROUP / "memory.current").strip() or 0)))
    return total, free


def _copy_rate(threads: int) -> float:
    """Return the bytes that so many threads copy in a second."""
    block = ctypes.c_char * BLOCK
    pairs = [[block.from_buffer(bytearray(b"\1") * BLOCK) for _ in range(2)] for _ in range(threads)]
    return threads * BLOCK / min(_seconds([partial(ctypes.memmove, to, source, BLOCK) for to, source in pairs]))


def _seconds(jobs: list[Callable[[], object]]) -> list[float]:
    """Run the jobs side by side, a few times over; return what each time took."""
    taken = []
    for _ in range(ROUNDS):
        threads = [threading.Thread(target=job) for job in jobs]
        began = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        taken.append(time.perf_counter() - began)
    return taken


def _read(path: Path) -> str:
    """Return a file's text; nothing where there is no such file."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
