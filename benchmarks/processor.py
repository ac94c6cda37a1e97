"""What a turn costs the processor: other than the time on a clock, that is about the same on a machine with other work.

    .venv/bin/python -m benchmarks.processor [--models bundled,0.1B,0.5B,1B] [--sizes 30,1000] [--turns 4]

Of each model and size of the home: milliseconds of the worker's processor time, and of Home Assistant's, for the first
turn of a worker that has read nothing, and the mean of the turns after it, one in each home in turn. Models with random
weights write 24 tokens (random_models.py).
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import statistics
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any, Final

from .apart import Apart
from .homes import REQUESTS
from .parts import BUNDLED, Options, home_with

COLUMNS: Final = ("worker_ms", "home_assistant_ms", "read", "written")


def measure(models: list[str], sizes: list[int], turns: int) -> list[dict[str, Any]]:
    """Return a row for each model, size and situation; every request is new, and none has been read ahead."""
    rows = []
    for model in models:
        made: dict[tuple[int, str], list[tuple[float, ...]]] = defaultdict(list)
        with contextlib.ExitStack() as stack:
            options = Options(models=[model], threads=1)
            homes = {size: stack.enter_context(home_with(model, size, options)) for size in sizes}
            for number, text in zip(range(1 + turns), itertools.cycle(REQUESTS), strict=False):
                for size, home in homes.items():
                    made[size, "later" if number else "first"].append(turn(home, text))
        for (size, when), costs in made.items():
            means = (round(statistics.mean(values), 1) for values in zip(*costs, strict=True))
            rows.append({"model": model, "entities": size, "turn": when, **dict(zip(COLUMNS, means, strict=True))})
            print(json.dumps(rows[-1]), flush=True)
    return rows


def turn(home: Apart, text: str) -> tuple[float, ...]:
    """Return what one turn costs: milliseconds of the worker and of Home Assistant, tokens read and written."""
    before = home.call("busy")
    made = home.call("say", text)
    after = home.call("busy")
    spent = [1000 * (after[process] - before[process]) for process in ("worker", "home_assistant")]
    return (*spent, made.prompt_tokens - made.cached_tokens, made.completion_tokens)


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=lambda text: text.split(","), default=[BUNDLED])
    parser.add_argument("--sizes", type=lambda text: [*map(int, text.split(","))], default=[30, 1000])
    parser.add_argument("--turns", type=int, default=4, help="turns after the first (default 4)")
    parser.add_argument("--json", type=Path, help="where to write the figures too")
    arguments = parser.parse_args()
    rows = measure(arguments.models, arguments.sizes, arguments.turns)
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(rows, indent=1), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
