"""The commands of `morphy-train`, a file each: its arguments beside what it does.

A file imports what is heavy only once its command runs, so that --help comes at once.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Protocol

from . import (
    ablate,
    begin,
    blend,
    corpus,
    evaluate,
    everything,
    export,
    leaks,
    merge,
    needs,
    pack,
    pretrain,
    report,
    smoke,
    tune,
    unpack,
    write,
)


class Command(Protocol):
    """What a file here has."""

    @property
    def HELP(self) -> str:  # noqa: N802 - a constant of a module
        """What the command does, in a line."""

    def add_arguments(self, command: argparse.ArgumentParser) -> None:
        """Tell a parser what can be asked for."""

    def run(self, arguments: argparse.Namespace) -> None:
        """Do it; TrainingError when it cannot be done."""


COMMANDS: Mapping[str, Command] = {
    "corpus": corpus,
    "leaks": leaks,
    "begin": begin,
    "pretrain": pretrain,
    "tune": tune,
    "ablate": ablate,
    "merge": merge,
    "blend": blend,
    "export": export,
    "evaluate": evaluate,
    "report": report,
    "pack": pack,
    "unpack": unpack,
    "needs": needs,
    "smoke": smoke,
    "write": write,
    "all": everything,
}

IN_PROCESSES = ("tune",)
"""What several processes do together under torchrun; all else would be done by each of them, in one folder."""
