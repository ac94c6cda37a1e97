"""`morphy-train`: one command for each step, and `all` for every step from an empty folder to a GGUF."""

from __future__ import annotations

import argparse
import sys
import time

from . import torchrun
from .commands import COMMANDS, IN_PROCESSES
from .errors import Stopped, TrainingError


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    begun = time.monotonic()
    arguments = argparse.Namespace(**vars(_parser().parse_args(argv)), begun=begun)
    try:
        if arguments.command not in IN_PROCESSES:
            torchrun.refuse(f"`morphy-train {arguments.command}`")
        COMMANDS[arguments.command].run(arguments)
    except Stopped as stopped:
        print(stopped)
    except TrainingError as error:
        print(f"morphy-train: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped; the same command goes on from the last checkpoint.", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="morphy-train", description="Make a model for Morphy.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, command in COMMANDS.items():
        command.add_arguments(commands.add_parser(name, help=command.HELP, description=command.HELP))
    return parser


if __name__ == "__main__":
    sys.exit(main())
