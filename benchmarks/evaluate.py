"""Morphy as a user gets it, with every default, over an evaluation set inside real Home Assistant.

    .venv/bin/python -m benchmarks.evaluate [--set DIR] [--out out/morphy.jsonl] [-- harness options]
    .venv/bin/python -m benchmarks.evaluate --built-in --out out/built-in.jsonl      # Home Assistant's own agent
    .venv/bin/python -m benchmarks.evaluate --sample 400 --beside out/built-in.jsonl --gguf FILE

The set is a folder with `homes/` and `cases/`; the harness is the program that builds each home in Home Assistant, asks
each case and scores what happened. Neither is part of this repository: name them, or set MORPHY_EVAL_SET and
MORPHY_EVAL_HARNESS. Where the set is absent, this says so and ends well. benchmarks/README.md tells where the sentences
come from, and what the columns of the table mean.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from . import outcomes
from .harness_setup import MODEL_VARIABLE
from .outcomes import Record

ROOT = Path(__file__).resolve().parent.parent


def main(argv: Sequence[str] | None = None) -> int:
    """Run the harness on the set with an agent, print what came of it, and return the harness's exit status."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    if arguments.folder is None or not (arguments.folder / "cases").is_dir():
        print("skipped: evaluation set absent")
        return 0
    if arguments.harness is None or not arguments.harness.is_file():
        parser.error("name the harness with --harness or MORPHY_EVAL_HARNESS")
    if arguments.gguf and not arguments.gguf.is_file():
        parser.error(f"{arguments.gguf} is no file")
    cases = choose(outcomes.read_cases(arguments.folder), arguments.only, arguments.sample, arguments.seed)
    if not cases:
        parser.error("--only leaves no case")
    if not arguments.report_only and (status := _run(arguments, cases)):
        return status
    _report(arguments, cases)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", dest="folder", type=Path, default=os.environ.get("MORPHY_EVAL_SET"))
    parser.add_argument("--harness", type=Path, default=os.environ.get("MORPHY_EVAL_HARNESS"))
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "morphy.jsonl")
    parser.add_argument("--gguf", type=Path, help="a model file to use in place of the bundled one")
    parser.add_argument("--built-in", action="store_true", help="ask Home Assistant's own agent, not Morphy")
    parser.add_argument(
        "--local-first", action="store_true", help='as with "Prefer handling commands locally" switched on'
    )
    parser.add_argument("--only", help="parts of sources or categories, with commas: question,light_on,hwu64")
    parser.add_argument("--sample", type=int, help="ask so many cases, drawn at random")
    parser.add_argument("--seed", type=int, default=1, help="of the draw (default 1)")
    parser.add_argument("--beside", type=Path, help="the --out of an earlier run, told beside this one")
    parser.add_argument("--report-only", action="store_true", help="only report on what is in --out already")
    parser.add_argument("options", nargs="*", help="options for the harness, after --")
    return parser


def choose(cases: Sequence[Record], only: str | None, sample: int | None, seed: int) -> list[Record]:
    """Return the cases whose source or category has one of the words of `only`, and of these a random `sample`."""
    words = only.split(",") if only else [""]
    chosen = [case for case in cases if any(word in f"{case['source']} {case['category']}" for word in words)]
    return random.Random(seed).sample(chosen, min(sample, len(chosen))) if sample else chosen


def _run(arguments: argparse.Namespace, cases: Sequence[Record]) -> int:
    """Have the harness ask the cases; its own table goes into its report, not to the terminal."""
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    ids = arguments.out.with_suffix(".ids")
    ids.write_text("\n".join(case["id"] for case in cases), encoding="utf-8")
    command = [sys.executable, str(arguments.harness), "--dir", str(arguments.folder), "--out", str(arguments.out)]
    command += ["--ids", str(ids), *arguments.options]
    if not arguments.built_in:
        command += ["--custom-components", str(ROOT / "custom_components")]
        command += ["--setup", str(ROOT / "benchmarks" / "harness_setup.py")]
    if arguments.local_first:
        # The pipeline loads ffmpeg, whose absence would be told with a traceback in each home.
        command += ["--pipeline", "local-first", "--log-level", "CRITICAL"]
    model = {MODEL_VARIABLE: str(arguments.gguf.resolve())} if arguments.gguf else {}
    return subprocess.call(command, env=os.environ | model, stdout=subprocess.DEVNULL)


def _report(arguments: argparse.Namespace, cases: Sequence[Record]) -> None:
    """Leave the table and the outcome of each case beside the predictions, and print the table."""
    results = outcomes.read_outcomes(cases, arguments.out)
    rows = outcomes.as_rows(outcomes.count(cases, results))
    beside = outcomes.read_outcomes(cases, arguments.beside) if arguments.beside else {}
    other = outcomes.as_rows(outcomes.count([case for case in cases if case["id"] in results], beside))
    text = outcomes.table(rows, other)
    arguments.out.with_suffix(".outcomes.md").write_text(text + "\n", encoding="utf-8")
    content = {"rows": rows, "beside": other, "cases": results}
    arguments.out.with_suffix(".outcomes.json").write_text(json.dumps(content, indent=1), encoding="utf-8")
    print(text)


if __name__ == "__main__":
    sys.exit(main())
