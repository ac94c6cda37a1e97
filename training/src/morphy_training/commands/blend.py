"""`morphy-train blend`: several models merged into one by mergekit."""

from __future__ import annotations

import argparse

from .options import add_run as add_arguments, need, run_of

HELP = "merge several models into one, as the recipe's mergekit configuration says"

__all__ = ["HELP", "add_arguments", "run"]


def run(arguments: argparse.Namespace) -> None:
    """Write the merged model."""
    recipe, folder = run_of(arguments)
    need(recipe.blend is not None, "it has no section blend")
    from ..family.blend import blend
    from ..ledger import entered

    with entered(folder, "blend"):
        print(blend(recipe, folder))
