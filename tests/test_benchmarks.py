"""What came of the requests of an evaluation, and the way from the command line through a harness to the table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component

import custom_components.morphy as morphy
from benchmarks import evaluate, harness_setup
from benchmarks.outcomes import Outcome, count, outcome, wilson

LAMP = {"light.lamp": {"state": "on"}}
CALL = [{"service": "light.turn_on", "targets": ["light.lamp"], "data": {}}]


def case(kind: str = "changes", **values: Any) -> dict[str, Any]:
    return {"id": "1", "source": "made/up", "category": "light_on", "expect": {"kind": kind}, **values}


def failure(*why: str, lenient: bool = False) -> dict[str, Any]:
    return {"id": "1", "lenient_ok": lenient, "why": list(why)}


@pytest.mark.parametrize(
    ("kind", "prediction", "failed", "expected"),
    [
        ("changes", {"effects": LAMP, "calls": CALL}, None, Outcome.RIGHT),
        ("changes", {"effects": LAMP, "calls": CALL}, failure(lenient=True), Outcome.ACCEPTED),
        ("changes", {"effects": LAMP, "calls": CALL}, failure("light.lamp: state 'on', want 'off'"), Outcome.WRONG_ACT),
        ("changes", {"effects": LAMP, "calls": CALL}, failure("fan.old: state 'on', want 'off'"), Outcome.TOO_LITTLE),
        ("changes", {"effects": {}, "calls": CALL}, failure("fan.old: state 'on', want 'off'"), Outcome.TOO_LITTLE),
        ("changes", {"effects": {}, "calls": [], "answer": "Shall I?"}, failure("lock.door: still"), Outcome.ASKED),
        ("changes", {"effects": {}, "calls": []}, failure("fan.old: state 'on', want 'off'"), Outcome.NOTHING),
        ("none", {"effects": {}, "calls": CALL}, failure("unwanted call light.turn_on"), Outcome.WRONG_ACT),
        ("answer", {"effects": LAMP, "answer": "Yes."}, failure("answer 'Yes.' lacks"), Outcome.WRONG_ACT),
        ("answer", {"effects": {}, "answer": "Yes."}, failure("answer 'Yes.' lacks"), Outcome.WRONG_ANSWER),
        ("answer", {"effects": {}, "answer": "Sorry, no."}, failure("answer lacks"), Outcome.NOTHING),
        ("answer", {"effects": {}, "answer": ""}, failure("answer '' lacks"), Outcome.NOTHING),
    ],
)
def test_outcome(kind: str, prediction: dict[str, Any], failed: dict[str, Any] | None, expected: Outcome) -> None:
    assert outcome(case(kind), prediction, failed) is expected


def test_every_case_counts_in_its_four_groups() -> None:
    counts = count([case(), case(id="2", category="light_off")], {"1": Outcome.RIGHT, "2": Outcome.WRONG_ACT})
    assert counts["ALL", ""] == counts["ALL", "expect changes"] == counts["made/up", ""]
    assert counts["ALL", ""] == {Outcome.RIGHT: 1, Outcome.WRONG_ACT: 1}
    assert counts["made/up", "light_off"] == {Outcome.WRONG_ACT: 1}


def test_wilson() -> None:
    assert [round(share, 4) for share in wilson(50, 100)] == [0.4038, 0.5962]


def test_cases_are_chosen_by_words_and_drawn_alike_each_time() -> None:
    cases = [case(id=str(number), category=("light_on", "question")[number % 2]) for number in range(100)]
    questions = evaluate.choose(cases, "question,scene", None, 1)
    assert len(questions) == 50
    assert {one["category"] for one in questions} == {"question"}
    drawn = evaluate.choose(cases, None, 10, 1)
    assert len({one["id"] for one in drawn}) == 10
    assert evaluate.choose(cases, None, 10, 1) == drawn
    assert evaluate.choose(cases, None, 10, 2) != drawn
    assert len(evaluate.choose(cases, "question", 400, 1)) == 50


HARNESS = """
import argparse, json, os, pathlib
parser = argparse.ArgumentParser()
parser.add_argument("--out", type=pathlib.Path)
parser.add_argument("--ids", type=pathlib.Path)
known, rest = parser.parse_known_args()
ids = known.ids.read_text().split()
known.out.write_text("".join(json.dumps({"id": one, "effects": {}, "calls": []}) + "\\n" for one in ids))
failed = [{"id": one, "lenient_ok": False, "why": []} for one in ids if one != "1"]
known.out.with_suffix(".failures.jsonl").write_text("".join(json.dumps(one) + "\\n" for one in failed))
known.out.with_suffix(".seen").write_text(json.dumps([rest, os.environ.get("MORPHY_EVAL_GGUF")]))
"""


@pytest.fixture(name="command")
def command_fixture(tmp_path: Path) -> list[str]:
    """Return the options that name a set of three cases, a harness that does nothing, and a place for what comes."""
    (tmp_path / "cases").mkdir()
    lines = [json.dumps(case(id=name)) for name in "123"]
    (tmp_path / "cases" / "some.jsonl").write_text("\n".join(lines), encoding="utf-8")
    harness = tmp_path / "harness.py"
    harness.write_text(HARNESS, encoding="utf-8")
    return ["--set", str(tmp_path), "--harness", str(harness), "--out", str(tmp_path / "out.jsonl")]


def seen(folder: Path) -> tuple[list[str], str | None]:
    """Return the options and the model that the harness was given."""
    options, model = json.loads((folder / "out.seen").read_text(encoding="utf-8"))
    return options, model


def test_a_run_leaves_its_table_and_every_outcome(
    command: list[str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert evaluate.main(command) == 0
    table = capfd.readouterr().out
    assert "| ALL |  | 3 | 33.3% | 6%-79% | 0.0% | 0.0% | 0.0% | 0.0% | 66.7% | 0.0% |" in table
    assert (tmp_path / "out.outcomes.md").read_text(encoding="utf-8") == table
    written = json.loads((tmp_path / "out.outcomes.json").read_text(encoding="utf-8"))
    assert written["cases"] == {"1": "right", "2": "nothing", "3": "nothing"}
    options, model = seen(tmp_path)
    assert options[-1] == str(evaluate.ROOT / "benchmarks" / "harness_setup.py")
    assert model is None


def test_the_built_in_agent_stands_beside(
    command: list[str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    built_in = tmp_path / "built-in.jsonl"
    assert evaluate.main([*command[:-1], str(built_in), "--built-in"]) == 0
    assert "--setup" not in json.loads((tmp_path / "built-in.seen").read_text(encoding="utf-8"))[0]
    capfd.readouterr()
    assert evaluate.main([*command, "--sample", "2", "--beside", str(built_in)]) == 0
    row = next(line for line in capfd.readouterr().out.splitlines() if line.startswith("| ALL |  |"))
    assert row.split(" | ")[2] == "2"
    assert row.split(" | ")[3] == row.split(" | ")[-2]


def test_another_model_and_the_built_in_sentences_first(command: list[str], tmp_path: Path, model: Path) -> None:
    assert evaluate.main([*command, "--gguf", str(model), "--local-first", "--", "--resume"]) == 0
    options, given = seen(tmp_path)
    assert given == str(model)
    assert options[options.index("--pipeline") + 1] == "local-first"
    assert "--resume" in options


def test_what_is_absent_is_said(command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate.main(["--set", str(tmp_path / "none")]) == 0
    assert capsys.readouterr().out == "skipped: evaluation set absent\n"
    with pytest.raises(SystemExit):
        evaluate.main([*command, "--gguf", str(tmp_path / "none.gguf")])
    assert "none.gguf is no file" in capsys.readouterr().err


async def test_the_set_up_takes_the_named_model_for_the_bundled_one(
    hass: HomeAssistant, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await async_setup_component(hass, "homeassistant", {})
    monkeypatch.setattr(morphy, "BUNDLED_MODEL", morphy.BUNDLED_MODEL)
    monkeypatch.setenv(harness_setup.MODEL_VARIABLE, str(model))
    assert await harness_setup.async_setup_agent(hass) == "morphy"
    [entry] = hass.config_entries.async_entries("morphy")
    assert "Tiny" in str(await entry.runtime_data.start())
    [agent] = entry.subentries.values()
    assert agent.data["dialect"] == "morphy"
    await harness_setup.async_teardown_agent(hass)
