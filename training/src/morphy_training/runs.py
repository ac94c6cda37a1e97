"""A run folder: what each step leaves there, and what the next one finds.

- `recipe.yaml`, `versions.json`: what the run was made from
- `tokenizer/`: of the base model
- `pretrain/checkpoint/`, `pretrain/log.jsonl`: the base model
- `tune/checkpoint/`, `tune/log.jsonl`: the LoRA adapter (or the model that was tuned whole), with its tokenizer
- `tune/checkpoint-*/`, `metrics.json`: of a base model's fine-tuning, where it goes on from, and what it came to
- `blend/`: what a chain of merges has made so far, until its last one is done
- `merged/`: the whole model
- `gguf/`: one file for each quantisation
- `evaluation.json`, `report/`: how the bundled file answers, and pictures of the run
- `calling/`: what models answered that were asked side by side, figures and pictures
- `ablations/`: other ways to tune the base model
"""

from __future__ import annotations

import json
import platform
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from .errors import RunError
from .recipe import Recipe, dump, load

_PACKAGES = (
    *("torch", "transformers", "peft", "tokenizers", "gguf", "numpy"),
    *("trl", "datasets", "accelerate", "bitsandbytes", "mergekit", "llama-cpp-python"),
)


@dataclass(frozen=True, slots=True)
class Folder:
    """A run folder; the steps ask it where things are."""

    path: Path

    @property
    def tokenizer(self) -> Path:
        """The tokenizer of the base model."""
        return self.path / "tokenizer"

    @property
    def pretrain(self) -> Path:
        """The run of the base model."""
        return self.path / "pretrain"

    @property
    def calling(self) -> Path:
        """What models were asked side by side, and what came of it."""
        return self.path / "calling"

    @property
    def tune(self) -> Path:
        """The run of the LoRA."""
        return self.path / "tune"

    @property
    def merged(self) -> Path:
        """The merged model."""
        return self.path / "merged"

    @property
    def gguf(self) -> Path:
        """The GGUF files."""
        return self.path / "gguf"

    @property
    def evaluation(self) -> Path:
        """How the bundled file answers."""
        return self.path / "evaluation.json"

    def begin(self, recipe: Recipe) -> None:
        """Make the folder and note recipe and versions; RunError when it was begun with another recipe."""
        self.path.mkdir(parents=True, exist_ok=True)
        noted = self.path / "recipe.yaml"
        if noted.exists() and load(noted) != recipe:
            raise RunError(f"{self.path} was begun with another recipe; choose another folder, or delete it")
        noted.write_text(dump(recipe), encoding="utf-8")
        versions = {"python": platform.python_version(), **{name: _version(name) for name in _PACKAGES}}
        (self.path / "versions.json").write_text(json.dumps(versions, indent=1))

    def recipe(self) -> Recipe:
        """The recipe that the run was begun with."""
        noted = self.path / "recipe.yaml"
        if not noted.exists():
            raise RunError(f"{self.path} is no run folder: begin one with `morphy-train pretrain`")
        return load(noted)

    def need(self, path: Path, command: str) -> Path:
        """The path, or RunError that names the command which makes it."""
        if not path.exists():
            raise RunError(f"{path} is not there yet: run `morphy-train {command}` first")
        return path


def _version(package: str) -> str | None:
    # A machine that only trains has no gguf.
    try:
        return version(package)
    except PackageNotFoundError:
        return None
