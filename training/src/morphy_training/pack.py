"""A run in pieces, to be carried through a narrow door: a tar file, compressed, split, with the checksum of each piece.

`sha256sum -c SHA256SUMS && cat run.tar.xz.* | tar xJ` does the same as `unpack`. A run's model files are left out where
room is short: the next `pretrain` or `tune` writes them again from the weights in the checkpoint.
"""

from __future__ import annotations

import hashlib
import io
import lzma
import re
import shutil
import tarfile
import tempfile
from enum import StrEnum
from pathlib import Path

import torch

from .errors import PackError
from .loop import CHECKPOINT, LOG, RESUME, mapped
from .runs import Folder

SUMS = "SHA256SUMS"
_NAME = "run.tar.xz"
_PIECE = re.compile(re.escape(_NAME) + r"\.(\d+)-of-(\d+)")
_SUM = re.compile(r"^([0-9a-f]{64})  (\S+)$", re.MULTILINE)
# Weights hardly repeat themselves: what can be saved is in their exponents, at every second byte.
_FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 1, "lc": 0, "lp": 1, "pb": 1}]


class Keep(StrEnum):
    """What of a checkpoint is packed: every bit; all of it in bfloat16; or its weights alone, in bfloat16."""

    ALL = "all"
    HALF = "half"
    WEIGHTS = "weights"


def pack(folder: Folder, target: Path, size: int, most: int, keep: Keep = Keep.ALL) -> list[Path]:
    """Write the run into the folder `target`: pieces of at most `size` bytes and SHA256SUMS; returns those files.

    PackError, and nothing written, when that takes more than `most` files. Earlier pieces there are replaced.
    """
    folder.recipe()
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target) as place:
        pieces = _Pieces(Path(place), size, most - 1)
        with (
            lzma.LZMAFile(pieces, "w", filters=_FILTERS) as packed,  # type: ignore[arg-type]
            tarfile.open(fileobj=packed, mode="w|") as tar,
        ):
            _add(tar, folder, keep, Path(place))
        pieces.close()
        for old in _found(target):
            old.unlink()
        count = len(pieces.paths)
        files = [target / f"{_NAME}.{number:02d}-of-{count:02d}" for number in range(1, count + 1)]
        for path, file in zip(pieces.paths, files, strict=True):
            path.rename(file)
    lines = [f"{_checksum(file)}  {file.name}\n" for file in files]
    (target / SUMS).write_text("".join(lines), encoding="ascii")
    return [*files, target / SUMS]


def unpack(pieces: Path, folder: Folder) -> None:
    """Make the run folder from the pieces in the folder `pieces`; PackError when one of them is missing or damaged."""
    if folder.path.exists():
        raise PackError(f"{folder.path} is there already: delete it, or name another folder with --run")
    files = _checked(pieces)
    folder.path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.path.parent) as place:
        whole, run = Path(place) / _NAME, Path(place) / "run"
        with whole.open("wb") as joined:
            for file in files:
                joined.write(file.read_bytes())
        try:
            with tarfile.open(whole) as tar:
                tar.extractall(run, filter="data")
        except (tarfile.TarError, lzma.LZMAError, EOFError) as error:
            raise PackError(f"The pieces in {pieces} are whole, but not those of a run: {error}") from error
        run.rename(folder.path)


class _Pieces(io.RawIOBase):
    """A file to write to that is cut into files of at most `size` bytes; PackError when they are more than `most`."""

    def __init__(self, place: Path, size: int, most: int) -> None:
        self.paths: list[Path] = []
        self._place, self._size, self._most = place, size, most
        self._left = 0
        self._file: io.BufferedWriter | None = None

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        rest = memoryview(data)
        while rest:
            if not self._left:
                self._next()
            assert self._file is not None
            written = self._file.write(rest[: self._left])
            self._left -= written
            rest = rest[written:]
        return len(data)

    def _next(self) -> None:
        if len(self.paths) == self._most:
            raise PackError(
                f"The run takes more than {self._most} pieces of {self._size / 2**20:g} MiB and one of checksums: "
                "allow more or larger ones, or leave out more with --keep half or --keep weights"
            )
        self.close_file()
        self.paths.append(self._place / f"piece{len(self.paths)}")
        self._file = self.paths[-1].open("wb")
        self._left = self._size

    def close_file(self) -> None:
        if self._file is not None:
            self._file.close()

    def close(self) -> None:
        self.close_file()
        super().close()


def _add(tar: tarfile.TarFile, folder: Folder, keep: Keep, place: Path) -> None:
    for name in ("recipe.yaml", "versions.json", folder.tokenizer.name):
        if (folder.path / name).exists():
            tar.add(folder.path / name, name)
    for run in (folder.pretrain, folder.tune):
        checkpoint, name = run / CHECKPOINT, run.name
        if not checkpoint.exists():
            continue
        if keep is not Keep.ALL:
            checkpoint = _smaller(checkpoint, place / name, keep)
        tar.add(checkpoint, f"{name}/{CHECKPOINT}")
        if (run / LOG).exists():
            tar.add(run / LOG, f"{name}/{LOG}")


def _smaller(checkpoint: Path, copy: Path, keep: Keep) -> Path:
    """A copy of a checkpoint without its model file, rounded to bfloat16; returns the copy."""
    shutil.copytree(checkpoint, copy, ignore=shutil.ignore_patterns("*.safetensors", RESUME))
    saved = torch.load(checkpoint / RESUME, map_location="cpu", weights_only=True)
    if keep is Keep.WEIGHTS:
        saved["optimizers"] = []
    torch.save(mapped(saved, _rounded), copy / RESUME)
    return copy


def _rounded(tensor: torch.Tensor) -> torch.Tensor:
    # A number alone is a count of steps.
    return tensor.bfloat16() if tensor.is_floating_point() and tensor.ndim else tensor


def _found(pieces: Path) -> list[Path]:
    return sorted(path for path in pieces.glob(f"{_NAME}.*") if _PIECE.fullmatch(path.name))


def _checked(pieces: Path) -> list[Path]:
    """The pieces in their order; PackError when they are not all there, or not as they were written."""
    sums = pieces / SUMS
    if not sums.exists():
        raise PackError(f"There is no {SUMS} in {pieces}: without it nobody knows whether the pieces are whole")
    noted = {name: checksum for checksum, name in _SUM.findall(sums.read_text(encoding="ascii", errors="replace"))}
    files = _found(pieces)
    counts = {match[2] for name in noted if (match := _PIECE.fullmatch(name))}
    expected = {f"{_NAME}.{number:02d}-of-{count}" for count in counts for number in range(1, int(count) + 1)}
    if len(counts) != 1 or expected != set(noted):
        raise PackError(f"{sums} is damaged: it does not name every piece once")
    if missing := sorted(expected - {file.name for file in files}):
        raise PackError(f"Pieces are missing in {pieces}: {', '.join(missing)}")
    if others := [file.name for file in files if file.name not in expected]:
        raise PackError(f"{pieces} holds pieces of another run: {', '.join(others)}")
    if damaged := [file.name for file in files if _checksum(file) != noted[file.name]]:
        raise PackError(f"Pieces are damaged: {', '.join(damaged)}; copy them again")
    return files


def _checksum(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
