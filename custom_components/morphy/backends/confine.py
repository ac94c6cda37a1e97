"""Takes from the worker process every right that it does not need to run its model.

A model file is data that somebody else made, read by native code. After `confine` the process can therefore read this
file and no other, write none, start no program, reach no network and send no signal to another process; whatever a
crafted file makes llama.cpp do, it does it in there. Standard library only, because the worker is a plain script.

Each layer is left out where the system lacks it: an old kernel, another operating system, a container that forbids it.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import re
import resource
import stat
import struct
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

PR_SET_PDEATHSIG: Final = 1
PR_SET_DUMPABLE: Final = 4
PR_SET_SECCOMP: Final = 22
PR_SET_NO_NEW_PRIVS: Final = 38
SIGKILL: Final = 9

OPEN_FILES: Final = 256
"""File descriptors the process may have; a model in parts takes one for each."""
OOM_SCORE: Final = 800
"""Of 1000: when memory runs out, the kernel ends this process long before Home Assistant."""

CAP_VERSION_3: Final = 0x20080522
CAP_DAC_READ_SEARCH: Final = 1 << 2
"""The one capability that root keeps: to read a model that belongs to somebody else."""

LANDLOCK_CREATE_RULESET: Final = 444
LANDLOCK_ADD_RULE: Final = 445
LANDLOCK_RESTRICT_SELF: Final = 446
LANDLOCK_VERSION: Final = 1
LANDLOCK_RULE_PATH_BENEATH: Final = 1
LANDLOCK_READ_FILE: Final = 1 << 2
LANDLOCK_FILES: Final = {1: 13, 2: 14, 3: 15, 4: 15}
"""How many rights over files each version of Landlock knows; 16 from version 5 on."""
LANDLOCK_TCP: Final = 0b11
"""Bind and connect, from version 4 on."""
LANDLOCK_SCOPES: Final = 0b11
"""Abstract Unix sockets and signals, from version 6 on."""

AUDIT_ARCHITECTURES: Final = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
FORBIDDEN: Final = {
    # socket, execve, execveat, ptrace, process_vm_readv, process_vm_writev, io_uring_setup
    "x86_64": (41, 59, 322, 101, 310, 311, 425),
    "aarch64": (198, 221, 281, 117, 270, 271, 425),
}
"""System calls that are refused, by machine: the numbers of the kernel's tables."""
X32_BIT: Final = 0x40000000
"""Set in the numbers of x86-64's second set of system calls, which is refused as a whole."""
SECCOMP_MODE_FILTER: Final = 2
SECCOMP_ALLOW: Final = 0x7FFF0000
SECCOMP_REFUSE: Final = 0x00050000 | 1
"""The call returns EPERM."""
BPF_LOAD_WORD: Final = 0x20
BPF_JUMP_IF_EQUAL: Final = 0x15
BPF_JUMP_IF_GREATER_OR_EQUAL: Final = 0x35
BPF_RETURN: Final = 0x06


def confine(model: str, *, driver: bool = False) -> list[str]:
    """Give up, for good, what the calling thread and those it starts later need not have; return the layers that hold.

    `driver` says that a GPU is used: its driver opens devices, caches and sockets of its own choice, so only what
    cannot be in its way is given up.
    """
    layers: list[tuple[str, Callable[[], None]]] = [("limits", lambda: _limit(driver))]
    if sys.platform == "linux":
        layers.append(("no new privileges", _stay_small))
    if sys.platform == "linux" and not driver:
        layers += [
            ("capabilities", _drop_capabilities),
            ("files", lambda: _restrict_files(_readable(Path(model)))),
            ("system calls", lambda: refuse(*FORBIDDEN[platform.machine()])),
        ]
    held = []
    for name, layer in layers:
        with contextlib.suppress(OSError, ValueError, LookupError, AttributeError):
            layer()
            held.append(name)
    return held


def _limit(driver: bool) -> None:
    """Dump no core (it would hold what was said), open few files, and write none."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if not driver:
        resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES, OPEN_FILES))
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


def _stay_small() -> None:
    """Gain no rights by a program that has them, end with the parent, and be the first to go when memory runs out."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(str(OOM_SCORE), encoding="ascii")
    _prctl(PR_SET_PDEATHSIG, SIGKILL)
    _prctl(PR_SET_DUMPABLE, 0)
    _prctl(PR_SET_NO_NEW_PRIVS, 1)


def _drop_capabilities() -> None:
    """Give up root's powers, where it is root."""
    libc = ctypes.CDLL(None, use_errno=True)
    header = struct.pack("Ii", CAP_VERSION_3, 0)
    sets = ctypes.create_string_buffer(24)  # effective, permitted, inheritable: the lower 32, then the upper
    _check(libc.capget(header, sets))
    _, permitted, _ = struct.unpack_from("III", sets)
    kept = permitted & CAP_DAC_READ_SEARCH
    _check(libc.capset(header, struct.pack("6I", kept, kept, 0, 0, 0, 0)))


def _restrict_files(readable: list[Path]) -> None:
    """Read these files and no others (Landlock, Linux 5.13); shut off what else the kernel's version of it knows."""
    version = _syscall(LANDLOCK_CREATE_RULESET, None, 0, LANDLOCK_VERSION)
    files = (1 << LANDLOCK_FILES.get(version, 16)) - 1
    rights = struct.pack("QQQ", files, LANDLOCK_TCP * (version >= 4), LANDLOCK_SCOPES * (version >= 6))
    rules = _syscall(LANDLOCK_CREATE_RULESET, rights, len(rights), 0)
    try:
        for file in _opened(readable):
            rule = struct.pack("=Qi", LANDLOCK_READ_FILE, file)
            _syscall(LANDLOCK_ADD_RULE, rules, LANDLOCK_RULE_PATH_BENEATH, rule, 0)
        _syscall(LANDLOCK_RESTRICT_SELF, rules, 0)
    finally:
        os.close(rules)


def _opened(paths: list[Path]) -> Iterator[int]:
    """Yield a descriptor of each that is a file; a rule for a folder would hold for all that is in it."""
    for path in paths:
        with contextlib.suppress(OSError):
            file = os.open(path, os.O_PATH | os.O_CLOEXEC)
            try:
                if stat.S_ISREG(os.fstat(file).st_mode):
                    yield file
            finally:
                os.close(file)


def _readable(model: Path) -> list[Path]:
    """Return the file, the checksum beside it, and all other parts where it is one of several (llama.cpp's naming)."""
    files = [model, model.with_name(f"{model.name}.sha256")]
    if match := re.fullmatch(r"(.+)-\d{5}-of-(\d{5})\.gguf", model.name):
        name, count = match.groups()
        files += [model.with_name(f"{name}-{part:05}-of-{count}.gguf") for part in range(1, int(count) + 1)]
    return files


def refuse(*calls: int) -> None:
    """Have the kernel refuse these system calls (seccomp, its classic BPF); raise LookupError on other machines."""
    if sys.maxsize < 2**32:  # a 32-bit program on a 64-bit kernel: other numbers
        raise LookupError(platform.architecture()[0])
    checks = [(X32_BIT, BPF_JUMP_IF_GREATER_OR_EQUAL), *((call, BPF_JUMP_IF_EQUAL) for call in calls)]
    program = [
        (BPF_LOAD_WORD, 0, 0, 4),  # the architecture
        (BPF_JUMP_IF_EQUAL, 0, len(checks) + 2, AUDIT_ARCHITECTURES[platform.machine()]),
        (BPF_LOAD_WORD, 0, 0, 0),  # the number of the call
        *((jump, len(checks) - at, 0, value) for at, (value, jump) in enumerate(checks)),
        (BPF_RETURN, 0, 0, SECCOMP_ALLOW),
        (BPF_RETURN, 0, 0, SECCOMP_REFUSE),
    ]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in program))
    _prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, struct.pack("HP", len(program), ctypes.addressof(code)))


def _prctl(option: int, *arguments: int | bytes) -> None:
    values = [value if isinstance(value, bytes) else ctypes.c_ulong(value) for value in (*arguments, 0, 0, 0)[:4]]
    _check(ctypes.CDLL(None, use_errno=True).prctl(option, *values))


def _syscall(number: int, *arguments: int | bytes | None) -> int:
    values = [ctypes.c_long(value) if isinstance(value, int) else value for value in arguments]
    function = ctypes.CDLL(None, use_errno=True).syscall
    function.restype = ctypes.c_long
    return _check(function(ctypes.c_long(number), *values))


def _check(result: int) -> int:
    """Return what a function of the C library returned; raise OSError when it failed."""
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result
