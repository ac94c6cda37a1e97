"""`morphy-train merge`: adapters folded into the base model."""

from __future__ import annotations

import argparse
from pathlib import Path

from .options import add_run, run_of

HELP = "fold the LoRA into the base model"


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Whose adapter."""
    add_run(command)
    command.add_argument("--adapter", type=Path, help="folder of another adapter for the same base model")


def run(arguments: argparse.Namespace) -> None:
    """Write the whole model."""
    from ..tune import merge

    recipe, folder = run_of(arguments)
    if recipe.base:
        from ..family.merge import merge as merge_into_base

        print(merge_into_base(recipe, folder, arguments.adapter))
        return
    print(merge(recipe, folder))
