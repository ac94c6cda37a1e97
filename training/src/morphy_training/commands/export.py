"""`morphy-train export`: GGUF files, each compared with transformers."""

from __future__ import annotations

import argparse

from .options import add_device, add_run, run_of, training_folder

HELP = "write GGUF files, quantise them, and compare them with transformers"


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Where the bundled file goes."""
    add_run(command)
    add_device(command)
    command.add_argument("--bundle", action="store_true", help="copy the default file into the integration")


def run(arguments: argparse.Namespace) -> None:
    """Write the files, and print how each compares."""
    from ..calibrate import least_certainty
    from ..data import generator
    from ..export import bundle, export, prove
    from ..ledger import entered
    from ..machine import machine

    recipe, folder = run_of(arguments)
    if not recipe.from_nothing:
        from ..family.export import export as export_family

        with entered(folder, "export") as scored:
            for one in export_family(recipe, folder):
                scored[one.path.stem] = f"{one.size / 1e6:.1f} MB, {one.right / one.tokens:.1%} of tokens right"
        return
    least = None
    if recipe.export.sure_calls < 1:
        least = least_certainty(recipe, folder, generator(recipe.languages), machine=machine(arguments.device))
        print(f"calls are made from a log-probability of {least:.2f} on")
    with entered(folder, "export") as scored:
        files = export(recipe, folder, least)
        scored.update({file.stem: f"{file.stat().st_size / 1e6:.1f} MB" for file in files})
    prove(recipe, folder, files, generator(recipe.languages))
    if arguments.bundle:
        models = training_folder().parent / "custom_components" / "morphy" / "models"
        print(bundle(recipe, folder, models / "morphy.gguf"))
