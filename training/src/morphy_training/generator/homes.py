"""Homes that nobody lives in: a World is a Home together with what the generator knows about it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date
from random import Random

from ..dialect.catalogue import services_for
from ..dialect.home import Area, Device, Floor, Home
from .kinds import KINDS, Kind
from .language import Language
from .names import Namer, plain, slug
from .states import Moods

_FIRST_DAY = date(2023, 1, 1).toordinal()
_NAMES = tuple(KINDS)
_WEIGHTS = tuple(kind.weight for kind in KINDS.values())


@dataclass(frozen=True, slots=True)
class Thing:
    """A device and its kind; `unseen` when its name is of words that training homes do not share."""

    device: Device
    kind: Kind
    unseen: bool

    @property
    def id(self) -> str:
        """The entity id."""
        return self.device.id

    @property
    def name(self) -> str:
        """The canonical name."""
        return self.device.names[0]

    @property
    def area(self) -> str | None:
        """The id of the area."""
        return self.device.area


@dataclass
class World:
    """One home with look-ups: things by kind and by domain, every name in it, its unit of temperature."""

    home: Home
    things: list[Thing]
    unit: str
    by_kind: dict[str, list[Thing]] = field(default_factory=lambda: defaultdict(list))
    by_domain: dict[str, list[Thing]] = field(default_factory=lambda: defaultdict(list))
    by_name: dict[str, list[Thing]] = field(default_factory=lambda: defaultdict(list))
    places: frozenset[str] = frozenset()
    words: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        for thing in self.things:
            self.by_kind[thing.kind.name].append(thing)
            self.by_domain[thing.kind.domain].append(thing)
            for name in thing.device.names:
                self.by_name[plain(name)].append(thing)
        places = [area.names for area in self.home.areas] + [floor.names for floor in self.home.floors]
        self.places = frozenset(plain(name) for names in places for name in names)
        self.words = frozenset(word for name in (*self.by_name, *self.places) for word in name.split())

    def on_floor(self, floor: str) -> set[str]:
        """Return the ids of the floor's areas."""
        return {area.id for area in self.home.areas if area.floor == floor}


class _Builder:
    """Makes one World."""

    def __init__(self, random: Random, language: Language, difficulty: float, heldout: bool) -> None:
        self.random = random
        self.language = language
        self.difficulty = difficulty
        self.namer = Namer(random, language, difficulty=difficulty, heldout=heldout)
        self.moods = Moods(random, language)
        self.taken: set[str] = set()
        self.clashes = 0

    def build(self) -> World:
        random = self.random
        count = self._count()
        floors = self._floors() if random.random() < 0.5 * self.difficulty else []
        areas = self._areas(count, floors)
        things = self._things(count, areas)
        if random.random() < 0.5:
            order = {area.id: place for place, (area, _) in enumerate(areas)}
            things.sort(key=lambda thing: order.get(thing.area or "", 99))
        devices = tuple(thing.device for thing in things)
        room = self._room(things, [area for area, _ in areas])
        home = Home(devices, tuple(area for area, _ in areas), tuple(floors), services_for(devices), room, self._now())
        return World(home, things, self.moods.unit)

    def _count(self) -> int:
        easy = 2 + int(self.random.random() * 3)
        draw = self.random.random()
        full = 3 + draw * 50 if draw < 0.1 else 8 + (draw - 0.1) / 0.8 * 22 if draw < 0.9 else 30 + (draw - 0.9) * 110
        return max(2, round(easy + (min(full, 40) - easy) * self.difficulty))

    def _floors(self) -> list[Floor]:
        chosen = self.namer.pick(tuple(self.language.tables["floors"].values()))
        floors: list[Floor] = []
        for entry in chosen:
            names = tuple(self.namer.styled(name.strip()) for name in entry.split("="))
            ident = slug(names[0]) if self.random.random() < 0.85 else f"floor_{len(floors)}"
            floors.append(Floor(ident, names if self.random.random() < 0.4 else names[:1]))
        return floors

    def _areas(self, count: int, floors: list[Floor]) -> list[tuple[Area, bool]]:
        wanted = min(12, max(1 if count < 5 else 2, round(count / (1.6 + self.random.random() * 2.6))))
        areas: dict[str, tuple[Area, bool]] = {}
        known: set[str] = {plain(name) for floor in floors for name in floor.names}
        for _ in range(wanted * 3):
            if len(areas) >= wanted:
                break
            name = self.namer.area()
            ident = slug(name.text) if self.random.random() < 0.85 else self._area_id(len(areas))
            if plain(name.text) in known or ident in areas or not ident:
                continue
            names = [self.namer.styled(name.text)]
            names += [alias for alias in self._area_aliases(name.text) if plain(alias) not in known]
            known.update(map(plain, names))
            floor = self.namer.pick(floors).id if floors and self.random.random() < 0.9 else None
            areas[ident] = (Area(ident, tuple(names), floor), name.made_up)
        return list(areas.values())

    def _area_id(self, index: int) -> str:
        return self.namer.pick(
            (f"area_{index}", f"room_{index + 1}", self.namer.made_up(), slug(self.namer.word("rooms")))
        )

    def _area_aliases(self, name: str) -> list[str]:
        if self.random.random() > 0.22 * self.difficulty:
            return []
        other = self.language.tables["room_aliases"].get(name)
        return [self.namer.styled(self.namer.pick(other))] if other else [self.namer.styled(self.namer.made_up())]

    def _things(self, count: int, areas: list[tuple[Area, bool]]) -> list[Thing]:
        things: list[Thing] = []
        used: set[tuple[str, str | None]] = set()
        kinds = self.random.choices(_NAMES, _WEIGHTS, k=count)
        for favourite in self.random.choices(_NAMES, k=2 if count > 6 else 1):
            for _ in range(1 + int(self.random.random() * 3)):
                kinds[int(self.random.random() * count)] = favourite
        if self.random.random() < 0.5:
            kinds[int(self.random.random() * count)] = "light"
        for kind_name in (*kinds, *("light", "switch", "lock", "fan") * 2):
            if len(things) >= 2 and len(used) + self.clashes >= count:
                break
            thing = self._thing(KINDS[kind_name], areas)
            key = (plain(thing.name), thing.area)
            if key in used or (
                kind_name in ("alarm", "weather") and any(other.kind.name == kind_name for other in things)
            ):
                self.clashes += 1
                continue
            used.add(key)
            things.append(thing)
        return things

    def _thing(self, kind: Kind, areas: list[tuple[Area, bool]]) -> Thing:
        random = self.random
        area = self.namer.pick(areas)[0] if areas and random.random() < kind.placed else None
        place = self.namer.pick(area.names) if area else None
        name = self.namer.device(kind, place)
        names = [self.namer.styled(name.text)]
        if random.random() < 0.25 * self.difficulty:
            names.append(self._alias(kind, place, names[0]))
            if random.random() < 0.2:
                names.append(self._alias(kind, place, names[0]))
        ident = f"{kind.domain}.{self.namer.object_id(kind, name.text, place)}"
        while ident in self.taken:
            ident += f"_{2 + int(random.random() * 9)}"
        self.taken.add(ident)
        state, attributes = self.moods.draw(kind)
        device = Device(ident, tuple(dict.fromkeys(names)), state, attributes, area.id if area else None)
        return Thing(device, kind, name.made_up)

    def _alias(self, kind: Kind, place: str | None, name: str) -> str:
        text = self.namer.device(kind, place).text
        return self.namer.styled(text) if plain(text) != plain(name) else name

    def _room(self, things: list[Thing], areas: list[Area]) -> str | None:
        if not areas or self.random.random() > 0.55:
            return None
        filled = [thing.area for thing in things if thing.area]
        return self.namer.pick(filled) if filled and self.random.random() < 0.9 else self.namer.pick(areas).id

    def _now(self) -> str:
        day = date.fromordinal(_FIRST_DAY + int(self.random.random() * 3000))
        clock = f"{int(self.random.random() * 24):02}:{int(self.random.random() * 60):02}"
        return f"{self.language.words['weekdays'][day.weekday()]} {day.isoformat()} {clock}"


def make_world(random: Random, language: Language, difficulty: float, heldout: bool) -> World:
    """Make one home. `difficulty` 0 has 2-4 devices with plain names, 1 has 3-40 of all sorts."""
    return _Builder(random, language, difficulty, heldout).build()
