"""scripts/audit: what it makes of pip-audit's answers, silence above all."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

SCRIPT = Path(__file__).parent.parent / "scripts" / "audit.py"
SOUND = {"name": "a", "version": "1", "vulns": []}
FLAWED = {"name": "b", "version": "2", "vulns": [{"id": "PYSEC-1", "fix_versions": ["3"]}]}
UNKNOWN = {"name": "c", "skip_reason": "Dependency not found on PyPI"}


@pytest.fixture(name="audit")
def audit_fixture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Return the script, for a clone with two environments."""
    spec = importlib.util.spec_from_file_location("audit", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    audit = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(audit)
    for name in (".venv", ".venv-server"):
        (tmp_path / name / "lib" / "python3.14" / "site-packages").mkdir(parents=True)
    monkeypatch.setattr(audit, "ROOT", tmp_path)
    monkeypatch.setattr(audit, "PIP_AUDIT", tmp_path / "pip-audit")
    return audit


def answers(audit: ModuleType, stdout: str) -> None:
    """Let pip-audit write this."""
    audit.PIP_AUDIT.write_text(f"#!/bin/sh\ncat <<'END'\n{stdout}\nEND\necho 'no route to host' >&2\nexit 1\n")
    audit.PIP_AUDIT.chmod(0o755)


@pytest.mark.parametrize(
    ("found", "status", "told"),
    [
        ([SOUND], 0, "1 packages audited, 0 known"),
        ([SOUND, UNKNOWN], 0, "not audited: c"),
        ([SOUND, FLAWED], 1, "b 2: PYSEC-1, mended in 3"),
        ([UNKNOWN], 2, "NOT AUDITED"),
        ([], 2, "NOT AUDITED"),
        (None, 2, "NOT AUDITED: PyPI could not be asked (no route to host)"),
    ],
    ids=["sound", "one unknown", "flawed", "all unknown", "none", "no answer"],
)
def test_what_is_told(
    audit: ModuleType, capsys: pytest.CaptureFixture[str], found: list[Any] | None, status: int, told: str
) -> None:
    answers(audit, "" if found is None else json.dumps({"dependencies": found}))
    assert audit.main() == status
    assert capsys.readouterr().out.count(told) == 2


def test_no_environment(audit: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "ROOT", tmp_path / "elsewhere")
    assert audit.main() == 2
