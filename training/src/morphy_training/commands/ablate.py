"""`morphy-train ablate`: several ways to tune one base model, side by side."""

from __future__ import annotations

import argparse
from pathlib import Path

from .options import add_training, machine_of, run_of, training_folder

HELP = "tune the base model in several ways for the same tokens, in one table"


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Which ways, and how long each."""
    add_training(command)
    command.add_argument("--variants", type=Path, help="YAML file (default: recipes/ablations/tune.yaml)")
    command.add_argument("--tune-tokens", type=int, default=300_000, help="of each variant (default 300,000)")


def run(arguments: argparse.Namespace) -> None:
    """Tune in every way, and print the table."""
    from ..ablate import ablate, read_variants, table
    from ..data import generator

    recipe, folder = run_of(arguments)
    variants = read_variants(arguments.variants or training_folder() / "recipes" / "ablations" / "tune.yaml", recipe)
    source, machine = generator(recipe.languages), machine_of(arguments)
    print(table(ablate(variants, folder, source, arguments.tune_tokens, machine=machine)))
