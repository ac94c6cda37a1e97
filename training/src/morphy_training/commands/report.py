"""`morphy-train report`: pictures of a run."""

from __future__ import annotations

import argparse
from pathlib import Path

from .options import add_run, run_of

HELP = "draw learning curves and accuracy as PNG files"


def add_arguments(command: argparse.ArgumentParser) -> None:
    """What else there is to draw."""
    add_run(command)
    command.add_argument("--harness", type=Path, help="the .report.json of a run of benchmarks.evaluate")
    command.add_argument("--all", action="store_true", help="print instead what every run beside it cost and scored")
    command.add_argument("--built-in", type=Path, help="the same of Home Assistant's own agent, to stand beside")


def run(arguments: argparse.Namespace) -> None:
    """Draw, and print the files."""
    from ..ledger import table
    from ..report import report

    recipe, folder = run_of(arguments)
    if arguments.all:
        print(table(folder.path.parent))
        return
    if recipe.base:
        from ..family.charts import draw_run

        print(*draw_run(folder), sep="\n")
        return
    for file in report(folder, arguments.harness, arguments.built_in):
        print(file)
