"""Requests that move nothing: small talk, other assistants' jobs, things and rooms this home does not have.

`intents/none_*.yaml` holds them, a file per subject; wherever a request of that kind could be met by the home after all
(a weather station, a player), it is not made.
"""

from __future__ import annotations

from ..dialect.home import Answer
from .names import plain
from .speaker import Speaker, Wish

_FILLERS = (
    "cities", "people", "foods", "topics", "events", "stations", "companies", "genres", "artists", "items", "tasks",
    "first_names", "animals", "objects", "sports", "languages", "countries", "weekdays", "feelings", "titles", "rooms",
)  # fmt: skip

_NEEDS_NONE = {"none_weather": "weather", "none_lists": "todo", "none_media": "media_player"}


def refusal(speaker: Speaker, intent: str) -> Wish | None:
    """Make a request of one subject that this home cannot meet."""
    domain = _NEEDS_NONE.get(intent)
    if domain and speaker.world.by_domain.get(domain):
        return None
    slots = {key: speaker.word(key) for key in _FILLERS}
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


def subjects(speaker: Speaker) -> tuple[str, ...]:
    """Return the subjects there are."""
    return tuple(name for name in speaker.language.intents if name.startswith("none_"))


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
    if set(plain(room).split()) & speaker.world.words:
        return None
    kind = speaker.pick(("light", "light", "light", "blind", "fan", "speaker", "thermostat", "switch", "tv", "lock"))
    return _missing(speaker, kind, "missing_room", {"place": room, "room": room})


def missing_kind_in_room(speaker: Speaker) -> Wish | None:
    """Ask for a kind of thing in a room of the home that has none."""
    if not speaker.home.areas:
        return None
    area = speaker.pick(speaker.home.areas)
    kind = speaker.pick(
        ("light", "blind", "fan", "curtain", "speaker", "thermostat", "tv", "lock", "vacuum", "shutter")
    )
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
    "tv": "media_player", "thermostat": "climate", "lock": "lock", "vacuum": "vacuum", "switch": "switch",
}  # fmt: skip


def _missing(speaker: Speaker, kind: str, category: str, slots: dict[str, str]) -> Wish:
    noun = speaker.language.nouns[kind]
    slots |= {"kinds": speaker.pick(noun.many), "kind": speaker.pick(noun.one), "color": speaker.word("colors")}
    section = f"{kind}_place" if speaker.has("missing", f"{kind}_place") else "any_place"
    text = speaker.say("missing", section, slots)
    speech = speaker.say("missing", f"reply_{category}", slots | {"kind": noun.one[0]})
    return Wish("imperative", text, Answer(speech), category)


def missing_thing(speaker: Speaker) -> Wish | None:
    """Ask for a device that the home does not have, none of whose words the home knows."""
    name = _foreign_name(speaker)
    if set(plain(name).split()) & speaker.world.words or plain(name) in _spoken_kinds(speaker):
        return None
    section = "thing_question" if speaker.chance(0.3) else "thing"
    text = speaker.say("missing", section, {"name": name})
    form = "question" if section == "thing_question" else "imperative"
    return Wish(form, text, Answer(speaker.say("missing", "reply_thing", {"name": name.lower()})), "missing_thing")


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
    return Wish("question", speaker.say("unclear", "requests"), Answer(speaker.say("unclear", "reply")), "unclear")
