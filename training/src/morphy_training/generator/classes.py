"""Questions about all that one class of sensor tells of, and about the people of the home: any, all, which, how many.

The evidence is every such thing in the place asked about, as in `groups`, which asks about what people act on
afterwards (lights, blinds, locks).
"""

from __future__ import annotations

from collections.abc import Sequence

from ..dialect.home import Answer
from .groups import (
    GENERIC,
    MOST_NAMED,
    Scope,
    Topic,
    answer,
    answer_one,
    common_state,
    draw_form,
    draw_scope,
    existence_text,
    group_text,
    is_in,
    is_one,
    members_of,
    section_of,
    sensed_topics,
    told,
    topics_of,
)
from .homes import Thing
from .speaker import Speaker, Wish, ids_of

_ALL = ("all", "the")
"""Forms that are answered with yes where all are as asked; the others where any is."""
_FORMS = ("any", "which", "count", "all", "the", "existence")
_FORM_WEIGHTS = (22, 18, 18, 16, 6, 20)
_FINE = frozenset(("normal", "ok", "safe"))
"""States whose words say no more than that all is well."""
_CHANGING = ("opening", "closing")
_TRIES = 6
"""How often a place is drawn again in search of the wanted answer."""
_LONELY_DROPPED = 0.6
"""The share of places with one of several such things that is drawn again."""
_YES_OF_THINGS = {"all": 0.4, "the": 0.4, "one": 0.5}
"""How often yes is wanted of things, by form; else rarely, for `groups` leaves out many of the empty answers."""
_YES_OF_ANY = 0.25


def _is_sensed(topic: Topic) -> bool:
    return topic.noun == "person" or any(kind.startswith("binary ") for kind in topic.kinds)


def things(speaker: Speaker) -> Wish | None:
    """Ask about all things of a kind that people switch, open or lock."""
    topics = [topic for topic in topics_of(speaker) if not _is_sensed(topic)]
    if not topics:
        return None
    topic = speaker.random.choices(topics, [topic.weight for topic in topics])[0]
    members = members_of(speaker, topic)
    scope = draw_scope(speaker, members) if members else None
    if scope is None or any(thing.device.state in _CHANGING for thing in scope.things):
        return None
    form, scope = draw_form(speaker, topic, scope)
    if form in _ALL and any(thing.device.state == "unavailable" for thing in scope.things):
        return None
    asked = _asked(speaker, topic, scope, form, wanted=speaker.chance(_YES_OF_THINGS.get(form, _YES_OF_ANY)))
    text = _text(speaker, topic, scope, form, asked)
    if not text:
        return None
    if form == "one":
        return answer_one(speaker, scope.things[0], asked, text)
    return answer(speaker, topic, scope, form, asked, text)


def sensed(speaker: Speaker) -> Wish | None:
    """Ask about all things of a class of sensor."""
    topics = [
        *sensed_topics(speaker),
        *(topic for topic in topics_of(speaker) if _is_sensed(topic) and topic.noun != "person"),
    ]
    if not topics:
        return None
    shares = [_count(speaker, topic) for topic in topics]
    return _whole(speaker, speaker.random.choices(topics, shares)[0])


def _count(speaker: Speaker, topic: Topic) -> int:
    """Return how often a topic is asked about beside others: what there are several of tells more than yes or no."""
    return min(4, sum(len(speaker.world.by_kind.get(kind) or ()) for kind in topic.kinds)) ** 2


def people(speaker: Speaker) -> Wish | None:
    """Ask who is at home, away or in one of the zones that people are in."""
    topic = next((topic for topic in topics_of(speaker) if topic.noun == "person"), None)
    if topic is None:
        return None
    zones = {thing.device.state for thing in speaker.world.by_kind["person"]} - set(topic.states)
    if not zones or speaker.chance(0.6):
        return _whole(speaker, topic)
    members = tuple(speaker.world.by_kind["person"])
    zone = speaker.pick((*sorted(zones), speaker.word("zones")))
    form = speaker.pick(("any", "which", "count"))
    slots = {"state": speaker.say("question_person", "zone_words", {"zone": zone})}
    section = f"{form}_person"
    if len(members) > MOST_NAMED or not speaker.has("question_group", section):
        return None
    return _told(speaker, topic, Scope(members, "all"), form, zone, speaker.say("question_group", section, slots))


def _whole(speaker: Speaker, topic: Topic) -> Wish | None:
    """Ask about a topic in a form and a place such that yes and no are equally likely, where the home allows it."""
    members = members_of(speaker, topic)
    if not members:
        return None
    form = speaker.random.choices(_FORMS, _FORM_WEIGHTS)[0]
    if form == "existence" and not _may_exist(speaker, topic):
        form = "any"
    drawn = _drawn(speaker, topic, members, form)
    if drawn is None:
        return None
    scope, asked = drawn
    if form == "existence":
        return _told(speaker, topic, scope, form, asked, existence_text(speaker, topic, scope))
    single = len(scope.things) == 1 and topic.noun != "person"
    if single and (form == "the" or speaker.chance(0.15)):
        text = _text(speaker, topic, scope, "one", asked)
        return answer_one(speaker, scope.things[0], asked, text) if text else None
    text = _text(speaker, topic, scope, form, asked)
    return _told(speaker, topic, scope, form, asked, text) if text else None


def _drawn(speaker: Speaker, topic: Topic, members: Sequence[Thing], form: str) -> tuple[Scope, str] | None:
    """Return a scope and the state to ask for: yes and no are equally likely where several scopes allow both."""
    wanted = speaker.chance(0.5)
    found = None
    for _ in range(_TRIES):
        scope = draw_scope(speaker, members)
        if scope and form == "the" and scope.how in ("all", "here"):
            near = tuple(thing for thing in members if thing.area and thing.area == speaker.home.room)
            scope = Scope(near, "near") if near else scope
        if scope is None or len(scope.things) > MOST_NAMED or not _is_settled(scope, form):
            continue
        asked = topic.states[0] if form == "existence" else _asked(speaker, topic, scope, form, wanted=wanted)
        found = scope, asked
        lonely = len(scope.things) == 1 < len(members) and speaker.chance(_LONELY_DROPPED)
        if not lonely and _holds(scope, form, asked) == wanted:
            break
    return found


def _text(speaker: Speaker, topic: Topic, scope: Scope, form: str, asked: str) -> str:
    """Return the question; empty where its words leave out the place or mean something else too."""
    text = group_text(speaker, topic, scope, form, asked)
    if scope.how in ("area", "floor") and scope.place not in text:
        return ""
    noun = speaker.language.nouns[topic.noun]
    told_apart = any(word in text for word in (*noun.one, *noun.many)) or not _is_vague(speaker, topic, asked)
    return text if told_apart else ""


def _is_vague(speaker: Speaker, topic: Topic, asked: str) -> bool:
    """Return whether `everything is fine` could be said of other classes of this home too."""
    alike = [other.noun for other in sensed_topics(speaker) if set(other.states) & _FINE]
    return asked in _FINE and alike != [topic.noun]


def _may_exist(speaker: Speaker, topic: Topic) -> bool:
    sections = speaker.language.intents.get("question_binary", {})
    return bool({section_of(topic), f"{section_of(topic)}_any"} & sections.keys())


def _is_settled(scope: Scope, form: str) -> bool:
    """Return whether every state in the scope tells yes or no."""
    unclear = (*_CHANGING, "unavailable") if form in _ALL else _CHANGING
    return not any(thing.device.state in unclear for thing in scope.things)


def _asked(speaker: Speaker, topic: Topic, scope: Scope, form: str, *, wanted: bool) -> str:
    """Return a state to ask for, one that makes the answer the wanted one if any does, rather the first."""
    states = topic.states if speaker.chance(0.6) else topic.states[::-1]
    return next((state for state in states if _holds(scope, form, state) == wanted), states[0])


def _is_so(thing: Thing, asked: str) -> bool:
    """Return whether a thing is in a state; a person in any zone but the home is away."""
    if thing.kind.name == "person" and asked == "not home":
        return thing.device.state != "home"
    return is_in(thing, asked)


def _holds(scope: Scope, form: str, asked: str) -> bool:
    so = [_is_so(thing, asked) for thing in scope.things]
    return all(so) if form in (*_ALL, "one") else any(so)


def _told(speaker: Speaker, topic: Topic, scope: Scope, form: str, asked: str, text: str) -> Wish:
    """Return the wish: all in the scope is copied; what is as asked (or is not, where all were meant) is named."""
    form = {"existence": "any", "the": "all"}.get(form, form)
    shown = [thing for thing in scope.things if _is_so(thing, asked) != (form == "all")]
    state = common_state(shown, asked) if form == "all" and shown else asked
    slots = {
        "names": speaker.names(shown) if shown else "",
        "told": told(speaker, state, many=not is_one(shown)),
        "count": str(len(shown)),
        "there": speaker.say("question_group", f"there_{scope.how}"),
        **_kind_slots(speaker, topic, shown),
    }
    reply = f"reply_{form}_{'some' if shown else 'none'}"
    if speaker.has("question_group", f"{reply}_{topic.noun}"):
        reply = f"{reply}_{topic.noun}"
        slots["told"] = told(speaker, asked, many=False)
    elif speaker.has("question_group", f"{reply}_sensed"):
        reply = f"{reply}_sensed"
    speech = speaker.say("question_group", reply, slots).replace(" .", ".")
    unseen = any(thing.unseen for thing in scope.things)
    return Wish("question", text, Answer(speech, (), ids_of(scope.things)), f"question_class_{form}", unseen)


def _kind_slots(speaker: Speaker, topic: Topic, shown: Sequence[Thing]) -> dict[str, str]:
    """Return the words for what was asked about, in the number that is told."""
    if topic.noun in GENERIC:
        one, many = (speaker.say("question_group", section) for section in ("told_device", "told_devices"))
    else:
        noun = speaker.language.nouns[topic.noun]
        one, many = noun.one[0], noun.many[0]
    return {"kinds": many, "kind": one if len(shown) == 1 else many}
