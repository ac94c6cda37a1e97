"""Arguments that several commands share, and what they come to."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import RecipeError, RunError

if TYPE_CHECKING:
    from ..machine import Machine
    from ..recipe import Recipe
    from ..runs import Folder


def add_run(command: argparse.ArgumentParser) -> None:
    """A recipe and its run folder; `run_of` reads them."""
    command.add_argument("--recipe", type=Path, help="YAML file (default: that of the run, else recipes/morphy.yaml)")
    command.add_argument("--run", type=Path, help="run folder (default: runs/<recipe file's name>)")
    add_threads(command)


def add_threads(command: argparse.ArgumentParser) -> None:
    """Threads of torch and llama.cpp."""
    command.add_argument("--threads", type=int, default=1, help="CPU threads (default 1)")


def add_recipes(command: argparse.ArgumentParser) -> None:
    """Several recipes; `recipes_of` reads them."""
    command.add_argument("recipes", type=Path, nargs="*", metavar="RECIPE", help="YAML files")
    command.add_argument("--all", action="store_true", help="every recipe in recipes/")
    add_threads(command)


def add_device(command: argparse.ArgumentParser) -> None:
    """A GPU or the CPU."""
    command.add_argument(
        "--device", choices=("auto", "cpu", "cuda"), default="auto", help="auto: a GPU where torch sees one"
    )


def add_training(command: argparse.ArgumentParser) -> None:
    """How a run computes, and for how long this time; `machine_of` reads it."""
    add_run(command)
    add_device(command)
    command.add_argument("--fp32", action="store_true", help="multiply in float32: faster on CPUs without AMX")
    command.add_argument("--micro-tokens", type=int, help="tokens computed at once (default: by device)")
    command.add_argument("--workers", type=int, help="processes that generate data (default: on a CPU none)")
    command.add_argument("--stretch", type=float, help="stop after so many minutes; the same command goes on")


def training_folder() -> Path:
    """The folder `training/` of the checkout: that of an editable install, else the one the command is run in."""
    near = (Path(__file__).resolve().parents[3], Path.cwd() / "training", Path.cwd())
    return next((folder for folder in near if (folder / "recipes").is_dir()), near[-1])


def run_of(arguments: argparse.Namespace) -> tuple[Recipe, Folder]:
    """Recipe and run folder that the arguments name."""
    import torch

    from ..recipe import load
    from ..runs import Folder

    torch.set_num_threads(arguments.threads)
    named = arguments.recipe or training_folder() / "recipes" / "morphy.yaml"
    folder = Folder(arguments.run or training_folder() / "runs" / named.stem)
    begun = (folder.path / "recipe.yaml").exists()
    return (folder.recipe() if begun and arguments.recipe is None else load(named)), folder


def recipes_of(arguments: argparse.Namespace) -> list[Path]:
    """The files that the arguments name; RunError when there are none."""
    recipes: list[Path] = arguments.recipes
    if arguments.all:
        recipes = sorted((training_folder() / "recipes").glob("*.yaml"))
    if not recipes:
        raise RunError("Name recipes, or --all")
    return recipes


def machine_of(arguments: argparse.Namespace, fsdp: Path | None = None) -> Machine:
    """What the run computes on."""
    from ..machine import machine, set_half

    set_half(not arguments.fp32)
    deadline = None if arguments.stretch is None else arguments.begun + 60 * arguments.stretch
    return machine(arguments.device, arguments.micro_tokens, arguments.workers, deadline, fsdp)


def need(has: bool, instead: str) -> None:
    """RecipeError where a recipe has not what a command is for."""
    if not has:
        raise RecipeError(f"This recipe has no such step: {instead}")
