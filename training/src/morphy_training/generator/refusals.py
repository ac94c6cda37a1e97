"""Requests that move nothing: small talk, other assistants' jobs, things and rooms this home does not have.

`intents/none_*.yaml` holds them, a file per subject; wherever a request of that kind could be met by the home after all
(a weather station, a player), it is not made.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache

from ..dialect.home import Answer, Area
from .control import BY_NAME, control
from .homes import Thing
from .language import load_language
from .names import plain
from .speaker import Speaker, Wish

_FILLERS = (
    "cities", "people", "foods", "topics", "events", "stations", "companies", "genres", "artists", "items", "tasks",
    "first_names", "animals", "objects", "sports", "languages", "countries", "weekdays", "feelings", "titles", "rooms",
    "relatives", "months", "apps", "ailments", "shops", "body_parts", "games", "chores",
)  # fmt: skip

_NEEDS_NONE = {"none_weather": "weather", "none_lists": "todo", "none_media": "media_player"}


def refusal(speaker: Speaker, intent: str) -> Wish | None:
    """Make a request of one subject that this home cannot meet."""
    domain = _NEEDS_NONE.get(intent)
    if domain and speaker.world.by_domain.get(domain):
        return None
    slots = {key: speaker.word(key) for key in _FILLERS if key in speaker.language.words}
    slots["thing"] = _own_thing(speaker)
    for index in range(2):
        slots[f"number{index}"] = str(1 + int(speaker.random.random() * speaker.pick((9, 60, 900))))
    slots["clock"] = speaker.say(
        "talk",
        "clock",
        {
            "hour": str(1 + int(speaker.random.random() * 12)),
            "word": speaker.language.numbers[1 + int(speaker.random.random() * 12)],
        },
    )
    text = speaker.say(intent, "requests", slots)
    return Wish("free" if speaker.chance(0.7) else "question", text, Answer(speaker.say(intent, "reply")), intent)


_APPLIANCES = ("light", "switch", "fan", "cover", "lock", "climate", "media_player", "vacuum", "humidifier", "valve")


def _own_thing(speaker: Speaker) -> str:
    """Return words for a device of the home: much can be asked about it that no assistant can answer."""
    things = [thing for domain in _APPLIANCES for thing in speaker.world.by_domain.get(domain) or ()]
    named = speaker.called(speaker.pick(things)) if things else None
    return speaker.with_article(named or speaker.pick(speaker.language.nouns["light"].one))


def subjects(speaker: Speaker) -> tuple[str, ...]:
    """Return the subjects there are, those of which more can be said several times."""
    return _subjects(speaker.language.code)


@cache
def _subjects(code: str) -> tuple[str, ...]:
    intents = load_language(code).intents
    names = [name for name in intents if name.startswith("none_")]
    return tuple(name for name in names for _ in range(1 + len(intents[name]["requests"]) // 8))


def small_talk(speaker: Speaker) -> Wish | None:
    """Say hello, thank you, good night: each has its own reply."""
    sections = speaker.language.intents["small_talk"]
    topic = speaker.pick([name for name in sections if not name.endswith("_reply")])
    return Wish(
        "question", speaker.say("small_talk", topic), Answer(speaker.say("small_talk", f"{topic}_reply")), "small_talk"
    )


def missing_room(speaker: Speaker) -> Wish | None:
    """Ask for something in a room that the home does not have."""
    room = speaker.word("rooms") if speaker.chance(0.7) else speaker.word("foreign_rooms")
    if _is_known(speaker, room):
        return None
    if speaker.chance(0.6) and (wish := _first_of(lambda: _moved(speaker, room))):
        return wish
    kind = speaker.pick(("light", "light", "light", "blind", "fan", "speaker", "thermostat", "switch", "tv", "lock"))
    return _missing(speaker, kind, "missing_room", {"place": room, "room": room})


def _first_of(make: Callable[[], Wish | None]) -> Wish | None:
    """Return the first wish of a few tries."""
    return next((wish for wish in (make() for _ in range(6)) if wish is not None), None)


def _is_known(speaker: Speaker, room: str) -> bool:
    """Return whether a word of the home could mean this room: a name, a part of one, or another word for it."""
    words = set(plain(room).split()).difference(speaker.language.words["common_words"])
    joined = plain(room).replace(" ", "")
    if words & speaker.world.words or any(
        joined in place.replace(" ", "") or place.replace(" ", "") in joined for place in speaker.world.places
    ):
        return True
    aliases = speaker.language.tables["room_aliases"]
    return any(
        room in aliases.get(place, ()) or place in aliases.get(room, ()) or _share_alias(aliases, room, place)
        for place in speaker.world.places
    )


def _share_alias(aliases: Mapping[str, tuple[str, ...]], room: str, place: str) -> bool:
    return any(room in words and place in words for words in aliases.values())


_MOVED = (
    "light_on", "light_off", "light_on", "light_off", "light_brightness", "light_color", "light_dim", "light_brighten",
    "light_white", "fan_on", "fan_off", "cover_open", "cover_close", "cover_position", "climate_set", "climate_off",
    "switch_on", "switch_off", "lock", "unlock", "media_play", "media_off", "media_pause", "volume_up", "volume_set",
)  # fmt: skip


def _moved(speaker: Speaker, room: str) -> Wish | None:
    """Take a request that the home can meet to a room that it does not have: the same sentence, another answer."""
    wish = control(speaker, BY_NAME[speaker.pick(_MOVED)])
    if wish is None or len(wish.answer.evidence) != 1 or len(wish.answer.actions) != 1:
        return None
    kind, _, ident = wish.answer.evidence[0].partition(".")
    if kind == "area":
        text = _swapped(wish.text, speaker.home.area_by_id[ident], room, speaker.language.alike)
        slots = {"room": room}
        reply, category = "reply_missing_room", "missing_room"
    else:
        thing = next((thing for thing in speaker.world.things if thing.id == wish.answer.evidence[0]), None)
        text, name = _renamed(speaker, wish.text, thing, room) if thing else (None, "")
        slots = {"name": name}
        reply, category = "reply_thing", "missing_thing"
    if text is None:
        return None
    return replace(
        wish, text=text, answer=Answer(speaker.say("missing", reply, slots)), category=category, unseen=False
    )


def _swapped(text: str, area: Area, room: str, alike: Callable[[str, str], bool]) -> str | None:
    """Return the text with the room in place of the area; None where the area is not spoken of in just one place."""
    for name in sorted(area.names, key=len, reverse=True):
        if f" {text} ".count(f" {name} ") == 1 and alike(name, room):
            return f" {text} ".replace(f" {name} ", f" {room} ").strip()
    return None


def _renamed(speaker: Speaker, text: str, thing: Thing, room: str) -> tuple[str | None, str]:
    """Return the text and the thing's new name, whose room at its beginning is another one."""
    area = speaker.home.area_by_id.get(thing.area or "")
    for place in area.names if area else ():
        for name in thing.device.names:
            rest = plain(name).removeprefix(plain(place) + " ")
            if (
                rest != plain(name)
                and rest not in speaker.language.words["first_names"]
                and plain(name) in text.lower()
                and speaker.language.alike(name, rest)
            ):
                new = f"{room} {rest}"
                at = text.lower().index(plain(name))
                return text[:at] + new + text[at + len(name) :], new
    return None, ""


def missing_kind_in_room(speaker: Speaker) -> Wish | None:
    """Ask for a kind of thing in a room of the home that has none."""
    if not speaker.home.areas:
        return None
    area = speaker.pick(speaker.home.areas)
    kind = speaker.pick(("light", "light", "blind", "fan", "curtain", "speaker", "thermostat", "tv", "lock", "shutter"))
    noun = speaker.language.nouns[kind]
    inside = [thing for thing in speaker.world.things if thing.area == area.id]
    if any(thing.kind.domain == _DOMAIN[kind] for thing in inside):
        return None
    named = {word for thing in inside for name in thing.device.names for word in plain(name).split()}
    named |= {
        word
        for name in speaker.world.by_name
        for area_name in area.names
        if plain(area_name) in name
        for word in name.split()
    }
    if any(word in named for name in (*noun.one, *noun.many) for word in plain(name).split()):
        return None
    place = speaker.pick(area.names)
    return _missing(speaker, kind, "missing_kind", {"place": place, "room": place})


_DOMAIN = {
    "light": "light", "blind": "cover", "curtain": "cover", "shutter": "cover", "fan": "fan", "speaker": "media_player",
    "tv": "media_player", "thermostat": "climate", "lock": "lock", "switch": "switch",
}  # fmt: skip


def _missing(speaker: Speaker, kind: str, category: str, slots: dict[str, str]) -> Wish:
    noun = speaker.language.nouns[kind]
    slots |= {"kinds": speaker.pick(noun.many), "kind": speaker.pick(noun.one), "color": speaker.word("colors")}
    section = f"{kind}_place" if speaker.has("missing", f"{kind}_place") else "any_place"
    text = speaker.say("missing", section, slots)
    speech = speaker.say("missing", f"reply_{category}", slots | {"kind": noun.one[0]})
    form = "question" if text.partition(" ")[0] in speaker.language.words["question_words"] else "imperative"
    return Wish(form, text, Answer(speech), category)


def missing_thing(speaker: Speaker) -> Wish | None:
    """Ask for a device that the home does not have, none of whose words the home knows."""
    name = _foreign_name(speaker)
    if set(plain(name).split()) & speaker.world.words or plain(name) in _spoken_kinds(speaker):
        return None
    if speaker.chance(0.6) and (wish := _first_of(lambda: _named_otherwise(speaker, name))):
        return wish
    section = "thing_question" if speaker.chance(0.3) else "thing"
    text = speaker.say("missing", section, {"name": name})
    form = "question" if section == "thing_question" else "imperative"
    return Wish(form, text, Answer(speaker.say("missing", "reply_thing", {"name": name.lower()})), "missing_thing")


_NAMED = (
    "switch_on", "switch_off", "switch_on", "switch_off", "light_on", "light_off", "fan_on", "fan_off", "scene",
    "script", "light_brightness", "light_color", "lock", "cover_open", "cover_close", "media_on", "media_off",
    "helper_on", "button",
)  # fmt: skip


def _named_otherwise(speaker: Speaker, name: str) -> Wish | None:
    """Say another name in a request that the home can meet: the same sentence, another answer."""
    wish = control(speaker, BY_NAME[speaker.pick(_NAMED)])
    if wish is None or len(wish.answer.evidence) != 1:
        return None
    thing = next((thing for thing in speaker.world.things if thing.id == wish.answer.evidence[0]), None)
    for old in thing.device.names if thing else ():
        if (
            f" {wish.text} ".count(f" {old} ") == 1
            and speaker.language.alike(old, name)
            and not any(place in plain(wish.text.replace(old, "")) for place in speaker.world.places)
        ):
            text = f" {wish.text} ".replace(f" {old} ", f" {name} ").strip()
            answer = Answer(speaker.say("missing", "reply_thing", {"name": name.lower()}))
            return replace(wish, text=text, answer=answer, category="missing_thing", unseen=False)
    return None


def _spoken_kinds(speaker: Speaker) -> set[str]:
    """Return the words for all kinds of thing that the home has."""
    nouns = (speaker.language.nouns[kind] for kind, things in speaker.world.by_kind.items() if things)
    return {word for noun in nouns for word in (*noun.one, *noun.many)}


def _foreign_name(speaker: Speaker) -> str:
    draw = speaker.random.random()
    if draw < 0.5:
        noun = speaker.pick(
            tuple(
                speaker.language.nouns[kind]
                for kind in (
                    "switch",
                    "fan",
                    "tv",
                    "vacuum",
                    "lock",
                    "valve",
                    "gate",
                    "garage",
                    "humidifier",
                    "mower",
                    "siren",
                )
            )
        )
        return speaker.pick(noun.names)
    start = speaker.word("syllable_start") + speaker.word("syllable_middle") + speaker.word("syllable_end")
    if draw < 0.8:
        return f"{start} {speaker.pick(speaker.language.nouns['switch'].names)}"
    return start


def unclear(speaker: Speaker) -> Wish | None:
    """Say half a sentence, or nothing that means anything."""
    slots = {key: speaker.word(key) for key in ("noise", "loose")}
    return Wish("bare", speaker.say("unclear", "requests", slots), Answer(speaker.say("unclear", "reply")), "unclear")
