"""`morphy-train evaluate`: models are asked about homes, plain questions, or for calls of functions."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from ..calling import command as calling
from ..errors import RecipeError
from .options import add_run, run_of

if TYPE_CHECKING:
    from ..recipe import Recipe
    from ..runs import Folder

HELP = "ask models about generated homes, plain questions, or for calls of functions, with grammar"


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Which file, how many requests, and what of it is told; then models and cases side by side."""
    add_run(command)
    command.add_argument("--file", type=Path, help="GGUF file (default: the one the recipe bundles)")
    command.add_argument("--requests", type=int, default=200, help="requests to ask (default 200)")
    command.add_argument("--misses", type=int, default=5, help="wrong answers to print (default 5)")
    command.add_argument("--all-files", action="store_true", help="each quantisation of the run, in one table")
    command.add_argument(
        "--sizes", type=int, default=0, help="also ask so many requests among 5 to 60 devices (default 0)"
    )
    command.add_argument("--json", type=Path, help="where to write the figures (default: the run's evaluation.json)")
    calling.add_arguments(command)


def run(arguments: argparse.Namespace) -> None:
    """Ask what the arguments name; else about homes, and what the recipe names."""
    from ..dialect import DIALECTS

    recipe, folder = run_of(arguments)
    files = [folder.gguf / f"morphy-{name}.gguf" for name in recipe.export.quantisations]
    if not arguments.all_files:
        files = [arguments.file or folder.gguf / f"morphy-{recipe.export.bundle}.gguf"]
    if not (arguments.model or arguments.cases):
        if recipe.dialect in DIALECTS:
            _homes(arguments, recipe, folder, files)
        elif not recipe.evaluation:
            raise RecipeError(f"The dialect {recipe.dialect} tells of no homes: name other cases (--cases, evaluation)")
    if calling.wanted(arguments, recipe):
        calling.benchmark(arguments, recipe, folder, files)


def _homes(arguments: argparse.Namespace, recipe: Recipe, folder: Folder, files: list[Path]) -> None:
    from ..data import generator
    from ..dialect import get_dialect
    from ..evaluate import RIGHT, WRONG_ACT, compared, evaluate, evaluate_sizes
    from ..ledger import entered

    dialect, source, threads = get_dialect(recipe.dialect), generator(recipe.languages), arguments.threads
    with entered(folder, "evaluate") as scored:
        reports = [
            evaluate(folder.need(file, "export"), dialect, source, arguments.requests, threads) for file in files
        ]
        for one in reports:
            tally = one.tallies()["all"]
            scored[one.file] = f"{tally[RIGHT]} right, {tally[WRONG_ACT]} wrong acts of {tally['count']}"
    sizes = [evaluate_sizes(file, dialect, source, arguments.sizes, threads) for file in files if arguments.sizes]
    for report in reports[:1] if arguments.all_files else reports:
        print(f"{report.table()}\n\n  what was expected, and what came\n{report.worst()}\n")
        for miss in report.misses(arguments.misses):
            print(json.dumps(miss, indent=1, ensure_ascii=False))
    for report in sizes:
        print(f"the same requests in larger homes, {report.file}\n{report.table()}\n")
    print(compared(reports))
    target = arguments.json or (None if arguments.file else folder.evaluation)
    if target:
        content = {"files": [one.as_dict() for one in reports], "sizes": [one.as_dict() for one in sizes]}
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(json.dumps(content, indent=1), encoding="utf-8")
