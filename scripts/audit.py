"""Runs pip-audit over the environments of this clone, and says what came of it. Called by scripts/audit.

pip-audit passes over a package that its service does not know, and a service that nobody answers for knows none. Here
that is no success: an environment of which nothing was looked up counts as not audited.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENTS = (".venv", ".venv-server", ".venv-training")
PIP_AUDIT = Path(sys.executable).with_name("pip-audit")

CLEAN, VULNERABLE, NOT_AUDITED = 0, 1, 2


def main() -> int:
    """Audit the environments that scripts/setup has made; return the exit status."""
    statuses = [audit(folder) for name in ENVIRONMENTS for folder in (ROOT / name).glob("lib/python3*/site-packages")]
    if not statuses:
        print("NOT AUDITED: there is no environment; scripts/setup makes them.")
        return NOT_AUDITED
    return VULNERABLE if VULNERABLE in statuses else max(statuses)


def audit(packages: Path) -> int:
    """Audit one environment by its folder of packages, print what is known, and return the status."""
    name = packages.relative_to(ROOT).parts[0]
    command: list[str | Path] = [PIP_AUDIT, "--path", packages, "--format", "json", "--progress-spinner", "off"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        found: list[dict[str, Any]] = json.loads(ended.stdout)["dependencies"]
    except ValueError, LookupError:
        reason = (ended.stderr.strip().splitlines() or ["pip-audit wrote nothing"])[-1]
        print(f"{name}: NOT AUDITED: PyPI could not be asked ({reason}).")
        return NOT_AUDITED
    return tell(name, found)


def tell(name: str, found: list[dict[str, Any]]) -> int:
    """Print what pip-audit says about an environment's packages, and return the status."""
    audited = [package for package in found if "skip_reason" not in package]
    skipped = sorted(package["name"] for package in found if "skip_reason" in package)
    if not audited:
        print(f"{name}: NOT AUDITED: PyPI knew none of {len(found)} packages. Is there a connection to pypi.org?")
        return NOT_AUDITED
    listed = [(package, flaw) for package in audited for flaw in package["vulns"]]
    print(f"{name}: {len(audited)} packages audited, {len(listed)} known vulnerabilities")
    for package, flaw in listed:
        mended = ", ".join(flaw["fix_versions"]) or "no version yet"
        print(f"  {package['name']} {package['version']}: {flaw['id']}, mended in {mended}")
    if skipped:
        print(f"  not on PyPI, and so not audited: {', '.join(skipped)}")
    return VULNERABLE if listed else CLEAN


if __name__ == "__main__":
    sys.exit(main())
