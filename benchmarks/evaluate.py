"""Morphy as a user gets it, with every default, over an evaluation set inside real Home Assistant.

    .venv/bin/python -m benchmarks.evaluate [--set DIR] [--out out/morphy.jsonl] [-- harness options]

The set is a folder with `homes/` and `cases/`; the harness is the program that builds each home in Home Assistant, asks
each case and scores what happened. Neither is part of this repository: name them, or set MORPHY_EVAL_SET and
MORPHY_EVAL_HARNESS. Where the set is absent, this says so and ends well. benchmarks/README.md tells where the sentences
come from.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    """Run the harness on the set with Morphy; return its exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", dest="folder", type=Path, default=os.environ.get("MORPHY_EVAL_SET"))
    parser.add_argument("--harness", type=Path, default=os.environ.get("MORPHY_EVAL_HARNESS"))
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "morphy.jsonl")
    parser.add_argument("options", nargs="*", help="options for the harness, after --")
    arguments = parser.parse_args()
    if arguments.folder is None or not (arguments.folder / "cases").is_dir():
        print("skipped: evaluation set absent")
        return 0
    if arguments.harness is None or not arguments.harness.is_file():
        parser.error("name the harness with --harness or MORPHY_EVAL_HARNESS")
    command = [sys.executable, str(arguments.harness), "--dir", str(arguments.folder), "--out", str(arguments.out)]
    command += ["--custom-components", str(ROOT / "custom_components")]
    command += ["--setup", str(ROOT / "benchmarks" / "harness_setup.py"), *arguments.options]
    return subprocess.call(command)


if __name__ == "__main__":
    sys.exit(main())
