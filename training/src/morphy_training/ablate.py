"""Ablations: the same base model tuned in several ways, for the same tokens and on the same data, in one table.

The ways stand in a YAML file, by name: what each of them changes in the recipe's part `tune`, or in its seed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import yaml

from .data import Source
from .errors import RecipeError
from .generator.names import slug
from .loop import CHECKPOINT, DEFAULT_PACE, RESUME, Pace, State
from .machine import CPU, Machine
from .recipe import Recipe, dump, parse
from .runs import Folder
from .tune import tune

_CHANGEABLE = ("tune", "seed")


@dataclass(frozen=True, slots=True)
class Branch(Folder):
    """A run folder that begins at the base model of another one."""

    trunk: Path

    @property
    def pretrain(self) -> Path:
        """The run of the other folder's base model."""
        return self.trunk


@dataclass(frozen=True, slots=True)
class Result:
    """How one way went: how many parameters it trained, and the shares of right calls and answers at the end."""

    name: str
    tokens: int
    minutes: float
    trained: int
    exchanges: int
    calls: float
    answers: float


def read_variants(path: Path, recipe: Recipe) -> dict[str, Recipe]:
    """The recipes of a file of variants, by name; RecipeError when one changes what makes the base model."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise RecipeError(f"The variants {path} cannot be read: {error}") from error
    if not isinstance(content, dict) or not all(isinstance(change, dict) for change in content.values()):
        raise RecipeError(f"{path} must be a mapping of names to changes of the recipe")
    return {str(name): _changed(recipe, change) for name, change in content.items()}


def _changed(recipe: Recipe, change: dict[str, Any]) -> Recipe:
    if others := sorted(set(change) - set(_CHANGEABLE)):
        raise RecipeError(f"Variants share a base model, so they change {' and '.join(_CHANGEABLE)} only: {others}")
    plain = yaml.safe_load(dump(recipe))
    return parse({**plain, **change, "tune": plain["tune"] | change.get("tune", {})})


def ablate(
    variants: dict[str, Recipe],
    folder: Folder,
    source: Source,
    tokens: int,
    pace: Pace = DEFAULT_PACE,
    machine: Machine = CPU,
) -> list[Result]:
    """Tune the folder's base model in every way, one after another; each goes on where it stopped."""
    results = []
    for name, recipe in variants.items():
        print(f"== {name}", flush=True)
        branch = Branch(folder.path / "ablations" / slug(name), folder.pretrain)
        branch.begin(recipe)
        score = tune(recipe, branch, source, tokens=tokens, pace=pace, machine=machine).tallies["= all"]
        checkpoint = branch.tune / CHECKPOINT
        state = State(**json.loads((checkpoint / "state.json").read_text()))
        trained = torch.load(checkpoint / RESUME, weights_only=True)["weights"].values()
        size = sum(parameter.numel() for parameter in trained)
        shares = score.calls / score.count, score.answers / score.count
        results.append(Result(name, state.tokens, state.seconds / 60, size, score.count, *shares))
    text = json.dumps([asdict(result) for result in results], indent=1)
    (folder.path / "ablations" / "results.json").write_text(text, encoding="utf-8")
    return results


def table(results: Iterable[Result]) -> str:
    """The results as Markdown."""
    lines = ["| variant | tokens | minutes | trained | calls | answers |", "|---|--:|--:|--:|--:|--:|"]
    lines += [
        f"| {one.name} | {one.tokens / 1e6:.2f} M | {one.minutes:.1f} | {one.trained / 1e6:.2f} M "
        f"| {one.calls:.3f} | {one.answers:.3f} |"
        for one in results
    ]
    return "\n".join(lines)
