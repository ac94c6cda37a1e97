"""The benchmarks: an evaluation from the command line through a harness to the table, and what measures time."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component

import custom_components.morphy as morphy
from benchmarks import __main__ as bench, evaluate, harness_setup, homes, parts, peers, processor, quick, random_models
from benchmarks.apart import Apart, ApartError
from benchmarks.figures import Ratio
from benchmarks.household import household, local
from benchmarks.outcomes import Outcome, count, outcome, wilson
from benchmarks.report import draw, markdown
from benchmarks.rounds import MOST_ROUNDS, rounds
from benchmarks.scenarios import SCENARIOS
from custom_components.morphy.backends import Completion
from custom_components.morphy.dialect import Home, Turn, get_dialect
from custom_components.morphy.home import snapshot

from .servers import LLAMA_SERVER
from .tiny_model import write_tiny_model

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


@pytest.mark.parametrize("size", homes.SIZES)
def test_a_home_has_its_size_and_what_requests_are_about(size: int) -> None:
    things = homes.furnish(size).all()
    ids = [thing.entity_id for thing in things]
    assert len(ids) == len(set(ids)) == size
    rooms = {"kitchen", "living_room"}
    wanted = {f"light.{room}_{lamp}" for room in rooms for lamp in ("ceiling_light", "lamp")}
    assert wanted <= set(ids)


async def test_a_home_is_exposed_and_lies_in_areas_on_floors(hass: HomeAssistant) -> None:
    await async_setup_component(hass, "conversation", {})
    house = await homes.async_build_home(hass, 130)
    home = snapshot(hass)
    assert len(home.devices) == 130
    assert {device.area for device in home.devices} == set(house.areas.values())
    assert all(area.floor for area in home.areas)
    assert len(home.floors) == 1
    before = {device.id: device for device in home.devices}
    for number, thing in enumerate(house.things.values()):
        homes.change(thing, number)
    assert all(before[device.id] != device for device in snapshot(hass).devices)


def test_a_ratio_is_that_of_medians_and_none_where_one_is_missing() -> None:
    assert Ratio("slow", "fast", [9.0, 4.0, 5.0], [2.0, 2.5, 9.0]).as_json() == {
        "ratio": 2.0,
        "slow_ms": 5.0,
        "fast_ms": 2.5,
        "samples": [3, 3],
    }
    assert Ratio("slow", "fast", [], [2.0]).as_json()["ratio"] is None


def test_a_prompt_becomes_the_messages_that_make_it() -> None:
    home = Home(devices=(), areas=(), floors=(), services=())
    prompt = get_dialect("morphy").prompt(home, "Be Al.", "and now?", [Turn("first\nline", "Said.")])
    roles = [message["role"] for message in peers.messages_of(prompt)]
    assert roles == ["system", "user", "assistant", "user"]
    framed = "".join(f"<|im_start|>{m['role']}\n{m['content']}<|im_end|>\n" for m in peers.messages_of(prompt))
    assert f"{framed}<|im_start|>assistant\n" == prompt


def test_rounds_end_in_time_but_not_before_there_are_enough() -> None:
    assert list(rounds(0.0, 3)) == [0, 1, 2]
    assert len(list(rounds(60.0))) == MOST_ROUNDS


@pytest.fixture(name="home", scope="module")
def home_fixture() -> Iterator[Apart]:
    """Return a small home, in a process of its own, with the bundled model."""
    with Apart(household, 10, local()) as home:
        home.call("say", homes.REQUESTS[0])
        yield home


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_turn_is_seen_from_outside(home: Apart, name: str) -> None:
    turn = SCENARIOS[name](home, "turn on the kitchen ceiling light", 0.0)
    assert turn.first_token_ms is not None
    assert turn.first_token_ms < turn.last_word_ms
    assert turn.completion is not None
    assert "Kitchen Ceiling Light" in turn.completion.prompt
    assert (turn.completion.prompt.count("<|im_start|>user") == 2) == (name == "follow-up")
    if turn.completion_tokens:
        assert turn.prompt_tokens > turn.cached_tokens
        assert turn.prefill_ms + turn.decode_ms < turn.last_word_ms
    if turn.first_action_ms is not None:
        assert turn.first_token_ms < turn.first_action_ms < turn.last_word_ms


def test_a_turn_takes_processor_time_of_both(home: Apart) -> None:
    costs = [processor.turn(home, text) for text in homes.REQUESTS]
    worker, home_assistant, read, written = map(sum, zip(*costs, strict=True))
    assert min(worker, home_assistant, read, written) > 0


def test_the_bundled_model_acts_and_so_does_home_assistant(home: Apart) -> None:
    ours, built_in = (home.call(method, homes.REQUESTS[0]) for method in ("say", "say_built_in"))
    assert ours.first_action_ms is not None
    assert built_in.first_action_ms is not None
    assert built_in.completion is None
    assert home.call("memory")["worker"] > 10
    whole, _ = home.call("whole_grammar")
    assert home.call("decode", ours.completion, whole).completion_tokens == ours.completion_tokens


def test_what_fails_in_the_other_process_is_told(home: Apart) -> None:
    with pytest.raises(ApartError, match="AttributeError"):
        home.call("no_such_method")


@pytest.fixture(name="tiny", scope="module")
def tiny_fixture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a model that writes little and quickly, and can be told of a small home though it reads byte by byte."""
    return write_tiny_model(tmp_path_factory.mktemp("models") / "tiny.gguf", chain=b"Ok", context_length=8192)


@pytest.fixture(name="quick_home", scope="module")
def quick_home_fixture(tiny: Path) -> Iterator[Apart]:
    """Return a small home with two agents, in a process of its own, with the tiny model."""
    with Apart(household, 10, local(tiny, 1), agents=2) as home:
        yield home


def test_the_quick_ratios(quick_home: Apart, tiny: Path) -> None:
    with Apart(peers.plain, tiny, 1) as peer:
        found = dict(quick.ratios(quick_home, quick_home, peer, 0.0, lambda _: None, 0.0))
    idle = found.pop("first_action_1000_vs_30_entities").as_json()
    assert idle == {"ratio": None, "large_home_ms": None, "small_home_ms": None, "samples": [0, 0]}
    assert {"ttft_after_change_vs_unchanged", "warm_turn_vs_plain_llama_cpp_python"} < found.keys()
    assert "grammar_1000_ids_decode_slowdown" in found
    for ratio in found.values():
        assert len(ratio.over_ms) == len(ratio.under_ms) >= 4
        assert min(*ratio.over_ms, *ratio.under_ms) > 0


@pytest.mark.parametrize("part", parts.PARTS)
def test_a_part_gives_rows_a_table_and_a_graph(
    part: str, tiny: Path, quick_home: Apart, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, socket_enabled: None
) -> None:
    monkeypatch.setattr(parts, "home_with", lambda *_: contextlib.nullcontext(quick_home))
    options = parts.Options(
        models=[str(tiny)], sizes=[10], seconds=0.0, least=1, pause=0.0, threads=1, agents=(2,), clients=(2,), home=10
    )
    rows = list(parts.PARTS[part](options, lambda _: None))
    assert all(row["part"] == part and row["turns"] for row in rows)
    server = ["llama.cpp's server"] if LLAMA_SERVER.exists() else []
    if part == "sizes":
        assert [row["scenario"] for row in rows] == list(SCENARIOS)
        draw(rows, tmp_path / "graph.png")
        assert (tmp_path / "graph.png").read_bytes().startswith(b"\x89PNG")
    elif part == "beside":
        assert {row["who"] for row in rows} == {"Morphy", "llama-cpp-python", "Home Assistant", *server}
    elif part == "clients":
        assert [row["who"] for row in rows] == ["worker", *["server"][: len(server)]]
        assert all(row["turns_s"] > 0 for row in rows)
    lines = markdown(rows).splitlines()
    assert len(lines) == len(rows) + 4
    assert len({line.count("|") for line in lines[2:]}) == 1


def test_a_model_with_random_weights_is_quantised_and_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shape = random_models.Shape(blocks=1, width=256, kv_heads=2, feed_forward=256, vocabulary=4200)
    monkeypatch.setitem(random_models.SHAPES, "small", shape)
    path = random_models.random_model("small", tmp_path)
    assert path.stat().st_size < 2 * shape.parameters()
    assert random_models.random_model("small", tmp_path) == path
    alone = peers.Plain(path, 1)
    prompt = "<|im_start|>user\nhello<|im_end|>\n<|im_start|>assistant\n"
    turn = alone.say(Completion(prompt=prompt, max_tokens=5))
    assert 0 < turn.completion_tokens <= 5
    assert turn.prompt_tokens < len(prompt) / 2


def test_sizes_of_the_random_models_are_what_they_are_called() -> None:
    for name, shape in random_models.SHAPES.items():
        assert shape.parameters() / 1e9 == pytest.approx(float(name.removesuffix("B")), rel=0.2)


def test_parts_that_do_not_exist_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        bench.main(["speed"])
    assert "there are sizes, beside, agents, clients, grammars" in capsys.readouterr().err
