"""Definitions in JSON and Python, expected calls in Python, files of others as cases, and calls side by side."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from morphy_training.calling import general
from morphy_training.calling.cases import Case, read_cases
from morphy_training.calling.compare import (
    ARGUMENTS,
    CLOSE,
    EXACT,
    EXTRA,
    FUNCTION,
    MISSED,
    UNREADABLE,
    outcome,
)
from morphy_training.calling.functions import by_name, from_json, from_python, read_functions
from morphy_training.calling.python_calls import read_python_calls
from morphy_training.dialect import Request, Tool, ToolCall
from morphy_training.errors import DataError, RecipeError
from morphy_training.family.samples import lines
from morphy_training.recipe import CaseRecipe, parse

SOURCE = '''
def find_train(start: str, end: str, hour: int = 8, classes: List[int] = None, mode: Literal["fast", "cheap"] = "fast"):
    """
    Finds a train.

    Args:
        start (str): Where it leaves,
            by its name.
        end: Where it arrives.
        hour (int): The hour of the day.

    Returns:
        dict: The train.
    """
    return None


def now():
    """Tells the time."""
'''
TOOLS = by_name(from_python(SOURCE))
TRAIN = TOOLS["find_train"]


def test_a_python_function_is_a_tool() -> None:
    assert TRAIN.description == "Finds a train."
    assert TRAIN.parameters["required"] == ["start", "end"]
    assert TRAIN.parameters["properties"] == {
        "start": {"type": "string", "description": "Where it leaves, by its name."},
        "end": {"type": "string", "description": "Where it arrives."},
        "hour": {"type": "integer", "description": "The hour of the day.", "default": 8},
        "classes": {"type": "array", "items": {"type": "integer"}},
        "mode": {"enum": ["fast", "cheap"], "default": "fast"},
    }
    assert TOOLS["now"].parameters["properties"] == {}


@pytest.mark.parametrize(
    ("annotation", "schema"),
    [
        ("Optional[float]", {"type": "number"}),
        ("str | None", {"type": "string"}),
        ("Union[int, str]", {"anyOf": [{"type": "integer"}, {"type": "string"}]}),
        ("typing.Dict[str, int]", {"type": "object"}),
        ("tuple[str, ...]", {"type": "array", "items": {"type": "string"}}),
        ("'bool'", {"type": "boolean"}),
        ("Somewhere", {}),
        ("list[Somewhere]", {"type": "array"}),
    ],
)
def test_an_annotation_is_a_schema(annotation: str, schema: dict[str, Any]) -> None:
    [tool] = from_python(f"def f(x: {annotation}): ...")
    assert tool.parameters["properties"]["x"] == schema


def test_a_type_may_stand_in_the_docstring_alone_and_the_body_be_missing() -> None:
    [tool] = from_python(
        'def greet(n, loud)\n"""\nGreets.\nArgs:\nn (int) : How often.\n- loud (bool, optional): Loudly.\n"""'
    )
    assert tool.description == "Greets."
    assert tool.parameters["properties"] == {
        "n": {"type": "integer", "description": "How often."},
        "loud": {"type": "boolean", "description": "Loudly."},
    }


def test_entries_of_a_list_are_tools(tmp_path: Path) -> None:
    entry = {
        "name": "searchCVE",
        "dataset": "cve",
        "description": "Searches.",
        "args_dicts": [
            {"name": "limit", "type": "int", "required": False, "default": "5", "description": "How many."},
            {"name": "word", "type": "List[str]", "required": True, "default": None, "description": ""},
        ],
    }
    file = tmp_path / "list.jsonl"
    file.write_text(json.dumps(entry) + "\n", encoding="utf-8")
    tool = read_functions(str(file))["searchCVE"]
    assert tool.parameters == {
        "type": "object",
        "properties": {
            "limit": {"type": "integer", "description": "How many.", "default": 5},
            "word": {"type": "array", "items": {"type": "string"}},
        },
        "required": ["word"],
    }


def test_functions_that_cannot_be_had_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read_functions(str(tmp_path / "no.py"))
    (tmp_path / "x.jsonl").write_text('{"description": "x"}\n', encoding="utf-8")
    with pytest.raises(DataError, match=r"x.jsonl:1: .*defines no function"):
        read_functions(str(tmp_path / "x.jsonl"))
    with pytest.raises(DataError, match="does not begin with def"):
        list(from_python("print(1"))


@pytest.mark.parametrize(
    ("text", "expected", "nested"),
    [
        ("now()", [("now", {})], False),
        ("r = lib.find_train('Ulm', end='Bonn')", [("find_train", {"start": "Ulm", "end": "Bonn"})], False),
        ("now(); now()", [("now", {}), ("now", {})], False),
        ("[now(), now()]", [("now", {}), ("now", {})], False),
        ("find_train(start=now(), end='x', hour=-3)", [("now", {})], True),
        (
            "find_train('a', 'b', classes=[1, 2])",
            [("find_train", {"start": "a", "end": "b", "classes": [1, 2]})],
            False,
        ),
    ],
)
def test_a_python_call_is_read(text: str, expected: list[tuple[str, dict[str, Any]]], nested: bool) -> None:
    calls, is_nested = read_python_calls(text, TOOLS)
    assert [(call.name, call.arguments) for call in calls] == expected
    assert is_nested == nested


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("later()", "later is called and not defined"),
        ("now(1)", "takes 0"),
        ("now(**x)", r"\*\* arguments"),
        ("find_train(start=x)", "no plain value"),
        ("1 + 1", "calls nothing"),
        ("now(", "no call as Python writes it"),
    ],
)
def test_what_is_no_call_is_told(text: str, reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        read_python_calls(text, TOOLS)


def _call(name: str = "find_train", /, **arguments: Any) -> ToolCall:
    return ToolCall(name, arguments)


BONN = _call(start="Ulm", end="Bonn")


@pytest.mark.parametrize(
    ("expected", "got", "came"),
    [
        ([BONN], [BONN], EXACT),
        ([], [], EXACT),
        ([BONN], [_call(start="Ulm", end="Bonn", hour=8, mode="fast")], EXACT),  # written out defaults
        ([BONN], [_call(start="Ulm", end="Bonn", classes=None)], EXACT),
        ([BONN, _call("now")], [_call("now"), BONN], EXACT),  # calls have no order
        ([_call(start="a", end="b", hour=9)], [_call(start="a", end="b", hour=9.0)], EXACT),
        ([BONN], [_call(start="ulm ", end="Bonn.")], CLOSE),
        ([BONN], [_call(start="Ulm", end="Bonn", hour="8")], CLOSE),
        ([BONN], [_call(start="Ulm", end="Bonn", classes=[])], CLOSE),
        ([_call(start="a", end="b", classes=[1])], [_call(start="a", end="b", classes="1")], ARGUMENTS),
        ([_call(start="a", end="b", classes=[1])], [_call(start="a", end="b", classes=["1"])], CLOSE),
        ([BONN], [_call(start="Ulm", end="Bonn", hour=9)], ARGUMENTS),
        ([BONN], [_call(start="Ulm", end="Bonn", seats=1)], ARGUMENTS),
        ([BONN], [_call(start="Ulm")], ARGUMENTS),
        ([BONN], [_call("now")], FUNCTION),
        ([BONN], [], MISSED),
        ([BONN, _call("now")], [_call("now")], MISSED),
        ([], [BONN], EXTRA),
        ([BONN], [BONN, _call("now")], EXTRA),
        ([BONN], [BONN, BONN], EXTRA),  # twice is once too often
        ([BONN], [_call(start="Ulm", end="Köln"), _call("now")], FUNCTION),
    ],
)
def test_what_comes_of_calls(expected: list[ToolCall], got: list[ToolCall], came: str) -> None:
    assert outcome(expected, got, TOOLS.values()) == came


def test_what_was_meant_as_a_call_is_no_right_answer() -> None:
    assert outcome([], [], unreadable=True) == UNREADABLE


@pytest.mark.parametrize(
    ("schema", "expected", "got", "came"),
    [
        ({"type": "number"}, 20.0, 20.1, CLOSE),
        ({"type": "number"}, 20.0, 20.5, ARGUMENTS),
        ({"type": "integer"}, 100, 101, ARGUMENTS),  # whole numbers are not measured
        ({"type": "boolean"}, True, "true", CLOSE),
        ({"type": "boolean"}, True, 1, ARGUMENTS),
        ({}, True, 1, ARGUMENTS),
        ({"type": "string"}, "5", 5, CLOSE),
        ({}, "5", 5, ARGUMENTS),
        ({"type": "array", "uniqueItems": True}, [1, 2], [2, 1], CLOSE),
        ({"type": "array"}, [1, 2], [2, 1], ARGUMENTS),
        ({"type": "object", "properties": {"n": {"type": "number"}}}, {"n": 1}, {"n": "1", "x": ""}, CLOSE),
        ({"type": "object"}, {"n": 1}, {"n": 2}, ARGUMENTS),
    ],
)
def test_arguments_are_compared_by_their_type(schema: dict[str, Any], expected: Any, got: Any, came: str) -> None:
    tool = Tool("f", "", {"type": "object", "properties": {"x": schema}, "required": ["x"]})
    assert outcome([_call("f", x=expected)], [_call("f", x=got)], [tool]) == came


WORDS = st.sampled_from(["", "Ulm", "ulm.", "5"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | WORDS,
    lambda part: st.lists(part, max_size=3) | st.dictionaries(WORDS, part, max_size=3),
    max_leaves=6,
)
CALLS = st.lists(st.builds(ToolCall, st.sampled_from("fgh"), st.dictionaries(st.sampled_from("xyz"), JSON)), max_size=4)


@settings(max_examples=50, deadline=None)
@given(calls=CALLS, extra=CALLS, dice=st.randoms())
def test_calls_are_right_as_themselves_in_any_order_and_never_with_more(
    calls: list[ToolCall], extra: list[ToolCall], dice: Any
) -> None:
    shuffled = list(calls)
    dice.shuffle(shuffled)
    assert outcome(calls, shuffled) == EXACT
    if extra:
        assert outcome(calls, [*shuffled, *extra]) == EXTRA
        assert outcome([*calls, *extra], shuffled) == MISSED


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("You are 10 years old.", [10]),
        ("7 + 3 = ten", [7, 3, 10]),
        ("Twenty-one, or forty two; 1,500.5 and -3", [21, 42, 1500.5, -3]),
        ("someone often attends", []),
    ],
)
def test_numbers_are_found(text: str, found: list[float]) -> None:
    assert general.numbers(text) == found


@pytest.mark.parametrize(
    ("check", "text", "exact", "lenient"),
    [
        (general.Check(number=10), "Mary is 7, so you are 10 years old.", True, True),
        (general.Check(number=10), "You are 10, since Mary is 7.", False, True),
        (general.Check(number=10), "You are 4.", False, False),
        (general.Check(any=("cleo",), never=("ann",)), "Cleo is.", True, True),
        (general.Check(any=("cleo",), never=("ann",)), "Cleo, not Ann.", False, True),
        (general.Check(any=("may",)), "maybe", False, False),
        (general.Check(exactly="yes"), " yes\n", True, True),
        (general.Check(exactly="yes"), "Yes.", False, True),
        (general.Check(exactly="yes"), "yes it is", False, False),
    ],
)
def test_an_answer_is_checked(check: general.Check, text: str, exact: bool, lenient: bool) -> None:
    assert check.passes(text) == exact
    assert check.passes(text, lenient=True) == lenient


def test_our_questions_can_be_read_and_mary_is_among_them() -> None:
    cases = read_cases(CaseRecipe("general"))
    assert len(cases) > 30
    [mary] = [case for case in cases if case.request.startswith("if mary is 7")]
    assert mary.check == general.Check(number=10)
    assert len({case.category for case in cases}) >= 6
    assert all(case.tools and not case.expected for case in cases)
    switch = next(tool for tool in cases[0].tools if tool.name == "switch_device")
    assert list(switch.parameters["properties"]) == ["device", "on"]  # not true, as YAML reads a bare on


def test_a_question_without_a_check_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "q.yaml"
    file.write_text("questions: {x: [{ask: why}]}", encoding="utf-8")
    with pytest.raises(DataError, match="needs one of number, any, exactly"):
        read_cases(CaseRecipe("general", str(file)))
    file.write_text("[]", encoding="utf-8")
    with pytest.raises(DataError, match="holds no questions"):
        read_cases(CaseRecipe("general", str(file)))


def _file(path: Path, records: list[Any]) -> str:
    path.write_text("".join(f"{json.dumps(one)}\n" for one in records), encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("format_", ["glaive", "hermes", "functionary"])
def test_each_reply_of_a_conversation_is_a_case(format_: str, tmp_path: Path) -> None:
    cases = read_cases(CaseRecipe(format_, _file(tmp_path / "a.jsonl", lines(format_, 2))))
    assert [case.category for case in cases] == ["no call", "one call", "next call", "answer"] * 2
    assert [len(case.expected) for case in cases[:4]] == [0, 1, 1, 0]
    first, second = cases[1].expected[0], cases[2].expected[0]
    assert (first.name, second.name) == ("measure_way", "price_of_way")
    assert cases[0].messages == (Request("Hello!"),)
    assert len(cases[2].messages) == len(cases[1].messages) + 2
    assert cases[1].place == f"{tmp_path / 'a.jsonl'}:1, reply 3"
    assert {tool.name for tool in cases[0].tools} == {"measure_way", "price_of_way"}


def test_a_category_of_the_data_stands_before_the_kind(tmp_path: Path) -> None:
    records = [{**one, "category": "Travel"} for one in lines("hermes", 1)]
    cases = read_cases(CaseRecipe("hermes", _file(tmp_path / "a.jsonl", records), count=2))
    assert [(case.category, case.marks) for case in cases] == [("Travel", ("= no call",)), ("Travel", ("= one call",))]


def _nexus(tmp_path: Path, *records: dict[str, Any], functions: str = "") -> list[Case]:
    return read_cases(CaseRecipe("nexus", _file(tmp_path / "nexus.jsonl", list(records)), functions=functions))


def test_nexus_files_of_every_kind(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    definitions = tmp_path / "functions.py"
    definitions.write_text(SOURCE, encoding="utf-8")
    own = {"query": "how late is it?", "functions": SOURCE, "call": "now()", "category": "time"}
    several = {"query": "twice", "functions": SOURCE.split("\n\n\n"), "call": "now(); now()"}
    cases = _nexus(
        tmp_path,
        own,
        several,
        {"Input": "to Bonn", "Output": "find_train(start=now(), end='Bonn')"},
        {
            "prompt": "to Ulm",
            "dataset": "trains",
            "python_function_name": "find_train",
            "python_args_dict": '{"start": "Bonn", "end": "Ulm"}',
            "context_functions": ["find_train"],
        },
        {"prompt": "to Ulm", "python_function_name": "x", "context_functions": ["x"]},
        functions=str(definitions),
    )
    assert [case.category for case in cases] == ["time", "nexus", "nexus", "trains"]
    assert [case.marks[0] for case in cases] == ["= one call", "= several calls", "= nested, first step", "= one call"]
    assert [len(case.tools) for case in cases] == [2, 2, 2, 1]
    assert cases[2].expected == (ToolCall("now", {}),)
    assert cases[3].expected == (ToolCall("find_train", {"start": "Bonn", "end": "Ulm"}),)
    told = capsys.readouterr().out
    assert "1 lines that cannot be understood: left out" in told
    assert "nexus.jsonl:5: x is not among the functions that are defined" in told


def test_a_file_without_a_case_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no case"):
        read_cases(CaseRecipe("messages", _file(tmp_path / "a.jsonl", lines("messages", 2))))


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ({"format": "nexsu", "source": "x"}, "did you mean nexus"),
        ({"format": "nexus"}, "nexus needs a source"),
        ({"format": "home", "count": -1}, "count must not be below 0"),
        ({"fromat": "home"}, r"Unknown key evaluation\[0\].fromat; did you mean"),
    ],
)
def test_a_wrong_evaluation_in_a_recipe(entry: dict[str, Any], reason: str) -> None:
    with pytest.raises(RecipeError, match=reason):
        parse({"evaluation": [entry]})


def test_a_function_may_be_given_in_openais_wrapper() -> None:
    tool = from_json({"type": "function", "function": {"name": "functions.now", "description": "Tells."}})
    assert tool == Tool("now", "Tells.", {})
