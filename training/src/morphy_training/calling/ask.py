"""Every model is asked every case that its dialect can be told of; what came is kept, so that a killed run goes on."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from .. import evaluate
from ..data import HELD_OUT, Example, Source
from ..dialect import Action, Dialect, Home, ToolCall
from ..errors import EvaluationError, TooLongError
from ..journal import Journal
from ..measure import family
from ..recipe import CaseRecipe
from . import compare
from .cases import Case, read_cases
from .compare import ANSWER, CLOSE, EXACT, TOO_LONG
from .models import Model, Place
from .results import Judged, Result

MAX_TOKENS = 512
"""Tokens of an answer at most."""
HOMES = 200
"""Requests about homes where no number is given."""

JOURNAL = "answers.jsonl"


def ask(
    places: Sequence[Place],
    entries: Sequence[CaseRecipe],
    folder: Path,
    source: Source,
    *,
    threads: int = 1,
    free: bool = False,
) -> list[Result]:
    """Ask every model every case; `source` makes the homes, `folder` keeps what came. `free` asks without grammars.

    EvaluationError for a model that can be told of none of the cases.
    """
    cases = {_name(entry): read_cases(entry) for entry in entries if entry.format != "home"}
    results = []
    for place in places:
        model = Model(place, threads, free=free)
        journal = Journal(folder / JOURNAL)
        try:
            asked = {_name(entry): list(_asked(model, entry, cases.get(_name(entry), []), source)) for entry in entries}
            results.append(_result(model, place, {name: one for name, one in asked.items() if one}, journal))
        finally:
            journal.close()
            model.backend.close()
    return results


def _name(entry: CaseRecipe) -> str:
    """What a source of cases is called in tables."""
    return entry.format if not entry.source else f"{entry.format}: {entry.source.rpartition('/')[2]}"


class _Home:
    """A request about a home, as `evaluate` asks it."""

    def __init__(self, example: Example, place: int, marks: tuple[str, ...], number: int) -> None:
        self.example, self.turn, self.marks = example, place, marks
        self.place = f"home {number}"
        self.exchange = example.turns[place]

    def judged(self, model: Model, way: Dialect) -> Judged:
        home = self.example.home
        asker = evaluate.Model(model.backend, way)
        text = asker.answer(home, self.exchange.request, asker.history(self.example, self.turn), free=not model.held)
        actions, _ = evaluate.read(way, home, text)
        expected, got = home_calls(self.exchange.answer.actions, home), home_calls(actions, home)
        category = family(self.exchange.category)
        came = compare.outcome(expected, got)
        written = way.write(self.exchange.answer, home)
        return Judged(self.place, category, self.marks, self.exchange.request, written, text, came)


def home_calls(actions: Sequence[Action], home: Home) -> list[ToolCall]:
    """What actions come to, as calls of a service on one device each; each counts once."""
    calls = {
        (action.service, ident): dict(action.data)
        for action in actions
        for target in action.targets
        for ident in evaluate.reached(target, action.service.partition(".")[0], home)
    }
    return [ToolCall(service, {"target": ident, **data}) for (service, ident), data in calls.items()]


def _asked(model: Model, entry: CaseRecipe, cases: list[Case], source: Source) -> Iterator[_Home | _Case]:
    """What of a source a model can be asked: nothing where its dialect cannot be told of it."""
    of_homes = isinstance(model.dialect, Dialect)
    if entry.format == "home" and of_homes:
        requests = evaluate.requests_of(source, entry.count or HOMES)
        yield from (_Home(*request, number) for number, request in enumerate(requests, 1))
    elif entry.format == "general" or (entry.format != "home" and not of_homes):
        home = next(source(HELD_OUT)).home if of_homes else None
        yield from (_Case(case, home) for case in cases)


class _Case:
    """A case of a file. A model that is told of homes is asked plain questions in one, as in Home Assistant."""

    def __init__(self, case: Case, home: Home | None) -> None:
        self.case, self.home, self.place = case, home, case.place

    def judged(self, model: Model, way: Any) -> Judged:
        try:
            calls, said, unreadable, raw = self._answer(model, way)
        except TooLongError:
            calls, said, unreadable, raw, came = [], "", False, "", TOO_LONG
        else:
            came = self._outcome(calls, said, unreadable)
        expected = json.dumps([_plain(call) for call in self.case.expected], ensure_ascii=False)
        expected = str(self.case.check) if self.case.check else expected if self.case.expected else "no call"
        return Judged(self.place, self.case.category, self.case.marks, self.case.request, expected, raw, came)

    def _answer(self, model: Model, way: Any) -> tuple[Sequence[ToolCall], str, bool, str]:
        if self.home is None:
            answer = model.reply(self.case.tools, self.case.system, self.case.messages, MAX_TOKENS)
            return answer.calls, answer.speech, answer.unreadable, answer.raw
        text = evaluate.Model(model.backend, way).answer(self.home, self.case.request, free=not model.held)
        actions, said = evaluate.read(way, self.home, text)
        return home_calls(actions, self.home), said, False, text

    def _outcome(self, calls: Sequence[ToolCall], said: str, unreadable: bool) -> str:
        came = compare.outcome(self.case.expected, calls, self.case.tools, unreadable=unreadable)
        check = self.case.check
        if check is None or came != EXACT:
            return came
        return EXACT if check.passes(said) else CLOSE if check.passes(said, lenient=True) else ANSWER


def _plain(call: ToolCall) -> dict[str, Any]:
    return {"name": call.name, "arguments": dict(call.arguments)}


def _result(model: Model, place: Place, asked: dict[str, list[_Home | _Case]], journal: Journal) -> Result:
    if not asked:
        raise EvaluationError(
            f"{place.name} speaks {model.dialect.name}, which can be told of none of these cases; "
            "name its dialect as MODEL@DIALECT, or other cases"
        )
    result = Result(place.name, model.dialect.name, model.held)
    who = f"{place.where} {_version(place.where)} {model.dialect.name} {'held' if model.held else 'free'}"
    for name, ones in asked.items():
        judged = result.sources[name] = []
        for one in tqdm(ones, f"{place.name}, {name}", unit=""):
            key = f"{who}: {name}, {one.place}, {_request(one)}"
            if key not in journal:
                begun = time.perf_counter()
                answer = asdict(one.judged(model, model.dialect))
                journal[key] = [answer, time.perf_counter() - begun]
            answer, seconds = journal[key]
            judged.append(Judged(**answer | {"marks": tuple(answer["marks"])}))
            result.seconds += seconds
    return result


def _request(one: _Home | _Case) -> str:
    return one.exchange.request if isinstance(one, _Home) else one.case.request


def _version(where: str) -> str:
    """What tells a file, or a saved model, from an earlier one of the same name."""
    path = Path(where)
    files = sorted(path.glob("*.safetensors")) if path.is_dir() else [path] if path.is_file() else []
    return " ".join(f"{one.stat().st_size}/{one.stat().st_mtime_ns}" for one in files)
