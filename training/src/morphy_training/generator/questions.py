"""Questions that the states of the home answer: yes or no, which, how many, how much, where, what."""

from __future__ import annotations

from collections.abc import Sequence

from ..dialect.home import Answer
from .groups import asked_words, is_in, told
from .homes import Thing
from .names import plain
from .speaker import Speaker, Wish, ids_of

_COVERS = ("blind", "curtain", "shutter", "shade", "awning", "garage", "gate", "window_cover", "door_cover")
_POWERED = (
    "light",
    "switch",
    "coffee",
    "switch_light",
    "fan",
    "purifier",
    "humidifier",
    "dehumidifier",
    "helper",
    "siren",
)
_STATES: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(_POWERED, ("on", "off")),
    **dict.fromkeys((*_COVERS, "valve"), ("open", "closed")),
    **dict.fromkeys(("tv", "speaker"), ("on", "off", "on", "off", "playing", "paused")),
    **dict.fromkeys(("automation", "script"), ("on", "off")),
    "lock": ("locked", "unlocked"),
    "vacuum": ("cleaning", "docked", "returning", "paused"),
    "mower": ("mowing", "docked", "paused"),
    "thermostat": ("on", "off", "heat", "cool"),
    "ac": ("on", "off", "cool"),
    "alarm": ("armed", "disarmed"),
    "timer": ("active", "paused", "idle"),
}
"""What is asked of which kind; of a binary sensor, its two words."""


def _asked_states(speaker: Speaker, thing: Thing) -> tuple[str, ...]:
    if thing.kind.domain == "binary_sensor":
        return speaker.language.tables["binary_states"][thing.kind.device_class or ""]
    return _STATES.get(thing.kind.name, ())


def _wish(category: str, text: str, speech: str, things: Sequence[Thing]) -> Wish:
    return Wish("question", text, Answer(speech, (), ids_of(things)), category, any(thing.unseen for thing in things))


def _state_reply(speaker: Speaker, thing: Thing, yes: bool | None) -> str:
    slots = {"names": thing.name, "told": told(speaker, thing.device.state, many=False)}
    return speaker.say("question_state", "reply" if yes is None else "reply_yes" if yes else "reply_no", slots)


def state(speaker: Speaker) -> Wish | None:
    """Ask for the state of one thing."""
    things = [thing for thing in speaker.world.things if _asked_states(speaker, thing)]
    if not things:
        return None
    if speaker.chance(0.6):
        kind = speaker.pick(list(dict.fromkeys(thing.kind for thing in things)))
        things = [thing for thing in things if thing.kind is kind]
    if speaker.chance(0.2):
        reference = speaker.only([thing.kind.name for thing in things])
        return _one_state(speaker, reference.things[0], reference.text) if reference else None
    thing = speaker.pick(things)
    twins = [other for other in speaker.world.by_name[plain(thing.name)] if other is not thing]
    if twins:
        return _state_of_twin(speaker, thing, twins)
    reference = speaker.one([thing])
    return _one_state(speaker, thing, reference.text) if reference else None


def _one_state(speaker: Speaker, thing: Thing, what: str) -> Wish:
    if thing.device.state == "unavailable" or speaker.chance(0.22):
        text = speaker.say("question_state", "open_question", {"what": what})
        return _wish("question_state", text, _state_reply(speaker, thing, None), [thing])
    states = _asked_states(speaker, thing)
    asked = _asked(speaker, thing, states)
    of_class = thing.kind.device_class or ""
    if thing.kind.domain == "binary_sensor" and speaker.chance(0.3):
        section = f"{of_class.replace(' ', '_')}_named"
        if speaker.has("question_binary", section):
            text = speaker.say("question_binary", section, {"what": what})
            return _wish("question_state", text, _state_reply(speaker, thing, is_in(thing, states[0])), [thing])
        if of_class in speaker.language.words["said_after_name"] and of_class not in plain(what):
            what = f"{what} {of_class}"
    return _closed_state(speaker, thing, what, asked, speaker.pick(asked_words(speaker, thing.kind, asked)))


def _asked(speaker: Speaker, thing: Thing, states: Sequence[str]) -> str:
    """Return a state to ask for: yes and no are equally likely where the thing is in one of them."""
    wanted = speaker.chance(0.5)
    return speaker.pick([state for state in states if is_in(thing, state) == wanted] or states)


def _closed_state(speaker: Speaker, thing: Thing, what: str, asked: str, said: str) -> Wish:
    done = f"done_{asked}"
    section = done if speaker.has("question_state", done) and speaker.chance(0.12) else "closed_question"
    text = speaker.say("question_state", section, {"what": what, "state": said})
    return _wish("question_state", text, _state_reply(speaker, thing, is_in(thing, asked)), [thing])


def _state_of_twin(speaker: Speaker, thing: Thing, twins: Sequence[Thing]) -> Wish | None:
    """Ask for the state of something whose name others have too, in words that fit none of them."""
    asked = speaker.pick(_asked_states(speaker, thing))
    taken = {
        word
        for twin in twins
        for other in _asked_states(speaker, twin)
        for word in asked_words(speaker, twin.kind, other)
    }
    words = [word for word in asked_words(speaker, thing.kind, asked) if word not in taken]
    if not words:
        return None
    what = speaker.with_article(" ".join(thing.name.split("_")))
    if thing.kind.device_class in speaker.language.words["said_after_twin"] and speaker.chance(0.3):
        what = f"{what} {thing.kind.device_class}"
    return _closed_state(speaker, thing, what, asked, speaker.pick(words))


_SETTINGS = ("number", "input_number", "select", "input_select", "water_heater")


def setting(speaker: Speaker) -> Wish | None:
    """Ask what a number or a choice is set to."""
    things = [thing for kind in _SETTINGS for thing in speaker.world.by_kind.get(kind) or ()]
    reference = speaker.one(things)
    if reference is None or reference.things[0].device.state == "unavailable":
        return None
    thing = reference.things[0]
    text = speaker.say("question_state", "setting", {"what": reference.text})
    speech = speaker.say("question_state", "reply_setting", {"name": thing.name, "value": thing.device.state})
    return _wish("question_setting", text, speech, [thing])


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
    "climate_preset": ("climate", "preset"),
    "climate_humidity": ("climate", "humidity"),
    "fan_preset": ("fan", "preset"),
    "water_temperature": ("water_heater", "now"),
}


def attribute(speaker: Speaker) -> Wish | None:
    """Ask how bright, how loud, what is playing: something an attribute tells."""
    section = speaker.pick(tuple(_ATTRIBUTES))
    domain, key = _ATTRIBUTES[section]
    if not speaker.has("question_attribute", section):
        return None
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


def mode(speaker: Speaker) -> Wish | None:
    """Ask which mode a thermostat is in, or which range it keeps to."""
    things = speaker.world.by_domain.get("climate") or ()
    reference = speaker.only([thing.kind.name for thing in things]) if things and speaker.chance(0.4) else None
    reference = reference or speaker.one(things)
    if reference is None:
        return None
    thing = reference.things[0]
    attributes = thing.device.attributes
    slots = {"name": thing.name, "told": told(speaker, thing.device.state, many=False), **attributes}
    section = "range" if "low" in attributes and speaker.chance(0.6) else "mode"
    text = speaker.say("question_attribute", section, {"what": reference.text})
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
    """Ask where someone is."""
    people = speaker.world.by_kind.get("person") or []
    thing = speaker.pick(people) if people else None
    name = speaker.called(thing) if thing else None
    if thing is None or name is None:
        return None
    where = thing.device.state
    slots = {"name": thing.name, "told": told(speaker, where, many=False)}
    if speaker.chance(0.55):
        text = speaker.say("question_person", "where", {"name": name})
        return _wish("question_person", text, speaker.say("question_person", "reply_where", slots), [thing])
    zones = speaker.language.words["zones"]
    asked = where if speaker.chance(0.4) else speaker.pick(("home", "home", "not home", speaker.pick(zones)))
    words = (
        speaker.say("question_person", "zone_words", {"zone": asked})
        if asked in zones
        else speaker.pick(asked_words(speaker, thing.kind, asked))
    )
    text = speaker.say("question_person", "is_at", {"name": name, "state": words})
    yes = where == asked or (asked == "not home" and where != "home")
    speech = speaker.say("question_person", "reply_yes" if yes else "reply_no", slots)
    return _wish("question_person", text, speech, [thing])


def weather(speaker: Speaker) -> Wish | None:
    """Ask for the weather outside, or for that of one of the home's stations by its name."""
    stations = speaker.world.by_kind.get("weather") or []
    if not stations:
        return None
    thing = speaker.pick(stations)
    name = speaker.called(thing)
    by_name = len(stations) > 1 or speaker.chance(0.3)
    if by_name and (name is None or speaker.language.nouns["weather"].one[0] in plain(name)):
        return None
    told_here = thing.device.attributes
    words = speaker.language.tables["weather"]
    slots = {"name": thing.name, "place": name or "", "state": words[thing.device.state][0], **told_here}
    sections = {"temperature": "how_warm", "humidity": "how_humid", "wind": "how_windy"}
    draw = speaker.random.random()
    if draw < 0.5 or (by_name and draw < 0.7):
        section, reply = ("what_at", "reply_at") if by_name else ("what", "reply")
        slots["when"] = speaker.say("question_weather", "when")
    elif by_name:
        section, reply = "how_warm_at", "reply_warm_at"
    elif draw < 0.75:
        key = speaker.pick(("temperature", "temperature", *told_here))
        section = sections[key]
        reply = f"reply_{section.removeprefix('how_')}"
    else:
        asked = thing.device.state if speaker.chance(0.5) else speaker.pick(tuple(words))
        said = speaker.pick(words[asked])
        reply = "reply_yes" if said in words[thing.device.state] else "reply_no"
        return _wish(
            "question_weather",
            speaker.say("question_weather", "is_it", {"state": said}),
            speaker.say("question_weather", reply, slots),
            [thing],
        )
    text = speaker.say("question_weather", section, slots)
    return _wish("question_weather", text, speaker.say("question_weather", reply, slots), [thing])


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
    """Ask what is on a list, how much of it, or whether something is."""
    lists = speaker.world.by_kind.get("todo") or ()
    reference = speaker.only(("todo",)) if lists and speaker.chance(0.3) else None
    reference = reference or speaker.one(lists)
    if reference is None:
        return None
    thing = reference.things[0]
    told_items = thing.device.attributes.get("items", "")
    items = told_items.split(", ") if told_items else []
    section = speaker.random.choices(("what", "count", "contains"), (55, 20, 25))[0]
    item = speaker.pick(items) if items and speaker.chance(0.5) else speaker.word("items")
    if section == "contains":
        reply = "reply_yes" if item in items else "reply_no"
    elif not items:
        reply = "reply_empty"
    else:
        reply = "reply" if section == "what" else "reply_count_one" if len(items) == 1 else "reply_count"
    text = speaker.say("question_todo", section, {"what": reference.text, "item": item})
    slots = {"name": thing.name, "items": told_items, "count": thing.device.state, "item": item}
    return _wish("question_todo", text, speaker.say("question_todo", reply, slots), [thing])


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
