"""Pictures of a run, and the figures that are drawn in them."""

from __future__ import annotations

import builtins
import json
from pathlib import Path
from typing import Any

import pytest

from morphy_training import evaluate, report
from morphy_training.errors import RunError
from morphy_training.runs import Folder

PNG = b"\x89PNG\r\n\x1a\n"


def _asked(size: int, outcome: str) -> evaluate.Asked:
    return evaluate.Asked("light_on", (f"= {size:2d} devices",), "on", "", "", outcome, True, None)


def _row(source: str, category: str, strict: int, n: int) -> dict[str, Any]:
    return {"source": source, "category": category, "strict": strict, "n": n}


@pytest.fixture(name="folder")
def folder_fixture(run: Folder, tmp_path: Path) -> Folder:
    """Return a run folder with the logs of a real run, and an evaluation by size."""
    folder = Folder(tmp_path)
    folder.pretrain.symlink_to(run.pretrain)
    folder.tune.symlink_to(run.tune)
    asked = [_asked(10, "right"), _asked(5, "right"), _asked(60, "right"), _asked(60, "wrong act")]
    sizes = evaluate.Report("x.gguf", 1.0, 1.0, asked).as_dict()
    folder.evaluation.write_text(json.dumps({"files": [], "sizes": [sizes]}), encoding="utf-8")
    return folder


@pytest.fixture(name="harness")
def harness_fixture(tmp_path: Path) -> Path:
    """Return a report as the harness writes it."""
    path = tmp_path / "x.report.json"
    rows = [
        _row("ALL", "", 4, 9),
        _row("a", "", 1, 3),
        _row("a", "on", 1, 3),
        _row("b", "on", 2, 5),
        _row("b", "off", 1, 1),
    ]
    path.write_text(json.dumps({"rows": rows}), encoding="utf-8")
    return path


def test_everything_that_is_there_is_drawn(folder: Folder, harness: Path) -> None:
    files = report.report(folder, harness, harness)
    assert [file.name for file in files] == [
        "learning-pretrain.png",
        "learning-tune.png",
        "categories.png",
        "devices.png",
    ]
    for file in files:
        assert file.read_bytes().startswith(PNG)
        assert 5_000 < file.stat().st_size < 200_000


def test_the_shares_are_those_of_the_files(folder: Folder, harness: Path) -> None:
    assert report.by_category(harness) == {"on": (3, 8), "off": (1, 1)}
    assert list(report.by_devices(folder.evaluation).items()) == [(5, (1, 1)), (10, (1, 1)), (60, (1, 2))]


def test_what_a_kill_threw_away_is_left_out(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text("\n".join(json.dumps({"tokens": tokens}) for tokens in (1, 2, 2, 3, 4, 2, 5)), encoding="utf-8")
    assert [entry["tokens"] for entry in report.read_log(log)] == [1, 2, 2, 2, 5]


def test_nothing_to_draw_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="nothing to draw"):
        report.report(Folder(tmp_path))


def test_without_matplotlib_the_extra_is_named(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def missing(name: str, *rest: Any, **more: Any) -> Any:
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(RunError, match=r"morphy-training\[report\]"):
        report.report(folder)
