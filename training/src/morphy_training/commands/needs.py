"""`morphy-train needs`: what recipes take, by count."""

from __future__ import annotations

import argparse

from .options import add_recipes, recipes_of

HELP = "count what recipes need of each GPU, of disk, memory and time, before anything is fetched"


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Which recipes, on what."""
    add_recipes(command)
    command.add_argument("--gpus", type=int, default=1, help="GPUs that share one model by FSDP (default 1)")
    command.add_argument("--tflops", type=float, default=25, help="that a GPU really does (default 25)")


def run(arguments: argparse.Namespace) -> None:
    """Print the arithmetic."""
    from ..family.needs import report
    from ..recipe import load

    recipes = {path.stem: load(path) for path in recipes_of(arguments)}
    if arguments.all:
        recipes = {name: one for name, one in recipes.items() if not one.from_nothing}
    print(report(recipes, arguments.gpus, arguments.tflops))
