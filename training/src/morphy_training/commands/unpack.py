"""`morphy-train unpack`: a run out of its pieces."""

from __future__ import annotations

import argparse
from pathlib import Path

from .options import add_run, run_of

HELP = "make a run folder of such pieces again"


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Where they are."""
    add_run(command)
    command.add_argument("pieces", type=Path, help="folder of the pieces")


def run(arguments: argparse.Namespace) -> None:
    """Write the run folder."""
    from ..pack import unpack

    _, folder = run_of(arguments)
    unpack(arguments.pieces, folder)
    print(folder.path)
