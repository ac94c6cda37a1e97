"""The parts of the whole benchmark, each a function that returns rows: homes by size, others beside, agents, clients.

Within a part, what is compared is measured in turn: one turn of each, then the next of each.
"""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from custom_components.morphy import BUNDLED_MODEL
from tests.servers import LLAMA_SERVER

from .apart import Apart
from .figures import Row, median, row
from .homes import REQUESTS, SIZES
from .household import NAMES, Turn, household, local
from .peers import Server, default_threads, plain, server
from .random_models import random_model
from .rounds import Report, rounds
from .scenarios import SCENARIOS

BUNDLED: Final = "bundled"
RANDOM_ANSWER: Final = 24
"""Tokens that a model with random weights writes, about as many as an answer with one call has."""
RANDOM_SIZES: Final = (30, 1000)
PEER_SIZES: Final = (30, 1000)
AGENTS: Final = (1, 2, 4)
CLIENTS: Final = (1, 8, 32)
TURNS_OF_CLIENTS: Final = 32
SLOTS: Final = 8
"""Answers that llama.cpp's server writes side by side: Morphy asks it for no more at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What to measure.

    Models by name, sizes of homes (None: those that suit the model), seconds of each measurement and of a pause.
    """

    models: Sequence[str] = (BUNDLED,)
    sizes: Sequence[int] | None = None
    seconds: float = 20.0
    least: int = 3
    pause: float = 3.0
    threads: int = field(default_factory=default_threads)
    agents: Sequence[int] = AGENTS
    clients: Sequence[int] = CLIENTS
    home: int = 30
    """Entities of the home of agents and of clients."""
    server: Path = LLAMA_SERVER
    url: str | None = None
    """A server that runs already: clients ask this one, and nothing else."""

    def sizes_for(self, model: str, otherwise: Sequence[int]) -> Sequence[int]:
        """Return the sizes of homes to measure a model in."""
        return self.sizes or (otherwise if model == BUNDLED else RANDOM_SIZES)


def file_of(model: str) -> Path:
    """Return the file of a model: the bundled one, one with random weights of this size, or one that exists."""
    if model == BUNDLED:
        return BUNDLED_MODEL
    return Path(model) if model.endswith(".gguf") else random_model(model)


def home_with(model: str, size: int, options: Options, agents: int = 1) -> Apart:
    """Begin to start a home with a model on this machine."""
    data = local(None if model == BUNDLED else file_of(model), options.threads)
    return Apart(household, size, data, agents=agents, max_tokens=answer_limit(model))


def answer_limit(model: str) -> int | None:
    """Return how many tokens an answer may have, None for as many as the agent's settings say."""
    return None if model == BUNDLED or model.endswith(".gguf") else RANDOM_ANSWER


def sizes(options: Options, report: Report) -> Iterator[Row]:
    """Yield a row for each model, size of the home and situation."""
    for model in options.models:
        wanted = options.sizes_for(model, SIZES)
        report(f"{model}: starting homes of {', '.join(map(str, wanted))} entities")
        with contextlib.ExitStack() as stack:
            begun = {size: home_with(model, size, options) for size in wanted}
            homes = {size: stack.enter_context(home) for size, home in begun.items()}
            for text in REQUESTS[:2]:
                for home in homes.values():
                    home.call("say", text)
            for name, scenario in SCENARIOS.items():
                report(f"{model}: {name}")
                turns: dict[int, list[Turn]] = {size: [] for size in wanted}
                for _, text in zip(rounds(options.seconds * len(wanted), options.least), itertools.cycle(REQUESTS)):
                    for size, home in homes.items():
                        turns[size].append(scenario(home, text, options.pause))
                for size, home in homes.items():
                    memory = {f"{process}_mb": round(mb) for process, mb in home.call("memory").items()}
                    yield row(turns[size], part="sizes", model=model, size=size, who="Morphy", scenario=name) | memory


def beside(options: Options, report: Report) -> Iterator[Row]:
    """Yield rows of Morphy's turns, of others with the prompts of these, and of Home Assistant's agent.

    Each cold, warm and after a change.
    """
    every = [(model, size) for model in options.models for size in options.sizes_for(model, PEER_SIZES)]
    for model, size in every:
        report(f"{model}: others beside Morphy in a home of {size} entities")
        with (
            home_with(model, size, options) as home,
            Apart(plain, file_of(model), options.threads) as alone,
            _server(model, options, 1) as served,
        ):
            for name in ("cold", "warm", "1 change"):
                turns: dict[str, list[Turn]] = {}
                for number, text in zip(rounds(options.seconds, options.least + 1), itertools.cycle(REQUESTS)):
                    made = _beside(name, text, home, alone, served, options.pause)
                    if number or name == "cold":
                        for who, turn in made.items():
                            turns.setdefault(who, []).append(turn)
                for who, of_it in turns.items():
                    yield row(of_it, part="beside", model=model, size=size, who=who, scenario=name)


def _beside(name: str, text: str, home: Apart, alone: Apart, served: Server | None, pause: float) -> dict[str, Turn]:
    """Return a turn of each."""
    turn = SCENARIOS[name](home, text, pause)
    turns = {"Morphy": turn}
    if turn.completion is None:
        return turns
    if name == "cold":
        alone.call("forget")
    turns["llama-cpp-python"] = alone.call("say", turn.completion)
    if served:
        turns["llama.cpp's server"] = served.say(turn.completion, cached=name != "cold")
    return turns | {"Home Assistant": home.call("say_built_in", text)}


def _server(model: str, options: Options, slots: int) -> AbstractContextManager[Server | None]:
    """Run llama.cpp's server, where there is one."""
    if not options.server.exists():
        return contextlib.nullcontext()
    return server(file_of(model), options.threads, slots=slots, program=options.server)


def agents(options: Options, report: Report) -> Iterator[Row]:
    """Yield a row for each number of agents that take turns on one worker, each with instructions of its own."""
    for model in options.models:
        report(f"{model}: {', '.join(map(str, options.agents))} agents on one worker")
        with contextlib.ExitStack() as stack:
            begun = {number: home_with(model, options.home, options, number) for number in options.agents}
            homes = {number: stack.enter_context(home) for number, home in begun.items()}
            turns: dict[int, list[Turn]] = {number: [] for number in homes}
            for count in rounds(options.seconds * len(homes), options.least + max(homes)):
                for number, home in homes.items():
                    turn: Turn = home.call("say", REQUESTS[count % len(REQUESTS)], None, count % number)
                    if count >= number:  # each has read its own instructions once
                        turns[number].append(turn)
            for number, home in homes.items():
                memory = {f"{process}_mb": round(mb) for process, mb in home.call("memory").items()}
                what = {"part": "agents", "model": model, "size": options.home, "who": "Morphy", "agents": number}
                yield row(turns[number], scenario="warm", **what) | memory


def clients(options: Options, report: Report) -> Iterator[Row]:
    """Yield rows for many who speak at once: through llama.cpp's server with several slots, and through the worker."""
    for model, number in itertools.product(options.models, options.clients):
        report(f"{model}: {number} at once")
        with contextlib.ExitStack() as stack:
            url, begun = options.url, dict[str, Apart]()
            if url is None:
                begun["worker"] = home_with(model, options.home, options, min(number, len(NAMES)))
                if served := stack.enter_context(_server(model, options, min(number, SLOTS))):
                    url = served.url
            if url:
                data = {"backend": "remote", "url": url}
                begun["server"] = Apart(household, options.home, data, max_tokens=answer_limit(model))
            homes = {who: stack.enter_context(home) for who, home in begun.items()}
            yield from crowds(model, homes, number, options)


def crowds(model: str, homes: dict[str, Apart], number: int, options: Options) -> Iterator[Row]:
    """Yield a row for each home in which so many ask at once, with the turns of all of them in a second."""
    each = max(2, TURNS_OF_CLIENTS // number)
    turns: dict[str, list[Turn]] = {who: [] for who in homes}
    speeds: dict[str, list[float]] = {who: [] for who in homes}
    for home in homes.values():
        home.call("crowd", min(number, SLOTS), 1, REQUESTS)
    for _ in rounds(options.seconds, 1):
        for who, home in homes.items():
            began = time.perf_counter()
            made: list[Turn] = home.call("crowd", number, each, REQUESTS)
            turns[who] += made
            speeds[who].append(len(made) / (time.perf_counter() - began))
    for who, of_it in turns.items():
        what = {"part": "clients", "model": model, "size": options.home, "who": who, "clients": number}
        yield row(of_it, scenario="at once", **what) | {"turns_s": round(median(speeds[who]) or 0, 2)}


def grammars(options: Options, report: Report) -> Iterator[Row]:
    """Yield a row for each number of ids that a grammar allows: to write it, to read it, and a token under it."""
    for model in options.models:
        wanted = options.sizes_for(model, SIZES)
        report(f"{model}: grammars of {', '.join(map(str, wanted))} ids")
        with contextlib.ExitStack() as stack:
            begun = {size: home_with(model, size, options) for size in wanted}
            homes = {size: stack.enter_context(home) for size, home in begun.items()}
            for size, home in homes.items():
                yield _grammar_row(model, size, home, options)


def _grammar_row(model: str, size: int, home: Apart, options: Options) -> Row:
    completions = [home.call("say", text).completion for text in REQUESTS[:4]]
    written: list[float] = []
    turns: dict[str, list[Turn]] = {"with": [], "without": []}
    for _, completion in zip(rounds(options.seconds, options.least), itertools.cycle(completions)):
        whole, milliseconds = home.call("whole_grammar")
        written.append(milliseconds)
        home.call("decode", completion, None)  # so that the prompt is read for both
        turns["with"].append(home.call("decode", completion, whole))
        turns["without"].append(home.call("decode", completion, None))
    rows = {kind: row(made) for kind, made in turns.items()}
    what: dict[str, Any] = {"part": "grammars", "model": model, "size": size, "who": "Morphy", "turns": len(written)}
    what |= {"grammar_kb": round(len(whole) / 1024, 1), "write_ms": round(median(written) or 0, 2)}
    for kind, of_it in rows.items():
        what |= {f"first_token_{kind}_ms": of_it["first_token_ms"].get("median")}
        what |= {f"token_{kind}_ms": round(1000 / of_it["decode_tokens_s"], 2) if of_it["decode_tokens_s"] else None}
    return what


PARTS: Final[dict[str, Callable[[Options, Report], Iterator[Row]]]] = {
    "sizes": sizes,
    "beside": beside,
    "agents": agents,
    "clients": clients,
    "grammars": grammars,
}
