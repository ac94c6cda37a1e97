"""`morphy-train leaks`: that no evaluation is learnt by heart."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from .options import add_run

HELP = "fail when the generator makes sentences, homes or rare names of an evaluation"


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Which evaluation, and how much is made."""
    add_run(command)
    command.add_argument("--against", type=Path, required=True, help="folder with homes/ and cases/")
    command.add_argument("--exchanges", type=int, default=200_000, help="requests to make (default 200,000)")
    command.add_argument("--seed", type=int, default=0, help="seed of the stream")


def run(arguments: argparse.Namespace) -> None:
    """Print what was found; LeakError when it was anything."""
    from ..data import generator
    from ..errors import LeakError
    from ..generator.language import load_language
    from ..leaks import Evaluation, find

    def told(done: int) -> None:
        print(f"\r{done} of {arguments.exchanges} requests", end="", file=sys.stderr, flush=True)

    evaluation = Evaluation.read(arguments.against)
    found = find(evaluation, generator(), load_language("en"), arguments.exchanges, arguments.seed, told)
    print(file=sys.stderr)
    print(found.text(evaluation))
    if found.errors:
        raise LeakError(f"{len(found.errors)} leaks; they stand above")
