"""A made-up evaluation, and generators that know it by heart or do not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import toy

from morphy_training import cli, data, leaks
from morphy_training.dialect import Answer, Area, Device, Home
from morphy_training.errors import RunError
from morphy_training.generator.language import load_language

LANGUAGE = load_language("en")
UTTERANCES = (
    "Would you kindly make the Zworkin lamp glow, please?",
    "turn on the old lamp",
    "open the velvet shutter",
)
HOME = {
    "areas": [{"id": "vault", "name": "Qwibbel Vault", "aliases": ["kitchen"]}],
    "entities": [
        {"entity_id": "light.zworkin", "name": "Zworkin", "aliases": ["Xantippi's 2", "kitchen lamp"]},
        {"entity_id": "light.two", "name": "Desklamp"},
        {"entity_id": "fan.three", "name": "fan"},
    ],
}


@pytest.fixture(name="folder")
def folder_fixture(tmp_path: Path) -> Path:
    """Return an evaluation of three sentences and one home."""
    (tmp_path / "homes").mkdir()
    (tmp_path / "cases").mkdir()
    (tmp_path / "homes" / "castle.json").write_text(json.dumps(HOME), encoding="utf-8")
    lines = [json.dumps({"utterance": text}) for text in UTTERANCES]
    (tmp_path / "cases" / "some.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return tmp_path


def _find(folder: Path, source: data.Source = toy.stream, exchanges: int = 300) -> leaks.Leaks:
    return leaks.find(leaks.Evaluation.read(folder), source, LANGUAGE, exchanges, 0, lambda _: None)


def _saying(request: str, *devices: Device, area: str = "Hall") -> data.Source:
    home = Home(devices, (Area("hall", (area,)),))
    example = toy.Example(home, (toy.Exchange(request, Answer("Ok."), "light"),))

    def stream(seed: int, *, difficulty: float = 1.0, heldout: bool = False) -> Iterator[toy.Example]:
        while True:
            yield example

    return stream


def test_a_generator_of_its_own_is_clean_and_short_sentences_are_counted(folder: Path) -> None:
    found = _find(folder)
    assert found.errors == {}
    assert found.exchanges >= 300
    assert found.met == {"turn on the old lamp"}
    assert found.short > 0
    assert "1 of the 3 different sentences (33.3%) are met so" in found.text(leaks.Evaluation.read(folder))


def test_a_long_sentence_is_found_whatever_its_case_and_marks(folder: Path) -> None:
    found = _find(folder, _saying("would you KINDLY make the zworkin lamp glow please"), 5)
    assert list(found.errors) == ["generated: 'would you kindly make the zworkin lamp glow please'"]


def test_a_home_is_found_by_more_than_half_of_its_ids(folder: Path) -> None:
    two = [Device(name, ("x",), "on") for name in ("light.zworkin", "light.two")]
    assert _find(folder, _saying("hello", two[0]), 5).errors == {}
    assert list(_find(folder, _saying("hello", *two), 5).errors) == [
        "home castle: 67% of its ids are in one generated home"
    ]


@pytest.mark.parametrize(
    ("name", "area", "rare"),
    [
        ("Zworkin!", "Hall", "zworkin"),
        ("my XANTIPPIS 2", "Hall", "xantippis 2"),
        ("Xantippis 3", "Hall", None),
        ("desklamp", "Kitchen", None),
        ("fan", "Qwibbel  vault", None),
    ],
)
def test_a_rare_name_is_found_where_a_home_has_it(folder: Path, name: str, area: str, rare: str | None) -> None:
    found = _find(folder, _saying("hello", Device("light.a", (name,), "on"), area=area), 5)
    assert list(found.errors) == ([f"rare name {rare!r} is generated"] if rare else [])


def test_a_rare_name_is_found_in_the_word_lists(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lists = tmp_path / "lists"
    lists.mkdir()
    (lists / "words.yaml").write_text("lamps: |\n  bright, zworkin, dim\n  the zworkin sonata\n", encoding="utf-8")
    monkeypatch.setattr(leaks, "DATA", lists)
    assert list(_find(folder).errors) == ["rare name 'zworkin' stands in words.yaml, line 2"]


def test_a_template_that_says_a_long_sentence_is_found_before_it_is_drawn(folder: Path) -> None:
    case = folder / "cases" / "more.jsonl"
    fixed = next(
        sentence
        for template in LANGUAGE.intents["light_off"]["here"]
        if not template.slots and len((sentence := template.fill(lambda: 0.0, {})).split()) >= leaks.LONG
    )
    case.write_text(json.dumps({"utterance": fixed.upper() + "!"}), encoding="utf-8")
    [error] = _find(folder).errors
    assert error == f"a template of light_off, here says {leaks.words(fixed)!r}"


def test_the_command_fails_on_a_leak_and_not_without(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["leaks", "--against", str(folder), "--exchanges", "40"]
    monkeypatch.setattr(data, "generator", lambda: toy.stream)
    assert cli.main(command) == 0
    monkeypatch.setattr(data, "generator", lambda: _saying(UTTERANCES[0]))
    assert cli.main(command) == 1
    told = capsys.readouterr()
    assert "generated: 'would you kindly make the zworkin lamp glow please'" in told.out
    assert "1 leaks" in told.err


def test_a_folder_without_an_evaluation_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="holds no evaluation"):
        leaks.Evaluation.read(tmp_path)
