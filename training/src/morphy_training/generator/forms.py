"""How words bend in a language that has genders and cases: `~im {place}` is `im Bad` or `in der Küche`.

All of it is in the language's `grammar.yaml`. A word's class (a gender, mostly) is that of the longest ending of it
which stands there, so that `Stehlampe` is what `Lampe` is.

- `~mark {slot}` puts the mark's form for the class of what fills the slot in front of it.
- `~mark.p {slot}` tells the class, as of nouns whose plural looks like one.
- `{slot:dat}` is in a case. A mark that cases know waits for its own, as in a reference that is made before its
  sentence: `~der {name}` becomes `~der.f Stehlampe` until `{what:dat}` makes it `der Stehlampe`.
- `{slot:cap}` begins with a capital letter.
- `{first:join}{slot}` is a compound, which bends as its end does.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

_WORD = re.compile(r"[^\W\d_]+")
_REMARK = re.compile(r"[(,]")
_WAITING = re.compile(r"~(\w+)\.(\w+)(?: (\S+))?")

Table = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Forms:
    """The endings of each class, the marks by class, what each case makes of marks and nouns, the joints of compounds.

    `owners` are words like `Annas`: a name that begins with one has no article.

    A class with a second word, as in `f auf`, is that of places: a mark without a form for it takes that of the first.
    """

    endings: Mapping[str, str]
    marks: Table
    cases: Table
    joints: Mapping[str, str]
    owners: frozenset[str]
    _known: dict[str, str] = field(default_factory=dict)

    def class_of(self, text: str) -> str:
        """Return the class of the last word that has one, that of a place only if there is no other; else `x`.

        What is in brackets does not count.
        """
        known = self._known.get(text)
        if known is None:
            words = _WORD.findall(_REMARK.split(text.lower())[0])
            owned = words[:1] and words[0] in self.owners
            found = [kind for word in reversed(words) if not owned and (kind := self._class(word))]
            known = self._known[text] = next((kind for kind in found if " " not in kind), found[0] if found else "x")
        return known

    def _class(self, word: str) -> str:
        return next((self.endings[word[at:]] for at in range(len(word)) if word[at:] in self.endings), "")

    def knows(self, mark: str, form: str) -> bool:
        """Return whether there is such a mark and such a form."""
        marked = not mark or mark in self.marks or any(mark in table for table in self.cases.values())
        return marked and (form in ("", "cap") or form in self.cases)

    def alike(self, one: str, other: str) -> bool:
        """Return whether one may stand for the other, with all that agrees with it."""
        return self.class_of(one) == self.class_of(other)

    def bent(self, value: str, form: str, mark: str, kind: str) -> str:
        """Return what fills a slot: in its form, behind its mark for the class `kind` or its own; all may be empty."""
        if form:
            value = self._in_form(value, form)
        if not mark:
            return value
        kind = kind or self.class_of(value)
        if form in self.cases:
            mark = self.cases[form].get(mark, mark)
        elif any(mark in table for table in self.cases.values()):
            return f"~{mark}.{kind.partition(' ')[0]} {value}" if kind != "x" else value
        return f"{self._marked(mark, kind)} {value}"

    def _marked(self, mark: str, kind: str) -> str:
        table = self.marks[mark]
        return table.get(kind) or table.get(kind.partition(" ")[0], "")

    def _in_form(self, value: str, form: str) -> str:
        if form == "cap":
            return value[:1].upper() + value[1:]
        table = self.cases[form]
        if value in table:
            return table[value]

        def settled(found: re.Match[str]) -> str:
            mark, kind, noun = found.groups("")
            return f"{self._marked(table.get(mark, mark), kind)} {table.get(f'{noun}.{kind}', noun)}"

        return _WAITING.sub(settled, value)

    def joint(self, value: str) -> str:
        """Return a word as the beginning of a compound: `küchen` of `küche`, `Zorba-` where no ending is known."""
        low = value.lower()
        for at in range(len(low)):
            if low[at:] in self.joints:
                return value[:at] + self.joints[low[at:]]
        return value if value[-1:].isalpha() and self.class_of(value) not in ("x", "a") else f"{value}-"
