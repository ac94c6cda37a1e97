"""All conversations, step by step, by a model on a server; every step is kept, so that a killed run goes on.

What is asked depends on the seed and on what was written before in the same conversation, and on nothing else, so a
server that gives the same answer to the same question (and seed) makes the same file, whether it was stopped or not.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from ..dialect import Reply, Request, Result, Tool, ToolCall
from ..dialect.tools import Message, tool_json
from ..errors import DataError, TooLongError
from ..family.formats import parse
from ..journal import Journal
from ..server import Server
from .plan import KINDS, Plan, draw
from .steps import BadAnswerError, Step, answer_step, calls_step, request_step, results_step, system

MAX_TOKENS = 700
"""Tokens of one answer of the server at most."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How it is written; `attempts` is how often a step is asked for at most, `parallel` how many are under way."""

    count: int = 100
    seed: int = 1
    temperature: float = 0.8
    attempts: int = 3
    parallel: int = 1


@dataclass(slots=True)
class Written:
    """What came of it: conversations written, and those given up, by the step and the reason of the last answer."""

    conversations: int = 0
    given_up: list[tuple[str, str]] = field(default_factory=list)

    def __str__(self) -> str:
        """The figures in a sentence or two."""
        told = f"{self.conversations} conversations"
        if self.given_up:
            steps = Counter(step for step, _ in self.given_up)
            told += (
                f"; {len(self.given_up)} given up ({', '.join(f'{n} at {step}' for step, n in steps.most_common())})"
            )
            told += f". The last reason: {self.given_up[-1][1]}"
        return told


class _GivenUpError(Exception):
    """A step whose answers could not be used, as often as it was asked for."""


def write(functions: Mapping[str, Tool], server: Server, path: Path, settings: Settings) -> Written:
    """Write conversations into a file of JSON lines in Functionary's format, with functions drawn from those given.

    Beside it, `<name>.steps.jsonl` holds every step; the same command goes on from there. RunError when that was begun
    with other settings, ServerError when the server fails, DataError when not one conversation could be written.
    """
    tools = list(functions.values())
    journal = Journal(path.with_suffix(".steps.jsonl"), _identity(tools, server, settings))
    plans = [draw(number, tools, settings.seed) for number in range(settings.count)]
    steps = sum(map(_length, plans))
    try:
        with tqdm(total=steps, desc=path.name, unit=" steps") as bar, ThreadPoolExecutor(settings.parallel) as pool:
            stopping = threading.Event()
            writers = [_Conversation(plan, server, journal, settings, bar, stopping) for plan in plans]
            try:
                for done in as_completed([pool.submit(writer.write) for writer in writers]):
                    done.result()
            finally:
                stopping.set()
        return _merge(plans, journal, path)
    finally:
        journal.close()


def _identity(tools: Sequence[Tool], server: Server, settings: Settings) -> dict[str, Any]:
    """What the kept steps depend on; how many conversations there are, or at once, is not among it."""
    definitions = json.dumps([tool_json(tool) for tool in tools], sort_keys=True)
    return {
        "functions": hashlib.sha256(definitions.encode()).hexdigest()[:16],
        "model": server.model,
        "seed": settings.seed,
        "temperature": settings.temperature,
        "attempts": settings.attempts,
    }


def _length(plan: Plan) -> int:
    """Steps of a conversation: a request, calls and results for each round, and the interpretation."""
    return sum(2 + 2 * len(KINDS[kind]) for kind in plan.kinds)


class _Conversation:
    """One conversation on its way."""

    def __init__(
        self, plan: Plan, server: Server, journal: Journal, settings: Settings, bar: Any, stopping: threading.Event
    ) -> None:
        self._plan, self._server, self._journal = plan, server, journal
        self._settings, self._bar, self._stopping = settings, bar, stopping
        self._done = 0

    def write(self) -> None:
        """Write what is not written yet, or up to where all are stopped, as by an error of one of them."""
        if self._stopping.is_set():
            return
        if _given_up(self._plan.number) not in self._journal:
            try:
                for _ in talk_of(self._plan, self._take):
                    if self._stopping.is_set():
                        return
            except _GivenUpError as error:
                self._journal[_given_up(self._plan.number)] = error.args
            except Exception:
                self._stopping.set()
                raise
        self._bar.update(_length(self._plan) - self._done)

    def _take(self, key: str, step: Step) -> Any:
        """What a step came to: kept, or written now."""
        if key not in self._journal:
            self._journal[key] = self._ask(key, step)
        self._done += 1
        self._bar.update()
        return self._journal[key]

    def _ask(self, key: str, step: Step) -> Any:
        """Ask the server, and again with the reason where its answer cannot be used."""
        messages = [
            {"role": "system", "content": system(self._plan.tools)},
            {"role": "user", "content": step.ask},
        ]
        reason = ""
        for attempt in range(self._settings.attempts):
            text = self._said(messages, step, _seed(self._settings.seed, key, attempt))
            try:
                return step.read(text)
            except BadAnswerError as error:
                reason = str(error)
                again = f"{reason} {step.ask.rpartition(chr(10))[2]}"
                messages[2:] = [{"role": "assistant", "content": text}, {"role": "user", "content": again}]
        raise _GivenUpError(step.name, reason)

    def _said(self, messages: list[dict[str, Any]], step: Step, seed: int) -> str:
        """The server's answer; a conversation that has grown too long for it is given up."""
        temperature = self._settings.temperature
        try:
            said = self._server.chat(messages, MAX_TOKENS, grammar=step.grammar, temperature=temperature, seed=seed)
        except TooLongError as error:
            raise _GivenUpError(step.name, str(error)) from error
        return said.content or ""


def talk_of(plan: Plan, take: Any) -> Iterator[Message]:
    """The messages of a conversation, in their order; `take` gives what each step of a key came to."""
    talk: list[Message] = []

    def said(message: Message) -> Message:
        talk.append(message)
        return message

    for exchange, kind in enumerate(plan.kinds):
        place = f"{plan.number}/{exchange}"
        yield said(Request(take(f"{place}/request", request_step(plan.tools, talk, kind))))
        for number, count in enumerate(KINDS[kind]):
            given = take(f"{place}/{number}/calls", calls_step(plan.tools, talk, count))
            calls = tuple(ToolCall(one["name"], one["arguments"]) for one in given)
            yield said(Reply("", calls))
            results = take(f"{place}/{number}/results", results_step(talk, calls))
            for call, value in zip(calls, results, strict=True):
                yield said(Result(call, value))
        yield said(Reply(take(f"{place}/interpretation", answer_step(talk))))


def _given_up(number: int) -> str:
    return f"{number}/given up"


def _seed(seed: int, key: str, attempt: int) -> int:
    """A seed of its own for every answer."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{key}/{attempt}".encode()).digest()[:4], "big") >> 1


def _merge(plans: Sequence[Plan], journal: Journal, path: Path) -> Written:
    """The last step: all that was written, a conversation a line. The file is there whole or not at all."""
    written = Written()
    whole = path.with_suffix(".part")
    with whole.open("w", encoding="utf-8") as file:
        for plan in plans:
            if _given_up(plan.number) in journal:
                step, reason = journal[_given_up(plan.number)]
                written.given_up.append((step, reason))
                continue
            record = merged(plan, list(talk_of(plan, lambda key, _: journal[key])))
            parse("functionary", record)
            file.write(json.dumps(record, ensure_ascii=False) + "\n")
            written.conversations += 1
    if not written.conversations:
        whole.unlink()
        raise DataError(f"Not one conversation could be written: {written}")
    whole.replace(path)
    return written


def merged(plan: Plan, talk: Sequence[Message]) -> dict[str, Any]:
    """A conversation as Functionary's format has it: `functions`, and OpenAI's messages."""
    messages: list[dict[str, Any]] = []
    ids: dict[int, str] = {}
    for message in talk:
        if isinstance(message, Request):
            messages.append({"role": "user", "content": message.text})
        elif isinstance(message, Result):
            id_ = ids[id(message.call)]
            content = json.dumps(message.value, ensure_ascii=False)
            messages.append({"role": "tool", "tool_call_id": id_, "name": message.call.name, "content": content})
        elif message.calls:
            for call in message.calls:
                ids[id(call)] = f"call_{len(ids)}"
            messages.append(
                {"role": "assistant", "content": None, "tool_calls": [_call(ids[id(c)], c) for c in message.calls]}
            )
        else:
            messages.append({"role": "assistant", "content": message.text})
    return {"functions": [tool_json(tool)["function"] for tool in plan.tools], "messages": messages}


def _call(id_: str, call: ToolCall) -> dict[str, Any]:
    function = {"name": call.name, "arguments": json.dumps(dict(call.arguments), ensure_ascii=False)}
    return {"id": id_, "type": "function", "function": function}
