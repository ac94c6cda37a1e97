"""How a finished GGUF file answers: greedy, through llama.cpp, with each home's grammar, as the integration runs it.

Homes are generated and were never trained on, a third of them of nouns, rooms and names that no training home has.
Other people's sentences are judged elsewhere, through Home Assistant.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from .backends import Backend, LlamaCpp
from .data import HELD_OUT, Example, Exchange, Source
from .dialect import Action, Call, Device, Dialect, Home, Speech, Turn, services_for
from .dialect.choice import MAX_DEVICES, choose
from .errors import TooLongError
from .generator.names import plain
from .marks import FOLLOW_UP, marks
from .measure import family
from .tallies import Tallies, table, tally, wilson

MAX_TOKENS = 320
SIZES = (5, 10, 20, 30, 40, 60)
"""Numbers of devices that the same requests are asked among."""

RIGHT, WRONG_ACT, TOO_LITTLE, NOTHING = OUTCOMES = ("right", "wrong act", "too little", "nothing")
"""Exactly the right actions; one too many or another; some of them; none although there should be."""

SENTENCE = "sentence"

_TOLD = (MAX_DEVICES, 30, 20, 10)

Effect = tuple[str, str, str]
"""One service, one target, and the arguments as text."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One request and what came of it; `came` tells in a few words what went wrong, None when nothing did."""

    category: str
    marks: tuple[str, ...]
    request: str
    expected: str
    got: str
    outcome: str
    said: bool
    came: tuple[str, str] | None


@dataclass(slots=True)
class Report:
    """Every request that a file was asked; `size` in MB, `seconds` for all of them."""

    file: str
    size: float
    seconds: float = 0.0
    asked: list[Asked] = field(default_factory=list)

    def tallies(self) -> Tallies:
        """How often each outcome came, and with it the right sentence: for all, by mark, and by family."""
        return tally(
            ((*one.marks, family(one.category)), (one.outcome, *([SENTENCE] if one.said else []))) for one in self.asked
        )

    def confusions(self, most: int = 20) -> list[tuple[str, str, str, int]]:
        """Category, what was expected and what came instead, and how often; the most frequent ones first."""
        counts = Counter((one.category, *one.came) for one in self.asked if one.came)
        return [(*what, count) for what, count in counts.most_common(most)]

    def misses(self, most: int) -> list[dict[str, str]]:
        """Requests that went wrong, with what was expected and what was written."""
        wrong = [one for one in self.asked if one.came or not one.said]
        return [{"request": one.request, "expected": one.expected, "got": one.got} for one in wrong[:most]]

    def table(self) -> str:
        """The tallies as text, with Wilson's 95 % interval around the share of right actions."""
        return table(self.tallies(), (*OUTCOMES, SENTENCE))

    def worst(self, most: int = 20) -> str:
        """The confusions as text."""
        rows = self.confusions(most)
        return "\n".join(f"  {count:4d}  {category}: {expected} -> {came}" for category, expected, came, count in rows)

    def as_dict(self) -> dict[str, Any]:
        """The report as plain data."""
        return {
            "file": self.file,
            "size_mb": round(self.size, 2),
            "ms_per_request": round(1000 * self.seconds / max(1, len(self.asked)), 1),
            "tallies": {name: dict(tally) for name, tally in self.tallies().items()},
            "confusions": self.confusions(),
        }


def compared(reports: Iterable[Report]) -> str:
    """Several files in one table."""
    lines = [f"  {'':22}     MB  right     95 %      wrong act  nothing  sentence  ms"]
    for report in reports:
        tally = report.tallies()["all"]
        count = tally["count"]
        low, high = wilson(tally[RIGHT], count)
        wrong, nothing, said = (tally[key] / count for key in (WRONG_ACT, NOTHING, SENTENCE))
        lines.append(
            f"  {report.file:22} {report.size:6.2f}  {tally[RIGHT] / count:5.3f}  {low:5.3f}-{high:5.3f}"
            f"  {wrong:9.3f}  {nothing:7.3f}  {said:8.3f}  {1000 * report.seconds / count:3.0f}"
        )
    return "\n".join(lines)


class Model:
    """A model that homes are told to, as the integration does."""

    def __init__(self, backend: Backend, dialect: Dialect) -> None:
        """Ask what a backend runs, in its dialect."""
        self._backend = backend
        self._dialect = dialect

    def answer(self, home: Home, request: str, history: Sequence[Turn] = (), *, free: bool = False) -> str:
        """What the model writes, greedily and within the home's grammar; `free` sets no such bounds.

        Of a home that is too large it is told the devices which the request means most; then history is left out too.
        Where not even that fits, the answer is empty.
        """
        for place, limit in enumerate(_TOLD):
            told = choose(home, request, limit)
            turns = () if place else tuple(history)
            prompt = self._dialect.prompt(told, self._dialect.default_instructions, request, turns)
            grammar = None if free else self._dialect.grammar(told)
            with suppress(TooLongError):
                return self._backend.complete(prompt, self._dialect, grammar, MAX_TOKENS)
        return ""

    def ask(
        self, home: Home, exchange: Exchange, history: Sequence[Turn] = (), extra: tuple[str, ...] | None = None
    ) -> Asked:
        """Ask one request and compare; `extra` replaces the request's own marks."""
        text = self.answer(home, exchange.request, history)
        actions, speech = read(self._dialect, home, text)
        expected, got = effects(exchange.answer.actions, home), effects(actions, home)
        outcome = judge(expected, got)
        said = speech == exchange.answer.speech
        wrong = outcome != RIGHT or not (expected or said)
        return Asked(
            category=exchange.category,
            marks=tuple(marks(home, exchange)) if extra is None else extra,
            request=exchange.request,
            expected=self._dialect.write(exchange.answer, home),
            got=text,
            outcome=outcome,
            said=outcome == RIGHT and said,
            came=(_services(expected), came(expected, got)) if wrong else None,
        )

    def history(self, example: Example, place: int) -> list[Turn]:
        """The turns before that of this place, as they should have gone, where it leans on them."""
        if not example.turns[place].category.startswith(FOLLOW_UP):
            return []
        earlier = example.turns[:place]
        return [Turn(one.request, self._dialect.write(one.answer, example.home)) for one in earlier]


@contextmanager
def _loaded(path: Path, dialect: Dialect, threads: int) -> Iterator[tuple[Model, Report]]:
    backend = LlamaCpp(path, threads)
    begun = time.perf_counter()
    report = Report(path.name, path.stat().st_size / 1e6)
    yield Model(backend, dialect), report
    report.seconds = time.perf_counter() - begun
    backend.close()


def requests_of(source: Source, count: int) -> Iterator[tuple[Example, int, tuple[str, ...]]]:
    """So many requests, one of each home, as the home, the request's place in it, and its marks."""
    known, unknown = source(HELD_OUT + 1), source(HELD_OUT + 1, heldout=True)
    for number in range(count):
        heldout = number % 3 == 2
        example = next(unknown if heldout else known)
        place = number % len(example.turns)
        yield example, place, (*marks(example.home, example.turns[place]), *(["= held-out homes"] if heldout else []))


def evaluate(path: Path, dialect: Dialect, source: Source, requests: int = 200, threads: int = 1) -> Report:
    """Ask a GGUF file `requests` requests, one of each home, and compare what it does and says."""
    with _loaded(path, dialect, threads) as (model, report):
        for example, place, names in requests_of(source, requests):
            report.asked.append(model.ask(example.home, example.turns[place], model.history(example, place), names))
    return report


def evaluate_sizes(path: Path, dialect: Dialect, source: Source, requests: int = 30, threads: int = 1) -> Report:
    """Ask the same requests in homes of each of `SIZES`, made larger and smaller; the sizes are the marks."""
    with _loaded(path, dialect, threads) as (model, report):
        stream = source(HELD_OUT + 3)
        strangers = [device for _ in range(20) for device in next(stream).home.devices]
        while len(report.asked) < requests * len(SIZES):
            example = next(stream)
            named = [one for one in example.turns if names_its_device(example.home, one)]
            for exchange in named[:1]:
                for size in SIZES:
                    home = resized(example.home, exchange, strangers, size)
                    report.asked.append(model.ask(home, exchange, extra=(f"= {len(home.devices):2d} devices",)))
    return report


def names_its_device(home: Home, exchange: Exchange) -> bool:
    """Whether a request is for one action on one device and says its name, so that other devices change nothing."""
    answer = exchange.answer
    if exchange.category.startswith(FOLLOW_UP) or len(answer.actions) != 1:
        return False
    devices = [home.by_id.get(target) for target in answer.actions[0].targets]
    said = f" {plain(exchange.request)} "
    return len(devices) == 1 and devices[0] is not None and any(f" {plain(n)} " in said for n in devices[0].names)


def resized(home: Home, exchange: Exchange, strangers: Sequence[Device], size: int) -> Home:
    """The home with `size` devices: without some of its own, or with some of other homes of which no word was said."""
    dice = random.Random(f"{exchange.request}/{size}")
    needed = set(exchange.answer.evidence) | set(exchange.answer.actions[0].targets)
    own = [device for device in home.devices if device.id not in needed]
    kept = needed | {device.id for device in dice.sample(own, min(len(own), max(0, size - len(needed))))}
    devices = [device for device in home.devices if device.id in kept]
    said, taken = set(plain(exchange.request).split()), {device.id for device in devices}
    for stranger in dice.sample(strangers, len(strangers)):
        if len(devices) >= size:
            break
        if stranger.id not in taken and said.isdisjoint(plain(" ".join(stranger.names)).split()):
            taken.add(stranger.id)
            devices.insert(dice.randint(0, len(devices)), replace(stranger, area=None))
    return replace(home, devices=tuple(devices), services=services_for(devices))


def read(dialect: Dialect, home: Home, text: str) -> tuple[list[Action], str]:
    """The actions and the speech in a raw answer."""
    reader = dialect.reader(home)
    events = [*reader.feed(text), *reader.close()]
    actions = [event.action for event in events if isinstance(event, Call)]
    return actions, "".join(event.text for event in events if isinstance(event, Speech)).strip()


def effects(actions: Iterable[Action], home: Home) -> frozenset[Effect]:
    """What actions come to: `area.kitchen` is the same as each of the kitchen's devices of the service's domain."""
    return frozenset(
        (action.service, ident, ", ".join(f"{key}={value}" for key, value in sorted(action.data.items())))
        for action in actions
        for target in action.targets
        for ident in reached(target, action.service.partition(".")[0], home)
    )


def reached(target: str, domain: str, home: Home) -> list[str]:
    """The devices of a domain that a target comes to: one by its id, or those of an area, a floor, or all."""
    kind, _, name = target.partition(".")
    areas = {"area": {name}, "floor": {area.id for area in home.areas if area.floor == name}}
    if target != "all" and kind not in areas:
        return [target]
    return [
        device.id
        for device in home.devices
        if device.domain == domain and (target == "all" or device.area in areas[kind])
    ]


def judge(expected: frozenset[Effect], got: frozenset[Effect]) -> str:
    """Which of `OUTCOMES` it is."""
    if got == expected:
        return RIGHT
    if not got:
        return NOTHING
    return TOO_LITTLE if got < expected else WRONG_ACT


def came(expected: frozenset[Effect], got: frozenset[Effect]) -> str:
    """What came instead of what was expected, in a few words."""
    if got == expected:
        return "another sentence"
    if _services(got) != _services(expected) or not got:
        return _services(got)
    if {effect[1] for effect in got} != {effect[1] for effect in expected}:
        return f"{_services(got)} of other devices"
    return f"{_services(got)} with other values"


def _services(effect: frozenset[Effect]) -> str:
    return " + ".join(sorted({service for service, _, _ in effect})) or "no action"
