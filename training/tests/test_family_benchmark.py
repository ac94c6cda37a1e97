"""Models side by side: through llama.cpp, a server and transformers, on the same cases, with the same grammar."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import toy
from scripted_server import Answer, llama_cpp_server, serving

from morphy_training import cli, data
from morphy_training.calling.ask import ask
from morphy_training.calling.compare import ANSWER, CLOSE, EXACT, EXTRA, FUNCTION, MISSED, TOO_LONG, UNREADABLE
from morphy_training.calling.models import Model, read_place
from morphy_training.calling.results import Judged, Result, tables
from morphy_training.errors import EvaluationError, RecipeError
from morphy_training.recipe import CaseRecipe
from morphy_training.runs import Folder

NOW = 'def now():\n    """Tells the time."""'
SAY = 'def say(text: str, loud: bool, hour: int):\n    """Says something."""'
CASES = [
    {"query": "how late is it?", "functions": [NOW], "call": "now()", "category": "time"},
    {"query": "how late is it? now?", "functions": [NOW, SAY], "call": "now()", "category": "time"},
    {"query": "say hello", "functions": [NOW, SAY], "call": "say('hello', loud=True, hour=1)", "category": "speech"},
]


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> CaseRecipe:
    path = tmp_path_factory.mktemp("cases") / "clock.jsonl"
    path.write_text("".join(f"{json.dumps(one)}\n" for one in CASES), encoding="utf-8")
    return CaseRecipe("nexus", str(path))


def _ask(where: str, cases: CaseRecipe, out: Path, **given: Any) -> Result:
    [result] = ask([read_place(where)], [cases], out, toy.stream, **given)
    return result


def _outcomes(result: Result) -> list[str]:
    return [one.outcome for one in result.asked]


def test_llama_cpp_transformers_and_a_server_answer_alike(
    following: Path, following_gguf: Path, cases: CaseRecipe, tmp_path: Path
) -> None:
    with llama_cpp_server(following_gguf, tmp_path / "server.log") as url:
        results = [_ask(f"{where}@hermes", cases, tmp_path) for where in (str(following_gguf), str(following), url)]
    for result in results:
        assert _outcomes(result) == [EXACT, EXACT, FUNCTION]
        assert result.held
    [first, *others] = [[one.got for one in result.asked] for result in results]
    assert first[0] == '<tool_call>\n{"name": "now","arguments": {}}\n</tool_call>' or '"now"' in first[0]
    assert all(one == first for one in others)


@pytest.mark.parametrize("dialect", ["hermes", "mistral", "glaive", "functionary_v1", "functionary_v2"])
def test_every_dialect_of_tools_with_its_own_grammar(
    dialect: str, following: Path, cases: CaseRecipe, tmp_path: Path
) -> None:
    result = _ask(f"{following}@{dialect}", cases, tmp_path)
    assert result.dialect == dialect
    assert not {UNREADABLE, TOO_LONG} & set(_outcomes(result))
    assert any("now" in one.got for one in result.asked) or dialect in ("functionary_v2", "glaive", "mistral")


def test_without_a_grammar_a_model_writes_what_it_likes(
    following_gguf: Path, cases: CaseRecipe, tmp_path: Path
) -> None:
    result = _ask(f"{following_gguf}@hermes", cases, tmp_path, free=True)
    assert not result.held
    assert _outcomes(result) == [MISSED] * 3


def test_the_dialect_is_found_as_in_home_assistant(following_gguf: Path, cases: CaseRecipe, tmp_path: Path) -> None:
    assert _ask(str(following_gguf), cases, tmp_path).dialect == "hermes"  # the file says so


class Chatting:
    """A server that knows chats alone, and answers from a list."""

    def __init__(self, *answers: dict[str, Any]) -> None:
        self.answers, self.asked = list(answers), list[dict[str, Any]]()

    def __call__(self, kind: str, body: dict[str, Any]) -> Answer:
        if kind == "completions":
            return 404, "no such endpoint"
        self.asked.append(body)
        return {"role": "assistant", "content": None, **self.answers[len(self.asked) - 1]}


def _called(name: str, arguments: str) -> dict[str, Any]:
    return {"id": "1", "type": "function", "function": {"name": name, "arguments": arguments}}


def test_a_server_that_frames_tools_itself(cases: CaseRecipe, tmp_path: Path) -> None:
    server = Chatting(
        {"tool_calls": [_called("now", "{}")]},
        {"tool_calls": [_called("now", "")]},
        {"tool_calls": [_called("say", '{"text": "Hello", "loud": "true", "hour": "1"}')]},
    )
    with serving(server) as url:
        result = _ask(f"chatting={url}@openai", cases, tmp_path)
    assert _outcomes(result) == [EXACT, EXACT, CLOSE]
    assert (result.model, result.held) == ("chatting", False)
    assert [tool["function"]["name"] for tool in server.asked[2]["tools"]] == ["now", "say"]
    assert server.asked[0]["messages"][-1] == {"role": "user", "content": "how late is it?"}
    assert server.asked[0]["temperature"] == 0


def test_what_a_server_calls_wrongly(cases: CaseRecipe, tmp_path: Path) -> None:
    server = Chatting(
        {"tool_calls": [_called("now", "{oops")]},
        {"tool_calls": [_called("now", "{}"), _called("now", "{}")]},
        {"content": "Hello!"},
    )
    with serving(server) as url:
        assert _outcomes(_ask(f"{url}@openai", cases, tmp_path)) == [UNREADABLE, EXTRA, MISSED]


def test_plain_questions_are_judged_by_what_is_said(tmp_path: Path) -> None:
    questions = tmp_path / "q.yaml"
    questions.write_text(
        "tools: [{name: now}]\nquestions: {ages: [{ask: a, number: 10}, {ask: b, number: 10}, {ask: c, number: 10}, "
        "{ask: d, number: 10}]}",
        encoding="utf-8",
    )
    server = Chatting(
        {"content": "7 and 3: you are ten."},
        {"content": "10, for 7 + 3 is it"},
        {"content": "I cannot know."},
        {"content": "10", "tool_calls": [_called("now", "{}")]},
    )
    with serving(server) as url:
        result = _ask(f"{url}@openai", CaseRecipe("general", str(questions)), tmp_path)
    assert _outcomes(result) == [EXACT, CLOSE, ANSWER, EXTRA]
    tallies = result.tallies("general: q.yaml")
    assert tallies["all"] == {"count": 4, "exact": 1, "lenient": 2, "close": 1, "answer": 1, "extra call": 1}


def test_what_does_not_fit_is_counted_and_stops_nothing(following_gguf: Path, tmp_path: Path) -> None:
    path = tmp_path / "long.jsonl"
    path.write_text(json.dumps({**CASES[0], "query": "so long " * 4000}) + "\n", encoding="utf-8")
    assert _outcomes(_ask(f"{following_gguf}@hermes", CaseRecipe("nexus", str(path)), tmp_path)) == [TOO_LONG]


def test_what_was_answered_is_not_asked_again(cases: CaseRecipe, tmp_path: Path) -> None:
    right = {"tool_calls": [_called("now", "{}")]}
    server = Chatting(right, right)  # and then nothing more: the third answer fails
    with serving(server) as url, pytest.raises(Exception, match=r"status|no answer|reached"):
        _ask(f"a={url}@openai", cases, tmp_path)
    with serving(Chatting(right)) as other:
        kept = tmp_path / "answers.jsonl"
        kept.write_text(kept.read_text(encoding="utf-8").replace(url, other), encoding="utf-8")
        result = _ask(f"a={other}@openai", cases, tmp_path)
    assert _outcomes(result) == [EXACT, EXACT, FUNCTION]


@pytest.mark.parametrize(
    ("where", "reason"),
    [
        ("nowhere.gguf", "nowhere.gguf is not there"),
        ("/nowhere", "no GGUF file, no address of a server, and no folder"),
        ("=", "names no model"),
    ],
)
def test_a_model_that_is_not_there(where: str, reason: str) -> None:
    with pytest.raises(EvaluationError, match=reason):
        Model(read_place(where))


def test_a_file_that_llama_cpp_cannot_read(tmp_path: Path) -> None:
    (tmp_path / "cut.gguf").write_bytes(b"GGUF" + bytes(64))
    with pytest.raises(EvaluationError, match=r"llama.cpp cannot read .*cut.gguf: it is cut"):
        Model(read_place(f"{tmp_path / 'cut.gguf'}@hermes"))


def test_a_dialect_of_a_model_that_is_misspelt() -> None:
    with pytest.raises(RecipeError, match=r"--model a=x.gguf@hermse: .*; did you mean hermes\?"):
        read_place("a=x.gguf@hermse")


def test_a_model_is_named() -> None:
    assert read_place("http://u@localhost").where == "http://u@localhost"
    assert read_place("a=runs/x.gguf@glaive") == read_place("a=runs/x.gguf@glaive")
    place = read_place("http://u@h:1/v1#m@hermes")
    assert (place.name, place.where, place.dialect) == ("m", "http://u@h:1/v1#m", "hermes")
    assert read_place("runs/a=b/x.gguf").where == "runs/a=b/x.gguf"


def test_a_dialect_that_cannot_be_told_of_the_cases_is_an_error(
    following_gguf: Path, cases: CaseRecipe, tmp_path: Path
) -> None:
    with pytest.raises(EvaluationError, match="speaks lines, which can be told of none of these cases"):
        _ask(f"{following_gguf}@lines", cases, tmp_path)
    with pytest.raises(EvaluationError, match="openai needs a server"):
        _ask(f"{following_gguf}@openai", cases, tmp_path)


def test_a_model_of_homes_is_asked_about_homes_and_questions(files: list[Path], tmp_path: Path) -> None:
    entries = [CaseRecipe("home", count=6), CaseRecipe("general", count=3)]
    [result] = ask([read_place(str(files[0]))], entries, tmp_path, toy.stream)
    assert result.dialect == "morphy"
    assert [len(one) for one in result.sources.values()] == [6, 3]
    assert sum(row["count"] for name, row in result.tallies("home").items() if name[0] not in "=a") == 6
    assert "= held-out homes" in result.tallies("home")


def test_the_command_prints_saves_and_draws_several_models(
    following: Path,
    following_gguf: Path,
    files: list[Path],
    cases: CaseRecipe,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(data, "generator", lambda *_: toy.stream)
    command = ["evaluate", "--requests", "3", "--misses", "1", "--out", str(tmp_path)]
    for model in (f"one={following_gguf}", f"two={following}@functionary_v1", f"homes={files[0]}"):
        command += ["--model", model]
    assert cli.main([*command, "--cases", f"nexus:{cases.source}", "--cases", "home"]) == 0
    told = capsys.readouterr().out
    assert "nexus: clock.jsonl, one\n" in told
    assert "one (hermes)" in told
    assert "homes (morphy)" in told
    figures = json.loads((tmp_path / "benchmark.json").read_text(encoding="utf-8"))
    assert [one["model"] for one in figures] == ["one", "two", "homes"]
    row = figures[0]["sources"]["nexus: clock.jsonl"]["all"]
    assert (row["count"], row["exact"]) == (3, 2)
    assert row["exact_95"][0] < 2 / 3 < row["exact_95"][1]
    assert "home" not in figures[0]["sources"]
    pictures = sorted(one.name for one in tmp_path.glob("*.png"))
    assert pictures == ["categories-home.png", "categories-nexus--clock-jsonl.png", "outcomes.png"]
    assert all((tmp_path / one).read_bytes().startswith(b"\x89PNG") for one in pictures)


def test_a_recipe_says_what_its_model_is_asked(
    run: Folder, files: list[Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(data, "generator", lambda *_: toy.stream)
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(
        f"{(run.path / 'recipe.yaml').read_text(encoding='utf-8')}evaluation:\n- {{format: general, count: 2}}\n",
        encoding="utf-8",
    )
    command = ["evaluate", "--recipe", str(recipe), "--run", str(run.path), "--requests", "2"]
    assert cli.main([*command, "--json", str(tmp_path / "homes.json")]) == 0
    assert "what was expected, and what came" in capsys.readouterr().out
    figures = json.loads((run.path / "calling" / "benchmark.json").read_text(encoding="utf-8"))
    assert figures[0]["sources"]["general"]["all"]["count"] == 2


def test_a_table_leaves_out_what_came_nowhere() -> None:
    came = [EXACT, CLOSE, CLOSE, MISSED]
    judged = [Judged(f"x:{n}", "time", (), "?", "now()", "", one) for n, one in enumerate(came)]
    head, row = tables([Result("m", "hermes", False, {"x": judged})]).splitlines()[1:3]
    assert head.split() == ["count", "exact", "95", "%", "lenient", "missed", "call"]
    assert row.split()[:5] == ["m", "(hermes,", "no", "grammar)", "4"]
    assert row.split()[5:] == ["0.250", "0.046-0.699", "0.750", "0.250"]
