"""What happens to a sentence on its way: wake words and politeness, lower case, slips of the finger and of the ear."""

from __future__ import annotations

import re
import unicodedata
from functools import cache

from .language import load_language
from .names import plain
from .speaker import Speaker, Wish

_VERBATIM = frozenset(("item", "query"))
_CAMEL = re.compile(r"([A-Z][a-z]{2,}[0-9]*){2,}")
_SEAM = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_MARKS = re.compile(r"[(),:#/.-]+")
_LATIN = re.compile(r"[À-ɏ]")
_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "ø": "oe", "å": "aa", "æ": "ae"})
_RESPELT = 0.25
"""How often a name is spelt otherwise than in the listing, where that can be done at all."""
_KEYS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_NEAR = {
    key: row[max(0, place - 1) : place] + row[place + 1 : place + 2] for row in _KEYS for place, key in enumerate(row)
}


def wrapped(speaker: Speaker, form: str, text: str) -> str:
    """Put politeness and hesitation around a sentence, as its form allows."""
    if speaker.difficulty == 0:
        return text
    draw = speaker.random.random()
    if form == "imperative" and draw < 0.34:
        text = speaker.say("talk", "before_imperative", {"text": text})
    elif form == "gerund":
        text = speaker.say("talk", "before_gerund", {"text": text})
    elif form == "question" and draw < 0.2:
        text = speaker.say("talk", "before_question", {"text": text})
    if form in ("imperative", "free") and speaker.chance(0.13):
        text = speaker.say("talk", "after", {"text": text})
    if speaker.chance(0.1):
        text = speaker.say("talk", "wake", {"text": text, "assistant": speaker.word("assistants")})
    return text


def written(speaker: Speaker, form: str, text: str, *, slips: bool = True) -> str:
    """Write a sentence down as a speech recogniser or a hasty thumb does, or with care."""
    if slips and speaker.difficulty > 0 and speaker.chance(0.05):
        text = _misheard(speaker, text)
    if slips and speaker.difficulty > 0 and speaker.chance(0.07):
        text = _mistyped(speaker, text)
    draw = speaker.random.random()
    if draw < 0.62:
        text = text.lower()
        return _shouted(speaker, text) if speaker.chance(0.12) else text
    text = _shouted(speaker, text)
    if draw < 0.72:
        return text
    end = "?" if form in ("question", "gerund") else "!" if draw > 0.97 else "."
    if draw < 0.80:
        return text.lower() + end
    text = text[:1].upper() + text[1:]
    return text + end if draw < 0.96 or draw > 0.97 else text


def _shouted(speaker: Speaker, text: str) -> str:
    """Return the text with words such as TV in capital letters."""
    short = speaker.language.words.get("acronyms", ())
    return " ".join(word.upper() if word in short else word for word in text.split(" "))


def respelt(speaker: Speaker, wish: Wish) -> str:
    """Return the request with a name spelt as people say it: `OfficeLamp` in two words, `Kuche` for `Küche`."""
    text = wish.text
    for id_ in wish.answer.evidence:
        for name in _names(speaker, id_):
            if name in text and speaker.chance(_RESPELT) and (new := _otherwise(speaker, name)):
                text = text.replace(name, new, 1)
    return text


def _names(speaker: Speaker, id_: str) -> tuple[str, ...]:
    kind, _, ident = id_.partition(".")
    home = speaker.home
    if kind in ("area", "floor"):
        return (home.area_by_id if kind == "area" else home.floor_by_id)[ident].names
    return home.by_id[id_].names


def _otherwise(speaker: Speaker, name: str) -> str:
    """Return another spelling of a name; empty where there is none, or where it is the name of something else."""
    new = name
    if " " not in name:
        new = _apart(speaker, name)
    elif len(name) > 6 and speaker.chance(0.1):
        first, rest = name.split(" ", 1)
        new = f"{first}{rest}" if first.isalpha() and rest.isalpha() and rest.islower() else name
    if _LATIN.search(name) and speaker.chance(0.6):
        new = _without_accents(speaker, new)
    new = new.replace("'", "")
    new = " ".join(_MARKS.sub(" " if speaker.chance(0.8) else "", new).split()) if _MARKS.search(new) else new
    same = plain(new) == plain(name)
    taken = plain(new) in speaker.world.by_name or plain(new) in speaker.world.places
    return "" if new == name or not new or (taken and not same) else new


def _apart(speaker: Speaker, name: str) -> str:
    """Return a name of several words written as one with its words apart."""
    if _CAMEL.fullmatch(name):
        return _SEAM.sub(" ", name)
    for room in speaker.language.words["rooms"]:
        joined = room.replace(" ", "")
        if name.lower() == joined != room:
            return room
        if (
            len(room) > 3
            and name.lower().startswith(joined)
            and name.lower()[len(joined) :] in _nouns_of(speaker.language.code)
        ):
            return f"{room} {name[len(joined) :]}"
    return name


@cache
def _nouns_of(code: str) -> frozenset[str]:
    nouns = load_language(code).nouns.values()
    return frozenset(word for noun in nouns for word in (*noun.one, *noun.many, *noun.names) if " " not in word)


def _without_accents(speaker: Speaker, name: str) -> str:
    if speaker.chance(0.4):
        return name.lower().translate(_UMLAUTS)
    letters = unicodedata.normalize("NFKD", name)
    return "".join(letter for letter in letters if not unicodedata.combining(letter))


def _misheard(speaker: Speaker, text: str) -> str:
    table = speaker.language.tables["misheard"]
    words = text.split(" ")
    places = [place for place, word in enumerate(words) if word in table]
    if places:
        place = speaker.pick(places)
        heard = speaker.pick(table[words[place]])
        words[place] = words[place] if heard in speaker.world.words else heard
    return " ".join(words)


def _mistyped(speaker: Speaker, text: str) -> str:
    words = text.split(" ")
    places = [place for place, word in enumerate(words) if len(word) > 3 and word.isalpha() and word.islower()]
    if not places:
        return text
    place = speaker.pick(places)
    words[place] = _slip(speaker, words[place])
    return " ".join(words)


def _slip(speaker: Speaker, word: str) -> str:
    at = 1 + int(speaker.random.random() * (len(word) - 2))
    draw = speaker.random.random()
    if draw < 0.3:
        return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    if draw < 0.6:
        return word[:at] + word[at + 1 :]
    if draw < 0.8:
        return word[:at] + word[at] + word[at:]
    near = _NEAR.get(word[at], "")
    return word[:at] + (speaker.pick(near) if near else "") + word[at + 1 :]


def finished(speaker: Speaker, wish: Wish) -> str:
    """Return the request as it arrives. Words that the answer takes over as they are said suffer no slip."""
    exact = wish.category.startswith("missing") or any(
        not _VERBATIM.isdisjoint(action.data) for action in wish.answer.actions
    )
    text = respelt(speaker, wish) if speaker.difficulty > 0 and not exact else wish.text
    return written(speaker, wish.form, wrapped(speaker, wish.form, text), slips=not exact)
