"""Runs the two test suites, each in its own environment: the training tools' and the integration's.

    scripts/test                          both
    scripts/test --long                   both, with the checks that take minutes
    scripts/test tests/test_browser.py    some of one; whatever pytest takes is passed on to it
    scripts/test -k grammar               some of both
    scripts/test --cov tests              the integration's, with the lines and branches that no test reaches

The training tools' tests run beside the integration's, on a core of their own where there is one, and are printed when
both have ended. Ends with 1 when a test fails, and when none ran.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parent.parent
FLOWS = "*/config_flow.py,*/*_flow.py,*/repairs.py"
"""The dialogs: every step and every error of them is tested."""
BRANCHES = 95
"""Percent of the integration's branches that more than are tested; pyproject.toml's is of lines and branches."""
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


SUITES = (
    Suite("training/tests", ".venv-training", ("training",), "training"),
    Suite(
        "tests",
        ".venv",
        ("integration", "servers", "browser", "voice"),
        options=("--long", "--screenshot", "--cov"),
    ),
)


def main(arguments: Sequence[str]) -> int:
    """Run what the arguments select."""
    if {"-h", "--help"} & set(arguments):
        print(__doc__)
        return 0
    paths = [os.path.abspath(argument) for argument in arguments if is_path(argument)]  # noqa: PTH100 - keeps ::test
    options = [argument for argument in arguments if not is_path(argument)]
    chosen = {suite: [path for path in paths if belongs(path, suite)] for suite in SUITES}
    if not paths:
        chosen = {suite: [str(ROOT / suite.folder)] for suite in SUITES}
    chosen = {suite: own for suite, own in chosen.items() if own}
    codes = run(chosen, options) if chosen else []
    if "--cov" in options and 0 in codes:
        codes += [report_flows(), report_branches()]
    failed = [code for code in codes if code not in (0, NO_TESTS)]
    if failed or 0 not in codes:
        print("scripts/test: " + ("tests failed, see above" if failed else "no test ran"), file=sys.stderr)
        return 1
    return 0


def run(chosen: Mapping[Suite, Sequence[str]], options: Sequence[str]) -> list[int]:
    """Make the suites' environments and run pytest in them side by side; return their exit codes."""
    for suite in chosen:
        setup = subprocess.run([ROOT / "scripts" / "setup", *suite.parts], check=False, stdin=subprocess.DEVNULL)
        if setup.returncode:
            return [setup.returncode]
    *others, last = chosen
    with contextlib.ExitStack() as outputs:
        beside = {suite: outputs.enter_context(tempfile.TemporaryFile()) for suite in others}
        started = [start(suite, chosen[suite], options, output) for suite, output in beside.items()]
        print(f"== {last.folder}", flush=True)
        codes = [start(last, chosen[last], options).wait(), *(process.wait() for process in started)]
        for suite, output in beside.items():
            output.seek(0)
            print(f"== {suite.folder}\n{output.read().decode(errors='replace')}", flush=True)
    return codes


def report_flows() -> int:
    """Show what of the dialogs no test reaches; return 0 when there is nothing."""
    report = (ROOT / ".venv" / "bin" / "python", "-m", "coverage", "report", f"--include={FLOWS}", "--fail-under=100")
    return subprocess.run(report, cwd=ROOT, check=False).returncode


def report_branches() -> int:
    """Tell how many of the branches are tested, lines aside; return 0 when they are enough."""
    command = (ROOT / ".venv" / "bin" / "python", "-m", "coverage", "json", "--quiet", "--fail-under=0", "-o", "-")
    report = subprocess.run(command, cwd=ROOT, check=False, stdout=subprocess.PIPE)
    if report.returncode:
        return report.returncode
    total = json.loads(report.stdout)["totals"]
    percent = 100 * total["covered_branches"] / total["num_branches"]
    print(f"Branches alone: {total['covered_branches']} of {total['num_branches']}, {percent:.2f} %")
    return int(percent <= BRANCHES)


def start(
    suite: Suite, paths: Sequence[str], options: Sequence[str], output: IO[bytes] | None = None
) -> subprocess.Popen[bytes]:
    """Start pytest in a suite's environment; it prints into `output`, or where this does."""
    others = {option for other in SUITES if other is not suite for option in other.options}
    command = [str(ROOT / suite.venv / "bin" / "python"), "-m", "pytest"]
    # The paths first: `--cov` would take one that follows it for what is to be measured.
    command += [*paths, *(option for option in options if option.partition("=")[0] not in others)]
    return subprocess.Popen(
        command,
        cwd=ROOT / suite.working_directory,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT if output else None,
    )


def is_path(argument: str) -> bool:
    """Tell whether an argument names a file, a folder, or a test inside a file."""
    return not argument.startswith("-") and Path(argument.partition("::")[0]).exists()


def belongs(path: str, suite: Suite) -> bool:
    """Tell whether a path is of a suite."""
    return Path(path.partition("::")[0]).resolve().is_relative_to(ROOT / suite.folder)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
