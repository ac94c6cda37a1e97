"""A model's file, looked at before llama.cpp sees it: well-formed, whole, and the one that was accepted.

Format: GGUF 2 and 3, described in docs/gguf.md of ggml-org/ggml and read by ggml/src/gguf.cpp of ggml-org/llama.cpp.
What a header claims is held against bounds and against the size of the file before anything is read or counted on.
Needs the standard library only, since the worker runs it.
"""

from __future__ import annotations

import hashlib
import math
import os
import stat
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

MAX_KEYS = 2**16
MAX_TENSORS = 2**16
MAX_STRINGS = 2**22
"""Strings in all arrays together: a vocabulary has some 300,000 tokens, and as many merges."""
MAX_ELEMENTS = 2**26
"""Numbers in one array."""
MAX_TEXT = 2**24
"""Bytes of a string; the longest in use, a chat template, has some 100,000."""
MAX_KEY = 2**16 - 1
MAX_TENSOR_NAME = 63
MAX_DIMENSIONS = 4
MAX_ALIGNMENT = 2**20
CHUNK = 2**24
"""Bytes that are hashed between two signs of life."""

_ALIGNMENT = "general.alignment"
_ARCHITECTURE = "general.architecture"
_STRING, _ARRAY, _UINT32 = 8, 9, 4
_SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
"""Bytes of a value by its type, for numbers and flags."""
_BLOCKS = {
    0: (1, 4), 1: (1, 2), 24: (1, 1), 25: (1, 2), 26: (1, 4), 27: (1, 8), 28: (1, 8), 30: (1, 2),
    2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34), 20: (32, 18), 39: (32, 17),
    10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210), 15: (256, 292),
    16: (256, 66), 17: (256, 74), 18: (256, 98), 19: (256, 50), 21: (256, 110), 22: (256, 82), 23: (256, 136),
    29: (256, 56), 34: (256, 54), 35: (256, 66),
}  # fmt: skip
"""Values of a block and its bytes, by the number of a tensor's type (`enum ggml_type` in ggml/include/ggml.h).

A type that is not here may be newer than this table: llama.cpp has the last word about it.
"""


class ModelFileError(Exception):
    """A file that must not be loaded: `kind` is the key of the error's sentence, `details` what stands in it."""

    def __init__(self, kind: str, **details: str) -> None:
        """Keep what is told."""
        super().__init__(kind, details)
        self.kind = kind
        self.details = details


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What a file is known by: bytes, time of change in nanoseconds, and SHA-256 in hexadecimal digits."""

    size: int
    modified: int
    sha256: str

    def fits(self, found: os.stat_result) -> bool:
        """Return whether a file looks unchanged from outside."""
        return (self.size, self.modified) == (found.st_size, found.st_mtime_ns)


def examine(path: Path, known: Fingerprint | None, alive: Callable[[], None] = lambda: None) -> Fingerprint:
    """Return the fingerprint of a file that may be loaded. Raises ModelFileError for every other.

    A file `<name>.sha256` beside it, as `sha256sum` writes it, says what it has to be; without one, `known` does, the
    fingerprint of the file that was accepted. One that looks unchanged since is not hashed again. `alive` is called now
    and then while a large file is read.
    """
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            raise ModelFileError("model_not_gguf")
        with path.open("rb") as file:
            _Header(file, found.st_size).check()
            if known is not None and known.fits(found):
                return known
            digest = _hash(file, alive)
        listed = _listed(path)
    except FileNotFoundError:
        raise ModelFileError("model_missing") from None
    except OSError as error:
        raise ModelFileError("model_invalid", reason=error.strerror or str(error)) from None
    if listed is not None and digest != listed:
        raise ModelFileError("model_checksum")
    if listed is None and known is not None and digest != known.sha256:
        raise ModelFileError("model_changed")
    return Fingerprint(found.st_size, found.st_mtime_ns, digest)


def _hash(file: BinaryIO, alive: Callable[[], None]) -> str:
    digest = hashlib.sha256()
    file.seek(0)
    while chunk := file.read(CHUNK):
        digest.update(chunk)
        if len(chunk) == CHUNK:
            alive()
    return digest.hexdigest()


def _listed(path: Path) -> str | None:
    """Return the SHA-256 in the file beside a model, or None when there is no such file."""
    beside = path.with_name(f"{path.name}.sha256")
    if not beside.is_file():
        return None
    with beside.open("rb") as file:
        words = file.read(1024).decode("ascii", "replace").split()
    return words[0].lower() if words else ""


class _Header:
    """Reads the part of a GGUF before its tensors' data, and checks that all it says is so."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        """Read a file of `size` bytes from its start."""
        self._file = file
        self._size = size
        self._at = 0
        self._strings = 0

    def check(self) -> None:
        """Raise ModelFileError unless llama.cpp may read the file."""
        if self._size < 4 or self._take(4) != b"GGUF":
            raise ModelFileError("model_not_gguf")
        version = self._number("<I")
        if version not in (2, 3):
            raise ModelFileError("model_version", version=str(version))
        tensors = self._bounded(self._number("<Q"), MAX_TENSORS, "the number of tensors")
        keys = self._bounded(self._number("<Q"), MAX_KEYS, "the number of keys")
        found = self._check_keys(keys)
        alignment = found.get(_ALIGNMENT, 32)
        if not isinstance(alignment, int) or not 0 < alignment <= MAX_ALIGNMENT or alignment & (alignment - 1):
            raise self._damaged("the alignment")
        if not found.get(_ARCHITECTURE):
            raise self._damaged("no architecture")
        self._check_tensors(tensors, alignment)

    def _check_keys(self, count: int) -> dict[str, Any]:
        """Return the keys with those values that matter here."""
        found: dict[str, Any] = {}
        for _ in range(count):
            key = self._text(MAX_KEY)
            if not key or key in found:
                raise self._damaged("a key that is empty or there twice")
            kind = self._number("<i")
            found[key] = self._value(kind)
            if key == _ALIGNMENT and kind != _UINT32:
                raise self._damaged("the alignment")
            if key == _ARCHITECTURE and kind != _STRING:
                raise self._damaged("the architecture")
        return found

    def _value(self, kind: int) -> int | str | None:
        """Return a text or a 32-bit number; go past anything else."""
        if kind == _STRING:
            return self._text(MAX_TEXT)
        if kind == _UINT32:
            return self._number("<I")
        if kind == _ARRAY:
            self._array(self._number("<i"), self._number("<Q"))
        elif kind in _SIZES:
            self._skip(_SIZES[kind])
        else:
            raise self._damaged(f"a value of type {kind}")
        return None

    def _array(self, kind: int, count: int) -> None:
        if kind == _STRING:
            self._strings = self._bounded(self._strings + count, MAX_STRINGS, "the number of strings")
            for _ in range(count):
                self._skip(self._bounded(self._number("<Q"), MAX_TEXT, "the length of a string"))
        elif kind in _SIZES:
            self._skip(_SIZES[kind] * self._bounded(count, MAX_ELEMENTS, "the length of an array"))
        else:
            raise self._damaged(f"an array of type {kind}")

    def _check_tensors(self, count: int, alignment: int) -> None:
        names: set[str] = set()
        ends = []
        for _ in range(count):
            name = self._text(MAX_TENSOR_NAME)
            if name in names:
                raise self._damaged("a tensor that is there twice")
            names.add(name)
            ends.append(self._tensor_end(alignment))
        data = -(-self._at // alignment) * alignment
        needed = data + max(ends, default=0)
        if needed > self._size:
            raise self._truncated(needed)

    def _tensor_end(self, alignment: int) -> int:
        """Return where a tensor ends, in bytes from the first tensor's start."""
        dimensions = self._bounded(self._number("<I"), MAX_DIMENSIONS, "the number of dimensions")
        shape = [self._number("<Q") for _ in range(dimensions)]
        values, row = math.prod(shape), shape[0] if shape else 1
        if values >= 2**63:
            raise self._damaged("the size of a tensor")
        block, size = _BLOCKS.get(self._number("<I"), (1, 0))
        if row % block:
            raise self._damaged("the rows of a tensor")
        offset = self._number("<Q")
        if offset % alignment:
            raise self._damaged("the place of a tensor")
        return offset + values // block * size

    def _text(self, limit: int) -> str:
        length = self._bounded(self._number("<Q"), limit, "the length of a string")
        return self._take(length).decode("utf-8", "replace")

    def _number(self, form: str) -> int:
        [value] = struct.unpack(form, self._take(struct.calcsize(form)))
        return int(value)

    def _take(self, length: int) -> bytes:
        if self._at + length > self._size:
            raise self._truncated(self._at + length)
        self._at += length
        taken = self._file.read(length)
        if len(taken) != length:
            raise self._truncated(self._at)
        return taken

    def _skip(self, length: int) -> None:
        if self._at + length > self._size:
            raise self._truncated(self._at + length)
        self._at += length
        self._file.seek(length, os.SEEK_CUR)

    def _bounded(self, value: int, limit: int, what: str) -> int:
        if value > limit:
            raise self._damaged(f"{what}, {value},")
        return value

    def _damaged(self, what: str) -> ModelFileError:
        return ModelFileError("model_damaged", offset=str(self._at), reason=what)

    def _truncated(self, needed: int) -> ModelFileError:
        return ModelFileError("model_truncated", size=str(self._size), needed=str(needed))
