"""Requests that lean on the turn before: `now the bedroom too`, `and off again`, `make it blue`, `no, the hall`.

What they do follows from that turn's words and calls alone, never from a state that the turn has changed: a listing is
drawn once per home here, and afresh for every turn in serving.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from ..dialect.home import Answer, ArgumentValue
from .control import BY_NAME, services
from .groups import told
from .homes import Thing
from .names import plain
from .readings import readings
from .speaker import GROUPS, MOST, Reference, Speaker, Wish, any_unseen, calls, ids_of
from .values import color_words

SHARE = 0.5
"""How often a turn is followed up, where it can be; a question half as often."""

_LIT = ("light_off", "light_color", "light_white", "light_brightness", "light_dim", "light_brighten", "light_full")
_LIT_INTENTS = (
    "light_on",
    "light_brightness",
    "light_full",
    "light_lowest",
    "light_color",
    "light_white",
    "light_color_brightness",
    "light_dim",
    "light_brighten",
)
_PLAYING = ("media_pause", "media_stop", "media_next", "volume_up", "volume_down", "volume_set", "volume_mute")
_LOUDNESS = ("volume_up", "volume_down", "volume_set", "volume_mute")
_BLOWING = ("fan_off", "fan_speed", "fan_faster", "fan_slower")
_HEATED = ("climate_set", "climate_off")
_MOVING = ("cover_close", "cover_open", "cover_stop", "cover_position")

_NEXT: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(_LIT_INTENTS, (*_LIT, "light_off", "light_lowest")),
    "light_off": ("light_on", "light_on", "light_on", "light_brightness"),
    "switch_on": ("switch_off",),
    "coffee": ("switch_off",),
    "switch_off": ("switch_on",),
    **dict.fromkeys(("fan_on", "fan_speed", "fan_faster", "fan_slower"), _BLOWING),
    "fan_off": ("fan_on",),
    "cover_open": ("cover_close", "cover_close", "cover_stop", "cover_position"),
    "cover_close": ("cover_open", "cover_open", "cover_stop", "cover_position"),
    "cover_position": _MOVING,
    "valve_open": ("valve_close",),
    "valve_close": ("valve_open",),
    "lock": ("unlock",),
    "unlock": ("lock",),
    **dict.fromkeys(("climate_set", "climate_heat", "climate_cool", "thermostat_on"), _HEATED),
    "climate_off": ("thermostat_on",),
    "humidifier_on": ("humidifier_off", "humidifier_set"),
    "humidifier_set": ("humidifier_off", "humidifier_set"),
    "humidifier_off": ("humidifier_on",),
    "water_heater_on": ("water_heater_off", "water_heater_set"),
    "water_heater_off": ("water_heater_on",),
    "media_on": ("media_off", "volume_up", "volume_down", "volume_set"),
    "media_off": ("media_on",),
    **dict.fromkeys(("media_play", "media_resume", "media_next", "media_previous"), _PLAYING),
    "media_pause": ("media_resume", "media_resume", "media_off"),
    **dict.fromkeys(("volume_up", "volume_down", "volume_set"), _LOUDNESS),
    "volume_mute": ("volume_unmute",),
    "volume_unmute": ("volume_mute", "volume_set"),
    "vacuum_start": ("vacuum_pause", "vacuum_stop", "vacuum_return"),
    "vacuum_pause": ("vacuum_start", "vacuum_return"),
    "vacuum_stop": ("vacuum_start", "vacuum_return"),
    "vacuum_return": ("vacuum_start",),
    "vacuum_find": ("vacuum_return", "vacuum_start"),
    "mower_start": ("mower_dock", "mower_pause"),
    "mower_pause": ("mower_start", "mower_dock"),
    "mower_dock": ("mower_start",),
    "siren_on": ("siren_off",),
    "helper_on": ("helper_off",),
    "helper_off": ("helper_on",),
    "alarm_away": ("alarm_off",),
    "alarm_home": ("alarm_off", "alarm_away"),
    "alarm_night": ("alarm_off",),
}  # fmt: skip
"""What is asked of the same things next, by the intent before."""

_AFTER_QUESTION = {
    "light": ("light_on", "light_off", "light_off", "light_brightness", "light_color"),
    "switch": ("switch_on", "switch_off"),
    "fan": ("fan_on", "fan_off"),
    "cover": ("cover_open", "cover_close", "cover_close"),
    "lock": ("lock", "lock", "unlock"),
    "valve": ("valve_close", "valve_open"),
    "media_player": ("media_on", "media_off", "volume_down", "volume_up"),
    "climate": ("climate_set", "climate_off"),
    "vacuum": ("vacuum_start", "vacuum_return"),
}
_RESULT = {
    **dict.fromkeys(("light_on", "switch_on", "fan_on", "media_on"), "on"),
    **dict.fromkeys(("light_off", "switch_off", "fan_off", "media_off", "climate_off"), "off"),
    **dict.fromkeys(("cover_open", "valve_open"), "open"),
    **dict.fromkeys(("cover_close", "valve_close"), "closed"),
    "lock": "locked",
    "unlock": "unlocked",
    "vacuum_start": "cleaning",
    "vacuum_return": "docked",
}
"""The state that an intent leads to; nobody asks for what they have just been told."""
_QUESTIONS = frozenset(
    ("question_state", "question_one", "question_any", "question_which", "question_all", "question_attribute")
)

_POWER = {
    "on": {"light": "light_on", "switch": "switch_on", "fan": "fan_on", "media_player": "media_on"},
    "off": {"light": "light_off", "switch": "switch_off", "fan": "fan_off", "media_player": "media_off"},
}
"""By side: the intents that one word joins, `also the fan` after a lamp."""
_SIDE = {intent: side for side, intents in _POWER.items() for intent in intents.values()}

_ELSEWHERE = frozenset(
    (
        *_LIT_INTENTS, "light_off", "fan_on", "fan_off", "fan_speed", "cover_open", "cover_close", "cover_position",
        "lock", "unlock", "climate_set", "climate_off", "climate_heat", "climate_cool", "media_pause", "media_off",
        "media_play", "volume_set", "volume_up", "volume_down",
    )
)  # fmt: skip
"""Intents that another room may get as well."""
_ALSO = _ELSEWHERE | {"switch_on", "switch_off", "media_on", "valve_open", "valve_close", "humidifier_on", "todo_add"}
_IN_ROOMS = GROUPS - {"switch"} | {"thermostat", "ac", "tv", "speaker", "lock"}

_THERE = ("light_on", "light_off", "fan_on", "fan_off", "cover_open", "cover_close", "light_color", "light_brightness")

_REPEATED = frozenset(
    (
        "light_dim", "light_brighten", "light_dim_by", "light_brighten_by", "volume_up", "volume_down", "media_next",
        "media_previous", "fan_faster", "fan_slower", "vacuum_find", "button",
    )
)  # fmt: skip

_TOLD = {
    **dict.fromkeys(("brightness_pct", "percentage", "position", "volume_pct", "humidity"), ("percent", "{}%")),
    "brightness_step_pct": ("percent", "{}%"),
    "color_temp_kelvin": ("color", "{} K"),
    "query": ("choice", "{}"),
}
"""Argument to the slot of the answer that tells it; a temperature has the home's unit."""


@dataclass(frozen=True, slots=True)
class Said:
    """One turn: the wish, its intent, and the words in which its things were named, be it turns ago."""

    wish: Wish
    intent: str
    heard: str


def first(wish: Wish) -> Said:
    """Return a turn that stands on its own."""
    return Said(wish, wish.category, wish.text)


def follow_up(speaker: Speaker, before: Said | None) -> Said | None:
    """Return a turn that leans on the one before; None where that one or the draw has nothing for it."""
    if before is None or "followup" not in speaker.language.intents:
        return None
    asked = before.wish.category.startswith("question")
    if not speaker.chance(SHARE * speaker.difficulty * (0.5 if asked else 1)):
        return None
    if speaker.chance(0.4) and (turn := _yes_or_no(speaker, before)):
        return turn
    makers = _BY_QUESTION if asked else _BY_ACTION
    for _ in range(3):
        turn = speaker.random.choices(*makers)[0](speaker, before)
        if turn is not None:
            return turn
    return None


def unclear_after(speaker: Speaker, before: Said | None, wish: Wish) -> bool:
    """Return whether a wish of its own could be taken for a follow-up, as `make it red` of this room's light could.

    It could where it concerns other things of the same domain, and no word of it is one of their names or kinds.
    """
    if before is None or len(wish.answer.actions) != 1:
        return False
    action = wish.answer.actions[0]
    domain = action.service.partition(".")[0]
    old = before.wish.answer
    targets = old.actions[0].targets if old.actions else old.evidence
    domains = {one.service.partition(".")[0] for one in old.actions} or {one.partition(".")[0] for one in targets}
    if domain not in domains or targets == action.targets:
        return False
    things = _reached(speaker, domain, action.targets)
    known = {word for thing in things for name in thing.device.names for word in plain(name).split()}
    known |= {word for thing in things for word in _kind_words(speaker, thing)}
    return known.isdisjoint(plain(wish.text).split())


def _kind_words(speaker: Speaker, thing: Thing) -> set[str]:
    noun = speaker.language.nouns[thing.kind.name]
    return {word for words in (*noun.one, *noun.many) for word in words.split()}


def _pointed(speaker: Speaker, before: Said) -> Reference | None:
    """Return what the turn before was about, to be spoken of by a pronoun; None where that is not one thing."""
    answer = before.wish.answer
    if len(answer.actions) != 1:
        return None
    targets = answer.actions[0].targets
    things = _reached(speaker, answer.actions[0].service.partition(".")[0], targets)
    one = len(things) == 1 and targets == ids_of(things)
    how = "device" if one else "several" if targets[0] in ids_of(things) else targets[0].partition(".")[0]
    text = speaker.say("followup", "it" if one else "them")
    return Reference(
        how, text, _label(speaker, how, things, targets[0]), things, targets, answer.evidence, many=not one
    )


def _reached(speaker: Speaker, domain: str, targets: Sequence[str]) -> tuple[Thing, ...]:
    world = speaker.world
    areas: set[str | None] = set()
    for target in targets:
        kind, _, ident = target.partition(".")
        areas |= {ident} if kind == "area" else world.on_floor(ident) if kind == "floor" else set()
    things = [t for t in world.by_domain[domain] if t.id in targets or t.area in areas or "all" in targets]
    return _ordered(things, targets) if set(ids_of(things)) == set(targets) else tuple(things)


def _label(speaker: Speaker, how: str, things: Sequence[Thing], target: str) -> str:
    if how in ("device", "several"):
        return speaker.names(things)
    ident = target.partition(".")[2]
    places = speaker.home.area_by_id if how == "area" else speaker.home.floor_by_id
    slots = {"kinds": speaker.language.nouns[things[0].kind.name].many[0]}
    if how != "all":
        slots["place"] = places[ident].names[0]
    return speaker.say("talk", f"label_{how}", slots)


def _turn(
    speaker: Speaker, intent: str, kind: str, text: str, reference: Reference, data: Mapping[str, ArgumentValue]
) -> Said | None:
    """Return a turn that does what an intent does to what is referred to; its own words name it."""
    spec = BY_NAME[intent]
    slots = {"label": reference.label} | _told(speaker, data)
    reply = speaker.usable(intent, "reply", slots)
    if reply is None or any(thing.kind.name not in spec.kinds for thing in reference.things):
        return None
    actions = calls(reference, services(spec.service, reference.things), data)
    answer = Answer(reply.fill(speaker.random.random, slots), actions, reference.evidence)
    return Said(Wish("free", text, answer, f"followup_{kind}", any_unseen(reference)), intent, text)


def _told(speaker: Speaker, data: Mapping[str, ArgumentValue]) -> dict[str, str]:
    """Return the slots of an answer that tell the arguments."""
    slots = {}
    for argument, value in data.items():
        if argument == "temperature":
            slots["temperature"] = f"{value:g}{speaker.world.unit}"
        elif argument == "color_name":
            slots["color"] = color_words(speaker, str(value))[0]
        elif argument in _TOLD:
            slot, form = _TOLD[argument]
            slots[slot] = form.format(abs(value) if isinstance(value, int) else value)
    return slots


def _same_thing(speaker: Speaker, before: Said) -> Said | None:
    """Ask something else of the same things: `make it blue`, `and off again`."""
    reference = _pointed(speaker, before)
    choices = _NEXT.get(before.intent)
    if reference is None or not choices:
        return None
    intent = speaker.pick(choices)
    if intent == "cover_stop" and _waits_for_yes(before, reference):
        return None
    return _asked_of(speaker, before, reference, intent)


def _asked_of(speaker: Speaker, before: Said, reference: Reference, intent: str) -> Said | None:
    spec = BY_NAME[intent]
    if any(thing.kind.name not in spec.kinds for thing in reference.things):
        return None
    value = spec.value(speaker, reference)
    if value is None:
        return None
    slots = {"it": reference.text, **value.spoken}
    template = speaker.usable("followup", f"it_{intent}", slots)
    if template is None:
        return None
    text = template.fill(speaker.random.random, slots)
    turn = _turn(speaker, intent, "it", text, reference, value.data)
    return turn and replace(turn, heard=f"{before.heard} {text}")


def _again(speaker: Speaker, before: Said) -> Said | None:
    """Ask for the same once more: `again`, `a bit more`."""
    if before.intent not in _REPEATED:
        return None
    return _repeated(speaker, before, f"again_{before.intent}", "again")


def _repeated(speaker: Speaker, before: Said, section: str, kind: str) -> Said | None:
    if not speaker.has("followup", section):
        return None
    text = speaker.say("followup", section)
    wish = replace(before.wish, form="free", text=text, category=f"followup_{kind}")
    return Said(wish, before.intent, before.heard)


def _elsewhere(speaker: Speaker, before: Said) -> Said | None:
    """Ask for the same in another room: `now the bedroom too`, or instead: `no, the bedroom`."""
    reference = _other_room(speaker, before) if before.intent in _ELSEWHERE else None
    if reference is None:
        return None
    section = "instead_place" if speaker.chance(0.3) else "also_place"
    text = speaker.say("followup", section, {"place": reference.place})
    kind = section.partition("_")[0]
    return _turn(speaker, before.intent, kind, text, reference, dict(before.wish.answer.actions[0].data))


def _other_room(speaker: Speaker, before: Said) -> Reference | None:
    """Refer to the things of the same kind in a room that the turn before was not about."""
    old = _pointed(speaker, before)
    if old is None or old.how not in ("device", "area", "several"):
        return None
    kinds = {thing.kind.name for thing in old.things}
    if len(kinds) != 1 or not kinds <= _IN_ROOMS or any(thing.area is None for thing in old.things):
        return None
    kind = kinds.pop()
    new = speaker.group([kind], "area")
    if new is None or {thing.area for thing in new.things} & {thing.area for thing in old.things}:
        return None
    if plain(new.place) in speaker.world.by_name or (kind not in GROUPS and len(new.things) != 1):
        return None
    return new


def _another(speaker: Speaker, before: Said) -> Said | None:
    """Ask for the same of another thing: `also the desk lamp`, or instead: `i meant the desk lamp`."""
    old = _pointed(speaker, before)
    if old is None or before.intent not in _ALSO or before.intent not in BY_NAME:
        return None
    data = dict(before.wish.answer.actions[0].data)
    others = _POWER.get(_SIDE.get(before.intent, ""), {}) if not data else {}
    intents = {**others, old.things[0].kind.domain: before.intent}
    things = [
        thing
        for thing in speaker.world.things
        if thing.kind.domain in intents
        and thing.kind.name in BY_NAME[intents[thing.kind.domain]].kinds
        and thing not in old.things
    ]
    new = speaker.several(things) if speaker.chance(0.12) else speaker.one(things)
    if new is None or len({thing.kind.domain for thing in new.things}) != 1:
        return None
    section = "instead_thing" if speaker.chance(0.3) else "also_thing"
    text = speaker.say("followup", section, {"what": new.text})
    return _turn(speaker, intents[new.things[0].kind.domain], section.partition("_")[0], text, new, data)


def _other_one(speaker: Speaker, before: Said) -> Said | None:
    """Ask for the same of the other of two: `the other one too`."""
    old = _pointed(speaker, before)
    if old is None or old.how != "device" or before.intent not in _ALSO or before.intent not in BY_NAME:
        return None
    thing = old.things[0]
    kin = speaker.members(thing.kind.name)
    near = [other for other in kin if other.area == thing.area]
    pair = near if len(near) > 1 else kin
    domain = speaker.world.by_domain[thing.kind.domain]
    if len(pair) != 2 or not speaker.recognisable(thing.kind.name, pair, domain):
        return None
    other = next(one for one in pair if one is not thing)
    noun = speaker.pick(speaker.language.nouns[thing.kind.name].one)
    text = speaker.say("followup", "other_one", {"kind": noun})
    new = Reference("device", text, other.name, (other,), (other.id,), (other.id,))
    return _turn(speaker, before.intent, "other", text, new, dict(before.wish.answer.actions[0].data))


def _there(speaker: Speaker, before: Said) -> Said | None:
    """Ask for something else in the same room: `and close the blinds in there`."""
    old = _pointed(speaker, before)
    areas = {thing.area for thing in old.things} if old else set()
    spec = BY_NAME[speaker.pick(_THERE)]
    if old is None or old.how not in ("device", "area") or len(areas) != 1 or None in areas:
        return None
    kinds = [kind for kind in spec.kinds if any(t.area in areas for t in speaker.world.by_kind.get(kind) or ())]
    if not kinds:
        return None
    for _ in range(3):
        new = speaker.group(kinds, "area")
        if new is None or {thing.area for thing in new.things} != areas or any(t in old.things for t in new.things):
            continue
        value = spec.value(speaker, new)
        noun = speaker.pick(speaker.language.nouns[new.things[0].kind.name].many)
        slots = {"what": speaker.say("followup", "there", {"kinds": noun}), **(value.spoken if value else {})}
        template = speaker.usable(spec.name, "plain", slots)
        if value is None or template is None or plain(noun) in speaker.world.by_name:
            return None
        text = template.fill(speaker.random.random, slots)
        turn = _turn(speaker, spec.name, "there", text, new, value.data)
        return turn and replace(turn, heard=f"{text} {new.place}")
    return None


_RISKY = frozenset(("unlock", "valve_open", "alarm_off"))
_RISKY_COVERS = frozenset(("garage", "gate", "door_cover"))


def _waits_for_yes(before: Said, reference: Reference) -> bool:
    """Return whether Morphy has asked first: it lets someone in, or water or gas out."""
    kinds = {thing.kind.name for thing in reference.things}
    return before.intent in _RISKY or (before.intent == "cover_open" and kinds <= _RISKY_COVERS)


def _yes_or_no(speaker: Speaker, before: Said) -> Said | None:
    """Answer Morphy's question whether it shall really do that."""
    old = _pointed(speaker, before)
    if old is None or not _waits_for_yes(before, old):
        return None
    if speaker.chance(0.5):
        return _repeated(speaker, before, f"yes_{before.intent}", "yes")
    reply = Answer(speaker.say("small_talk", "never_reply"))
    return first(Wish("free", speaker.say("followup", "no"), reply, "followup_no"))


def _act_on_answer(speaker: Speaker, before: Said) -> Said | None:
    """Ask to change what a question was about: `turn it off then`."""
    if before.intent not in _QUESTIONS:
        return None
    answer = before.wish.answer
    copied = tuple(thing for thing in speaker.world.things if thing.id in answer.evidence)
    things = copied if len(copied) == 1 else tuple(thing for thing in copied if thing.name in answer.speech)
    domains = {thing.kind.domain for thing in things}
    if not things or len(things) > MOST or len(domains) != 1:
        return None
    if len(things) > 1:
        if speaker.names(_ordered(things, answer.evidence)) not in answer.speech:
            return None
        text = speaker.say("followup", "them")
    else:
        text = speaker.say("followup", "it")
    choices = _AFTER_QUESTION.get(domains.pop())
    if not choices:
        return None
    how = "device" if len(things) == 1 else "several"
    ordered = _ordered(things, answer.evidence)
    ids = ids_of(ordered)
    reference = Reference(how, text, speaker.names(ordered), ordered, ids, ids)
    intent = speaker.pick([one for one in choices if _RESULT.get(one) != things[0].device.state] or choices)
    return _asked_of(speaker, before, reference, intent)


def _ordered(things: Sequence[Thing], ids: Sequence[str]) -> tuple[Thing, ...]:
    return tuple(sorted(things, key=lambda thing: ids.index(thing.id)))


def _ask_another(speaker: Speaker, before: Said) -> Said | None:
    """Ask the same of another thing or room: `and the hall?`."""
    ids = before.wish.answer.evidence
    old = [thing for thing in speaker.world.things if thing.id in ids]
    maker = _ASKED.get(before.intent)
    if not old or maker is None or len({thing.kind.name for thing in old}) != 1:
        return None
    return maker(speaker, before, old)


def _asked(speaker: Speaker, text: str, speech: str, things: Sequence[Thing], category: str) -> Said:
    """Return a question; its category is kept for those that lean on it in turn."""
    unseen = any(thing.unseen for thing in things)
    wish = Wish("question", text, Answer(speech, (), ids_of(things)), "question_followup", unseen)
    return Said(wish, category, text)


def _ask_thing(speaker: Speaker, before: Said, old: Sequence[Thing]) -> Said | None:
    """Ask for the state of another thing of the same kind, by its name or by its room."""
    kin = [
        thing for thing in speaker.members(old[0].kind.name) if thing not in old and thing.device.state != "unavailable"
    ]
    if not kin or "not home" in old[0].device.state:
        return None
    thing = speaker.pick(kin)
    near = [other for other in speaker.world.by_domain[thing.kind.domain] if other.area == thing.area]
    if before.intent == "question_one" and near == [thing] and (place := _new_place(speaker, thing, old)):
        text = speaker.say("followup", "also_ask_place", {"place": place})
    elif new := speaker.one([thing]):
        text = speaker.say("followup", "also_ask", {"what": new.text})
    else:
        return None
    slots = {"names": thing.name, "told": told(speaker, thing.device.state, many=False)}
    return _asked(speaker, text, speaker.say("question_state", "reply", slots), [thing], before.intent)


def _new_place(speaker: Speaker, thing: Thing, old: Sequence[Thing]) -> str:
    """Return the spoken name of the thing's room; empty where that is no other room or means more."""
    if not thing.area or any(other.area == thing.area for other in old):
        return ""
    place = speaker.pick(speaker.home.area_by_id[thing.area].names)
    return "" if plain(place) in speaker.world.by_name else place


def _ask_room(speaker: Speaker, before: Said, old: Sequence[Thing]) -> Said | None:
    """Ask which are in that state in another room."""
    kind, state = old[0].kind.name, old[0].device.state
    areas = {thing.area for thing in old}
    there = speaker.pick(speaker.members(kind))
    place = _new_place(speaker, there, old)
    if not place or len(areas) != 1 or None in areas or {thing.device.state for thing in old} != {state}:
        return None
    if not any(plain(name) in plain(before.heard) for name in speaker.home.area_by_id[old[0].area or ""].names):
        return None
    things = [thing for thing in speaker.members(kind) if thing.area == there.area]
    around = [thing for thing in speaker.world.by_domain[there.kind.domain] if thing.area == there.area]
    shown = [thing for thing in things if thing.device.state == state]
    if len(shown) > MOST or not speaker.recognisable(kind, things, around):
        return None
    slots = {
        "names": speaker.names(shown) if shown else "",
        "told": told(speaker, state, many=len(shown) != 1),
        "kinds": speaker.language.nouns[kind].many[0],
        "there": speaker.say("question_group", "there_area"),
    }
    form = "any" if before.intent == "question_any" else "which"
    speech = speaker.say("question_group", f"reply_{form}_{'some' if shown else 'none'}", slots)
    text = speaker.say("followup", "also_ask_place", {"place": place})
    return _asked(speaker, text, speech.replace(" .", "."), shown, before.intent)


_OF_ROOMS = frozenset(("temperature", "humidity", "illuminance", "carbon dioxide", "pm25"))


def _ask_reading(speaker: Speaker, before: Said, old: Sequence[Thing]) -> Said | None:
    """Ask for the same measurement elsewhere; the room must have one of it."""
    found = [one for one in readings(speaker) if one.what in _OF_ROOMS]
    asked = [one for one in found if one.thing in old and one.value in before.wish.answer.speech]
    others = [one for one in found if asked and one.what == asked[0].what and one.thing not in old]
    if not others or len(old) != 1:
        return None
    new = speaker.pick(others)
    place = _new_place(speaker, new.thing, old)
    if not place or [one for one in others if one.thing.area == new.thing.area] != [new]:
        return None
    text = speaker.say("followup", "also_ask_place", {"place": place})
    speech = speaker.say("question_sensor", "reply", {"name": new.thing.name, "value": new.value})
    return _asked(speaker, text, speech, [new.thing], before.intent)


_Asker = Callable[[Speaker, Said, Sequence[Thing]], Said | None]
_ASKED: dict[str, _Asker] = {
    "question_state": _ask_thing,
    "question_one": _ask_thing,
    "question_any": _ask_room,
    "question_which": _ask_room,
    "question_sensor": _ask_reading,
}

_Maker = Callable[[Speaker, Said], Said | None]
_BY_ACTION: tuple[tuple[_Maker, ...], tuple[float, ...]] = (
    (_same_thing, _elsewhere, _another, _other_one, _there, _again),
    (13, 34, 20, 12, 12, 12),
)
_BY_QUESTION: tuple[tuple[_Maker, ...], tuple[float, ...]] = ((_act_on_answer, _ask_another), (30, 70))
