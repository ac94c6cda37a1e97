"""Conversations of others that call functions: read, or refused with file and line; learnt where the model speaks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from morphy_training import cli
from morphy_training.dialect import TOOL_DIALECTS, find_dialect
from morphy_training.dialect.reader import Speech
from morphy_training.dialect.tool_reader import Called
from morphy_training.errors import DataError, RecipeError
from morphy_training.family import base, data, tiny
from morphy_training.family.conversation import Call, Message
from morphy_training.family.formats import parse
from morphy_training.family.samples import lines
from morphy_training.family.texts import segments
from morphy_training.recipe import Recipe, load, parse as parse_recipe

RECIPES = Path(__file__).parents[1] / "recipes"
FORMATS = ("hermes", "glaive", "functionary")
DEFINED = {"name": "go", "description": "Goes", "parameters": {"type": "object", "properties": {"to": {}}}}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Mistral."""
    return tiny.make("mistral", tmp_path_factory.mktemp("model"))


def recipe(model: Path, source: Path, format_: str, dialect: str, **entry: Any) -> Recipe:
    """A recipe with one file of data, in whose dialect every special token is one token."""
    sft = {"add_tokens": list(find_dialect(dialect).special_tokens), "embeddings": True, "length": 4096}
    given = {"source": str(source), "format": format_, **entry}
    content = {"architecture": "mistral", "base": {"model": str(model)}, "data": [given], "sft": sft}
    return parse_recipe({"dialect": dialect, **content})


def written(path: Path, records: list[Any]) -> Path:
    path.write_text("".join(f"{json.dumps(one)}\n" for one in records), encoding="utf-8")
    return path


@pytest.mark.parametrize("name", FORMATS)
def test_each_format_is_read_into_the_same_form(name: str) -> None:
    for record in lines(name, 6):
        talk = parse(name, record)
        assert [tool["name"] for tool in talk.tools] == ["measure_way", "price_of_way"]
        told = [message for message in talk.messages if message.role != "system"]
        hello, welcome, question, first, way, second, price, answer = told
        assert [message.role for message in told] == [
            "user", "assistant", "user", "assistant", "tool", "assistant", "tool", "assistant",
        ]  # fmt: skip
        assert (hello.content, welcome.calls) == ("Hello!", ())
        [measured], [asked] = first.calls, second.calls
        city, far = measured.arguments["to"], asked.arguments["km"]
        assert (measured.name, asked.name, first.content) == ("measure_way", "price_of_way", "")
        assert question.content == f"What does it cost to go to {city}?"
        assert json.loads(way.content) == {"km": far}
        assert json.loads(price.content)["euros"] % far == 0
        assert answer.content.startswith(f"{city} is {far} km away")


@pytest.mark.parametrize("dialect", sorted(set(TOOL_DIALECTS) - {"openai"}))
@pytest.mark.parametrize("name", FORMATS)
def test_only_what_the_assistant_says_and_calls_is_learnt(model: Path, tmp_path: Path, name: str, dialect: str) -> None:
    [record] = lines(name, 1, seed=5)
    asked = recipe(model, written(tmp_path / "talk.jsonl", [record]), name, dialect)
    tokenizer = base.load_tokenizer(asked)
    [pieces] = data.conversations(asked.data[0], asked)
    ids, labels = data.encode(tokenizer, pieces)
    learnt = _stretches(tokenizer, ids, labels)
    way = find_dialect(dialect)
    assert all(text.endswith(way.stop) for text in learnt)
    assert tokenizer.eos_token == way.stop[0]
    replies = [message for message in parse(name, record).messages if message.role == "assistant"]
    # Mistral's form tells of tools at the last request only: what was said before is no lesson.
    assert list(map(_read(dialect), learnt)) == [(one.content, one.calls) for one in replies][dialect == "mistral" :]
    unlearnt = _stretches(tokenizer, ids, labels, learnt=False)
    assert any("price_of_way" in text and "Tells a price" in text for text in unlearnt)
    assert any("euros" in text and "km away" not in text for text in unlearnt[1:])
    assert "Tells" not in "".join(learnt)
    assert '"euros"' not in "".join(learnt)


def _stretches(tokenizer: Any, ids: list[int], labels: list[int], *, learnt: bool = True) -> list[str]:
    """The stretches of text that are learnt, or those that are not."""
    found: list[list[int]] = [[]]
    for token, label in zip(ids, labels, strict=True):
        if (label != data.IGNORED) is learnt:
            assert not learnt or label == token
            found[-1].append(token)
        elif found[-1]:
            found.append([])
    return [tokenizer.decode(one) for one in found if one]


def _read(dialect: str) -> Any:
    """What the dialect's own reader finds in a reply: the words, and the calls."""

    def read(text: str) -> tuple[str, tuple[Call, ...]]:
        reader = find_dialect(dialect).reader()
        events = [*reader.feed(text), *reader.close()]
        said = "".join(event.text for event in events if isinstance(event, Speech))
        calls = [event.call for event in events if isinstance(event, Called)]
        return said, tuple(Call(call.name, dict(call.arguments)) for call in calls)

    return read


def test_functionary_is_told_typescript() -> None:
    first, *_ = segments(parse("functionary", lines("functionary", 1)[0]), "functionary_v2")
    assert not first.learn
    assert "type price_of_way = (_: {\nkm: number,\nclass?: 1 | 2,\n}) => any;" in first.text


def test_openais_newer_form_is_read_and_results_find_their_calls() -> None:
    calls = [
        {"id": name, "type": "function", "function": {"name": "go", "arguments": f'{{"to": "{name}"}}'}}
        for name in ("a", "b")
    ]
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Go to a and to b."},
        {"role": "assistant", "content": "I go.", "tool_calls": calls},
        {"role": "tool", "tool_call_id": "a", "content": "there"},
        {"role": "tool", "tool_call_id": "b", "content": "lost"},
        {"role": "assistant", "content": "b is lost."},
        {"role": "user", "content": "What a pity."},
    ]
    talk = parse("functionary", {"tools": [{"type": "function", "function": DEFINED}], "messages": messages})
    assert talk.messages[2].calls == (Call("go", {"to": "a"}), Call("go", {"to": "b"}))
    assert talk.messages[4] == Message("tool", "lost", name="go")
    text = "".join(piece.text for piece in segments(talk, "mistral"))
    first, second = (text.split('"id": "')[number][:9] for number in (1, 2))
    assert first != second
    assert f'{{"content": "lost", "call_id": "{second}"}}' in text
    assert text.endswith("b is lost.</s>")
    assert "Be brief.\n\nGo to a" in text


def test_what_a_format_tells_of_its_own_form_is_left_out() -> None:
    system = f"You are a clerk. You are a function calling AI model. Here: <tools> {DEFINED!r} </tools> Go on."
    turns = [("system", system), ("human", "Go!"), ("gpt", "Whereto?")]
    talk = parse("hermes", {"conversations": [{"from": role, "value": text} for role, text in turns]})
    assert talk.messages[0].content == "You are a clerk."
    assert talk.tools == (DEFINED,)
    plain = parse("glaive", {"system": "SYSTEM: You are alone.", "chat": "USER: Hi\n\n\nASSISTANT: Hi! <|endoftext|>"})
    assert [message.content for message in plain.messages] == ["You are alone.", "Hi", "Hi!"]
    assert plain.tools == ()


def _hermes(*turns: tuple[str, Any], **more: Any) -> dict[str, Any]:
    return {"conversations": [{"from": role, "value": text} for role, text in turns], **more}


def _glaive(chat: str, system: str = "SYSTEM: You answer.") -> dict[str, Any]:
    return {"system": system, "chat": chat}


def _functionary(*messages: dict[str, Any], functions: Any = (DEFINED,)) -> dict[str, Any]:
    return {"functions": list(functions) if isinstance(functions, tuple) else functions, "messages": list(messages)}


USER = {"role": "user", "content": "Go!"}
SAID = {"role": "assistant", "content": "Gone."}


@pytest.mark.parametrize(
    ("name", "record", "reason"),
    [
        ("hermes", {}, "there is no list of conversations"),
        ("hermes", _hermes(("king", "x")), "turn 1 needs a from"),
        ("hermes", _hermes(("human", 3)), "turn 1 needs a from .* and a value that is text"),
        ("hermes", _hermes(("human", "x")), "nobody answers"),
        ("hermes", _hermes(("gpt", "<tool_call>{go}</tool_call>")), "turn 1, <tool_call>: '{go}' is not JSON"),
        ("hermes", _hermes(("gpt", '<tool_call>{"name": 1}</tool_call>')), "is no call: it needs a name"),
        ("hermes", _hermes(("gpt", '<tool_call>{"name": "x", "arguments": {}}')), "x is called and not defined"),
        ("hermes", _hermes(("gpt", "x"), tools="[{"), "tools: '\\[{' is not JSON"),
        ("hermes", _hermes(("gpt", "x"), ("tool", "3"), ("gpt", "y")), "a result of a function that nothing called"),
        ("glaive", {"system": "SYSTEM: x"}, "system and chat must be there"),
        ("glaive", _glaive("Hello\n\n\nASSISTANT: Hi"), "chat begins with 'Hello'"),
        ("glaive", _glaive("USER: x\n\n\nASSISTANT: <|endoftext|>"), "says nothing and calls nothing"),
        ("glaive", _glaive('ASSISTANT: <functioncall> {"name": "go", "arguments": \'{\'}'), "turn 1: .* is no call"),
        ("functionary", _functionary(), "there is no list of messages"),
        ("functionary", {"messages": ["x"]}, "messages: entry 1 must be an object, not str"),
        ("functionary", _functionary({"role": "assistant", "content": None}), "message 1 needs a role"),
        (
            "functionary",
            _functionary(USER | {"function_call": {"name": "go", "arguments": "{}"}}),
            "only the assistant",
        ),
        ("functionary", _functionary(SAID | {"function_call": {"name": "go", "arguments": "{"}}), "is no call"),
        ("functionary", _functionary(SAID | {"tool_calls": {"name": "go"}}), "tool_calls must be a list"),
        ("functionary", _functionary(USER, SAID, functions=({"description": "x"},)), "defines no function"),
        ("functionary", _functionary(USER, SAID, functions=({"name": "go", "parameters": [1]},)), "no JSON schema"),
        (
            "functionary",
            _functionary(USER, SAID, functions=({"name": "go", "parameters": {"properties": {"a": "b"}}},)),
            "the parameters of go are no JSON schema",
        ),
        ("functionary", _functionary(USER, SAID, functions={"name": "go"}), "the functions must be a list"),
    ],
)
def test_a_wrong_line_is_named_with_its_file(
    model: Path, tmp_path: Path, name: str, record: dict[str, Any], reason: str
) -> None:
    file = written(tmp_path / "talk.jsonl", [*lines(name, 2), record])
    asked = recipe(model, file, name, "hermes")
    with pytest.raises(DataError, match=f"talk.jsonl:3: .*{reason}"):
        list(data.conversations(asked.data[0], asked))


def test_wrong_lines_of_others_are_left_out_and_counted(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = written(tmp_path / "talk.jsonl", [*lines("glaive", 2), _glaive("What?"), *lines("glaive", 1), {}])
    asked = recipe(model, file, "glaive", "glaive", skip_wrong=True)
    assert len(list(data.conversations(asked.data[0], asked))) == 3
    told = capsys.readouterr().out
    assert "2 lines that cannot be understood: left out. The first:" in told
    assert "talk.jsonl:3: chat begins with 'What?'" in told


def test_a_dataset_of_the_hub_is_named_by_owner_name_and_subset(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, ...]] = []
    monkeypatch.setattr(data, "load_dataset", lambda *names, split: asked.append((*names, split)) or lines("hermes", 2))
    morphyllm = load(RECIPES / "morphyllm.yaml")
    assert len(list(data.conversations(morphyllm.data[0], morphyllm))) == 2
    assert asked == [("NousResearch/hermes-function-calling-v1", "func_calling", "train")]
    with pytest.raises(RecipeError, match="is not hub:<owner>/<name>"):
        recipe(Path("x"), Path("hub:alone"), "hermes", "hermes")


def test_morphyllm_is_what_was_published() -> None:
    made = load(RECIPES / "morphyllm.yaml")
    assert made.base is not None
    assert (made.base.model, made.base.quantise) == ("mistralai/Mistral-7B-Instruct-v0.3", "nf4")
    assert (made.dialect, {entry.format for entry in made.data}) == ("mistral", {"hermes"})


def test_function_calling_mistral_is_what_was_published() -> None:
    made = load(RECIPES / "function-calling-mistral.yaml")
    assert made.base is not None
    assert made.sft is not None
    assert (made.base.quantise, made.sft.targets, made.sft.embeddings) == ("nf4", "all-linear", False)
    assert (made.sft.held_out, made.sft.keep_best, made.dialect) == (0.02, True, "glaive")
    assert [entry.format for entry in made.data] == ["glaive"]


def test_functionary_is_what_was_published() -> None:
    made = load(RECIPES / "functionary.yaml")
    assert made.sft is not None
    assert (made.sft.batch, made.sft.lr, made.sft.epochs, made.sft.length) == (64, 2e-5, 2, 4096)
    assert (made.sft.weight_decay, made.sft.warmup, made.dialect) == (0.3, 0.03, "functionary_v2")
    assert set(made.sft.add_tokens) == set(find_dialect(made.dialect).special_tokens)


def test_evaluate_about_homes_is_refused_where_a_dialect_tells_of_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text((RECIPES / "functionary.yaml").read_text(encoding="utf-8").partition("evaluation:")[0])
    given = ["--recipe", str(recipe), "--run", str(tmp_path / "run")]
    assert cli.main(["evaluate", *given]) == 1
    assert "The dialect functionary_v2 tells of no homes: name other cases" in capsys.readouterr().err
