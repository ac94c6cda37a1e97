"""Every recipe with a base model, or of several models, runs from its first step to its last."""

from __future__ import annotations

from pathlib import Path

import pytest

from morphy_training import cli
from morphy_training.family.smoke import smoke
from morphy_training.recipe import load

RECIPES = sorted((Path(__file__).parents[1] / "recipes").glob("*.yaml"))


@pytest.mark.parametrize("path", [one for one in RECIPES if not load(one).from_nothing], ids=lambda path: path.stem)
def test_a_recipe_runs_from_end_to_end(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert smoke([path]) == [], capsys.readouterr().out
    told = [line.split()[1] for line in capsys.readouterr().out.splitlines() if line.startswith(f"{path.stem} ")]
    assert told[0] == "recipe"
    assert told[-1] == ("evaluate" if load(path).evaluation else "export")


def test_a_recipe_that_fails_is_named_and_the_status_is_not_zero(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("bsae: {model: x}\n")
    assert cli.main(["smoke", str(wrong)]) == 1
    told = capsys.readouterr()
    assert "Unknown key bsae; did you mean base?" in told.out
    assert "1 of 1 recipes failed: wrong" in told.err
