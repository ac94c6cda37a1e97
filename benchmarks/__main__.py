"""How fast Morphy is, and beside what: the entry point of scripts/bench.

    scripts/bench --quick --json out/quick.json      four ratios and their times, in less than 5 minutes
    scripts/bench                                     everything, in an hour or two
    scripts/bench sizes agents --models 1B            parts of it, with another model

Parts: sizes (homes of 10 to 5,000 entities in nine situations), beside (llama-cpp-python, llama.cpp's server, Home
Assistant's own agent), agents, clients, grammars. Models: bundled, random weights of 0.1B, 0.5B, 1B or 7B, or a file.
The folder of --out gets bench.json, bench.md and bench.png; benchmarks/README.md says what the columns mean.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Final

from . import quick
from .figures import Row, about, write_json
from .parts import BUNDLED, PARTS, Options
from .report import draw, markdown
from .rounds import Clock

OUT: Final = Path("out/bench")
QUICK_SECONDS: Final = 25.0
"""Seconds of turns for each of the quick ratios."""
SECONDS: Final = 20.0


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Return what is asked for on the command line."""
    parser = argparse.ArgumentParser(
        "scripts/bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", metavar="part", help=f"any of {', '.join(PARTS)} (default: all)")
    parser.add_argument("--quick", action="store_true", help="only the ratios")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where to write the figures too")
    parser.add_argument("--out", type=Path, default=OUT, help=f"folder for the whole benchmark (default {OUT})")
    parser.add_argument("--models", type=_list, default=[BUNDLED, "0.1B", "0.5B", "1B"], metavar="A,B")
    parser.add_argument("--sizes", type=lambda text: [*map(int, _list(text))], metavar="N,M", help="exposed entities")
    parser.add_argument("--seconds", type=float, help="turns of each measurement (default 20; quick 25)")
    parser.add_argument("--threads", type=int, help="of each model (default: all cores but one)")
    parser.add_argument(
        "--server", type=Path, metavar="FILE", help="llama.cpp's server (default: that of scripts/setup)"
    )
    parser.add_argument("--url", help="for clients: ask a server that runs already, and nothing else")
    parsed = parser.parse_args(arguments)
    if unknown := [part for part in parsed.parts if part not in PARTS]:
        parser.error(f"no part named {', '.join(unknown)}; there are {', '.join(PARTS)}")
    return parsed


def main(arguments: list[str] | None = None) -> int:
    """Measure, print and write."""
    parsed = parse(arguments)
    if parsed.quick:
        result = quick.measure(parsed.seconds or QUICK_SECONDS, Clock())
        print(json.dumps(result, indent=1))
        if parsed.json:
            write_json(parsed.json, result)
        return 0
    options = Options(models=parsed.models, sizes=parsed.sizes, seconds=parsed.seconds or SECONDS)
    given = {name: value for name in ("threads", "server", "url") if (value := getattr(parsed, name)) is not None}
    options = replace(options, **given)
    rows = run(parsed.parts or list(PARTS), options)
    data = {"about": about(", ".join(options.models)), "rows": rows}
    for path in filter(None, (parsed.out / "bench.json", parsed.json)):
        write_json(path, data)
    (parsed.out / "bench.md").write_text(markdown(rows), encoding="utf-8")
    draw(rows, parsed.out / "bench.png")
    print(markdown(rows))
    return 0


def run(parts: list[str], options: Options) -> list[Row]:
    """Return the rows of these parts."""
    clock = Clock()
    return [row for part in parts for row in PARTS[part](options, clock)]


def _list(text: str) -> list[str]:
    return [word for word in text.split(",") if word]


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the servers it has started end too
    sys.exit(main())
