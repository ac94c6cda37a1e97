"""Questions about all things of a sort: any, which, how many, all; is there smoke, is anyone home.

The evidence is everything in the place asked about, whatever its state, as far as that can be copied: which lines those
are follows from the question alone, and the answer from the states that were just copied. Of more than that, it is what
decides the answer: the things in the state asked for, or, where all were asked about, those in another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..dialect.home import Answer
from ..dialect.morphy import MAX_EVIDENCE
from .homes import Thing
from .kinds import KINDS, Kind
from .names import plain
from .speaker import Speaker, Wish, ids_of

MOST_NAMED = 8
"""The most things an answer names one by one."""

_FEW_DROPPED = 0.6
"""The share of questions about none or one of several that is not asked, so that lists and numbers are seen enough."""
_POWER = ("on", "off")
_OPENING = ("open", "closed")
_OPENINGS = "blind", "curtain", "shutter", "shade", "awning", "gate", "valve"
GENERIC = frozenset(
    f"binary {name}"
    for name in (
        "battery charging", "plug", "running", "connectivity", "presence", "power", "heat", "cold", "moving", "update",
        "problem",
    )
)  # fmt: skip
"""Classes whose state tells what is meant, so that people say `devices` or `things`."""


@dataclass(frozen=True, slots=True)
class Topic:
    """What a question is about: the kind whose nouns are said, all kinds that those mean, the states asked for."""

    noun: str
    kinds: tuple[str, ...]
    states: tuple[str, ...] = ()
    weight: float = 1.0


_TOPICS = (
    Topic("light", ("light",), _POWER, 9),
    Topic("switch", ("switch", "coffee", "switch_light"), _POWER, 6),
    Topic("fan", ("fan", "purifier"), _POWER, 4),
    Topic("tv", ("tv",), _POWER, 2),
    Topic("speaker", ("speaker",), ("on", "off", "playing", "paused"), 3),
    Topic("lock", ("lock",), ("locked", "unlocked"), 6),
    *(Topic(kind, (kind,), _OPENING, 2) for kind in _OPENINGS),
    Topic("garage", ("garage", "binary garage door"), _OPENING, 2),
    Topic("binary door", ("binary door", "door_cover"), _OPENING, 5),
    Topic("binary window", ("binary window", "window_cover"), _OPENING, 5),
    Topic("thermostat", ("thermostat", "ac"), _POWER),
    Topic("vacuum", ("vacuum",), ("cleaning", "docked")),
    Topic("helper", ("helper",), _POWER, 0.7),
    Topic("timer", ("timer",), ("active", "paused"), 0.7),
    Topic("person", ("person",), ("home", "not home"), 6),
)
_SENSED = (
    "motion", "occupancy", "presence", "moisture", "smoke", "gas", "carbon monoxide", "battery", "battery charging",
    "plug", "power", "running", "problem", "safety", "sound", "light", "cold", "heat", "connectivity", "vibration",
    "tamper", "update", "opening", "lock", "moving", "glass break",
)  # fmt: skip
_SPECIAL = {"person": 0.8, "lock": 0.6}
"""How often a question is asked in the ways that its topic or the state asked for has of its own."""
_STILL_OFF = frozenset(("off", "standby", "unavailable", "unknown"))
_FORMS = ("any", "which", "count", "all", "the", "one")
_FORM_WEIGHTS = (30, 24, 22, 14, 10, 0)
_FORM_WEIGHTS_OF_ONE = (24, 16, 12, 8, 16, 24)
_OPPOSITE = {"on": "off", "off": "on", "open": "closed", "closed": "open", "locked": "unlocked", "unlocked": "locked"}


def is_in(thing: Thing, asked: str) -> bool:
    """Return whether a thing is in the state asked for; what plays or heats is on."""
    state = thing.device.state
    if thing.kind.domain == "binary_sensor":
        return state == asked
    if asked == "on":
        return state not in _STILL_OFF
    if asked == "armed":
        return state.startswith(asked)
    if asked == "off":
        return state in ("off", "standby")
    return state == asked


def asked_words(speaker: Speaker, kind: Kind, asked: str, *, generic: bool = False) -> tuple[str, ...]:
    """Return the words for a state of such things, the most special list there is."""
    table = speaker.language.tables["state_words"]
    of_class = kind.device_class or kind.name
    for key in (f"device {asked}" if generic else "", f"{of_class} {asked}", f"{kind.domain} {asked}", asked):
        if key in table:
            return table[key]
    return (asked,)


def told(speaker: Speaker, state: str, *, many: bool) -> str:
    """Return what an answer says of things in a state: `is open`, `are triggered`, `is at work`."""
    if state in speaker.language.words["zones"]:
        state = speaker.say("question_person", "at_zone", {"zone": state})
    phrases = speaker.language.tables["told_states"].get(state)
    if phrases:
        return phrases[1 if many else 0]
    return f"{speaker.say('talk', 'is_many' if many else 'is_one')} {state}"


def is_one(things: Sequence[Thing]) -> bool:
    """Return whether an answer names one thing: several that share a name are named once."""
    return len({thing.name for thing in things}) == 1


@dataclass(frozen=True, slots=True)
class Scope:
    """The things asked about and the place they are in.

    `how` is `all`, `area`, `floor`, `here`, or `near`: those of the speaker's room, without a word about where.
    """

    things: tuple[Thing, ...]
    how: str
    place: str = ""


def draw_scope(speaker: Speaker, things: Sequence[Thing]) -> Scope | None:
    """Return the things of a home, an area or a floor, and how that place is spoken of; None where it has none."""
    home = speaker.home
    how = speaker.random.choices(("all", "area", "here", "floor"), (50, 30, 8, 12))[0]
    if not any(thing.area for thing in things):
        how = "all"
    if how == "all":
        return Scope(tuple(things), how)
    if how == "floor" and home.floors:
        floor = speaker.pick(home.floors)
        areas = speaker.world.on_floor(floor.id)
        chosen = tuple(thing for thing in things if thing.area in areas)
        return Scope(chosen, how, speaker.pick(floor.names)) if chosen else None
    area = home.room if how == "here" else speaker.pick(things).area
    if not area:
        return None
    chosen = tuple(thing for thing in things if thing.area == area)
    return Scope(chosen, how, speaker.pick(home.area_by_id[area].names)) if chosen else None


def topics_of(speaker: Speaker) -> list[Topic]:
    """Return what can be asked about of all that people switch, open and lock, and of people themselves."""
    return [topic for topic in _TOPICS if any(speaker.world.by_kind.get(kind) for kind in topic.kinds)]


def sensed_topics(speaker: Speaker) -> list[Topic]:
    """Return what the home's sensors sense, a topic for each class."""
    states = speaker.language.tables["binary_states"]
    return [
        Topic(f"binary {name}", (f"binary {name}",), states[name])
        for name in _SENSED
        if speaker.world.by_kind.get(f"binary {name}")
    ]


def members_of(speaker: Speaker, topic: Topic) -> list[Thing] | None:
    """Return the things a topic means, in the home's order; None where a reader could not tell them from others."""
    members = [thing for thing in speaker.world.things if thing.kind.name in topic.kinds]
    for kind in topic.kinds:
        same = [thing for thing in members if thing.kind.name == kind]
        if same and topic.noun != "switch":
            domain = speaker.world.by_domain[same[0].kind.domain]
            around = [thing for thing in domain if thing.kind.name == kind or thing.kind.name not in topic.kinds]
            if not speaker.recognisable(kind, same, around):
                return None
    return members


def answer_one(speaker: Speaker, thing: Thing, asked: str, text: str) -> Wish:
    """Return the wish for a question about the only thing of its kind in the scope."""
    slots = {"names": thing.name, "told": told(speaker, thing.device.state, many=False)}
    speech = speaker.say("question_group", "reply_one_yes" if is_in(thing, asked) else "reply_one_no", slots)
    return Wish("question", text, Answer(speech, (), (thing.id,)), "question_one", thing.unseen)


def draw_form(speaker: Speaker, topic: Topic, scope: Scope) -> tuple[str, Scope]:
    """Return the form of the question and its scope: `the lights` are those of the speaker's room, if it has any."""
    single = len(scope.things) == 1 and topic.noun not in ("person", "helper")
    form = speaker.random.choices(_FORMS, _FORM_WEIGHTS_OF_ONE if single else _FORM_WEIGHTS)[0]
    if form not in ("the", "one") or scope.how not in ("all", "here"):
        return form, scope
    near = tuple(thing for thing in scope.things if thing.area and thing.area == speaker.home.room)
    if not near:
        return form, scope
    return "one" if len(near) == 1 and speaker.chance(0.6) else "the", Scope(near, "near")


def group_text(speaker: Speaker, topic: Topic, scope: Scope, form: str, asked: str) -> str:
    """Return the question; empty where its words are also the name of something."""
    noun = speaker.language.nouns[topic.noun]
    generic = topic.noun in GENERIC and form != "one" and speaker.chance(0.45)
    words = speaker.language.intents["question_group"]
    many = speaker.say("question_group", "devices") if generic else speaker.pick(noun.many)
    one = speaker.say("question_group", "device") if generic else speaker.pick(noun.one)
    names = speaker.world.by_name
    placed = [speaker.language.arrangements("area_kind", area=scope.place, kind=noun) for noun in (many, one)]
    for name in (many, one, *placed[0], *placed[1]):
        key = plain(name)
        if key in names and names[key] != list(scope.things):
            return ""
    where = _where(speaker, scope) if form != "one" or scope.how != "all" else ""
    if scope.how in ("area", "floor") and speaker.chance(0.25):
        many, one = (
            speaker.language.arranged(speaker.random, "area_kind", area=scope.place, kind=noun) for noun in (many, one)
        )
        where = ""
    state = speaker.pick(asked_words(speaker, KINDS[topic.kinds[0]], asked, generic=generic))
    special = [name for name in (f"{form}_{topic.noun}", f"{form}_{asked}") if name in words]
    section = speaker.pick(special) if special and speaker.chance(_SPECIAL.get(topic.noun, 0.35)) else form
    return speaker.say("question_group", section, {"kinds": many, "kind": one, "state": state, "where": where})


def _where(speaker: Speaker, scope: Scope) -> str:
    return speaker.say("question_group", f"where_{scope.how}", {"place": scope.place})


def answer(speaker: Speaker, topic: Topic, scope: Scope, form: str, asked: str, text: str) -> Wish | None:
    """Return the wish: what decides is copied and named."""
    matching = [thing for thing in scope.things if is_in(thing, asked)]
    others = [thing for thing in scope.things if not is_in(thing, asked)]
    shown = others if form in ("all", "the") else matching
    few = len(shown) < 2 and not (shown is others and not shown)
    if len(shown) > MOST_NAMED or (few and speaker.chance(_FEW_DROPPED)):
        return None
    generic = topic.noun in GENERIC
    noun = speaker.language.nouns[topic.noun]
    many = speaker.say("question_group", "told_devices") if generic else noun.many[0]
    slots = {
        "names": speaker.names(shown) if shown else "",
        "told": told(speaker, asked if shown is matching else common_state(shown, asked), many=not is_one(shown)),
        "count": str(len(shown)),
        "kinds": many,
        "kind": (speaker.say("question_group", "told_device") if generic else noun.one[0]) if len(shown) == 1 else many,
        "there": speaker.say("question_group", f"there_{scope.how}"),
    }
    if form in ("all", "the") and not shown:
        slots["told"] = told(speaker, asked, many=True)
    reply = f"reply_{'all' if form == 'the' else form}_{'some' if shown else 'none'}"
    if speaker.has("question_group", f"{reply}_{topic.noun}"):
        reply = f"{reply}_{topic.noun}"
        slots["told"] = told(speaker, asked, many=False)
    speech = speaker.say("question_group", reply, slots).replace(" .", ".")
    category = f"question_{'all' if form == 'the' else form}"
    copied = scope.things if len(scope.things) <= MAX_EVIDENCE else shown
    return Wish("question", text, Answer(speech, (), ids_of(copied)), category, any(thing.unseen for thing in copied))


def common_state(things: Sequence[Thing], asked: str) -> str:
    """Return the state that all share, else the opposite of what was asked for."""
    states = {thing.device.state for thing in things}
    if len(states) == 1 or not things:
        return things[0].device.state if things else asked
    return _OPPOSITE.get(asked, f"not {asked}")


def section_of(topic: Topic) -> str:
    """Return where `question_binary` asks about a class: `carbon_monoxide`."""
    return topic.noun.removeprefix("binary ").replace(" ", "_")


def existence_text(speaker: Speaker, topic: Topic, scope: Scope) -> str:
    """Return a question whether something is the case: `is there a leak in the cellar`, `is the hall occupied`."""
    name = section_of(topic)
    sections = speaker.language.intents["question_binary"]
    where = _where(speaker, scope)
    if scope.how == "area" and f"{name}_place" in sections and speaker.chance(0.35):
        return speaker.say("question_binary", f"{name}_place", {"place": scope.place})
    if f"{name}_any" in sections and (name not in sections or speaker.chance(0.4)):
        return speaker.say("question_binary", f"{name}_any", {"where": where})
    stuff = speaker.say("question_binary", name)
    return speaker.say("question_binary", "frame", {"stuff": stuff, "where": where})


def missing(speaker: Speaker) -> Wish | None:
    """Ask for what nothing in the home senses, or nothing in that room."""
    name = speaker.pick([name for name in _SENSED if f"binary {name}" in speaker.language.nouns])
    topic = Topic(f"binary {name}", (f"binary {name}",), speaker.language.tables["binary_states"][name])
    members = speaker.world.by_kind.get(topic.noun) or []
    noun = speaker.language.nouns[topic.noun]
    areas = [area for area in speaker.home.areas if not any(_is_about(thing, area.names, area.id) for thing in members)]
    if members and not areas:
        return None
    if not members and any(word in other for other in speaker.world.by_name for word in (*noun.one, name)):
        return None
    area = speaker.pick(areas) if areas and (members or speaker.chance(0.5)) else None
    place = speaker.pick(area.names) if area else ""
    scope = Scope((), "area" if area else "all", place)
    sections = speaker.language.intents["question_binary"]
    sensed = {section_of(topic), f"{section_of(topic)}_any"} & sections.keys()
    if sensed and speaker.chance(0.6):
        text = existence_text(speaker, topic, scope)
    else:
        form = speaker.random.choices(_FORMS[:4], _FORM_WEIGHTS[:4])[0]
        text = group_text(speaker, topic, scope, form, topic.states[0])
    slots = {"kind": noun.one[0], "place": area.names[0] if area else ""}
    speech = speaker.say("question_group", "reply_missing" if area else "reply_missing_all", slots)
    return Wish("question", text, Answer(speech), "question_missing") if text else None


def _is_about(thing: Thing, names: Sequence[str], area: str) -> bool:
    return thing.area == area or any(plain(place) in plain(name) for place in names for name in thing.device.names)
