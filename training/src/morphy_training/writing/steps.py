"""What the server is asked at each step, and what of its answer can be used.

The six steps are Functionary's (README of MeetKai/functionary): definitions become TypeScript, which every step is
told; then a request, the calls it needs, the results they may have, what the assistant makes of them; and the merge,
which write.py does. Each step has a grammar too, for servers that hold to one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

from ..dialect import Called, Request, Result, Speech, Tool, ToolCall, ToolReader
from ..dialect.schema_grammar import schema_grammar, schema_rules
from ..dialect.tools import Message, argument_schema, call_schema
from ..dialect.typescript import namespace

MOST_CHARACTERS = 1200
"""Of a request or an answer."""

_NEEDS = {
    "no call": "can be answered in words: none of the functions is of any use for it",
    "one call": "needs exactly one call of one of the functions, and tells every value that this call needs",
    "several calls": "needs exactly two calls that do not depend on each other, and tells every value they need",
    "next call": "needs one call first, and then one more that can only be made with the result of the first",
}
_TEXT = r"root ::= [^\x00-\x1f\x7f<>{}\[\]]{4,400}" + "\n"


class BadAnswerError(Exception):
    """An answer that cannot be used; its text tells the server why."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to be written: what is asked for, how the answer is read (BadAnswerError), its grammar."""

    name: str
    ask: str
    read: Callable[[str], Any]
    grammar: str


def system(tools: Sequence[Tool]) -> str:
    """What the server is told first: its part, and the functions as TypeScript."""
    return (
        "You help to write conversations between a user and an assistant that can call functions. They are used to "
        "train such an assistant, so they must be natural, varied and correct. Write exactly what you are asked for, "
        f"without any remark of your own.\n\nThe functions of this conversation:\n\n{namespace(tools)}"
    )


def request_step(tools: Sequence[Tool], talk: Sequence[Message], kind: str) -> Step:
    """What the user says next."""
    ask = (
        f"{_told(talk)}Write what the user says next. It {_NEEDS[kind]}. The user knows nothing of functions and "
        "speaks as people do. Write the user's words alone, on one line."
    )

    def read(text: str) -> str:
        said = _words(text)
        if "\n" in said:
            raise BadAnswerError("These are several lines. Write the user's words alone, on one line.")
        named = [tool.name for tool in tools if tool.name in said and not tool.name.isalpha()]
        if named:
            raise BadAnswerError(f"The user does not know that there is a function {named[0]}. Do not name it.")
        return said

    return Step("request", ask, read, _TEXT)


def calls_step(tools: Sequence[Tool], talk: Sequence[Message], count: int) -> Step:
    """The calls that the assistant makes next."""
    form = '[{"name": "function name", "arguments": {"argument": "value"}}]'
    ask = (
        f"{_told(talk)}Write the {_number(count, 'call')} that the assistant makes now, as JSON in this form: {form}. "
        "Use only functions and arguments that are defined above, and only values that are known from the conversation."
    )

    def read(text: str) -> list[dict[str, Any]]:
        reader = ToolReader()
        calls = [event.call for event in (*reader.feed(text), *reader.close()) if isinstance(event, Called)]
        if len(calls) != count:
            raise BadAnswerError(
                f"There must be {_number(count, 'call')} in the form {form}, and there are {len(calls)}."
            )
        for call in calls:
            _check(call, tools)
        return [{"name": call.name, "arguments": dict(call.arguments)} for call in calls]

    grammar = schema_grammar({"type": "array", "items": call_schema(tools), "minItems": count, "maxItems": count})
    return Step("calls", ask, read, grammar)


def results_step(talk: Sequence[Message], calls: Sequence[ToolCall]) -> Step:
    """What the calls return."""
    count = len(calls)
    ask = (
        f"{_told(talk)}Write what {'this call returns' if count == 1 else 'these calls return, in their order'}, as a "
        f"JSON list of {_number(count, 'object')}, with plausible made-up values."
    )

    def read(text: str) -> list[Any]:
        value = _json(text)
        values = value if isinstance(value, list) else [value]
        if len(values) != count or not all(isinstance(one, dict) and one for one in values):
            raise BadAnswerError(f"This must be a JSON list of {_number(count, 'object')}, none of them empty.")
        return values

    listed = ' "," " "? '.join(["filled"] * count)
    filled = 'filled ::= "{" pair ("," " "? pair)* "}"\n'
    return Step("results", ask, read, f'root ::= "[" {listed} "]"\n{filled}{schema_rules({"any": {}})}')


def answer_step(talk: Sequence[Message]) -> Step:
    """What the assistant says in the end."""
    ask = (
        f"{_told(talk)}Write what the assistant answers now, in its own words and only from what is known above. "
        "Write the assistant's words alone: no JSON, no call."
    )
    return Step("interpretation", ask, _words, _TEXT)


def _check(call: ToolCall, tools: Sequence[Tool]) -> None:
    tool = next((tool for tool in tools if tool.name == call.name), None)
    if tool is None:
        raise BadAnswerError(f"There is no function {call.name}. There are: {', '.join(tool.name for tool in tools)}.")
    schema = dict(argument_schema(tool))
    unknown = [key for key in call.arguments if key not in schema.get("properties", {})]
    if unknown:
        raise BadAnswerError(f"{call.name} has no argument {unknown[0]}.")
    try:
        wrong = next(Draft202012Validator(schema).iter_errors(dict(call.arguments)), None)
    except SchemaError:  # a definition whose types are words of its own: nothing can be said about values
        return
    if wrong is not None:
        where = "/".join(map(str, wrong.absolute_path))
        raise BadAnswerError(
            f"The arguments of {call.name} are wrong{f' at {where}' if where else ''}: {wrong.message}."
        )


def _words(text: str) -> str:
    """Words of a person, or of the assistant, without quotation marks around them."""
    reader = ToolReader()
    events = [*reader.feed(text), *reader.close()]
    said = "".join(event.text for event in events if isinstance(event, Speech)).strip()
    if said[:1] in "\"'“" and said[-1:] in "\"'”":
        said = said[1:-1].strip()
    if not said or not any(letter.isalnum() for letter in said):
        raise BadAnswerError("There are no words in this.")
    if any(not isinstance(event, Speech) for event in events) or said.startswith(("{", "[", "```")):
        raise BadAnswerError("This is no plain text: there must be no call and no JSON.")
    if len(said) > MOST_CHARACTERS:
        raise BadAnswerError(f"This is too long: {MOST_CHARACTERS} characters at most.")
    return said


def _json(text: str) -> Any:
    """The first object or list in a text."""
    begin = min((place for place in (text.find("["), text.find("{")) if place >= 0), default=-1)
    try:
        if begin < 0:
            raise ValueError
        return json.JSONDecoder(strict=False).raw_decode(text, begin)[0]
    except ValueError as error:
        raise BadAnswerError("This is no JSON.") from error


def _told(talk: Sequence[Message]) -> str:
    """The conversation so far, as the server is shown it."""
    if not talk:
        return "The conversation has not begun. "
    return "The conversation so far:\n\n" + "\n".join(map(_line, talk)) + "\n\n"


def _line(message: Message) -> str:
    if isinstance(message, Request):
        return f"User: {message.text}"
    if isinstance(message, Result):
        return f"Result of {message.call.name}: {json.dumps(message.value, ensure_ascii=False)}"
    calls = "; ".join(f"{call.name} {json.dumps(dict(call.arguments), ensure_ascii=False)}" for call in message.calls)
    return f"Assistant calls: {calls}" if calls else f"Assistant: {message.text}"


def _number(count: int, what: str) -> str:
    return f"{'one' if count == 1 else count} {what}{'' if count == 1 else 's'}"
