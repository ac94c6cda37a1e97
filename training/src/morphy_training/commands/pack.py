"""`morphy-train pack`: a run in pieces of a given size."""

from __future__ import annotations

import argparse
from pathlib import Path

from .options import add_run, run_of

HELP = "put what a run needs to go on elsewhere into pieces of a given size"


def add_arguments(command: argparse.ArgumentParser) -> None:
    """How large, how many, and how much of the run."""
    add_run(command)
    command.add_argument("--pieces", type=Path, required=True, help="folder to write the pieces into")
    command.add_argument("--size-mib", type=float, default=16, help="of a piece at most (default 16)")
    command.add_argument("--most", type=int, default=8, help="files at most, SHA256SUMS counted (default 8)")
    command.add_argument(
        "--keep",
        choices=("all", "half", "weights"),
        default="all",
        help="all: bit by bit; half: in bfloat16; weights: that without the optimisers (default all)",
    )


def run(arguments: argparse.Namespace) -> None:
    """Write the pieces."""
    from ..pack import Keep, pack

    _, folder = run_of(arguments)
    size = int(arguments.size_mib * 2**20)
    for piece in pack(folder, arguments.pieces, size, arguments.most, Keep(arguments.keep)):
        print(f"{piece}  {piece.stat().st_size / 2**20:.1f} MiB")
