"""`morphy-train evaluate --model … --cases …`: its arguments, and what it does with them."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..recipe import CaseRecipe, Recipe
    from ..runs import Folder


def add_arguments(command: argparse.ArgumentParser) -> None:
    """What names models and cases; nothing heavy is imported here, so that --help comes at once."""
    group = command.add_argument_group("several models, and calls of functions")
    group.add_argument(
        "--model", action="append", default=[], metavar="[NAME=]WHERE[@DIALECT]",
        help="a GGUF file, a folder of a saved model, or a server's address with #MODEL; can be repeated",
    )  # fmt: skip
    group.add_argument(
        "--cases", action="append", default=[], metavar="FORMAT[:SOURCE]",
        help="home, general, or nexus, glaive, hermes, functionary, messages with a file or hub id; can be repeated",
    )  # fmt: skip
    group.add_argument("--functions", default="", help="file or hub id that defines what nexus cases only name")
    group.add_argument("--no-grammar", action="store_true", help="let models write what they like")
    group.add_argument("--out", type=Path, help="folder for figures and pictures (default: the run's calling/)")


def wanted(arguments: argparse.Namespace, recipe: Recipe) -> bool:
    """Whether models or cases are named, on the command line or in the recipe."""
    return bool(arguments.model or arguments.cases or recipe.evaluation)


def benchmark(arguments: argparse.Namespace, recipe: Recipe, folder: Folder, files: Sequence[Path]) -> None:
    """Ask the models that are named, by default the run's `files`, and print, save and draw what came of it."""
    from ..data import generator
    from ..ledger import entered
    from ..tallies import COUNT
    from .ask import ask
    from .compare import EXACT
    from .models import Place, read_place
    from .pictures import draw
    from .results import FIGURES, save, tables

    places = list(map(read_place, arguments.model))
    if not places:
        places = [Place(file.stem, str(folder.need(file, "export")), recipe.dialect) for file in files]
    entries = [_named(text, arguments) for text in arguments.cases] or list(recipe.evaluation) or _usual(recipe)
    out = arguments.out or folder.calling
    homes, threads = generator(recipe.languages), arguments.threads
    with nullcontext(dict[str, Any]()) if arguments.model else entered(folder, "evaluate") as scored:
        results = ask(places, entries, out, homes, threads=threads, free=arguments.no_grammar)
        for one in results:
            for name in one.sources:
                tally = one.tallies(name)["all"]
                scored[f"{one.model}, {name}"] = f"{tally[EXACT]} exact of {tally[COUNT]}"
    print(tables(results))
    for one in results:
        for miss in one.misses(arguments.misses):
            told = f"  {miss['request']}\n  expected {miss['expected']}\n  got {miss['got']}"
            print(f"{one.model}, {miss['place']}: {miss['outcome']}\n{told}")
    save(results, out / FIGURES)
    print(out / FIGURES, *draw(results, out), sep="\n")


def _named(text: str, arguments: argparse.Namespace) -> CaseRecipe:
    """A source that is named as `FORMAT[:SOURCE]`."""
    from ..recipe import CaseRecipe

    format_, _, source = text.partition(":")
    functions = arguments.functions if format_ == "nexus" else ""
    return CaseRecipe(format_, source, arguments.requests, functions=functions)


def _usual(recipe: Recipe) -> list[CaseRecipe]:
    """What a model is asked where nothing is said: homes if its dialect tells of them, and plain questions."""
    from ..dialect import DIALECTS
    from ..recipe import CaseRecipe

    homes = [CaseRecipe("home")] if recipe.dialect in DIALECTS else []
    return [*homes, CaseRecipe("general")]
