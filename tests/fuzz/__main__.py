"""Fuzzes the reader and the control of actions inside one real Home Assistant.

    scripts/fuzz [--cases 50000] [--seed 1] [--json out/fuzz.json]

A case is one line of what a model might write: good calls, mutated and adversarial ones. The report has the service
calls that were made, what was refused and why, exceptions, and violations of what docs/security.md promises. Ends with
1 when there is an exception or a violation.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import sys
import tempfile
from pathlib import Path

import homeassistant  # noqa: F401  before anything imports voluptuous
from pytest_homeassistant_custom_component.common import async_test_home_assistant

import custom_components  # noqa: F401  before the test suite's own package of that name is found

from .run import Report, async_fuzz


async def fuzz(cases: int, seed: int) -> Report:
    """Start a Home Assistant, run the cases, end it."""
    with tempfile.TemporaryDirectory(prefix="morphy-fuzz-") as config:
        async with async_test_home_assistant(config_dir=config) as hass:
            try:
                return await async_fuzz(hass, cases, seed)
            finally:
                await hass.async_stop(force=True)


def main() -> int:
    """Run and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=50_000, help="how many cases (default 50000)")
    parser.add_argument("--seed", type=int, default=1, help="what the cases are drawn from (default 1)")
    parser.add_argument("--json", type=Path, help="where to write the report too")
    arguments = parser.parse_args()
    logging.disable(logging.ERROR)
    report = asyncio.run(fuzz(arguments.cases, arguments.seed))
    text = json.dumps(report.as_dict(), indent=1, ensure_ascii=False)
    print(text)
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(text + "\n", encoding="utf-8")
    return 1 if report.bad else 0


if __name__ == "__main__":
    sys.exit(main())
