"""Questions that a reading answers: how warm, how humid, how much; by name, by what is measured, by room."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..dialect.home import Answer
from .homes import Thing
from .names import plain
from .speaker import Speaker, Wish, ids_of

_TOGETHER = 3
"""The most readings that answer one question."""
_OF_ONE_THING = frozenset(
    (
        "area", "battery", "data rate", "data size", "date", "distance", "duration", "energy storage", "enum",
        "frequency", "monetary", "ph", "power factor", "reactive energy", "signal strength", "speed",
        "temperature delta", "timestamp", "volume", "weight",
    )
)  # fmt: skip
"""Classes that tell something of a thing, not of a place."""
_LOW = 20.0
"""The charge in percent below which a battery is low."""
_MOST_ASKED = 0.35
"""How often it is the temperature that is asked for, whatever else there is."""
_CLIMATE = {"temperature": "now", "humidity": "humidity"}
"""What a thermostat's attributes tell of its room."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a thing measures (a class of sensor), and the value as shown."""

    what: str
    thing: Thing
    value: str


def _wish(text: str, speech: str, things: Sequence[Thing]) -> Wish:
    unseen = any(thing.unseen for thing in things)
    return Wish("question", text, Answer(speech, (), ids_of(things)), "question_sensor", unseen)


def _reply(speaker: Speaker, readings: Sequence[Reading]) -> str:
    return f"{speaker.listed([_told(speaker, one) for one in readings])}."


def _told(speaker: Speaker, reading: Reading) -> str:
    """Return what is said of one reading; a language may have words of its own for one that is `unavailable`."""
    special = f"reply_item_{reading.value}"
    section = special if speaker.has("question_sensor", special) else "reply_item"
    return speaker.say("question_sensor", section, {"name": reading.thing.name, "value": reading.value})


def _section(what: str) -> str:
    return what.replace(" ", "_")


def named(speaker: Speaker) -> Wish | None:
    """Ask a sensor by its name, with or without what it measures."""
    sensors = speaker.world.by_domain.get("sensor")
    if not sensors:
        return None
    kind = speaker.pick(tuple({thing.kind.name: None for thing in sensors}))
    thing = speaker.pick(speaker.world.by_kind[kind])
    if len(speaker.world.by_name[plain(thing.name)]) > 1:
        return _twin(speaker, thing)
    reference = speaker.one([thing])
    if reference is None:
        return None
    reading = Reading(thing.kind.device_class or "", thing, thing.device.state)
    return _wish(_named_text(speaker, reading, reference.text), _reply(speaker, [reading]), [thing])


def _twin(speaker: Speaker, thing: Thing) -> Wish | None:
    """Ask for one of the readings of a device by what is measured, for its name alone means others too."""
    what = thing.kind.device_class or ""
    quantities = speaker.language.tables["quantities"]
    others = [twin.kind.device_class or "" for twin in speaker.world.by_name[plain(thing.name)] if twin is not thing]
    taken = {word for other in others for word in (other, *quantities.get(other, ()))}
    words = [word for word in quantities[what] if word not in taken]
    if what in others or not words:
        return None
    slots = {"what": speaker.with_article(" ".join(thing.name.split("_"))), "quantity": speaker.pick(words)}
    special = f"{_section(what)}_of"
    section = special if speaker.has("question_sensor", special) and speaker.chance(0.4) else "of"
    reply = _reply(speaker, [Reading(what, thing, thing.device.state)])
    return _wish(speaker.say("question_sensor", section, slots), reply, [thing])


def _named_text(speaker: Speaker, reading: Reading, what: str) -> str:
    sections = speaker.language.intents["question_sensor"]
    special = f"{_section(reading.what)}_of"
    stem = _stem(speaker, reading)
    draw = speaker.random.random()
    if draw < 0.38:
        return speaker.say("question_sensor", "named", {"what": what})
    if stem and draw < 0.56:
        rest, last = stem
        return speaker.say("question_sensor", "split_name", {"rest": rest, "last": last})
    if special in sections and draw < 0.78:
        what = speaker.with_article(stem[0]) if stem and speaker.chance(0.5) else what
        return speaker.say("question_sensor", special, {"what": what})
    quantity = speaker.pick(speaker.language.tables["quantities"][reading.what])
    what = speaker.with_article(stem[0]) if stem and speaker.chance(0.35) else what
    return speaker.say("question_sensor", "of", {"what": what, "quantity": quantity})


def _stem(speaker: Speaker, reading: Reading) -> tuple[str, str] | None:
    """Return a name without what is measured, and that: `phone battery` in two; None where it means others too."""
    name = plain(reading.thing.name)
    words = (*speaker.language.nouns[reading.thing.kind.name].one, *speaker.language.tables["quantities"][reading.what])
    last = next((word for word in sorted(words, key=len, reverse=True) if name.endswith(f" {word}")), None)
    if last is None or len(speaker.world.by_name[name]) != 1:
        return None
    rest = name.removesuffix(last).strip()
    same = speaker.world.by_kind[reading.thing.kind.name]
    if any(rest in plain(other) for thing in same if thing is not reading.thing for other in thing.device.names):
        return None
    return rest, last


def readings(speaker: Speaker) -> list[Reading]:
    """Return all that is measured; thermostats tell a room's warmth and humidity where no sensor does."""
    quantities = speaker.language.tables["quantities"]
    found = [
        Reading(what, thing, thing.device.state)
        for thing in speaker.world.by_domain.get("sensor") or ()
        if (what := thing.kind.device_class or "")
        and ("class" in thing.device.attributes or _is_told(thing, quantities))
    ]
    for what, key in _CLIMATE.items():
        sensed = {one.thing.area for one in found if one.what == what}
        found += [
            Reading(what, thing, thing.device.attributes[key])
            for thing in speaker.world.by_domain.get("climate") or ()
            if key in thing.device.attributes and thing.area not in sensed
        ]
    return [one for one in found if one.value not in ("unavailable", "unknown")]


def _is_told(thing: Thing, quantities: Mapping[str, tuple[str, ...]]) -> bool:
    name = plain(thing.name)
    return any(word in name for word in quantities[thing.kind.device_class or ""])


def measured(speaker: Speaker) -> Wish | None:
    """Ask what something measures in a room, here or in the home: `how warm is it in the kitchen`."""
    found = [one for one in readings(speaker) if one.what not in _OF_ONE_THING]
    if not found:
        return None
    home = speaker.home
    warmth = [one for one in found if one.what == "temperature"]
    what = speaker.pick(warmth if warmth and speaker.chance(_MOST_ASKED) else found).what
    rivals = [one for one in found if one.what == what]
    here = [one for one in rivals if one.thing.area and one.thing.area == home.room]
    if (here or len(rivals) == 1) and speaker.chance(0.45):
        chosen = here or rivals
        if len(chosen) > _TOGETHER:
            return None
        where = speaker.say("question_group", "where_here") if here and speaker.chance(0.5) else ""
        return _wish(_measured_text(speaker, what, where, ""), _reply(speaker, chosen), [one.thing for one in chosen])
    area = speaker.pick(rivals).thing.area
    if not area:
        return None
    chosen = [one for one in rivals if one.thing.area == area]
    if len(chosen) > _TOGETHER:
        return None
    place = speaker.pick(home.area_by_id[area].names)
    where = speaker.say("question_group", "where_area", {"place": place})
    text = _measured_text(speaker, what, where, place)
    if plain(text) in speaker.world.by_name and speaker.world.by_name[plain(text)] != [one.thing for one in chosen]:
        return None
    return _wish(text, _reply(speaker, chosen), [one.thing for one in chosen])


def _measured_text(speaker: Speaker, what: str, where: str, place: str) -> str:
    sections = speaker.language.intents["question_sensor"]
    name = _section(what)
    if f"{name}_any" in sections and speaker.chance(0.5):
        return speaker.say("question_sensor", f"{name}_any", {"where": where})
    if place and f"{name}_place" in sections and speaker.chance(0.3):
        return speaker.say("question_sensor", f"{name}_place", {"place": place})
    slots = {"quantity": speaker.pick(_own_words(speaker, what)), "where": where, "place": place}
    return speaker.say("question_sensor", "in_place" if place and speaker.chance(0.3) else "in", slots)


def _own_words(speaker: Speaker, what: str) -> tuple[str, ...]:
    """Return the words for what is measured that mean nothing else that is measured in this home."""
    quantities = speaker.language.tables["quantities"]
    present = {thing.kind.device_class for thing in speaker.world.by_domain.get("sensor") or ()}
    others = {word for other in present if other and other != what for word in quantities[other]}
    return tuple(word for word in quantities[what] if word not in others) or quantities[what][:1]


def _number(value: str) -> float | None:
    try:
        return float(value.rstrip("°CF%"))
    except ValueError:
        return None


def _by_room(speaker: Speaker, what: str) -> list[Reading]:
    """Return the readings of rooms that have one; nothing where two are the same."""
    found = [one for one in readings(speaker) if one.what == what and one.thing.area and _number(one.value) is not None]
    rooms = [one.thing.area for one in found]
    found = [one for one in found if rooms.count(one.thing.area) == 1]
    return found if len({one.value for one in found}) == len(found) else []


def missing(speaker: Speaker) -> Wish | None:
    """Ask what nothing in the home measures, or nothing in that room."""
    what = speaker.pick(("temperature", "humidity", "temperature", "humidity", "carbon dioxide", "pm25", "illuminance"))
    quantities = speaker.language.tables["quantities"]
    words = (*quantities[what], *speaker.language.nouns[f"sensor {what}"].names)
    around = [thing for thing in speaker.world.things if _measures(thing, what)]
    areas = [
        area
        for area in speaker.home.areas
        if not any(
            thing.area == area.id or plain(place) in plain(name)
            for thing in around
            for place in area.names
            for name in thing.device.names
        )
    ]
    told = any(word in name for name in speaker.world.by_name for word in words)
    if not areas or (told and not around):
        return None
    area = speaker.pick(areas)
    place = speaker.pick(area.names)
    where = speaker.say("question_group", "where_area", {"place": place})
    slots = {"what": quantities[what][0], "place": area.names[0]}
    text = _measured_text(speaker, what, where, place)
    return Wish("question", text, Answer(speaker.say("question_sensor", "reply_missing", slots)), "question_missing")


def _measures(thing: Thing, what: str) -> bool:
    return thing.kind.device_class == what or (what in _CLIMATE and thing.kind.domain == "climate")


def low(speaker: Speaker) -> Wish | None:
    """Ask which batteries are low: those below 20 %."""
    batteries = speaker.world.by_kind.get("sensor battery") or []
    levels = {thing.id: _number(thing.device.state) for thing in batteries}
    if not batteries or speaker.world.by_kind.get("binary battery") or None in levels.values():
        return None
    empty = [thing for thing in batteries if (levels[thing.id] or 0.0) < _LOW]
    if len(empty) > _TOGETHER + 2:
        return None
    any_of = speaker.chance(0.5)
    where = speaker.say("question_group", "where_all")
    text = speaker.say(
        "question_binary" if any_of else "question_sensor", "battery_any" if any_of else "low", {"where": where}
    )
    if not empty:
        speech = speaker.say("question_sensor", "reply_none_low" if any_of else "reply_which_none_low")
    else:
        speech = _reply(speaker, [Reading("battery", thing, thing.device.state) for thing in empty])
        speech = speaker.say("question_sensor", "reply_low" if any_of else "reply_which_low", {"names": speech})
    return _wish(text, speech, empty)


def compared(speaker: Speaker) -> Wish | None:
    """Ask in which of two rooms it is warmer, or which room is the coldest."""
    what = "temperature" if speaker.chance(0.75) else "humidity"
    found = _by_room(speaker, what)
    if len(found) < 2 or len(found) > 6:
        return None
    highest = speaker.chance(0.6)
    areas = speaker.home.area_by_id
    if speaker.chance(0.5):
        found = speaker.random.sample(found, 2)
        more = speaker.say("question_sensor", f"{what}_{'more' if highest else 'less'}")
        first, second = (speaker.pick(areas[one.thing.area or ""].names) for one in found)
        text = speaker.say("question_sensor", "compare", {"first": first, "second": second, "more": more})
    else:
        text = ""
    best = (max if highest else min)(found, key=lambda one: _number(one.value) or 0.0)
    place = areas[best.thing.area or ""].names[0]
    if text:
        slots = {"names": _reply(speaker, found).removesuffix("."), "place": place, "more": more}
        return _wish(text, speaker.say("question_sensor", "reply_compare", slots), [one.thing for one in found])
    most = speaker.say("question_sensor", f"{what}_{'most' if highest else 'least'}")
    text = speaker.say("question_sensor", "extreme", {"most": most})
    slots = {"place": place, "most": most, "name": best.thing.name, "value": best.value}
    return _wish(text, speaker.say("question_sensor", "reply_extreme", slots), [one.thing for one in found])
