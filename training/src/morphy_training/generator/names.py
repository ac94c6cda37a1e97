"""What people call their rooms and devices, and the entity ids that come of it.

A good third of the names hold made-up or foreign words, so that a model learns to copy a name instead of knowing it.
Ids follow the name, or nearly, or have nothing to do with it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import TypeVar

from .kinds import Kind
from .language import Language

T = TypeVar("T")

_NOT_SLUG = re.compile(r"[^a-z0-9]+")
_SPECIAL = str.maketrans(
    {"ß": "ss", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "æ": "ae", "đ": "d", "ı": "i", "'": ""}
    | dict(zip("абвгдеёзийклмнопрстуфыэіґ", "abvgdeeziiklmnoprstufyeig", strict=True))
    | {
        "ж": "zh",
        "х": "kh",
        "ц": "ts",
        "ч": "ch",
        "ш": "sh",
        "щ": "shch",
        "ю": "iu",
        "я": "ia",
        "ь": "",
        "ъ": "",
        "є": "ie",
    }
)
_ROOM_NAMED = frozenset(("light", "switch", "fan", "thermostat", "speaker", "tv", "blind"))
"""Kinds of which the one in a room is often named as the room is."""
_SPELT_RIGHT = 0.75
"""How often words such as TV have their capital letters in names that have any."""
_KNOWN_BY_USE = frozenset(("vacuum", "mower", "thermostat", "ac", "tv", "speaker", "outlet"))
"""Kinds that are often given a name that says nothing of them."""


def slug(name: str) -> str:
    """Return the name as Home Assistant would make an id of it: `Küche 2` gives `kuche_2`."""
    if name.isascii():
        plain = name.replace("'", "")
    else:
        plain = unicodedata.normalize("NFKD", name.lower().translate(_SPECIAL))
        plain = "".join(letter for letter in plain if not unicodedata.combining(letter))
    return _NOT_SLUG.sub("_", plain.lower()).strip("_")


def plain(name: str) -> str:
    """Return a name for comparison: lower case, words apart, marks gone."""
    return " ".join(re.sub(r"[^\w']+|_", " ", name.lower()).split())


@dataclass(frozen=True, slots=True)
class Name:
    """A name, whether it is of words that no training home shares."""

    text: str
    made_up: bool


class Namer:
    """Makes the names of one home, in one style of writing.

    `heldout` takes nouns, rooms and first names from the lists kept for evaluation wherever there are any.
    """

    def __init__(self, random: Random, language: Language, *, difficulty: float, heldout: bool) -> None:
        self.random = random
        self.language = language
        self.heldout = heldout
        self.odd = 0.4 * difficulty
        self.style = random.choices(("title", "lower", "sentence", "odd"), (60, 20, 12, 8))[0]
        self.foreign = 0.6 if random.random() < 0.06 * difficulty else 0.04 * difficulty

    def pick(self, entries: Sequence[T]) -> T:
        """Return one of the entries."""
        return entries[int(self.random.random() * len(entries))]

    def word(self, key: str) -> str:
        """Return a word of a list; one of the held-out part of the list where there is one and it is asked for."""
        words = self.language.words
        if self.heldout and f"heldout_{key}" in words:
            return self.pick(words[f"heldout_{key}"])
        return self.pick(words[key])

    def made_up(self) -> str:
        """Return a word that means nothing: two or three syllables, now and then a number or a code."""
        draw = self.random.random()
        if draw < 0.06:
            return self.pick("abcdefghijklmnopqrstuvwxyz") + str(int(self.random.random() * 90) + 1)
        starts, middles, ends = (
            self.language.words[key] for key in ("syllable_start", "syllable_middle", "syllable_end")
        )
        return self.pick(starts) + (self.pick(middles) if draw < 0.5 else "") + self.pick(ends)

    def styled(self, name: str) -> str:
        """Write a name as this home's people write."""
        style = self.style
        if self.random.random() < 0.12:
            style = self.pick(("title", "title", "lower", "sentence", "odd"))
        if style == "title":
            short = self.language.words.get("acronyms", ()) if self.random.random() < _SPELT_RIGHT else ()
            return " ".join(word.upper() if word in short else word[:1].upper() + word[1:] for word in name.split(" "))
        if style == "sentence":
            return name[:1].upper() + name[1:]
        if style == "odd":
            return self._odd(name)
        return name.lower()

    def _odd(self, name: str) -> str:
        draw = int(self.random.random() * 6)
        if draw == 0:
            return name.upper()
        if draw == 1:
            return name.lower().replace(" ", "_")
        if draw == 2:
            return name.lower().replace(" ", "-")
        if draw == 3:
            return "".join(word[:1].upper() + word[1:] for word in name.split(" "))
        if draw == 4:
            return "".join(letter.upper() if self.random.random() < 0.5 else letter.lower() for letter in name)
        return name.lower().replace(" ", "")

    def area(self) -> Name:
        """Return the name of a room."""
        draw = self.random.random()
        if draw < 0.12 * self.odd / 0.4:
            return Name(self.made_up() + (" " + self.word("room_nouns") if draw < 0.06 else ""), True)
        if draw < 0.17:
            return Name(
                self.word("first_names") + self.pick(self.language.words["possessive"]) + " " + self.word("room_nouns"),
                self.heldout,
            )
        if draw < 0.17 + self.foreign / 2:
            return Name(self.word("script_rooms" if self.random.random() < 0.1 else "foreign_rooms"), True)
        if draw > 0.96:
            return Name(f"{self.word('rooms')} {1 + int(self.random.random() * 4)}", self.heldout)
        return Name(self.word("rooms"), self.heldout)

    def device(self, kind: Kind, area: str | None) -> Name:
        """Return a name for a thing of this kind that stands in the area of that name."""
        noun = self.language.nouns[kind.name]
        base = self.pick(noun.heldout if self.heldout and noun.heldout and self.random.random() < 0.8 else noun.names)
        if kind.domain in ("scene", "script", "automation", "todo", "person", "weather", "alarm_control_panel"):
            return self._abstract(kind, base)
        if self.random.random() < (self.odd * 0.5 if kind.domain in ("sensor", "binary_sensor") else self.odd):
            return self._strange(kind, base, area)
        if self.random.random() < 0.1 * self.odd / 0.4 and (name := self._as_bought(kind, base, area)):
            return name
        draw = self.random.random()
        measured = kind.domain in ("sensor", "binary_sensor")
        if area is not None and draw < (0.55 if measured else 0.36):
            return Name(self.arranged("area_thing", area=area, thing=base), self.heldout)
        if draw < 0.66:
            return Name(base, self.heldout)
        if draw < 0.76:
            adjective = self.pick(self.language.words["adjectives"])
            return Name(self.arranged("adjective_thing", adjective=adjective, thing=base), self.heldout)
        if draw < 0.84:
            return Name(f"{base} {1 + int(self.random.random() * self.random.random() * 12)}", self.heldout)
        if draw < 0.90:
            return Name(
                f"{self.word('first_names')}{self.pick(self.language.words['possessive'])} {base}", self.heldout
            )
        if draw < 0.95:
            return Name(f"{self.pick(self.language.words['brands'])} {base}", self.heldout)
        return Name(self.arranged("area_thing", area=self.word("rooms"), thing=base), self.heldout)

    def arranged(self, pattern: str, **parts: str) -> str:
        """Return parts of a name in the order of this language."""
        return self.language.arranged(self.random, pattern, **parts)

    def _as_bought(self, kind: Kind, base: str, area: str | None) -> Name | None:
        """Return a name as an app or a box gives it: the room's own, a model's, one with marks or of many words."""
        words = self.language.words
        draw = self.random.random()
        if draw < 0.2:
            return Name(area, self.heldout) if area and kind.name in _ROOM_NAMED else None
        if draw < 0.45:
            return Name(f"{self.pick(words['brands'])} {base} {self.pick(words['models'])}", self.heldout)
        if draw < 0.6:
            return Name(f"{self.pick(words['brands'])} {self.pick(words['models'])}", self.heldout)
        if draw < 0.75:
            adjective, place = self.pick(words["adjectives"]), area or self.word("rooms")
            thing = self.arranged("area_thing", area=place, thing=base)
            return Name(self.arranged("adjective_thing", adjective=adjective, thing=thing), self.heldout)
        if draw < 0.85:
            place = area or self.word("rooms")
            return Name(
                f"{place} {self.pick(words['positions'])} {base} {1 + int(self.random.random() * 4)}", self.heldout
            )
        number = str(1 + int(self.random.random() * 9))
        marks = self.pick(
            ("{0} ({1})", "{1} - {0}", "{0}, {1}", "{1}: {0}", "{0} #{2}", "{0} 0{2}", "{1}/{0}", "{0}{2}")
        )
        return Name(marks.format(base, area or self.word("rooms"), number), self.heldout)

    def _abstract(self, kind: Kind, base: str) -> Name:
        if kind.name == "person":
            text = self.word("first_names")
            if self.random.random() < 0.15:
                text += " " + self.made_up().title()
            return Name(text if self.random.random() < 0.9 else self.made_up(), self.heldout)
        if self.random.random() < self.odd * 0.4:
            return Name(f"{self.made_up()} {base}" if self.random.random() < 0.6 else self.made_up(), True)
        return Name(base, self.heldout)

    def _strange(self, kind: Kind, base: str, area: str | None) -> Name:
        if self.random.random() < self.foreign * 0.3 and f"script_{kind.domain}" in self.language.words:
            return Name(self.word(f"script_{kind.domain}"), True)
        told = kind.name.replace(" ", "_") if kind.domain in ("sensor", "binary_sensor") else kind.domain
        foreign = f"foreign_{told}"
        if self.random.random() < self.foreign * 2 and foreign in self.language.words:
            return Name(self.word(foreign), True)
        draw = self.random.random()
        odd = self.made_up()
        if draw < 0.30 and kind.domain in ("light", "switch", "fan"):
            return Name(odd if draw < 0.2 else f"{odd} {self.made_up()}", True)
        if draw < 0.72 and kind.name in _KNOWN_BY_USE and self.random.random() < 0.6:
            return Name(odd if draw < 0.55 else self.word("first_names"), draw < 0.55)
        if draw < 0.72:
            return Name(f"{odd} {base}", True)
        if draw < 0.82 and area is not None:
            return Name(f"{area} {odd}", True)
        if draw < 0.90:
            return Name(f"{base} {odd}", True)
        return Name(f"{odd} {1 + int(self.random.random() * 20)}" if kind.domain == "switch" else f"{odd} {base}", True)

    def object_id(self, kind: Kind, name: str, area: str | None) -> str:
        """Return the part of an entity id after the dot."""
        draw = self.random.random()
        base = slug(name)
        if not base:
            return self._unrelated(kind)
        if draw < 0.65:
            return base
        if draw < 0.80:
            return self._near(base, area)
        return self._unrelated(kind)

    def _near(self, base: str, area: str | None) -> str:
        words = base.split("_")
        draw = int(self.random.random() * 6)
        if draw == 0 and len(words) > 1:
            return "_".join(words[1:])
        if draw == 1 and len(words) > 1:
            return "_".join(reversed(words))
        if draw == 2 and area:
            return f"{slug(area)}_{base}"
        if draw == 3:
            return "_".join(word[:3] for word in words)
        if draw == 4:
            return base.replace("_", "")
        return f"{base}_{2 + int(self.random.random() * 4)}"

    def _unrelated(self, kind: Kind) -> str:
        draw = self.random.random()
        if draw < 0.2:
            return f"0x{self.random.getrandbits(32):08x}"
        if draw < 0.35:
            return self.made_up() + (f"_{self.made_up()}" if draw < 0.28 else "")
        prefix = self.pick(self.language.words["id_prefixes"])
        if draw < 0.5:
            return f"{prefix}_{self.random.getrandbits(20):05x}"
        if draw < 0.6 and kind.domain != "sensor":
            return f"{prefix}_{kind.domain}"
        if draw < 0.68:
            return self.pick("abcdefghklmnprstuvwxyz") + str(1 + int(self.random.random() * 99))
        return f"{prefix}_{1 + int(self.random.random() * 30)}"
