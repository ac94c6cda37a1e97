"""`morphy-train smoke`: recipes at toy size."""

from __future__ import annotations

import argparse

from ..errors import RunError
from .options import add_recipes as add_arguments, recipes_of

HELP = "run recipes from their first step to their last at toy size, on the CPU"

__all__ = ["HELP", "add_arguments", "run"]


def run(arguments: argparse.Namespace) -> None:
    """Run each, with a line for each step; RunError names those that failed."""
    import torch

    from ..family.smoke import smoke

    torch.set_num_threads(arguments.threads)
    recipes = recipes_of(arguments)
    if failed := smoke(recipes):
        raise RunError(f"{len(failed)} of {len(recipes)} recipes failed: {', '.join(failed)}")
