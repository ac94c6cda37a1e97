"""`morphy-train tune`: what is trained on top of a base model; the one command that torchrun may start."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from .. import torchrun
from .options import add_training, machine_of, need, run_of

HELP = "train the LoRA that teaches ChatML, or fine-tune the recipe's base model; goes on where it stopped"


def add_arguments(command: argparse.ArgumentParser) -> None:
    """How long, and in how many processes."""
    add_training(command)
    command.add_argument("--tune-tokens", type=int, help="length of the LoRA's run in tokens")
    command.add_argument("--fsdp", type=Path, help="JSON file: share the model out among GPUs, under torchrun")


def run(arguments: argparse.Namespace) -> None:
    """Train."""
    from ..data import generator
    from ..ledger import entered
    from ..tune import tune

    recipe, folder = run_of(arguments)
    if recipe.base:
        from ..family import sft

        machine = machine_of(arguments, arguments.fsdp)
        with entered(folder, "tune", machine.name) as scored:
            figures = sft.tune(recipe, folder, machine=machine)
            scored.update({name: figures[name] for name in ("steps", "best_evaluation_loss") if name in figures})
        if figures:
            print(json.dumps(figures, indent=1))
        return
    need(recipe.from_nothing, "it blends models and trains none: run `morphy-train blend`")
    torchrun.refuse("`morphy-train tune` of a model that is trained from nothing")
    machine = machine_of(arguments, arguments.fsdp)
    with entered(folder, "tune", machine.name) as scored:
        score = tune(recipe, folder, generator(recipe.languages), tokens=arguments.tune_tokens, machine=machine)
        scored.update(score.shares())
