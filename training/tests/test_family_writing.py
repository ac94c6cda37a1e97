"""Conversations written by a server's model: what it is asked, what is used of its answers, stopped and gone on."""

from __future__ import annotations

import json
import random
import re
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from scripted_server import Answer, llama_cpp_server, serving

from morphy_training import cli
from morphy_training.calling.functions import by_name, from_python
from morphy_training.dialect import Request, ToolCall
from morphy_training.errors import DataError, RunError, ServerError
from morphy_training.family.data import conversations
from morphy_training.family.formats import parse as read_record
from morphy_training.recipe import DataRecipe, load
from morphy_training.server import Server
from morphy_training.writing import steps
from morphy_training.writing.plan import KINDS, draw
from morphy_training.writing.write import Settings, write

RECIPE = Path(__file__).parents[1] / "recipes" / "functionary.yaml"

SOURCE = '''
def find_train(start: str, end: str, hour: int = 8):
    """Finds a train."""


def price(km: float, class_: Literal[1, 2] = 2):
    """Tells what a way costs."""


def now():
    """Tells the time."""
'''
FUNCTIONS = by_name(from_python(SOURCE))
ARGUMENTS: dict[str, dict[str, Any]] = {"find_train": {"start": "Ulm", "end": "Bonn"}, "price": {"km": 20}, "now": {}}


class Writer:
    """A model as good as one can wish: it does what it is asked, chosen by the seed it is sent."""

    def __init__(self, wrong: dict[int, Answer] | None = None) -> None:
        """`wrong` are answers in place of the right ones, by how many were asked for before."""
        self.asked: list[dict[str, Any]] = []
        self._wrong = wrong or {}

    def __call__(self, kind: str, body: dict[str, Any]) -> Answer:
        if kind == "completions":
            return 400, "no prompts here"
        self.asked.append(body)
        if (number := len(self.asked) - 1) in self._wrong:
            return self._wrong[number]
        return self._right(body)

    def _right(self, body: dict[str, Any]) -> str:
        dice = random.Random(body["seed"])
        told, ask = body["messages"][0]["content"], body["messages"][1]["content"].rpartition("\n")[2]
        names = re.findall(r"^type (\w+) =", told, re.MULTILINE)
        if "the user says next" in ask:
            return f'"Please look that up, number {dice.randint(1, 999)}."'
        if "that the assistant makes now" in ask:
            count = 2 if "2 calls" in ask else 1
            calls = [{"name": name, "arguments": ARGUMENTS[name]} for name in dice.choices(names, k=count)]
            return f"```json\n{json.dumps(calls)}\n```"
        if "JSON list" in ask:
            count = 2 if "2 objects" in ask else 1
            return json.dumps([{"value": dice.randint(1, 9)} for _ in range(count)])
        return f"It is {dice.randint(1, 9)}."


def _write(writer: Writer, path: Path, **given: Any) -> str:
    with serving(writer) as url:
        return str(write(FUNCTIONS, Server(url), path, Settings(**{"count": 6, **given})))


def _records(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_plans_are_drawn_alike_and_hold_every_kind() -> None:
    tools = list(FUNCTIONS.values())
    plans = [draw(number, tools, 3) for number in range(60)]
    assert plans == [draw(number, tools, 3) for number in range(60)]
    assert plans != [draw(number, tools, 4) for number in range(60)]
    assert {kind for plan in plans for kind in plan.kinds} == set(KINDS)
    assert {len(plan.tools) for plan in plans} == {1, 2, 3}


def test_every_step_is_told_the_functions_as_typescript_and_the_file_is_functionarys(tmp_path: Path) -> None:
    writer, path = Writer(), tmp_path / "talk.jsonl"
    assert _write(writer, path) == "6 conversations"
    assert all("namespace functions {" in body["messages"][0]["content"] for body in writer.asked)
    assert {body["temperature"] for body in writer.asked} == {0.8}
    assert len({body["seed"] for body in writer.asked}) == len(writer.asked)
    records = _records(path)
    plans = [draw(number, list(FUNCTIONS.values()), 1) for number in range(6)]
    for plan, record in zip(plans, records, strict=True):
        calls = [len(one.calls) for one in read_record("functionary", record).messages if one.role == "assistant"]
        assert calls == [count for kind in plan.kinds for count in (*KINDS[kind], 0)]
    entry = DataRecipe(str(path), "functionary")
    pieces = [piece for text in conversations(entry, load(RECIPE)) for piece in text]
    assert any(piece.learn and piece.text.startswith("find_train\n<|content|>") for piece in pieces)
    assert any(not piece.learn and "type find_train = (_: {" in piece.text for piece in pieces)
    assert not any(piece.learn and "<|from|>find_train" in piece.text for piece in pieces)


def test_a_run_that_was_killed_goes_on_and_ends_alike(tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole.jsonl", tmp_path / "broken.jsonl"
    first = Writer()
    _write(first, whole)
    with pytest.raises(ServerError, match="status 418"):
        _write(Writer({7: (418, "gone")}), broken)
    assert not broken.exists()
    kept = tmp_path / "broken.steps.jsonl"
    steps_kept = len(_records(kept)) - 1
    kept.write_bytes(kept.read_bytes() + b'["0/0/requ')  # killed while it wrote
    again = Writer()
    _write(again, broken)
    assert len(again.asked) == len(first.asked) - steps_kept
    assert steps_kept == 7
    assert broken.read_bytes() == whole.read_bytes()
    nothing = Writer()
    _write(nothing, broken)
    assert nothing.asked == []


def test_many_at_once_make_the_same_file(tmp_path: Path) -> None:
    _write(Writer(), tmp_path / "one.jsonl")
    _write(Writer(), tmp_path / "many.jsonl", parallel=4)
    assert (tmp_path / "one.jsonl").read_bytes() == (tmp_path / "many.jsonl").read_bytes()


def test_more_can_be_written_later_and_other_settings_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "talk.jsonl"
    _write(Writer(), path, count=2)
    first = _records(path)
    _write(Writer(), path, count=4)
    assert _records(path)[:2] == first
    assert len(_records(path)) == 4
    with pytest.raises(RunError, match="begun with other settings: seed was 1, not 2"):
        _write(Writer(), path, seed=2)


def test_a_bad_answer_is_told_and_asked_again_within_bounds(tmp_path: Path) -> None:
    path = tmp_path / "talk.jsonl"
    writer = Writer({0: "find_train please\nnow"})
    _write(writer, path, count=1)
    told = [one["content"] for one in writer.asked[1]["messages"]]
    assert told[2] == "find_train please\nnow"
    assert told[3].startswith("These are several lines.")
    assert writer.asked[0]["seed"] != writer.asked[1]["seed"]

    silent = Writer(dict.fromkeys(range(3), " "))
    given_up = _write(silent, tmp_path / "less.jsonl", count=3)
    assert given_up == "2 conversations; 1 given up (1 at request). The last reason: There are no words in this."
    assert len(_records(tmp_path / "less.jsonl")) == 2
    with pytest.raises(DataError, match="Not one conversation could be written"):
        _write(Writer(dict.fromkeys(range(9), "")), tmp_path / "none.jsonl", count=3)


def test_a_conversation_that_does_not_fit_is_given_up(tmp_path: Path) -> None:
    long = (400, "This model's maximum context length is 10 tokens")
    told = _write(Writer({0: long}), tmp_path / "talk.jsonl", count=3)
    assert "1 given up (1 at request)" in told
    assert "maximum context length" in told


TALK = [Request("how late is it?")]
TOOLS = tuple(FUNCTIONS.values())
CALLS = steps.calls_step(TOOLS, TALK, 1)


@pytest.mark.parametrize(
    "text",
    [
        '[{"name": "price", "arguments": {"km": 3}}]',
        '```json\n{"name": "price", "arguments": {"km": 3}}\n```',
        'Here it is: <tool_call>{"name": "price", "arguments": {"km": 3}}</tool_call>',
    ],
)
def test_calls_are_read_in_whatever_form(text: str) -> None:
    assert CALLS.read(text) == [{"name": "price", "arguments": {"km": 3}}]


@pytest.mark.parametrize(
    ("step", "text", "reason"),
    [
        (CALLS, "I call nothing.", "there are 0"),
        (CALLS, '[{"name": "now", "arguments": {}}, {"name": "now", "arguments": {}}]', "there are 2"),
        (CALLS, '{"name": "fly", "arguments": {}}', "no function fly"),
        (CALLS, '{"name": "now", "arguments": {"zone": 1}}', "now has no argument zone"),
        (CALLS, '{"name": "price", "arguments": {}}', "'km' is a required property"),
        (CALLS, '{"name": "price", "arguments": {"km": "far"}}', "wrong at km: 'far' is not of type 'number'"),
        (CALLS, '{"name": "price", "arguments": {"km": 1, "class_": 3}}', "wrong at class_"),
        (steps.results_step(TALK, [ToolCall("now")]), "half past two", "no JSON"),
        (steps.results_step(TALK, [ToolCall("now")]), "[{}]", "none of them empty"),
        (steps.results_step(TALK, [ToolCall("now")] * 2), '[{"x": 1}]', "2 objects"),
        (steps.request_step(TOOLS, [], "one call"), "Call find_train!", "Do not name it"),
        (steps.request_step(TOOLS, [], "one call"), "...", "no words"),
        (steps.answer_step(TALK), '{"answer": 1}', "no plain text"),
        (steps.answer_step(TALK), '<tool_call>{"name": "now", "arguments": {}}</tool_call>', "no words"),
        (steps.answer_step(TALK), "x" * 1300, "too long"),
    ],
)
def test_what_cannot_be_used_is_told(step: steps.Step, text: str, reason: str) -> None:
    with pytest.raises(steps.BadAnswerError, match=re.escape(reason)):
        step.read(text)


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ServerError, match="cannot be reached"):
        Server("http://127.0.0.1:9/v1")
    with serving(Writer()) as url, pytest.raises(ServerError, match="has no model other; it offers scripted"):
        Server(url, "other")


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    definitions, out = tmp_path / "functions.py", tmp_path / "talk.jsonl"
    definitions.write_text(SOURCE, encoding="utf-8")
    with serving(Writer()) as url:
        command = ["write", "--functions", str(definitions), "--server", f"{url}#scripted", "--out", str(out)]
        assert cli.main([*command, "--count", "3"]) == 0
    told = capsys.readouterr()
    assert told.out.strip() == f"{out}: 3 conversations"
    assert "steps" in told.err
    assert len(_records(out)) == 3
    assert Counter(len(one["functions"]) for one in _records(out))
    assert cli.main(["write", "--functions", str(definitions), "--server", "http://127.0.0.1:9/v1"]) == 1
    assert "cannot be reached" in capsys.readouterr().err


def test_a_real_server_that_holds_to_a_grammar(following_gguf: Path, tmp_path: Path) -> None:
    """The model knows nothing, so what is tested is that whatever it writes within the grammars can be used."""
    path = tmp_path / "talk.jsonl"
    with llama_cpp_server(following_gguf, tmp_path / "server.log") as url:
        server = Server(url)
        assert server.holds_grammar
        assert str(write(FUNCTIONS, server, path, Settings(count=3))) == "3 conversations"
    calls = [one for record in _records(path) for one in record["messages"] if one.get("tool_calls")]
    assert calls
    assert all(read_record("functionary", record) for record in _records(path))


def test_nothing_heavy_is_imported_for_help() -> None:
    import subprocess

    code = "import sys; from morphy_training import cli; cli._parser(); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
