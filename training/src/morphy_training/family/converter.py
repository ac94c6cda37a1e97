"""llama.cpp's own converter from transformers to GGUF, which travels in the source package of llama-cpp-python.

It is fetched once for a user, with pip, and kept beside the other things that are made once; no other package has it.
`MORPHY_LLAMA_CPP` names a folder to use instead, such as a checkout of llama.cpp. It runs in a process of its own:
it brings a `gguf` that is newer than the one on the package index.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from ..errors import ExportError

VERSION = "0.3.36"
"""Of llama-cpp-python: the one that reads the files, too."""

_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "morphy" / f"llama.cpp-{VERSION}"
_KEPT = ("conversion/", "gguf-py/", "LICENSE")


def fetch() -> Path:
    """The folder that holds the converter, fetched if it is not there yet; ExportError when it cannot be had."""
    folder = Path(os.environ.get("MORPHY_LLAMA_CPP") or _CACHE)
    if (folder / "conversion").is_dir():
        return folder
    if folder != _CACHE:
        raise ExportError(f"MORPHY_LLAMA_CPP names {folder}, which has no folder conversion/")
    print(f"Fetching llama.cpp's converter, once for this user, into {_CACHE}", flush=True)
    _CACHE.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=_CACHE.parent) as place:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", "llama-cpp-python"]
        done = subprocess.run(
            [*command, "--dest", place, f"llama-cpp-python=={VERSION}"], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise ExportError(f"llama.cpp's converter cannot be fetched with pip: {done.stderr.strip()[-300:]}")
        _unpack(next(Path(place).glob("*.tar.gz")), Path(place) / "kept")
        (Path(place) / "kept").rename(_CACHE)
    return _CACHE


def _unpack(package: Path, folder: Path) -> None:
    with tarfile.open(package) as content:
        for member in content:
            _, found, name = member.name.partition("/vendor/llama.cpp/")
            if found and name.startswith(_KEPT):
                member.name = name
                content.extract(member, folder, filter="data")


def check(architecture: str) -> None:
    """ExportError when llama.cpp cannot read models of this class, such as `MistralForCausalLM`."""
    if f'"{architecture}":' not in (fetch() / "conversion" / "__init__.py").read_text(encoding="utf-8"):
        raise ExportError(f"llama.cpp reads no models of the class {architecture}: no GGUF could be made of it")


def convert(model_folder: Path, target: Path, metadata: dict[str, str | float], kind: str = "F16") -> None:
    """Write a saved model as GGUF, whole (`kind` is F16, BF16 or F32), with `general.name` and further metadata."""
    folder = fetch()
    check(json.loads((model_folder / "config.json").read_text(encoding="utf-8"))["architectures"][0])
    request = {"model": str(model_folder), "target": str(target), "metadata": metadata, "kind": kind}
    search = os.pathsep.join(map(str, (folder / "gguf-py", folder)))
    done = subprocess.run(
        [sys.executable, Path(__file__).with_name("convert.py"), json.dumps(request)],
        env=os.environ | {"PYTHONPATH": search},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise ExportError(f"llama.cpp's converter could not write {target.name}: {_last_line(done.stderr)}")


def _last_line(text: str) -> str:
    return next((line for line in reversed(text.splitlines()) if line.strip()), "it gave no reason")


if __name__ == "__main__":
    try:
        print(fetch())
    except ExportError as error:
        sys.exit(str(error))
