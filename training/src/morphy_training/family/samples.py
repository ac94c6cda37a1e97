"""Made-up data in the formats that recipes read: as much of it as a test wants, and the same for the same seed."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

Record = dict[str, Any]


def lines(format: str, count: int, seed: int = 0) -> list[Record]:  # noqa: A002 - what a recipe calls it
    """So many records of a format."""
    dice = random.Random(f"{format}:{seed}")
    return [_MAKERS[format](dice) for _ in range(count)]


def _messages(dice: random.Random) -> Record:
    age, more = dice.randint(3, 40), dice.randint(1, 9)
    return {
        "messages": [
            {"role": "system", "content": "You answer in one short sentence."},
            {"role": "user", "content": f"Ada is {age}. Ben is {more} years older. How old is Ben?"},
            {"role": "assistant", "content": f"Ben is {age + more} years old."},
            {"role": "user", "content": "And in ten years?"},
            {"role": "assistant", "content": f"He will be {age + more + 10}."},
        ]
    }


_HELLO, _WELCOME = "Hello!", "Hello! Where do you want to go?"


def _chain(dice: random.Random) -> tuple[str, list[tuple[str, Record, Record]], str]:
    """A question, calls of functions with their results, and the answer."""
    city, far, price = dice.choice(("Lisbon", "Turin", "Ghent", "Oslo")), dice.randint(20, 900), dice.randint(2, 9)
    calls: list[tuple[str, Record, Record]] = [
        ("measure_way", {"to": city}, {"km": far}),
        ("price_of_way", {"km": far, "class": dice.choice((1, 2))}, {"euros": far * price}),
    ]
    return f"What does it cost to go to {city}?", calls, f"{city} is {far} km away: {far * price} euros."


_FUNCTIONS: list[Record] = [
    {
        "name": "measure_way",
        "description": "Tells how far a city is",
        "parameters": {
            "type": "object",
            "properties": {"to": {"type": "string", "description": "The city"}},
            "required": ["to"],
        },
    },
    {
        "name": "price_of_way",
        "description": "Tells a price",
        "parameters": {
            "type": "object",
            "properties": {"km": {"type": "number"}, "class": {"type": "integer", "enum": [1, 2]}},
            "required": ["km"],
        },
    },
]


_SIGNATURES = [
    'def measure_way(to: str):\n    """\n    Tells how far a city is\n\n    Args:\n    to (str): The city\n    """',
    'def price_of_way(km: float, class_: Literal[1, 2] = 2):\n    """Tells a price"""',
]


def _hermes(dice: random.Random) -> Record:
    question, calls, answer = _chain(dice)
    listed = [{"type": "function", "function": one} for one in _FUNCTIONS]
    system = (
        "You are a function calling AI model. You are provided with function signatures within <tools></tools> XML "
        f"tags.\n<tools>\n{json.dumps(listed)}\n</tools>\nReturn each call within <tool_call></tool_call> XML tags."
    )
    turns = [("system", system), ("human", _HELLO), ("gpt", _WELCOME), ("human", question)]
    for name, arguments, result in calls:
        call = {"arguments": arguments, "name": name}
        # The published data has JSON in some lines, and what Python prints in others.
        text = dice.choice((json.dumps, repr))(call)
        turns.append(("gpt", f"<tool_call>\n{text}\n</tool_call>"))
        told = json.dumps({"name": name, "content": result})
        turns.append(("tool", f"<tool_response>\n{told}\n</tool_response>"))
    turns.append(("gpt", answer))
    return {"conversations": [{"from": role, "value": text} for role, text in turns]}


def _glaive(dice: random.Random) -> Record:
    question, calls, answer = _chain(dice)
    shown = "\n\n".join(json.dumps(one, indent=4) for one in _FUNCTIONS)
    form = "You are a helpful assistant with access to the following functions. Use them if required -"
    turns = [f"USER: {_HELLO}", f"ASSISTANT: {_WELCOME} <|endoftext|>", f"USER: {question}"]
    for name, arguments, result in calls:
        written = f'{{"name": "{name}", "arguments": \'{json.dumps(arguments)}\'}}'
        turns.append(f"ASSISTANT: <functioncall> {written} <|endoftext|>")
        turns.append(f"FUNCTION RESPONSE: {json.dumps(result)}")
    turns.append(f"ASSISTANT: {answer} <|endoftext|>")
    return {"system": f"SYSTEM: {form}\n{shown}\n", "chat": "\n\n\n".join(turns)}


def _functionary(dice: random.Random) -> Record:
    question, calls, answer = _chain(dice)
    messages: list[Record] = [
        {"role": "user", "content": _HELLO},
        {"role": "assistant", "content": _WELCOME},
        {"role": "user", "content": question},
    ]
    for name, arguments, result in calls:
        call = {"name": name, "arguments": json.dumps(arguments)}
        messages.append({"role": "assistant", "content": None, "function_call": call})
        messages.append({"role": "function", "name": name, "content": json.dumps(result)})
    messages.append({"role": "assistant", "content": answer})
    return {"functions": _FUNCTIONS, "messages": messages}


def _nexus(dice: random.Random) -> Record:
    question, [(name, arguments, _), *_], _ = _chain(dice)
    written = ", ".join(f"{key}={value!r}" for key, value in arguments.items())
    return {"query": question, "functions": _SIGNATURES, "call": f"{name}({written})"}


_MAKERS: dict[str, Callable[[random.Random], Record]] = {
    "messages": _messages,
    "hermes": _hermes,
    "glaive": _glaive,
    "functionary": _functionary,
    "nexus": _nexus,
}
