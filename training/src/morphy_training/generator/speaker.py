"""Who asks: one person in one World, with a tongue, and how they speak of the things in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import TypeVar

from ..dialect.home import Action, Answer, Area, ArgumentValue
from .homes import Thing, World
from .kinds import FAMILIES, KINDS
from .language import Language, Noun
from .names import plain, slug
from .templates import Template

T = TypeVar("T")
GROUPS = frozenset(("light", "switch", "fan", "blind", "curtain", "shutter", "shade"))
"""Kinds of which `the fan` said in a room means all of that room."""
SLATS = ("blind", "curtain", "shutter", "shade")
"""Covers at windows, whose words people mix up."""
MOST = 6
"""The most devices that one answer names one by one."""
_TOLD_BY_KIND = frozenset(("light", "switch", "fan", "cover", "lock", "media_player", "climate", "valve"))
"""Domains whose things are named with the word for their kind or without it."""
_SWITCHED = frozenset(("light", "switch", "fan", "media_player", "climate", "humidifier", "water_heater"))
"""Domains that are turned on and off, so that the same request could mean one or the other."""
_LONG_NUMBER = 3
"""Digits from which on a number in a name is not said as one."""
_OTHER_WORD = 0.12
"""How often a room is called by another word for it than its name: the lounge."""
_JOINED = 6
"""Letters from which two words said as one are still told for what they are."""


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
        return section in self.language.intents.get(intent, ())

    def says(self, text: str, key: str) -> bool:
        """Return whether a text has one of the words of a list."""
        said = f" {plain(text)} "
        return any(f" {word} " in said for word in self.language.words[key])

    def usable(self, intent: str, section: str, slots: Mapping[str, str]) -> Template | None:
        """Return a template of the section all of whose slots are given; None after a few tries."""
        templates = self.language.intents.get(intent, {}).get(section)
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
        """Return the canonical names, listed, each once: a phone tells several things under the same name."""
        return self.listed(list(dict.fromkeys(thing.name for thing in things)))

    # What things are called.

    def called(self, thing: Thing) -> str | None:
        """Return words that mean this thing and no other in the home, without an article; None where there are none."""
        names = thing.device.names
        name = names[0] if len(names) == 1 or self.chance(0.6) else self.pick(names)
        key = plain(name)
        spoken = self._as_said(name)
        if self.difficulty > 0 and thing.area and self.chance(0.12):
            part = self._shortened(thing, key)
            if part:
                return part
        rivals = [other for other in self.world.by_name[key] if other is not thing]
        bare = self._is_bare(key)
        if not rivals and not bare:
            if thing.area and self.chance(0.06 * self.difficulty):
                return self._in_area(thing, spoken, key) or spoken
            if self.chance(0.2 * self.difficulty):
                return self._loosely_called(thing, key) or spoken
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

    def _as_said(self, name: str) -> str:
        """Return a name in the letters of whoever says it: its words apart, its marks gone, its number in words."""
        if self.chance(0.15):
            return name
        name = _words_apart(name)
        if self.difficulty == 0:
            return name
        if "'" in name and self.chance(0.4):
            name = name.replace("'", "")
        if not name.isascii() and self.chance(0.15):
            name = slug(name).replace("_", " ") or name
        words = name.split()
        if words and words[-1].isdigit() and len(words[-1]) < _LONG_NUMBER and self.chance(0.25):
            words[-1] = self.language.numbers[int(words[-1])]
        return " ".join(words)

    def _loosely_called(self, thing: Thing, key: str) -> str | None:
        """Return a name as people twist it, where it still means this thing alone; None where it does not.

        The word for the kind is put after or before the name, or left out; two words are said as one.
        """
        words = key.split()
        if len(words) == 2 and len(key) > _JOINED and self.chance(0.2):
            return "".join(words)
        kinds = self._kind_words(thing)
        said = [word for word in kinds if word in words]
        if not kinds or (self._is_bare(words[-1]) and not said):
            return None
        if not said:
            return self._if_distinct(thing, self._with_kind(key, self.pick(kinds)), key)
        rest = " ".join(word for word in words if word not in kinds)
        if not rest.strip("0123456789 ") or self._is_bare(rest):
            return None
        if (thing.unseen or len(words) > 2) and self.chance(0.3):
            return self._if_distinct(thing, rest, rest)
        return self._if_distinct(thing, self._with_kind(rest, self.pick((said[-1], said[-1], *kinds))), rest)

    def _with_kind(self, name: str, kind: str) -> str:
        return self.say("talk", "name_and_kind", {"name": name, "kind": kind})

    def _kind_words(self, thing: Thing) -> list[str]:
        """Return the single words for a thing's kind; none for kinds that are named without one."""
        if thing.kind.domain not in _TOLD_BY_KIND:
            return []
        noun = self.language.nouns[thing.kind.name]
        return [word for word in dict.fromkeys(noun.one) if " " not in word]

    def _if_distinct(self, thing: Thing, text: str, core: str) -> str | None:
        """Return the text where its core is no place, and in no name but this thing's."""
        words = set(core.split())
        if core in self.world.places or core in self.language.words["floor_words"]:
            return None
        for name, things in self.world.by_name.items():
            if words.issubset(name.split()) and any(other is not thing for other in things):
                return None
        return None if plain(text) in self.world.by_name else text

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
        return self._grouped(self.language.nouns[kind], self.members(kind), how, kind)

    def coverings(self, how: str) -> Reference | None:
        """Refer to all covers, or to all at the windows by the word for a kind that the home has none of."""
        things = self.world.by_domain.get("cover") or []
        absent = [kind for kind in SLATS if not self.world.by_kind.get(kind)]
        if not things:
            return None
        if not absent or self.chance(0.4):
            return self._grouped(self.language.nouns["cover"], things, how)
        kind = self.pick(absent)
        return self._grouped(
            self.language.nouns[kind], [thing for thing in things if thing.kind.name in SLATS], how, kind
        )

    def _grouped(self, noun: Noun, things: Sequence[Thing], how: str, kind: str = "") -> Reference | None:
        """Refer to those of the things that are in a place; `kind` is what they must be recognised as."""
        if not things:
            return None
        many = self.chance(0.68)
        slots = {"kinds": self.pick(noun.many), "kind": self.pick(noun.one)}
        section = f"{how}_{'many' if many else 'one'}"
        if how == "all" and self.home.room is None and self.chance(0.4):
            section = f"bare_{'many' if many else 'one'}"
        where, place, inside = self._where(things, how)
        local = how in ("area", "here") or section.startswith("bare")
        chosen = self._narrowed(slots["kinds" if many else "kind"], inside) if local else inside
        if kind == "outlet" and len(chosen) > 1 and not many:
            return None
        narrow = len(chosen) < len(inside)
        if not chosen or (narrow and how == "all" and len(chosen) > 1):
            return None
        around = [thing for thing in self.world.by_domain[chosen[0].kind.domain] if self._inside(thing, where)]
        if kind and not self.recognisable(kind, chosen, around):
            return None
        slots["place"] = self._placed(where, place)
        text = self.say("talk", section, slots)
        if self._misleading(text, slots, chosen):
            return None
        label = self.say("talk", f"label_{how}", {"kinds": noun.many[0], "place": place or self._canonical(where)})
        if narrow:
            label = self.names(chosen)
        targets, evidence = self._targets(chosen, where, how)
        if len(targets) > MOST:
            return None
        return Reference(how, text, label, tuple(chosen), targets, evidence, place, many)

    def _narrowed(self, noun: str, things: Sequence[Thing]) -> list[Thing]:
        """Return the things that a noun means: `the lamp` where one of several lights is named so is no other."""
        stems = self.language.tables["narrow"].get(noun, ())
        named = [t for t in things if any(stem in plain(name) for stem in stems for name in t.device.names)]
        return named or list(things)

    def _placed(self, where: str, place: str) -> str:
        """Return a place as it is said: now and then with its floor in front, or in one word or two."""
        kind, _, ident = where.partition(".")
        floor = self.home.floor_by_id.get(self.home.area_by_id[ident].floor or "") if kind == "area" and place else None
        words = plain(place).split()
        draw = self.random.random()
        if "'" in place and self.chance(0.3):
            place = place.replace("'", "")
        if draw < 0.1 and floor and not set(plain(floor.names[0]).split()) & set(words):
            told = self.language.arranged(self.random, "floor_area", floor=self.pick(floor.names), area=place)
            return told if plain(told) not in self.world.places else place
        if draw < 0.02 and kind == "area" and not self.home.floors:
            told = self.language.arranged(self.random, "floor_area", floor=self.word("storeys"), area=place)
            return told if set(words) & set(plain(told).split()) == set(words) and self._alone(words) else place
        if draw > 0.97 and len(words) == 2 and len(place) > _JOINED:
            return "".join(words)
        return place

    def _said_of(self, area: Area) -> str:
        """Return a name of an area; now and then another word for such a room, where nothing else is called so."""
        name = self.pick(area.names)
        if not self.chance(_OTHER_WORD * self.difficulty):
            return name
        aliases = self.language.tables["room_aliases"]
        known = [place for place in self.world.places if place != plain(name)]
        words = [
            word
            for word in aliases.get(plain(area.names[0]), ())
            if word in self.language.words["rooms"]
            and self.language.alike(name, word)
            and not any(word in aliases.get(place, ()) for place in known)
            and not any(word in other for other in (*self.world.places, *self.world.by_name))
        ]
        return self.pick(words) if words else name

    def _alone(self, words: Sequence[str]) -> bool:
        """Return whether one place alone has all of these words in its name."""
        return sum(set(words).issubset(place.split()) for place in self.world.places) == 1

    def two_areas(self, kinds: Sequence[str]) -> Reference | None:
        """Refer to all things of a kind in two areas."""
        first, second = self.group(kinds, "area"), self.group(kinds, "area")
        if first is None or second is None or any(thing in first.things for thing in second.things):
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

    def outdoors(self, kind: str) -> Reference | None:
        """Refer to all things of a kind in the areas that are out of doors, where no place is called so itself."""
        words = self.language.words
        if any(place in words["outdoor_places"] for place in self.world.places):
            return None
        areas = [area for area in self.home.areas if plain(area.names[0]) in words["outdoor_rooms"]]
        chosen = [thing for thing in self.members(kind) if thing.area in {area.id for area in areas}]
        targets = tuple(f"area.{area.id}" for area in areas if any(thing.area == area.id for thing in chosen))
        rest = {t.id for t in self.world.by_domain[KINDS[kind].domain] if t.area in {area.id for area in areas}}
        if not chosen or rest != {thing.id for thing in chosen} or len(targets) > MOST:
            return None
        noun = self.language.nouns[kind]
        text = self.say("talk", "outdoor_many", {"kinds": self.pick(noun.many)})
        if any(self.says(name, "outdoor_words") for name in self.world.by_name):
            return None
        place = self.listed([self._canonical(target) for target in targets])
        label = self.say("talk", "label_area", {"kinds": noun.many[0], "place": place})
        return Reference("areas", text, label, tuple(chosen), targets, targets, many=True)

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
        return f"area.{area.id}", self._said_of(area), [other for other in things if other.area == area.id]

    def _canonical(self, where: str) -> str:
        domain, _, ident = where.partition(".")
        if domain == "area":
            return self.home.area_by_id[ident].names[0]
        return self.home.floor_by_id[ident].names[0] if domain == "floor" else ""

    def _misleading(self, text: str, slots: Mapping[str, str], chosen: Sequence[Thing]) -> bool:
        """Return whether the words for a group are also the name of something."""
        names = self.world.by_name
        for noun in (slots["kinds"], slots["kind"]):
            for name in (noun, *self.language.arrangements("area_kind", area=slots["place"], kind=noun)):
                key = plain(name)
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
        if self._rivalled(noun, thing):
            return None
        text = self.say("talk", "only", {"kind": noun})
        return Reference("only", text, thing.name, (thing,), (thing.id,), (thing.id,))

    def claimed(self, text: str, domain: str) -> bool:
        """Return whether a word for a domain that is said is also in the name of something else that is switched."""
        said = {word for word in self.language.words.get(f"{domain}_words", ()) if word in plain(text).split()}
        return bool(said) and any(
            other.kind.domain != domain and other.kind.domain in _SWITCHED
            for name, things in self.world.by_name.items()
            if said.intersection(name.split())
            for other in things
        )

    def _rivalled(self, noun: str, thing: Thing) -> bool:
        """Return whether a thing of another domain, that can be switched as well, is called so: a heater on a plug."""
        return any(
            other.kind.domain != thing.kind.domain and other.kind.domain in _SWITCHED
            for name, things in self.world.by_name.items()
            if name.endswith(noun)
            for other in things
        )

    def loose(self, kinds: Sequence[str], key: str = "loose") -> Reference | None:
        """Refer by a loose word to the one thing it must mean: the room's only one of its domain, else the home's.

        `the ac` is the thermostat where there is no air conditioner. Of switches it is the one that is a plug, by its
        name or class. `key` names the list of words where it is not that of the domain.
        """
        domain = KINDS[kinds[0]].domain
        words = self.language.tables["loose"].get(domain if key == "loose" else key)
        things = self.world.by_domain.get(domain)
        if not words or not things:
            return None
        if domain == "switch":
            named = self.language.words["plugs"]
            things = [
                thing
                for thing in things
                if thing.kind.name == "outlet"
                or any(word in plain(name).split() for name in thing.device.names for word in named)
            ]
        here = [thing for thing in things if thing.area and thing.area == self.home.room]
        chosen = here or list(things)
        if key == "loose" and domain == "climate" and len(kinds) == 1:
            words = self.language.nouns[kinds[0]].one
        noun = self.pick(words)
        if len(chosen) != 1 or noun in self.world.by_name or self._rivalled(noun, chosen[0]):
            return None
        thing = chosen[0]
        if any(noun in self.language.nouns[other.kind.name].one for other in things if other.kind != thing.kind):
            return None
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
