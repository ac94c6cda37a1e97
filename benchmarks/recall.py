"""Whether a prompt tells of the devices that a request needs, when the home has far more than fit.

    PYTHON -m benchmarks.recall [--sizes 100 300 1000 5000] [--json out/recall.json]

PYTHON is that of the training environment, for homes and requests are made by training's generator: many made-up homes
become one, and what is asked in it is drawn as for training, slips of spelling included. A request needs the devices
that its answer acts on or rests on; of a place, a floor or all it needs one device of each domain, since the call then
names the place. The home may have 1,000 tokens of the prompt, as the bundled model counts them, and 40 devices.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice
from pathlib import Path
from random import Random
from statistics import median, quantiles
from typing import Any

from llama_cpp import Llama

from morphy_training.dialect import Answer, Home, get_dialect, services_for
from morphy_training.dialect.choice import MAX_DEVICES, rank, tell
from morphy_training.generator.compose import next_wish
from morphy_training.generator.homes import World, make_world
from morphy_training.generator.language import load_language
from morphy_training.generator.names import plain
from morphy_training.generator.noise import finished
from morphy_training.generator.speaker import Speaker

BUDGET = 1000
SIZES = (100, 300, 1000, 5000)
MODEL = Path(__file__).parent.parent / "custom_components/morphy/models/morphy.gguf"
AREAS_PER_DEVICE = 1 / 25
"""A home of a thousand entities has forty areas here."""
FLOORS = 4
REQUESTS_OF_A_HOME = 50

Tokens = Callable[[str], int]
"""How many tokens a text has."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One request, how it says what it means, the ids it needs, and of which any one does."""

    request: str
    how: str
    needed: frozenset[str]
    one_of: tuple[frozenset[str], ...]


@dataclass(frozen=True, slots=True)
class Try:
    """What came of one request: the time of the selection, what was told, and how much of what was needed."""

    asked: Asked
    milliseconds: float
    devices: int
    tokens: int
    met: int
    needed: int


def mansion(random: Random, language: str, size: int) -> World:
    """Make one home of this size out of many, areas of the same name being the same."""
    words = load_language(language)
    areas: dict[str, Any] = {}
    floors: dict[str, Any] = {}
    things: dict[tuple[str, str | None], Any] = {}
    ids: set[str] = set()
    while len(things) < size:
        world = make_world(random, words, 1.0, False)
        place_of: dict[str | None, Any] = {None: None}
        for floor in world.home.floors:
            if plain(floor.names[0]) in floors or len(floors) < FLOORS:
                floors.setdefault(plain(floor.names[0]), replace(floor, id=f"floor_{len(floors)}"))
        names = {floor.id: plain(floor.names[0]) for floor in world.home.floors}
        for area in world.home.areas:
            key = plain(area.names[0])
            if key not in areas and len(areas) < max(6, size * AREAS_PER_DEVICE):
                floor = floors.get(names.get(area.floor or "", ""))
                areas[key] = replace(area, id=f"room_{len(areas)}", floor=floor.id if floor else None)
            place_of[area.id] = areas.get(key)
        for thing in world.things:
            place = place_of[thing.area]
            key = (plain(thing.name), place.id if place else None)
            if (thing.area and place is None) or key in things or len(things) == size:
                continue
            ident = thing.id if thing.id not in ids else f"{thing.id}_{len(things)}"
            ids.add(ident)
            things[key] = replace(thing, device=replace(thing.device, id=ident, area=place.id if place else None))
    rank_of = {area.id: n for n, area in enumerate(areas.values())}
    ordered = sorted(things.values(), key=lambda thing: (rank_of.get(thing.area or "", len(rank_of)), thing.name))
    devices = tuple(thing.device for thing in ordered)
    room = random.choice(list(areas.values())).id
    home = Home(
        devices, tuple(areas.values()), tuple(floors.values()), services_for(devices), room, "Monday 2026-11-23 18:05"
    )
    return World(home, ordered, "°C")


def requests(random: Random, language: str, world: World) -> Iterator[Asked]:
    """Yield requests that the home can meet, without end."""
    speaker = Speaker(random, load_language(language), world, 1.0)
    while True:
        wish = next_wish(speaker)
        needed, one_of = needs(world.home, wish.answer)
        if world.allows(wish.answer) and (needed or one_of):
            request = finished(speaker, wish)
            yield Asked(request, manner(world.home, wish.answer, needed, plain(request)), needed, one_of)


def needs(home: Home, answer: Answer) -> tuple[frozenset[str], tuple[frozenset[str], ...]]:
    """Return the ids that an answer cannot do without, and the sets of which one id is enough."""
    needed = {id_ for id_ in answer.evidence if id_ in home.by_id}
    one_of = []
    for action in answer.actions:
        domain = action.service.partition(".")[0]
        of_domain = [device for device in home.devices if device.domain == domain]
        for target in action.targets:
            kind, _, name = target.partition(".")
            if target in home.by_id:
                needed.add(target)
            else:
                on_floor = {area.id for area in home.areas if kind == "floor" and area.floor == name}
                inside = on_floor or ({name} if kind == "area" else set())
                one_of.append(frozenset(one.id for one in of_domain if target == "all" or one.area in inside))
    for id_ in answer.evidence:
        kind, _, name = id_.partition(".")
        if kind == "area" and not answer.actions:
            one_of.append(frozenset(device.id for device in home.devices if device.area == name))
    return frozenset(needed), tuple(group for group in one_of if group)


def manner(home: Home, answer: Answer, needed: Iterable[str], said: str) -> str:
    """Return how a request says what it means: by name, alias, area, floor, room, kind, or all there is."""
    targets = {target for action in answer.actions for target in action.targets} | set(answer.evidence)
    devices = [home.by_id[id_] for id_ in needed]
    if any(target.startswith("floor.") for target in targets):
        return "floor"
    places = {plain(name) for area in home.areas for name in area.names}
    named_place = any(f" {place} " in f" {said} " for place in places)
    if not devices:
        return "all" if "all" in targets else "area" if named_place else "room"
    by_name = [any(plain(name) in said for name in device.names[:1]) for device in devices]
    by_alias = [any(plain(name) in said for name in device.names[1:]) for device in devices]
    if all(name or alias for name, alias in zip(by_name, by_alias, strict=True)):
        return "name" if all(by_name) else "alias"
    if named_place:
        return "area"
    return "room" if all(device.area == home.room for device in devices) else "kind"


def measure(size: int, language: str, count: int, tokens: Tokens, budget: int, seed: int) -> dict[str, Any]:
    """Return recall by manner, milliseconds of the selection, devices told and tokens of the home."""
    random = Random(f"{seed}/{language}/{size}")
    tries: list[Try] = []
    while len(tries) < count:
        world = mansion(random, language, size)
        rank(world.home, "")  # the words of a home are looked up once
        asked = islice(requests(random, language, world), min(REQUESTS_OF_A_HOME, count - len(tries)))
        tries += [attempt(world.home, one, tokens, budget) for one in asked]
    times = [one.milliseconds for one in tries]
    total = Counter(one.asked.how for one in tries)
    hits = Counter(one.asked.how for one in tries if one.met == one.needed)
    return {
        "entities": size,
        "language": language,
        "requests": count,
        "recall": round(sum(hits.values()) / count, 4),
        "recall_of_devices": round(sum(one.met for one in tries) / sum(one.needed for one in tries), 4),
        "recall_by_manner": {how: round(hits[how] / total[how], 4) for how in sorted(total)},
        "requests_by_manner": dict(sorted(total.items())),
        "selection_ms": {"median": round(median(times), 2), "p95": round(quantiles(times, n=20)[-1], 2)},
        "home_tokens": {"median": median(one.tokens for one in tries), "most": max(one.tokens for one in tries)},
        "devices_told": median(one.devices for one in tries),
        "missed": [one.asked.request for one in tries if one.met < one.needed],
    }


def attempt(home: Home, asked: Asked, tokens: Tokens, budget: int) -> Try:
    """Choose for one request, and look what of its needs is told."""
    dialect = get_dialect("morphy")

    def cost(part: Home) -> int:
        rest = replace(part, devices=(), areas=(), floors=()) if part.standing else Home()  # as the integration reckons
        whole, bare = (
            tokens(dialect.prompt(home, dialect.default_instructions, asked.request)) for home in (part, rest)
        )
        return whole - bare

    began = time.process_time()
    ranking = rank(home, asked.request)
    milliseconds = (time.process_time() - began) * 1000
    told = tell(ranking, MAX_DEVICES, lambda part: cost(part) <= budget)
    ids = told.by_id.keys()
    met = len(asked.needed & ids) + sum(not group.isdisjoint(ids) for group in asked.one_of)
    return Try(asked, milliseconds, len(told.devices), cost(told), met, len(asked.needed) + len(asked.one_of))


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Return the results as a Markdown table."""
    manners = sorted({how for row in rows for how in row["recall_by_manner"]})
    heads = ["entities", "language", "requests", "all told", "devices told of those needed", *manners]
    heads += ["selection, median / p95", "devices", "tokens"]
    lines = [f"| {' | '.join(heads)} |", "|" + "--:|" * len(heads)]
    for row in rows:
        by_manner = row["recall_by_manner"]
        cells = [str(row["entities"]), row["language"], str(row["requests"])]
        cells += [f"{row['recall']:.1%}", f"{row['recall_of_devices']:.1%}"]
        cells += [f"{by_manner[how]:.1%}" if how in by_manner else "" for how in manners]
        cells += ["{median:.1f} / {p95:.1f} ms".format(**row["selection_ms"]), f"{row['devices_told']:.0f}"]
        lines.append(f"| {' | '.join(cells)} | {row['home_tokens']['median']:.0f} |")
    return "\n".join(lines)


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--languages", nargs="+", default=["en"])
    parser.add_argument("--requests", type=int, default=400, help="how many for each size")
    parser.add_argument("--budget", type=int, default=BUDGET, help="tokens of the home")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, help="where to write the figures and what was missed")
    arguments = parser.parse_args()
    model = Llama(str(MODEL), vocab_only=True, verbose=False)

    @lru_cache(maxsize=2**20)
    def of_line(line: str) -> int:
        return len(model.tokenize(line.encode(), add_bos=False, special=True))

    def tokens(text: str) -> int:
        return sum(map(of_line, text.splitlines(keepends=True)))  # no token goes on past a line

    rows = [
        measure(size, language, arguments.requests, tokens, arguments.budget, arguments.seed)
        for language in arguments.languages
        for size in arguments.sizes
    ]
    print(table(rows))
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(rows, indent=1, ensure_ascii=False), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
