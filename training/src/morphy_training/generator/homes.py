"""Homes that nobody lives in: a World is a Home together with what the generator knows about it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from random import Random

from ..dialect.catalogue import services_for
from ..dialect.home import Answer, Area, Device, Floor, Home, Service
from .kinds import KINDS, SOLE, TWINS, Kind
from .language import Language
from .names import Name, Namer, plain, slug
from .sensing import clustered
from .states import Moods

_FIRST_DAY = date(2023, 1, 1).toordinal()
_ALWAYS = frozenset(
    (
        "turn_on", "turn_off", "open_cover", "close_cover", "open_valve", "close_valve", "lock", "unlock", "start",
        "return_to_base", "add_item", "set_temperature", "press", "trigger", "media_play", "media_pause", "volume_set",
        "alarm_disarm", "alarm_arm_away", "select_option", "set_value", "start_mowing", "dock",
    )
)  # fmt: skip
"""Services that every device of their domain takes, or nearly."""
_SENSES = ("sensor", "binary_sensor")
_NEXT_TWIN = 0.5
"""How often what tells two things of itself tells a third."""
_OFTEN_CLASSED = {"switch": 0.75, "media_player": 0.5}
"""How often a thing of a domain tells its class where `states` leaves that open."""
_COVERINGS = ("blind", "curtain", "shutter", "shade", "awning", "window_cover")
"""Covers that a room may have two sorts of."""
_ROOMED = frozenset(("tv", "speaker", "thermostat", "ac", "blind", "curtain", "shutter", "shade", "fan"))
"""Kinds of which people mean the one in the room that they are in."""
_FILLING = ("light", "light", "switch", "sensor temperature", "binary motion", "binary door")
"""What a home has instead of a second thing of a kind that it has one of."""


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
    arguments: dict[str, frozenset[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for thing in self.things:
            self.by_kind[thing.kind.name].append(thing)
            self.by_domain[thing.kind.domain].append(thing)
            for name in thing.device.names:
                self.by_name[plain(name)].append(thing)
        places = [area.names for area in self.home.areas] + [floor.names for floor in self.home.floors]
        self.places = frozenset(plain(name) for names in places for name in names)
        self.words = frozenset(word for name in (*self.by_name, *self.places) for word in name.split())

        self.arguments = {service.name: frozenset(service.arguments) for service in self.home.services}

    def allows(self, answer: Answer) -> bool:
        """Return whether the home has the services that an answer calls, with their arguments."""
        return all(
            action.service in self.arguments and action.data.keys() <= self.arguments[action.service]
            for action in answer.actions
        )

    def on_floor(self, floor: str) -> set[str]:
        """Return the ids of the floor's areas."""
        return {area.id for area in self.home.areas if area.floor == floor}


def _sort_as_served(floors: Sequence[Floor], areas: list[Area], things: list[Thing]) -> None:
    """Put areas and things into the order in which Home Assistant's are told: by floor, area and name."""
    rank = {floor.id: place for place, floor in enumerate(floors)}
    areas.sort(key=lambda area: (rank.get(area.floor or "", len(rank)), area.names[0].casefold(), area.id))
    order = {area.id: place for place, area in enumerate(areas)}
    things.sort(key=lambda thing: (order.get(thing.area or "", len(order)), thing.name.casefold(), thing.id))


class _Builder:
    """Makes one World."""

    def __init__(self, random: Random, language: Language, difficulty: float, heldout: bool) -> None:
        self.random = random
        self.language = language
        self.difficulty = difficulty
        self.namer = Namer(random, language, difficulty=difficulty, heldout=heldout)
        self.moods = Moods(random, language)
        kinds = [kind for kind in KINDS.values() if kind.name in language.nouns]
        self.names = tuple(kind.name for kind in kinds)
        self.weights = tuple(kind.weight for kind in kinds)
        self.sensors = tuple(kind.name for kind in kinds if kind.domain in _SENSES)
        self.others = tuple(kind.name for kind in kinds if kind.domain not in _SENSES)
        self.taken: set[str] = set()
        self.clashes = 0
        self.placed = 1.0
        self.given: dict[str, list[Name]] = {}

    def build(self) -> World:
        random = self.random
        count = self._count()
        floors = self._floors() if random.random() < 0.5 * self.difficulty else []
        areas = [] if random.random() < 0.04 * self.difficulty else self._areas(count, floors)
        self.placed = self.namer.pick((0.0, 0.35)) if random.random() < 0.06 * self.difficulty else 1.0
        things = self._things(count, areas)
        places = [area for area, _ in areas]
        room = self._room(things, places)
        if random.random() < 0.6:
            filled = {thing.area for thing in things} | {room}
            places = [area for area in places if area.id in filled]
            floors = [floor for floor in floors if any(area.floor == floor.id for area in places)]
        if random.random() < 0.7:
            _sort_as_served(floors, places, things)
        elif random.random() < 0.5:
            order = {area.id: place for place, area in enumerate(places)}
            things.sort(key=lambda thing: order.get(thing.area or "", 99))
        devices = tuple(thing.device for thing in things)
        services = self._services(services_for(devices))
        home = Home(devices, tuple(places), tuple(floors), services, room, self._now())
        return World(home, things, self.moods.unit)

    def _services(self, services: Sequence[Service]) -> tuple[Service, ...]:
        """Return what the devices of this home are able to do: often less than their domains are."""
        if self.random.random() > 0.6 * self.difficulty:
            return tuple(services)
        able = 0.6 + 0.4 * self.random.random()
        return tuple(
            Service(service.name, self._some(service.arguments, able))
            for service in services
            if service.name.partition(".")[2] in _ALWAYS or self.random.random() < able
        )

    def _some(self, arguments: tuple[str, ...], share: float) -> tuple[str, ...]:
        """Return about that share of the arguments; a single one is what its service is for."""
        if len(arguments) < 2:
            return arguments
        return tuple(key for key in arguments if self.random.random() < share)

    def _count(self) -> int:
        easy = 2 + int(self.random.random() * 3)
        draw = self.random.random()
        few, many = 0.15, 0.6  # Most homes have more than a prompt lists, so full prompts are what is served most.
        if draw < few:
            full = 3 + 7 * draw / few
        elif draw < many:
            full = 10 + 18 * (draw - few) / (many - few)
        else:
            full = 28 + 12 * (draw - many) / (1 - many)
        return max(2, round(easy + (full - easy) * self.difficulty))

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
            name = self._extended(areas) or self.namer.area()
            ident = slug(name.text) if self.random.random() < 0.85 else self._area_id(len(areas))
            if plain(name.text) in known or ident in areas or not ident:
                continue
            names = [self.namer.styled(name.text)]
            names += [alias for alias in self._area_aliases(name.text) if plain(alias) not in known]
            known.update(map(plain, names))
            floor = self.namer.pick(floors).id if floors and self.random.random() < 0.9 else None
            areas[ident] = (Area(ident, tuple(names), floor), name.made_up)
        return list(areas.values())

    def _extended(self, areas: Mapping[str, tuple[Area, bool]]) -> Name | None:
        """Return, now and then, a room's name that holds that of another: Bedroom and Bedroom Two."""
        words = self.language.words
        if not areas or "before_room" not in words or self.random.random() > 0.12 * self.difficulty:
            return None
        area, made_up = self.namer.pick(tuple(areas.values()))
        room = plain(area.names[0])
        if len(room.split()) > 2:
            return None
        if self.random.random() < 0.5:
            return Name(f"{self.namer.pick(words['before_room'])} {room}", made_up)
        return Name(f"{room} {self.namer.pick(words['after_room'])}", made_up)

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
        kinds = self.random.choices(self.names, self.weights, k=count)
        for _ in range(2 if count > 6 else 1):
            favourite = self.namer.pick(self.sensors if self.random.random() < 0.35 else self.others)
            for _ in range(1 + int(self.random.random() * 3)):
                kinds[int(self.random.random() * count)] = favourite
        if self.random.random() < 0.12 * self.difficulty:
            for _ in range(count // 2):
                kinds[int(self.random.random() * count)] = self.namer.pick(self.sensors)
        if self.random.random() < 0.5:
            kinds[int(self.random.random() * count)] = "light"
        kinds = self._singled(clustered(self.random, kinds, self.sensors, self.difficulty))
        for kind_name in (*kinds, *("light", "switch", "lock", "fan") * 2):
            if len(things) >= 2 and len(things) + self.clashes >= count:
                break
            thing = self._thing(KINDS[kind_name], areas)
            key = (plain(thing.name), thing.area)
            if key in used or (kind_name == "alarm" and any(other.kind.name == kind_name for other in things)):
                self.clashes += 1
                continue
            used.add(key)
            things.append(thing)
            if kind_name in _COVERINGS and len(things) < count and self.random.random() < 0.15 * self.difficulty:
                things += self._beside(thing, areas, used)
            if len(things) < count and self.random.random() < 0.45 * self.difficulty:
                things += self._opposite(thing, used)
            if kind_name == "todo" and len(things) < count and self.random.random() < 0.4 * self.difficulty:
                things += self._beside_list(used)
            things += self._twins(thing, count - len(things))
        return things

    def _singled(self, kinds: list[str]) -> list[str]:
        """Return as many kinds, some of them once: the one vacuum, the one television."""
        chosen: list[str] = []
        dropped: set[str] = set()
        for share, family in SOLE:
            known = [kind for kind in family if kind in self.names]
            if known and len(chosen) < len(kinds) / 3 and self.random.random() < share * self.difficulty:
                chosen.append(self.namer.pick(known))
                dropped.update(family)
        rest = [kind if kind not in dropped else self.namer.pick(_FILLING) for kind in kinds]
        places = self.random.sample(range(len(kinds)), len(chosen))
        for place, kind in zip(places, chosen, strict=True):
            rest[place] = kind
        return rest

    def _beside(self, thing: Thing, areas: list[tuple[Area, bool]], used: set[tuple[str, str | None]]) -> list[Thing]:
        """Return covers of another sort in the room of one: blinds and a skylight."""
        room = [area for area in areas if area[0].id == thing.area]
        known = [kind for kind in _COVERINGS if kind in self.names and kind != thing.kind.name]
        if not room or not known:
            return []
        other = self._thing(KINDS[self.namer.pick(known)], room)
        key = (plain(other.name), other.area)
        if key in used:
            return []
        used.add(key)
        return [other]

    def _opposite(self, thing: Thing, used: set[tuple[str, str | None]]) -> list[Thing]:
        """Return the right one beside a left one, the lower beside an upper; nothing where a name tells no side."""
        sides = self.language.tables.get("opposites", {})
        words = thing.name.split(" ")
        place = next((place for place, word in enumerate(words) if word.lower() in sides), None)
        if place is None or thing.kind.name in ("scene", "script", "automation"):
            return []
        other = sides[words[place].lower()][0]
        words[place] = other.title() if words[place].istitle() else other.upper() if words[place].isupper() else other
        name = " ".join(words)
        if (plain(name), thing.area) in used:
            return []
        used.add((plain(name), thing.area))
        base = f"{thing.kind.domain}.{self.namer.object_id(thing.kind, name, None)}"
        state, attributes = self.moods.draw(thing.kind)
        told = {key: text for key, text in thing.device.attributes.items() if key == "class"}
        device = Device(self._free(base), (name,), state, told | attributes, thing.area)
        return [Thing(device, thing.kind, thing.unseen)]

    def _beside_list(self, used: set[tuple[str, str | None]]) -> list[Thing]:
        """Return a second list: for errands beside the one for shopping, say."""
        other = self._thing(KINDS["todo"], [])
        key = (plain(other.name), other.area)
        if key in used:
            return []
        used.add(key)
        return [other]

    def _free(self, ident: str) -> str:
        """Return the id, or one like it that nothing in the home has; it is taken from now on."""
        while ident in self.taken:
            ident += "_2"
        self.taken.add(ident)
        return ident

    def _twins(self, thing: Thing, most: int) -> list[Thing]:
        """Return other things of the same name: what a phone or a car tells of itself, each of another kind."""
        kinds = [name for name in TWINS.get(thing.kind.name, ()) if name in self.names]
        twins: list[Thing] = []
        share = 0.12 * self.difficulty
        while kinds and len(twins) < most and self.random.random() < share:
            twins.append(self._twin(thing, kinds))
            kinds.remove(twins[-1].kind.name)
            share = _NEXT_TWIN
        return twins

    def _twin(self, thing: Thing, kinds: Sequence[str]) -> Thing:
        """Return another thing of the same name: the contact of a door beside its lock, what a plug draws."""
        kind = KINDS[self.namer.pick(kinds)]
        base = f"{kind.domain}.{thing.id.partition('.')[2]}"
        ident = f"{base}_{slug(kind.device_class or kind.name)}" if self.random.random() < 0.5 else base
        device = Device(self._free(ident), thing.device.names, *self.moods.draw(kind), thing.area)
        return Thing(device, kind, thing.unseen)

    def _thing(self, kind: Kind, areas: list[tuple[Area, bool]]) -> Thing:
        random = self.random
        area = self.namer.pick(areas)[0] if areas and random.random() < kind.placed * self.placed else None
        place = self.namer.pick(area.names) if area else None
        name = self._repeated(kind) or self.namer.device(kind, place)
        if not place or plain(place) not in plain(name.text):
            self.given.setdefault(kind.name, []).append(name)
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
        if kind.device_class and random.random() < _OFTEN_CLASSED.get(kind.domain, 0):
            attributes = {"class": kind.device_class, **attributes}
        device = Device(ident, tuple(dict.fromkeys(names)), state, attributes, area.id if area else None)
        return Thing(device, kind, name.made_up)

    def _repeated(self, kind: Kind) -> Name | None:
        """Return, now and then, a name that another thing of the kind has had: a `Ceiling Light` in every room."""
        known = self.given.get(kind.name)
        if known and self.random.random() < 0.07 * self.difficulty:
            return self.namer.pick(known)
        return None

    def _alias(self, kind: Kind, place: str | None, name: str) -> str:
        text = self.namer.device(kind, place).text
        return self.namer.styled(text) if plain(text) != plain(name) else name

    def _room(self, things: list[Thing], areas: list[Area]) -> str | None:
        if not areas or self.random.random() > 0.6:
            return None
        filled = [thing.area for thing in things if thing.area]
        roomed = [thing.area for thing in things if thing.area and thing.kind.name in _ROOMED]
        if roomed and self.random.random() < 0.35:
            return self.namer.pick(roomed)
        return self.namer.pick(filled) if filled and self.random.random() < 0.9 else self.namer.pick(areas).id

    def _now(self) -> str:
        day = date.fromordinal(_FIRST_DAY + int(self.random.random() * 3000))
        clock = f"{int(self.random.random() * 24):02}:{int(self.random.random() * 60):02}"
        return f"{self.language.words['weekdays'][day.weekday()]} {day.isoformat()} {clock}"


def make_world(random: Random, language: Language, difficulty: float, heldout: bool) -> World:
    """Make one home. `difficulty` 0 has 2-4 devices with plain names, 1 has 3-40 of all sorts."""
    return _Builder(random, language, difficulty, heldout).build()
