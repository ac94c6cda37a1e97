"""`morphy-train all`: every step that a recipe has, one after another."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from . import blend, evaluate, export, merge, pretrain, tune
from .options import run_of

if TYPE_CHECKING:
    from ..recipe import Recipe

HELP = "every step, from an empty folder to quantised GGUF files"

_STEPS = {
    "blend": blend,
    "pretrain": pretrain,
    "tune": tune,
    "merge": merge,
    "export": export,
    "evaluate": evaluate,
}
"""In their order; a recipe has some of them."""

_TRAINED = ("pretrain", "tune", "merge")
"""Those that a merge of models has not."""

_UNTIL = ("pretrain", "tune", "merge", "export", "evaluate")


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Those of training, and where to end."""
    pretrain.add_arguments(command)
    command.add_argument("--tune-tokens", type=int, help="length of the LoRA's run in tokens")
    command.add_argument("--until", choices=_UNTIL, default=_UNTIL[-1], help="last step (default: evaluate)")
    command.add_argument("--bundle", action="store_true", help="copy the default file into the integration")


def run(arguments: argparse.Namespace) -> None:
    """Do each step with what is asked for, and with its own defaults for the rest."""
    if arguments.estimate:
        pretrain.run(arguments)
        return
    recipe, _ = run_of(arguments)
    for name in _steps(recipe, arguments.until):
        print(f"== {name}", flush=True)
        step = _STEPS[name]
        step.run(argparse.Namespace(**_defaults(step) | {"misses": 0} | vars(arguments)))


def _steps(recipe: Recipe, until: str) -> list[str]:
    from ..dialect import DIALECTS

    left_out = {"blend"} if recipe.from_nothing else {"blend", "pretrain"} if recipe.base else set(_TRAINED)
    if recipe.dialect not in DIALECTS and not recipe.evaluation:
        left_out.add("evaluate")
    names = list(_STEPS)
    return [name for name in names[: names.index(until) + 1] if name not in left_out]


def _defaults(step: Any) -> dict[str, Any]:
    parser = argparse.ArgumentParser()
    step.add_arguments(parser)
    return vars(parser.parse_args([]))
