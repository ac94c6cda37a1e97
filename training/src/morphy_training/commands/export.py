"""`morphy-train export`: GGUF files, each compared with transformers."""

from __future__ import annotations

import argparse
import itertools

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
    from ..data import HELD_OUT, generator, render
    from ..dialect import get_dialect
    from ..export import bundle, export, parity
    from ..ledger import entered
    from ..machine import machine

    recipe, folder = run_of(arguments)
    if not recipe.from_nothing:
        from ..family.export import export as export_family

        with entered(folder, "export") as scored:
            for one in export_family(recipe, folder):
                scored[one.path.stem] = f"{one.size / 1e6:.1f} MB, {one.right / one.tokens:.1%} of tokens right"
        return
    dialect = get_dialect(recipe.dialect)
    least = None
    if recipe.export.sure_calls < 1:
        least = least_certainty(recipe, folder, generator(recipe.languages), machine=machine(arguments.device))
        print(f"calls are made from a log-probability of {least:.2f} on")
    with entered(folder, "export") as scored:
        files = export(recipe, folder, least)
        scored.update({file.stem: f"{file.stat().st_size / 1e6:.1f} MB" for file in files})
    texts = [render(example, dialect, 1) for example in itertools.islice(generator(recipe.languages)(HELD_OUT + 2), 8)]
    prompts = [text[: text.rindex("<|im_start|>assistant\n") + len("<|im_start|>assistant\n")] for text in texts]
    for file in files:
        same = parity(folder.merged, file, prompts)
        print(f"{file.name:22} {file.stat().st_size / 1e6:6.2f} MB  {same}")
        if file is files[0]:
            same.check()
    if arguments.bundle:
        models = training_folder().parent / "custom_components" / "morphy" / "models"
        print(bundle(recipe, folder, models / "morphy.gguf"))
