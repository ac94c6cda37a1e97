"""Cases: what a model is told, and the calls it is to make next. Read from files of others, in their own formats.

- `glaive`, `hermes`, `functionary`, `messages`: conversations; each reply of the assistant where tools are offered is a
  case, after what was said before it as it should have gone
- `nexus`: a request, functions as Python signatures, and the call as Python writes it; or rows of NexusRaven's datasets
- `general`: plain questions
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..dialect import Reply, Request, Result, Tool, ToolCall
from ..dialect.tools import Message
from ..errors import DataError
from ..family.data import records
from ..family.formats import parse
from ..family.texts import SYSTEM, told
from ..recipe import CaseRecipe
from .functions import by_name, from_json, from_python, read_functions
from .general import QUESTIONS, Check, read_questions
from .python_calls import read_python_calls

_REQUEST = ("prompt", "query", "Input", "question")
_EXPECTED = ("call", "Output", "reference", "answer")
"""What NexusRaven's datasets, and files like them, call the request and the expected call."""


@dataclass(frozen=True, slots=True)
class Case:
    """What a model is told, and the calls it is to make next: none where it is to answer in words.

    `place` is the file and line it comes from; `check` is what the words are to hold, where they are looked at.
    """

    place: str
    category: str
    marks: tuple[str, ...]
    tools: tuple[Tool, ...]
    messages: tuple[Message, ...]
    expected: tuple[ToolCall, ...] = ()
    check: Check | None = None
    system: str = SYSTEM

    @property
    def request(self) -> str:
        """What the user said last."""
        return next((one.text for one in reversed(self.messages) if isinstance(one, Request)), "")


def read_cases(entry: CaseRecipe) -> list[Case]:
    """The cases of one source. What cannot be understood is left out, and told; DataError when nothing is left."""
    wrong: list[str] = []
    if entry.format == "general":
        cases = _general(Path(entry.source) if entry.source else QUESTIONS)
    elif entry.format == "nexus":
        functions = read_functions(entry.functions) if entry.functions else {}
        cases = _understood(records(entry.source, entry.split), lambda one: [_nexus(one, functions)], wrong)
    else:
        cases = _understood(records(entry.source, entry.split), lambda one: _conversation(entry.format, one), wrong)
    found = list(itertools.islice(cases, entry.count or None))
    if wrong:
        print(f"{entry.source}: {len(wrong)} lines that cannot be understood: left out. The first: {wrong[0]}")
    if not found:
        raise DataError(f"{entry.source} holds no case: nothing in it is asked where functions are offered")
    return found


def _understood(
    lines: Iterable[tuple[str, dict[str, Any]]], read: Callable[[dict[str, Any]], list[Case]], wrong: list[str]
) -> Iterator[Case]:
    for place, record in lines:
        try:
            yield from [replace(case, place=f"{place}{case.place}") for case in read(record)]
        except DataError as error:
            wrong.append(f"{place}: {error}")


def _general(path: Path) -> Iterator[Case]:
    questions, tools = read_questions(path)
    for number, one in enumerate(questions, 1):
        messages = (Request(one.ask),)
        yield Case(f"{path.name}:{number}", one.category, (), tuple(tools), messages, check=one.check)


def _conversation(format: str, record: dict[str, Any]) -> list[Case]:  # noqa: A002 - what a recipe calls it
    tools, system, messages = told(parse(format, record))
    given = record.get("category")
    cases = []
    for number, message in enumerate(messages):
        before = tuple(messages[:number])
        if isinstance(message, Reply) and tools and any(isinstance(one, Request) for one in before):
            kind = _kind(message, before)
            category, marks = (given, (f"= {kind}",)) if isinstance(given, str) and given else (kind, ())
            cases.append(Case(f", reply {number}", category, marks, tuple(tools), before, message.calls, system=system))
    return cases


def _kind(reply: Reply, before: tuple[Message, ...]) -> str:
    """What a reply does, beside what it is about."""
    after_result = isinstance(before[-1], Result)
    if not reply.calls:
        return "answer" if after_result else "no call"
    if after_result:
        return "next call"
    return "one call" if len(reply.calls) == 1 else "several calls"


def _nexus(record: dict[str, Any], functions: Mapping[str, Tool]) -> Case:
    request = next((record[key] for key in _REQUEST if isinstance(record.get(key), str)), None)
    if request is None:
        raise DataError(f"there is no request: none of {', '.join(_REQUEST)} is text")
    tools = _offered(record, functions)
    if "python_function_name" in record:
        expected: tuple[ToolCall, ...] = (_given_call(record, tools),)
        nested = False
    else:
        text = next((record[key] for key in _EXPECTED if isinstance(record.get(key), str)), None)
        if text is None:
            raise DataError(f"there is no expected call: none of {', '.join(_EXPECTED)} is text")
        expected, nested = read_python_calls(text, tools)
    category = str(record.get("category") or record.get("dataset") or "nexus")
    marks = ("= nested, first step",) if nested else ("= several calls",) if len(expected) > 1 else ("= one call",)
    return Case("", category, marks, tuple(tools.values()), (Request(request),), expected)


def _offered(record: dict[str, Any], functions: Mapping[str, Tool]) -> Mapping[str, Tool]:
    """The functions of a row: written in it, or named in it and defined elsewhere, or all that are defined there."""
    if given := record.get("functions"):
        parts = [given] if isinstance(given, (str, dict)) else given
        return by_name(tool for part in parts for tool in _defined(part))
    names = record.get("context_functions") or list(functions)
    if missing := [name for name in names if name not in functions]:
        raise DataError(f"{missing[0]} is not among the functions that are defined")
    return by_name(functions[name] for name in names)


def _defined(part: Any) -> Iterator[Tool]:
    if isinstance(part, str):
        yield from from_python(part)
    else:
        yield from_json(part)


def _given_call(record: dict[str, Any], tools: Mapping[str, Tool]) -> ToolCall:
    name, arguments = record["python_function_name"], record.get("python_args_dict")
    try:
        arguments = json.loads(arguments) if isinstance(arguments, str) else arguments
    except ValueError as error:
        raise DataError(f"the arguments of {name} are no JSON: {error}") from error
    if name not in tools or not isinstance(arguments, dict):
        raise DataError(f"{name} is called and not defined, or its arguments are no object")
    return ToolCall(name, arguments)
