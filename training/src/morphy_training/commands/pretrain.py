"""`morphy-train pretrain`: tokenizer and base model, from nothing."""

from __future__ import annotations

import argparse

from .options import add_training, machine_of, need, run_of

HELP = "train tokenizer and base model from nothing; goes on where it stopped"


def add_arguments(command: argparse.ArgumentParser) -> None:
    """How long, and whether to."""
    add_training(command)
    command.add_argument("--minutes", type=float, help="length of the base model's run in minutes of this machine")
    command.add_argument("--tokens", type=int, help="length of the base model's run in tokens")
    command.add_argument("--compile", action="store_true", help="a third faster; needs a C++ compiler")
    command.add_argument("--estimate", action="store_true", help="print tokens and minutes, and do nothing")


def run(arguments: argparse.Namespace) -> None:
    """Train, or tell what it would take."""
    from ..data import generator
    from ..ledger import entered
    from ..pretrain import estimate, pretrain

    recipe, folder = run_of(arguments)
    need(recipe.from_nothing, "its base model is there already: run `morphy-train tune`")
    machine = machine_of(arguments)
    if arguments.estimate:
        print(estimate(recipe, generator(recipe.languages), arguments.minutes, arguments.tokens, machine))
        return
    with entered(folder, "pretrain", machine.name) as scored:
        score = pretrain(
            recipe,
            folder,
            generator(recipe.languages),
            minutes=arguments.minutes,
            tokens=arguments.tokens,
            compiled=arguments.compile,
            machine=machine,
        )
        scored.update(score.shares())
