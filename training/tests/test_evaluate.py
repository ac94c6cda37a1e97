"""What came of a request, the marks it is counted under, homes made larger, and a real file that is asked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import toy

from morphy_training import cli, data, evaluate
from morphy_training.backends import LlamaCpp
from morphy_training.dialect import Action, Answer, Area, Device, Floor, Home, get_dialect, services_for
from morphy_training.marks import marks, tells_domain, unrelated
from morphy_training.runs import Folder
from morphy_training.tallies import wilson

DIALECT = get_dialect("morphy")
DEVICES = (
    Device("light.kitchen_lamp", ("Kitchen Lamp",), "on", area="kitchen"),
    Device("light.0xa1", ("Ceiling", "Big One"), "off", area="kitchen"),
    Device("switch.kettle", ("Kettle",), "off", area="kitchen"),
    Device("light.attic", ("Attic Light",), "off", area="attic"),
)
HOME = Home(
    DEVICES,
    (Area("kitchen", ("Kitchen",), "ground"), Area("attic", ("Attic",))),
    (Floor("ground", ("Ground Floor",)),),
    services=services_for(DEVICES),
)
ON = Action("light.turn_on", ("light.attic",))


def _effects(*actions: Action) -> frozenset[evaluate.Effect]:
    return evaluate.effects(actions, HOME)


def _exchange(request: str, *actions: Action, category: str = "light", evidence: tuple[str, ...] = ()) -> toy.Exchange:
    targets = tuple(target for action in actions for target in action.targets)
    return toy.Exchange(request, Answer("Ok.", actions, evidence or targets), category)


def test_a_room_is_its_devices_of_the_domain() -> None:
    both = Action("light.turn_off", ("light.0xa1", "light.kitchen_lamp"))
    assert _effects(Action("light.turn_off", ("area.kitchen",))) == _effects(both)
    assert _effects(Action("light.turn_off", ("floor.ground",))) == _effects(both)
    assert len(_effects(Action("light.turn_off", ("all",)))) == 3
    assert _effects(ON) != _effects(Action("light.turn_on", ("light.attic",), {"brightness_pct": 40}))


@pytest.mark.parametrize(
    ("expected", "got", "outcome", "came"),
    [
        ((ON,), (ON,), "right", "another sentence"),
        ((ON,), (), "nothing", "no action"),
        ((), (ON,), "wrong act", "light.turn_on"),
        ((ON,), (Action("switch.turn_on", ("switch.kettle",)),), "wrong act", "switch.turn_on"),
        ((ON,), (ON, Action("light.turn_on", ("light.0xa1",))), "wrong act", "light.turn_on of other devices"),
        ((Action("light.turn_on", ("all",)),), (ON,), "too little", "light.turn_on of other devices"),
        (
            (ON,),
            (Action("light.turn_on", ("light.attic",), {"brightness_pct": 1}),),
            "wrong act",
            "light.turn_on with other values",
        ),
    ],
)
def test_outcome(expected: tuple[Action, ...], got: tuple[Action, ...], outcome: str, came: str) -> None:
    assert evaluate.judge(_effects(*expected), _effects(*got)) == outcome
    assert evaluate.came(_effects(*expected), _effects(*got)) == came


def test_marks() -> None:
    lamp, ceiling, kettle, attic = DEVICES
    assert [unrelated(device) for device in DEVICES] == [False, True, False, False]
    assert tells_domain(lamp)
    assert tells_domain(attic)
    assert not tells_domain(ceiling)
    assert not tells_domain(kettle)
    assert list(marks(HOME, _exchange("x", ON))) == []
    assert list(marks(HOME, _exchange("x", ON, Action("light.turn_on", ("light.0xa1",))))) == [
        "= several actions",
        "= unrelated ids",
        "= domain not told",
    ]
    asked = _exchange("x", category="question_state", evidence=("light.0xa1",))
    assert list(marks(HOME, asked)) == ["= questions", "= unrelated ids"]
    assert list(marks(HOME, _exchange("x", ON, category="followup_it"))) == ["= follow-ups"]


@pytest.mark.parametrize("size", [1, 2, 4, 6, 9])
def test_a_home_is_resized_around_the_device_that_is_meant(size: int) -> None:
    exchange = _exchange("turn on the attic light please", ON)
    strangers = [Device(f"fan.f{n}", (f"Fan {n}",), "on", area="x") for n in range(9)]
    strangers.append(Device("light.z", ("Attic Lamp",), "on"))
    home = evaluate.resized(HOME, exchange, strangers, size)
    assert len(home.devices) == size
    assert "light.attic" in home.by_id
    assert "light.z" not in home.by_id
    assert {service.domain for service in home.services} == {device.domain for device in home.devices}


def test_only_a_request_that_names_its_one_device_is_resized() -> None:
    assert evaluate.names_its_device(HOME, _exchange("Turn on the ATTIC light!", ON))
    assert not evaluate.names_its_device(HOME, _exchange("turn on the light up there", ON))
    assert not evaluate.names_its_device(HOME, _exchange("the attic light", ON, category="followup_also"))
    assert not evaluate.names_its_device(HOME, _exchange("kitchen off", Action("light.turn_off", ("area.kitchen",))))


def test_wilson_holds_the_share() -> None:
    low, high = wilson(8, 10)
    assert 0.49 < low < 0.8 < high < 0.95
    assert wilson(0, 5)[0] == 0.0


def test_confusions_are_counted_and_the_right_ones_are_not() -> None:
    report = evaluate.Report("x.gguf", 1.0)
    for came in (("light.turn_on", "no action"), None, ("light.turn_on", "no action"), ("no action", "fan.turn_on")):
        outcome = "nothing" if came else "right"
        report.asked.append(evaluate.Asked("light_on", ("= questions",), "x", "y", "z", outcome, not came, came))
    assert report.confusions() == [
        ("light_on", "light.turn_on", "no action", 2),
        ("light_on", "no action", "fan.turn_on", 1),
    ]
    assert report.tallies()["= questions"] == {"count": 4, "right": 1, "sentence": 1, "nothing": 3}
    assert list(report.tallies()) == ["all", "= questions", "light"]
    assert "   2  light_on: light.turn_on -> no action" in report.worst()
    assert len(report.misses(2)) == 2


def test_a_file_is_asked_with_what_was_said_before_where_a_request_leans_on_it(files: list[Path]) -> None:
    model = evaluate.Model(LlamaCpp(files[0]), DIALECT)
    turns = (_exchange("turn on the attic light", ON), _exchange("and off", ON, category="followup_it"))
    example = toy.Example(HOME, turns)
    assert model.history(example, 0) == []
    [before] = model.history(example, 1)
    assert before.request == "turn on the attic light"
    assert "light.turn_on(light.attic)" in before.answer
    assert model.answer(HOME, "and off", [before]) != ""


def test_a_home_that_does_not_fit_is_told_in_part(files: list[Path]) -> None:
    devices = tuple(Device(f"light.l{n}", (f"lamp {n} " + "quite a long name " * 5,), "on") for n in range(50))
    home = Home(devices, services=services_for(devices))
    model = evaluate.Model(LlamaCpp(files[0]), DIALECT)
    assert model.answer(home, "turn on lamp 7")


def test_the_command_compares_every_file_and_writes_its_figures(
    files: list[Path], run: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(data, "generator", lambda *_: toy.stream)
    target = tmp_path / "figures.json"
    command = ["evaluate", "--run", str(run.path), "--requests", "4", "--all-files", "--json", str(target)]
    assert cli.main([*command, "--sizes", "1"]) == 0
    written = json.loads(target.read_text(encoding="utf-8"))
    assert [one["file"] for one in written["files"]] == [file.name for file in files]
    assert all(one["tallies"]["all"]["count"] == 4 for one in written["files"])
    assert len(written["sizes"]) == len(files)
    told = capsys.readouterr().out
    assert all(file.name in told for file in files)
    assert "what was expected, and what came" in told


def test_every_step_in_one_command_ends_with_the_evaluation(
    files: list[Path], run: Folder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(data, "generator", lambda *_: toy.stream)
    for step in ("pretrain", "tune", "merge", "export"):
        monkeypatch.setattr(f"morphy_training.commands.{step}.run", lambda arguments: None)
    assert cli.main(["all", "--run", str(run.path)]) == 0
    assert json.loads(run.evaluation.read_text(encoding="utf-8"))["files"][0]["tallies"]["all"]["count"] == 200
    assert "== evaluate" in capsys.readouterr().out
