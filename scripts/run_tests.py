"""Runs the two test suites, each in its own environment: the training tools' and the integration's.

    scripts/test                          both
    scripts/test --long                   both, with the checks that take minutes
    scripts/test tests/test_browser.py    some of one; whatever pytest takes is passed on to it
    scripts/test -k grammar               some of both

Ends with 1 when a test fails, and when none ran.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NO_TESTS = 5
"""pytest's exit code when nothing was selected."""


@dataclass(frozen=True)
class Suite:
    """A folder of tests, and the environment they run in."""

    folder: str
    venv: str
    parts: tuple[str, ...]
    """The parts of scripts/setup it needs."""
    working_directory: str = "."
    options: tuple[str, ...] = ()
    """Options that only this suite understands."""


# The integration's comes last, so that its summary is the last line.
SUITES = (
    Suite("training/tests", ".venv-training", ("training",), "training"),
    Suite("tests", ".venv", ("integration", "servers", "browser"), options=("--long", "--screenshot")),
)


def main(arguments: Sequence[str]) -> int:
    """Run what the arguments select."""
    if {"-h", "--help"} & set(arguments):
        print(__doc__)
        return 0
    paths = [os.path.abspath(argument) for argument in arguments if is_path(argument)]  # noqa: PTH100 - keeps ::test
    options = [argument for argument in arguments if not is_path(argument)]
    codes = []
    for suite in SUITES:
        own = [path for path in paths if belongs(path, suite)]
        if paths and not own:
            continue
        codes.append(run(suite, own or [str(ROOT / suite.folder)], options))
    failed = [code for code in codes if code not in (0, NO_TESTS)]
    if failed or 0 not in codes:
        print("scripts/test: " + ("tests failed, see above" if failed else "no test ran"), file=sys.stderr)
        return 1
    return 0


def run(suite: Suite, paths: Sequence[str], options: Sequence[str]) -> int:
    """Make a suite's environment and run pytest in it; return pytest's exit code."""
    setup = subprocess.run([ROOT / "scripts" / "setup", *suite.parts], check=False, stdin=subprocess.DEVNULL)
    if setup.returncode:
        return setup.returncode
    print(f"== {suite.folder}", flush=True)
    others = {option for other in SUITES if other is not suite for option in other.options}
    command = [str(ROOT / suite.venv / "bin" / "python"), "-m", "pytest"]
    command += [option for option in options if option.partition("=")[0] not in others]
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    directory = ROOT / suite.working_directory
    return subprocess.run(
        [*command, *paths], check=False, cwd=directory, env=environment, stdin=subprocess.DEVNULL
    ).returncode


def is_path(argument: str) -> bool:
    """Tell whether an argument names a file, a folder, or a test inside a file."""
    return not argument.startswith("-") and Path(argument.partition("::")[0]).exists()


def belongs(path: str, suite: Suite) -> bool:
    """Tell whether a path is of a suite."""
    return Path(path.partition("::")[0]).resolve().is_relative_to(ROOT / suite.folder)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
