"""Who asks: one person in one World, with a tongue, and how they speak of the things in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import TypeVar

from ..dialect.home import Action, Answer, ArgumentValue
from .homes import Thing, World
from .kinds import FAMILIES, KINDS
from .language import Language
from .names import plain
from .templates import Template

T = TypeVar("T")
GROUPS = frozenset(("light", "switch", "fan", "blind", "curtain", "shutter", "shade"))
"""Kinds of which `the fan` said in a room means all of that room."""
MOST = 6
"""The most devices that one answer names one by one."""


@dataclass(frozen=True, slots=True)
class Wish:
    """One thing asked for. `form` is the shape of its sentence: only an `imperative` can be chained and wrapped."""

    form: str
    text: str
    answer: Answer
    category: str
    unseen: bool = False


@dataclass(frozen=True, slots=True)
class Reference:
    """Some things and how they are spoken of.

    `text` stands in the request, `label` in the answer. `how` is `device`, `several`, `area`, `here`, `floor`, `all` or
    `except`; `place` is the spoken name of the area or floor.
    """

    how: str
    text: str
    label: str
    things: tuple[Thing, ...]
    targets: tuple[str, ...]
    evidence: tuple[str, ...]
    place: str = ""
    many: bool = False


class Speaker:
    """Draws words and references for one World."""

    def __init__(self, random: Random, language: Language, world: World, difficulty: float) -> None:
        self.random = random
        self.language = language
        self.world = world
        self.difficulty = difficulty
        self.home = world.home

    def pick(self, entries: Sequence[T]) -> T:
        """Return one of the entries."""
        return entries[int(self.random.random() * len(entries))]

    def word(self, key: str) -> str:
        """Return a word of a list."""
        return self.pick(self.language.words[key])

    def chance(self, probability: float) -> bool:
        """Return whether something of this probability happens."""
        return self.random.random() < probability

    def say(self, intent: str, section: str, slots: Mapping[str, str] | None = None) -> str:
        """Return a sentence of one section of an intent."""
        return self.pick(self.language.intents[intent][section]).fill(self.random.random, slots or {})

    def has(self, intent: str, section: str) -> bool:
        """Return whether the intent has such a section."""
        return section in self.language.intents[intent]

    def usable(self, intent: str, section: str, slots: Mapping[str, str]) -> Template | None:
        """Return a template of the section all of whose slots are given; None after a few tries."""
        templates = self.language.intents[intent].get(section)
        if not templates:
            return None
        for _ in range(4):
            template = self.pick(templates)
            if template.slots <= slots.keys():
                return template
        return None

    def listed(self, parts: Sequence[str]) -> str:
        """Return `a`, `a and b`, `a, b and c`."""
        if len(parts) == 1:
            return parts[0]
        return self.say("talk", "list_end", {"first": ", ".join(parts[:-1]), "last": parts[-1]})

    def names(self, things: Sequence[Thing]) -> str:
        """Return the canonical names, listed."""
        return self.listed([thing.name for thing in things])

    # What things are called.

    def called(self, thing: Thing) -> str | None:
        """Return words that mean this thing and no other in the home, without an article; None where there are none."""
        names = thing.device.names
        name = names[0] if len(names) == 1 or self.chance(0.6) else self.pick(names)
        key = plain(name)
        spoken = name if self.chance(0.15) else _words_apart(name)
        if self.difficulty > 0 and thing.area and self.chance(0.12):
            part = self._shortened(thing, key)
            if part:
                return part
        rivals = [other for other in self.world.by_name[key] if other is not thing]
        bare = self._is_bare(key)
        if not rivals and not bare:
            if thing.area and self.chance(0.06 * self.difficulty):
                return self._in_area(thing, spoken, key) or spoken
            return spoken
        if rivals and not bare and thing.area and thing.area == self.home.room and self.chance(0.5):
            return spoken if all(other.area != thing.area for other in rivals) else None
        if not thing.area or any(other.area == thing.area for other in rivals):
            return None
        return self._in_area(thing, spoken, key)

    def _shortened(self, thing: Thing, key: str) -> str | None:
        """Return a name without its area in front, and the area told after it."""
        for name in self.home.area_by_id[thing.area or ""].names:
            start = plain(name) + " "
            rest = key[len(start) :]
            if key.startswith(start) and rest and not self._is_bare(rest):
                if any(rest in other and thing not in things for other, things in self.world.by_name.items()):
                    return None
                return rest if self.chance(0.5) else self.say("talk", "thing_in_area", {"name": rest, "area": name})
        return None

    def _in_area(self, thing: Thing, spoken: str, key: str) -> str | None:
        area = self.pick(self.home.area_by_id[thing.area or ""].names)
        if plain(area) in key:
            return None
        text = self.say("talk", "thing_in_area", {"name": spoken, "area": area})
        return None if plain(text) in self.world.by_name else text

    def _is_bare(self, key: str) -> bool:
        """Return whether a name says no more than what kind of thing it is."""
        return key in self.language.words["bare"]

    def with_article(self, text: str) -> str:
        """Return the words with or without an article or a pronoun."""
        if self.difficulty == 0:
            return self.say("talk", "plain_article", {"name": text})
        return self.say("talk", "article", {"name": text})

    # References.

    def one(self, things: Sequence[Thing]) -> Reference | None:
        """Refer to one of the things by name."""
        if not things:
            return None
        thing = self.pick(things)
        text = self.called(thing)
        if text is None:
            return None
        return Reference("device", self.with_article(text), thing.name, (thing,), (thing.id,), (thing.id,))

    def several(self, things: Sequence[Thing]) -> Reference | None:
        """Refer to two or three of the things by name."""
        if len(things) < 2:
            return None
        chosen = self.random.sample(things, 3 if len(things) > 2 and self.chance(0.3) else 2)
        texts = [self.called(thing) for thing in chosen]
        if None in texts:
            return None
        spoken = self.say_list([self.with_article(text) for text in texts if text])
        ids = tuple(thing.id for thing in chosen)
        return Reference("several", spoken, self.names(chosen), tuple(chosen), ids, ids, many=True)

    def say_list(self, parts: Sequence[str]) -> str:
        """Return parts as people list them aloud."""
        text = parts[0]
        for part in parts[1:]:
            text = self.say("talk", "spoken_list", {"first": text, "last": part})
        return text

    def group(self, kinds: Sequence[str], how: str) -> Reference | None:
        """Refer to all things of one of the kinds in an area, here, on a floor or in the home; None if it cannot be."""
        present = [kind for kind in kinds if self.world.by_kind.get(kind)]
        if not present:
            return None
        kind = self.pick(present)
        things = self.members(kind)
        where, place, chosen = self._where(things, how)
        if not chosen or not self.recognisable(
            kind, chosen, [t for t in self.world.by_domain[chosen[0].kind.domain] if self._inside(t, where)]
        ):
            return None
        noun = self.language.nouns[kind]
        many = self.chance(0.75)
        slots = {"kinds": self.pick(noun.many), "kind": self.pick(noun.one), "place": place}
        if how == "all" and self.home.room is None and self.chance(0.4):
            section = f"bare_{'many' if many else 'one'}"
        else:
            section = f"{how}_{'many' if many else 'one'}"
        text = self.say("talk", section, slots)
        if self._misleading(text, slots, chosen):
            return None
        label = self.say("talk", f"label_{how}", {"kinds": noun.many[0], "place": place or self._canonical(where)})
        targets, evidence = self._targets(chosen, where, how)
        if len(targets) > MOST:
            return None
        return Reference(how, text, label, tuple(chosen), targets, evidence, place, many)

    def two_areas(self, kinds: Sequence[str]) -> Reference | None:
        """Refer to all things of a kind in two areas."""
        first, second = self.group(kinds, "area"), self.group(kinds, "area")
        if first is None or second is None or first.evidence == second.evidence:
            return None
        kind = first.things[0].kind.name
        whole = first.targets == first.evidence and second.targets == second.evidence
        if kind != second.things[0].kind.name or not whole or len(first.targets + second.targets) != 2:
            return None
        noun = self.language.nouns[kind]
        slots = {"kinds": self.pick(noun.many), "place": first.place, "other": second.place}
        text = self.say("talk", "areas_many", slots)
        place = self.listed([first.place, second.place])
        label = self.say("talk", "label_area", {"kinds": noun.many[0], "place": place})
        ids = first.targets + second.targets
        return Reference("areas", text, label, first.things + second.things, ids, ids, many=True)

    def members(self, kind: str) -> list[Thing]:
        """Return the things a kind's word covers, in the home's order."""
        family = FAMILIES.get(kind)
        if family is None:
            return self.world.by_kind.get(kind) or []
        return [thing for thing in self.world.by_domain.get(KINDS[kind].domain) or () if thing.kind.name in family]

    def recognisable(self, kind: str, chosen: Sequence[Thing], around: Sequence[Thing]) -> bool:
        """Return whether a reader can tell that the chosen things are of this kind.

        They can where nothing else of that domain is around, and where class or name tell it.
        """
        noun = self.language.nouns[kind]
        if kind == "coffee":
            return all(any(word in plain(thing.name) for word in noun.names) for thing in chosen)
        if len(chosen) == len(around):
            return True
        return all(
            "class" in thing.device.attributes
            or any(word in plain(name) for name in thing.device.names for word in (*noun.one, *noun.many))
            for thing in chosen
        )

    def _where(self, things: Sequence[Thing], how: str) -> tuple[str, str, list[Thing]]:
        """Return the target of a group, the place as spoken and the things in it."""
        if how == "all":
            return "all", "", list(things)
        if how == "here":
            room = self.home.room
            chosen = [thing for thing in things if thing.area == room] if room else []
            return f"area.{room}", "", chosen
        if how == "floor":
            if not self.home.floors:
                return "", "", []
            floor = self.pick(self.home.floors)
            areas = self.world.on_floor(floor.id)
            return f"floor.{floor.id}", self.pick(floor.names), [thing for thing in things if thing.area in areas]
        thing = self.pick(things)
        if not thing.area:
            return "", "", []
        area = self.home.area_by_id[thing.area]
        return f"area.{area.id}", self.pick(area.names), [other for other in things if other.area == area.id]

    def _canonical(self, where: str) -> str:
        domain, _, ident = where.partition(".")
        if domain == "area":
            return self.home.area_by_id[ident].names[0]
        return self.home.floor_by_id[ident].names[0] if domain == "floor" else ""

    def _misleading(self, text: str, slots: Mapping[str, str], chosen: Sequence[Thing]) -> bool:
        """Return whether the words for a group are also the name of something."""
        names = self.world.by_name
        for noun in (slots["kinds"], slots["kind"]):
            for key in (plain(noun), plain(f"{slots['place']} {noun}")):
                if key in names and (len(chosen) != 1 or names[key] != list(chosen)):
                    return True
        return False

    def _targets(self, chosen: Sequence[Thing], where: str, how: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return targets and evidence: the place itself when it holds nothing else of this domain, else the devices."""
        domain = chosen[0].kind.domain
        ids = {thing.id for thing in chosen}
        inside = [thing for thing in self.world.by_domain[domain] if self._inside(thing, where)]
        if len(inside) == len(ids):
            return (where,), () if where == "all" else (where,)
        listed = tuple(thing.id for thing in chosen)
        return listed, listed

    def _inside(self, thing: Thing, where: str) -> bool:
        if where == "all":
            return True
        domain, _, ident = where.partition(".")
        return thing.area == ident if domain == "area" else thing.area in self.world.on_floor(ident)

    def all_but(self, kinds: Sequence[str]) -> Reference | None:
        """Refer to all things of a kind but one, in an area or in the home."""
        whole = self.group(kinds, self.pick(("area", "here", "all")))
        if whole is None or not 2 < len(whole.things) <= MOST + 1 or not whole.many:
            return None
        spared = self.pick(whole.things)
        name = self.called(spared)
        if name is None:
            return None
        rest = tuple(thing for thing in whole.things if thing is not spared)
        text = self.say("talk", "except", {"all": whole.text, "name": self.with_article(name)})
        ids = tuple(thing.id for thing in rest)
        label = self.say("talk", "label_except", {"all": whole.label, "name": spared.name})
        return Reference("except", text, label, rest, ids, ids, whole.place, True)

    def only(self, kinds: Sequence[str]) -> Reference | None:
        """Refer to the one thing meant when only its kind is said: the room's, else the home's only one.

        Kinds that people have many of are groups even then (`group` with `here`), so that those in the room are not
        referred to here.
        """
        kind = self.pick(kinds)
        things = self.members(kind)
        if not things or not self.recognisable(kind, things, self.world.by_domain[things[0].kind.domain]):
            return None
        here = [thing for thing in things if thing.area and thing.area == self.home.room]
        if here and kind in GROUPS:
            return None
        chosen = here or list(things)
        noun = self.pick(self.language.nouns[kind].one)
        if len(chosen) != 1 or (plain(noun) in self.world.by_name and self.world.by_name[plain(noun)] != chosen):
            return None
        thing = chosen[0]
        text = self.say("talk", "only", {"kind": noun})
        return Reference("only", text, thing.name, (thing,), (thing.id,), (thing.id,))

    def implied(self, kinds: Sequence[str], prefer: str = "") -> Reference | None:
        """Refer without a word to the one thing of these kinds that must be meant.

        A single one in the state `prefer` goes first, then the room's, then the home's only one.
        """
        things = [thing for kind in kinds for thing in self.world.by_kind.get(kind) or ()]
        if not things or not all(
            self.recognisable(kind, self.world.by_kind[kind], self.world.by_domain[things[0].kind.domain])
            for kind in kinds
            if self.world.by_kind.get(kind)
            and (kind == "coffee" or len(things) != len(self.world.by_domain[things[0].kind.domain]))
        ):
            return None
        active = [thing for thing in things if prefer and thing.device.state == prefer]
        here = [thing for thing in things if thing.area and thing.area == self.home.room]
        for chosen in (active, [thing for thing in active if thing in here], here, things):
            if len(chosen) == 1:
                thing = chosen[0]
                return Reference("implied", "", thing.name, (thing,), (thing.id,), (thing.id,))
        return None


def _words_apart(name: str) -> str:
    """Return a name as it is said: `desk_lamp` and `desk-lamp` in two words."""
    return " ".join(name.replace("_", " ").replace("-", " ").split())


def ids_of(things: Iterable[Thing]) -> tuple[str, ...]:
    """Return the entity ids."""
    return tuple(thing.id for thing in things)


def any_unseen(reference: Reference) -> bool:
    """Return whether one of the things named is named in words that no training home has."""
    return any(thing.unseen for thing in reference.things if thing.id in reference.evidence)


def calls(reference: Reference, services: Mapping[str, str], data: Mapping[str, ArgumentValue]) -> tuple[Action, ...]:
    """Return one Action per service; `services` maps a domain to its service."""
    if not reference.targets or reference.targets[0].partition(".")[0] in ("all", "area", "floor"):
        return (Action(services[reference.things[0].kind.domain], reference.targets, dict(data)),)
    by_service: dict[str, list[str]] = {}
    for thing in reference.things:
        by_service.setdefault(services[thing.kind.domain], []).append(thing.id)
    return tuple(Action(service, tuple(targets), dict(data)) for service, targets in by_service.items())
