"""`morphy-train begin`: a run that goes on from a finished file."""

from __future__ import annotations

import argparse
from pathlib import Path

from .options import add_run, need, run_of

HELP = "make a base checkpoint of a finished GGUF file, to train it further where its checkpoints are gone"


def add_arguments(command: argparse.ArgumentParser) -> None:
    """The file, and how far it had come."""
    add_run(command)
    command.add_argument("file", type=Path, help="GGUF file that `export` wrote")
    command.add_argument("--tokens", type=int, required=True, help="how many its base model was trained on")


def run(arguments: argparse.Namespace) -> None:
    """Write the checkpoint."""
    from ..begin import begin

    recipe, folder = run_of(arguments)
    need(recipe.from_nothing, "name its base model in the recipe instead")
    print(begin(recipe, folder, arguments.file, arguments.tokens))
