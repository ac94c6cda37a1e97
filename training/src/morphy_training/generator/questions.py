"""Questions that the states of the home answer: yes or no, which, how many, how much, where, what."""

from __future__ import annotations

from collections.abc import Sequence

from ..dialect.home import Answer
from .homes import Thing
from .names import plain
from .speaker import MOST, Reference, Speaker, Wish, ids_of

_COVERS = ("blind", "curtain", "shutter", "shade", "awning", "garage", "gate", "window_cover", "door_cover")
_POWERED = (
    "light",
    "switch",
    "coffee",
    "switch_light",
    "fan",
    "purifier",
    "tv",
    "speaker",
    "humidifier",
    "helper",
    "ac",
    "siren",
)
_DOORS = ("binary door", "binary window", "binary opening", "binary garage door")
_STILL_OFF = frozenset(("off", "standby", "unavailable", "unknown"))

_STATES: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(_POWERED, ("on", "off")),
    **dict.fromkeys((*_COVERS, "valve"), ("open", "closed")),
    "lock": ("locked", "unlocked"),
    "vacuum": ("cleaning", "docked"),
}
"""What is asked of which kind; of a binary sensor, its two words."""

_GROUPS = ("light", "light", "light", "switch", "fan", "lock", "lock", *_COVERS, *_DOORS, *_DOORS, "tv", "speaker")

_SAME_WORD = {
    "binary door": ("door_cover",),
    "door_cover": ("binary door",),
    "binary window": ("window_cover",),
    "window_cover": ("binary window",),
    "binary garage door": ("garage",),
    "garage": ("binary garage door",),
}
"""Kinds of two domains that share a word: which is meant in a question cannot be told."""


def _asked_states(speaker: Speaker, thing: Thing) -> tuple[str, ...]:
    if thing.kind.domain == "binary_sensor":
        return speaker.language.tables["binary_states"][thing.kind.device_class or ""]
    return _STATES.get(thing.kind.name, ())


def _is(thing: Thing, asked: str) -> bool:
    state = thing.device.state
    if asked == "on":
        return state not in _STILL_OFF
    if asked == "off":
        return state in ("off", "standby")
    return state == asked


def _wish(category: str, text: str, speech: str, things: Sequence[Thing]) -> Wish:
    return Wish("question", text, Answer(speech, (), ids_of(things)), category, any(thing.unseen for thing in things))


def _verb(speaker: Speaker, things: Sequence[Thing]) -> str:
    return speaker.say("talk", "is_one" if len(things) == 1 else "is_many")


def _state_reply(speaker: Speaker, things: Sequence[Thing], yes: bool | None) -> str:
    """Tell the things' state; all of them share it."""
    slots = {"names": speaker.names(things), "is": _verb(speaker, things), "state": things[0].device.state}
    return speaker.say("question_state", "reply" if yes is None else "reply_yes" if yes else "reply_no", slots)


def state(speaker: Speaker) -> Wish | None:
    """Ask for the state of one thing."""
    things = [thing for thing in speaker.world.things if _asked_states(speaker, thing)]
    draw = speaker.random.random()
    if draw < 0.12:
        reference = speaker.only([thing.kind.name for thing in things]) if things else None
    else:
        reference = speaker.one(things)
    if reference is None:
        return None
    thing = reference.things[0]
    if thing.device.state == "unavailable" or speaker.chance(0.25):
        section = "open_question"
        text = speaker.say("question_state", section, {"what": reference.text})
        return _wish("question_state", text, _state_reply(speaker, [thing], None), [thing])
    asked = speaker.pick(_asked_states(speaker, thing))
    words = speaker.language.tables["state_words"].get(asked, (asked,))
    text = speaker.say("question_state", "closed_question", {"what": reference.text, "state": speaker.pick(words)})
    return _wish("question_state", text, _state_reply(speaker, [thing], _is(thing, asked)), [thing])


def group(speaker: Speaker) -> Wish | None:
    """Ask about all things of a kind in a scope: any, all, which, how many."""
    kind = speaker.pick([kind for kind in _GROUPS if speaker.world.by_kind.get(kind)] or [""])
    if not kind:
        return None
    if any(speaker.world.by_kind.get(other) for other in _SAME_WORD.get(kind, ())):
        return None
    reference = speaker.group([kind], speaker.random.choices(("area", "here", "floor", "all"), (45, 12, 10, 33))[0])
    if reference is None or len(reference.things) > MOST:
        return None
    things = reference.things
    if any(thing.device.state in ("unavailable", "opening", "closing") for thing in things):
        return None
    asked = speaker.pick(_asked_states(speaker, things[0]))
    form = speaker.random.choices(("any", "which", "count", "all"), (38, 24, 18, 20))[0]
    text = _group_text(speaker, reference, kind, form, asked)
    return _wish(f"question_{form}", text, _group_reply(speaker, reference, kind, form, asked), things)


def _group_text(speaker: Speaker, reference: Reference, kind: str, form: str, asked: str) -> str:
    noun = speaker.language.nouns[kind]
    scope = "everywhere" if reference.how == "all" else "here" if reference.how == "here" else "place"
    slots = {
        "kinds": speaker.pick(noun.many),
        "kind": speaker.pick(noun.one),
        "state": speaker.pick(speaker.language.tables["state_words"].get(asked, (asked,))),
        "where": speaker.say("question_group", f"where_{scope}", {"place": reference.place}),
    }
    return speaker.say("question_group", form, slots)


def _group_reply(speaker: Speaker, reference: Reference, kind: str, form: str, asked: str) -> str:
    noun = speaker.language.nouns[kind]
    matching = [thing for thing in reference.things if _is(thing, asked)]
    others = [thing for thing in reference.things if not _is(thing, asked)]
    shown = others if form == "all" and others else matching
    slots = {
        "names": speaker.names(shown) if shown else "",
        "is": _verb(speaker, shown),
        "state": asked if shown is matching else _common_state(shown, asked),
        "count": str(len(matching)),
        "kinds": noun.many[0],
        "kind": noun.one[0] if len(matching) == 1 else noun.many[0],
        "place": _place(speaker, reference),
    }
    outcome = "yes" if (not others if form == "all" else matching) else "no"
    return speaker.say("question_group", f"reply_{form}_{outcome}", slots).replace(" .", ".")


def _common_state(things: Sequence[Thing], asked: str) -> str:
    states = {thing.device.state for thing in things}
    return things[0].device.state if len(states) == 1 else _OPPOSITE.get(asked, things[0].device.state)


_OPPOSITE = {"on": "off", "off": "on", "open": "closed", "closed": "open", "locked": "unlocked", "unlocked": "locked"}


def _place(speaker: Speaker, reference: Reference) -> str:
    """Return the end of an answer that tells the place: ` in Kitchen`, or nothing."""
    if reference.how == "all":
        return ""
    area = reference.things[0].area or ""
    name = speaker.home.area_by_id[area].names[0]
    if reference.how == "floor":
        floor = speaker.home.area_by_id[area].floor or ""
        name = speaker.home.floor_by_id[floor].names[0]
    return speaker.say("question_group", "in_place", {"place": name})


def sensor_named(speaker: Speaker) -> Wish | None:
    """Ask a sensor by its name."""
    reference = speaker.one(speaker.world.by_domain.get("sensor") or ())
    if reference is None:
        return None
    thing = reference.things[0]
    rest, _, last = plain(thing.name).rpartition(" ")
    single = len(speaker.world.by_name[plain(thing.name)]) == 1
    if single and rest and last in speaker.language.nouns[thing.kind.name].one and speaker.chance(0.35):
        text = speaker.say("question_sensor", "split_name", {"rest": rest, "last": last})
    else:
        text = speaker.say("question_sensor", "named", {"what": reference.text})
    return _wish("question_sensor", text, _value_reply(speaker, thing, thing.device.state), [thing])


def _value_reply(speaker: Speaker, thing: Thing, value: str) -> str:
    return speaker.say("question_sensor", "reply", {"name": thing.name, "value": value})


def sensor_in_place(speaker: Speaker) -> Wish | None:
    """Ask what something measures in a room: `how warm is it in the kitchen`."""
    sources = _sources(speaker)
    if not sources:
        return None
    what, thing, value = speaker.pick(sources)
    rivals = [other for kind, other, _ in sources if kind == what]
    sections = speaker.language.intents["question_sensor"]
    here = [other for other in rivals if other.area and other.area == speaker.home.room]
    if (here == [thing] and f"{what}_here" in sections and speaker.chance(0.5)) or (
        rivals == [thing] and f"{what}_here" in sections and speaker.chance(0.4)
    ):
        text = speaker.say("question_sensor", f"{what}_here")
    elif thing.area and [other for other in rivals if other.area == thing.area] == [thing]:
        area = speaker.home.area_by_id[thing.area]
        text = speaker.say("question_sensor", f"{what}_place", {"place": speaker.pick(area.names)})
    else:
        return None
    return _wish("question_sensor", text, _value_reply(speaker, thing, value), [thing])


def _sources(speaker: Speaker) -> list[tuple[str, Thing, str]]:
    """Return what is measured, by what, and the value; thermostats tell a room's temperature where no sensor does."""
    sections = speaker.language.intents["question_sensor"]
    sources: list[tuple[str, Thing, str]] = []
    for thing in speaker.world.by_domain.get("sensor") or ():
        what = (thing.kind.device_class or "").replace(" ", "_")
        if f"{what}_place" in sections:
            sources.append((what, thing, thing.device.state))
    warm = {thing.area for what, thing, _ in sources if what == "temperature"}
    return sources + [
        ("temperature", thing, thing.device.attributes["now"])
        for thing in speaker.world.by_domain.get("climate") or ()
        if thing.area not in warm and "now" in thing.device.attributes
    ]


def binary_in_place(speaker: Speaker) -> Wish | None:
    """Ask whether something is the case in a room: `is there a leak in the cellar`."""
    sections = speaker.language.intents["question_binary"]
    things = [
        thing
        for thing in speaker.world.by_domain.get("binary_sensor") or ()
        if f"{(thing.kind.device_class or '').replace(' ', '_')}_place" in sections
    ]
    if not things:
        return None
    thing = speaker.pick(things)
    what = (thing.kind.device_class or "").replace(" ", "_")
    rivals = speaker.world.by_kind[thing.kind.name]
    if thing.area and speaker.chance(0.65):
        scope = [other for other in rivals if other.area == thing.area]
        names = speaker.home.area_by_id[thing.area].names
        text = speaker.say("question_binary", f"{what}_place", {"place": speaker.pick(names)})
    else:
        scope = list(rivals)
        text = speaker.say("question_binary", f"{what}_home")
    if len(scope) > MOST or any(other.device.state == "unavailable" for other in scope):
        return None
    yes = speaker.language.tables["binary_states"][thing.kind.device_class or ""][0]
    matching = [other for other in scope if other.device.state == yes]
    return _wish("question_binary", text, _state_reply(speaker, matching or scope, bool(matching)), scope)


_ATTRIBUTES = {
    "brightness": ("light", "brightness"),
    "color": ("light", "color"),
    "speed": ("fan", "speed"),
    "position": ("cover", "position"),
    "volume": ("media_player", "volume"),
    "playing": ("media_player", "playing"),
    "source": ("media_player", "source"),
    "setting": ("climate", "set"),
    "current": ("climate", "now"),
    "robot_battery": ("vacuum", "battery"),
    "target_humidity": ("humidifier", "set"),
}


def attribute(speaker: Speaker) -> Wish | None:
    """Ask how bright, how loud, what is playing: something an attribute tells."""
    section = speaker.pick(tuple(_ATTRIBUTES))
    domain, key = _ATTRIBUTES[section]
    things = [thing for thing in speaker.world.by_domain.get(domain) or () if key in thing.device.attributes]
    if not things:
        return None
    kinds = [thing.kind.name for thing in things]
    reference = (
        speaker.only(kinds)
        if domain in ("climate", "vacuum", "media_player") and speaker.chance(0.4)
        else speaker.one(things)
    )
    if reference is None or key not in reference.things[0].device.attributes:
        return None
    thing = reference.things[0]
    text = speaker.say("question_attribute", section, {"what": reference.text})
    slots = {"name": thing.name, "value": thing.device.attributes[key]}
    return _wish("question_attribute", text, speaker.say("question_attribute", f"{section}_reply", slots), [thing])


def playing(speaker: Speaker) -> Wish | None:
    """Ask what is playing, without saying where."""
    reference = speaker.implied(("tv", "speaker"), "playing")
    if reference is None or "playing" not in reference.things[0].device.attributes:
        return None
    thing = reference.things[0]
    text = speaker.say("question_attribute", "playing_implied")
    slots = {"name": thing.name, "value": thing.device.attributes["playing"]}
    return _wish("question_attribute", text, speaker.say("question_attribute", "playing_reply", slots), [thing])


def person(speaker: Speaker) -> Wish | None:
    """Ask where people are."""
    people = speaker.world.by_kind.get("person") or []
    if not people or len(people) > MOST:
        return None
    at_home = [thing for thing in people if thing.device.state == "home"]
    draw = speaker.random.random()
    if draw < 0.2:
        text = speaker.say("question_person", "who")
        speech = (
            speaker.say(
                "question_person", "reply_who", {"names": speaker.names(at_home), "is": _verb(speaker, at_home)}
            )
            if at_home
            else speaker.say("question_person", "reply_nobody")
        )
        return _wish("question_person", text, speech, people)
    if draw < 0.35:
        text = speaker.say("question_person", "anyone")
        speech = (
            speaker.say(
                "question_person",
                "reply_yes",
                {"names": speaker.names(at_home), "is": _verb(speaker, at_home), "state": "home"},
            )
            if at_home
            else speaker.say("question_person", "reply_nobody_no")
        )
        return _wish("question_person", text, speech, people)
    return _one_person(speaker, people)


def _one_person(speaker: Speaker, people: Sequence[Thing]) -> Wish | None:
    thing = speaker.pick(people)
    name = speaker.called(thing)
    if name is None:
        return None
    where = thing.device.state
    slots = {
        "name": name,
        "names": thing.name,
        "is": speaker.say("talk", "is_one"),
        "state": speaker.pick(speaker.language.tables["state_words"].get(where, (where,))),
    }
    slots["state"] = speaker.language.tables["state_words"].get(where, (where,))[0]
    if speaker.chance(0.5):
        return _wish(
            "question_person",
            speaker.say("question_person", "where", slots),
            speaker.say("question_person", "reply_where", slots),
            [thing],
        )
    asked = "home" if speaker.chance(0.6) else "not home" if where == "home" else where
    yes = where == asked
    asked_words = speaker.language.tables["state_words"].get(asked, (asked,))
    text = speaker.say("question_person", "is_at", slots | {"state": speaker.pick(asked_words)})
    return _wish(
        "question_person", text, speaker.say("question_person", "reply_yes" if yes else "reply_no", slots), [thing]
    )


def weather(speaker: Speaker) -> Wish | None:
    """Ask for the weather outside, which one of the home's entities tells."""
    stations = speaker.world.by_kind.get("weather") or []
    if len(stations) != 1:
        return None
    thing = stations[0]
    words = speaker.language.tables["weather"]
    draw = speaker.random.random()
    slots = {"state": words[thing.device.state][0], "temperature": thing.device.attributes["temperature"]}
    if draw < 0.5:
        return _wish(
            "question_weather",
            speaker.say("question_weather", "what"),
            speaker.say("question_weather", "reply", slots),
            [thing],
        )
    if draw < 0.75:
        return _wish(
            "question_weather",
            speaker.say("question_weather", "how_warm"),
            speaker.say("question_weather", "reply_warm", slots),
            [thing],
        )
    asked = thing.device.state if speaker.chance(0.5) else speaker.pick(tuple(words))
    text = speaker.say("question_weather", "is_it", {"state": speaker.pick(words[asked])})
    outcome = "reply_yes" if words[asked][0] == slots["state"] else "reply_no"
    return _wish("question_weather", text, speaker.say("question_weather", outcome, slots), [thing])


def clock(speaker: Speaker) -> Wish | None:
    """Ask for the time, the day or the date."""
    weekday, day, time = (speaker.home.now or "").rsplit(" ", 2)
    section = speaker.pick(("time", "time", "day", "date"))
    slots = {"time": time, "weekday": weekday, "date": day}
    return _wish(
        "question_clock",
        speaker.say("question_clock", section),
        speaker.say("question_clock", f"{section}_reply", slots),
        (),
    )


def todo(speaker: Speaker) -> Wish | None:
    """Ask what is on a list."""
    reference = speaker.one(speaker.world.by_kind.get("todo") or ())
    if reference is None:
        return None
    thing = reference.things[0]
    items = thing.device.attributes.get("items")
    section, reply = ("what", "reply") if speaker.chance(0.7) else ("count", "reply_count")
    text = speaker.say("question_todo", section, {"what": reference.text})
    slots = {"name": thing.name, "items": items or "", "count": thing.device.state}
    speech = speaker.say("question_todo", reply if items else "reply_empty", slots)
    return _wish("question_todo", text, speech, [thing])


def location(speaker: Speaker) -> Wish | None:
    """Ask in which room a thing is."""
    reference = speaker.one([thing for thing in speaker.world.things if thing.area and thing.kind.domain != "sensor"])
    if reference is None or reference.how != "device":
        return None
    thing = reference.things[0]
    area = speaker.home.area_by_id[thing.area or ""]
    if any(name.lower() in reference.text.lower() for name in area.names):
        return None
    text = speaker.say("question_location", "ask", {"what": reference.text})
    slots = {"name": thing.name, "place": area.names[0]}
    return _wish("question_location", text, speaker.say("question_location", "reply", slots), [thing])
