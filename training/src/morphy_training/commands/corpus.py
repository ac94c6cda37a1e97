"""`morphy-train corpus`: what is trained on."""

from __future__ import annotations

import argparse
import itertools
import time

from .options import add_run, run_of

HELP = "print generated examples, or figures about them"


def add_arguments(command: argparse.ArgumentParser) -> None:
    """How many, and which."""
    add_run(command)
    command.add_argument("--count", type=int, default=3, help="examples to print")
    command.add_argument("--seed", type=int, default=0, help="seed of the stream")
    command.add_argument("--language", help="language, or several after commas (default: those of the recipe)")
    command.add_argument("--stat", action="store_true", help="figures about --count examples instead of text")


def run(arguments: argparse.Namespace) -> None:
    """Print them."""
    from collections import Counter

    from ..data import generator, render
    from ..dialect import get_dialect

    recipe, _ = run_of(arguments)
    dialect = get_dialect(recipe.dialect)
    source = generator(tuple(arguments.language.split(",")) if arguments.language else recipe.languages)
    begun = time.perf_counter()
    examples = list(itertools.islice(source(arguments.seed), arguments.count))
    seconds = time.perf_counter() - begun
    if not arguments.stat:
        print(f"\n{'-' * 40}\n".join(render(example, dialect) for example in examples))
        return
    exchanges = [exchange for example in examples for exchange in example.turns]
    kinds = Counter(one.category for one in exchanges)
    devices = sorted(len(example.home.devices) for example in examples)
    print(f"{len(examples)} homes, {len(exchanges)} exchanges, {len(exchanges) / seconds:.0f} exchanges/s")
    print(f"devices: least {devices[0]}, median {devices[len(devices) // 2]}, most {devices[-1]}")
    print(f"different requests: {len({one.request for one in exchanges})}")
    for kind, count in kinds.most_common():
        print(f"  {kind:24} {count:6d} {count / len(exchanges):6.1%}")
