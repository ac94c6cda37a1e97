"""Which kind of request comes next, and requests made of several."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache, partial
from itertools import accumulate

from ..dialect.home import Action, Answer
from ..dialect.morphy import MAX_EVIDENCE
from . import classes, described, groups, lists, questions, readings, refusals
from .control import BY_NAME, CONTROLS, LIGHTS, PLUGS, Control, Scopes, control, refer, sentence, services
from .homes import Thing
from .language import load_language
from .names import plain
from .speaker import Reference, Speaker, Wish, any_unseen, calls
from .values import Value

Maker = Callable[[Speaker], Wish | None]

_CHAINED = (
    *("light_on", "light_off") * 4,
    *("switch_on", "switch_off", "fan_on", "fan_off", "cover_close", "cover_open", "lock") * 2,
    *("light_brightness", "light_color", "light_dim", "climate_set", "media_off", "media_pause") * 2,
    "light_brighten",
    "light_full",
    "unlock",
    "fan_speed",
    "cover_position",
    "climate_off",
    "climate_heat",
    "media_on",
    "media_play",
    "volume_set",
    "volume_down",
    "volume_up",
    "volume_mute",
    "scene",
    "script",
    "vacuum_start",
    "vacuum_return",
    "coffee",
    "alarm_away",
    "valve_close",
    "humidifier_on",
)
_SHARED = (
    *("light_dim", "light_brighten", "light_brightness", "light_color", "light_white", "light_full") * 2,
    *("cover_open", "cover_close", "lock") * 3,
    "unlock",
    "cover_position",
    "cover_stop",
    "fan_speed",
    "climate_set",
    "climate_off",
    "humidifier_on",
    "valve_close",
)
_SET = (*("light_brightness", "light_color") * 2, "climate_set", "fan_speed", "cover_position")
_SWITCHABLE = ("light", "switch", "fan", "media_player")
_NEAR: Scopes = {"device": 56, "area": 26, "here": 8, "only": 10, "all": 3}
"""How one of several things is referred to in one sentence."""


def chain(speaker: Speaker) -> Wish | None:
    """Ask for two or three things in one sentence, each with its own verb."""
    parts: list[Wish] = []
    wanted = 3 if speaker.chance(0.16) else 2
    for _ in range(12):
        part = control(speaker, BY_NAME[speaker.pick(_CHAINED)])
        if part is None or part.form != "imperative" or (parts and speaker.says(part.text, "pointing")):
            continue
        if not _overlap(speaker, parts, part):
            parts.append(part)
        if len(parts) == wanted:
            break
    if len(parts) < 2:
        return None
    text = parts[0].text
    for part in parts[1:]:
        text = speaker.say("pair", "join", {"first": text, "next": part.text})
    return _joined("several", text, parts)


def _overlap(speaker: Speaker, parts: list[Wish], new: Wish) -> bool:
    """Return whether a wish acts on a device that one of the others acts on."""
    return any(_reached(speaker, part) & _reached(speaker, new) for part in parts)


def _reached(speaker: Speaker, wish: Wish) -> set[str]:
    """Return the ids of the devices that a wish acts on."""
    reached: set[str] = set()
    for action in wish.answer.actions:
        domain = action.service.partition(".")[0]
        for target in action.targets:
            kind, _, ident = target.partition(".")
            areas = {ident} if kind == "area" else speaker.world.on_floor(ident) if kind == "floor" else set()
            reached |= {
                thing.id
                for thing in speaker.world.things
                if thing.id == target or (thing.kind.domain == domain and (kind == "all" or thing.area in areas))
            }
    return reached


def _joined(category: str, text: str, parts: list[Wish], form: str = "imperative") -> Wish | None:
    evidence = tuple(dict.fromkeys(ident for part in parts for ident in part.answer.evidence))
    if len(evidence) > MAX_EVIDENCE:
        return None
    actions = tuple(action for part in parts for action in part.answer.actions)
    speech = " ".join(part.answer.speech for part in parts)
    return Wish(form, text, Answer(speech, actions, evidence), category, any(part.unseen for part in parts))


def _references(speaker: Speaker, specs: Sequence[Control]) -> list[Reference] | None:
    """Return a reference for each spec, to different things; None where the home does not allow it."""
    references: list[Reference] = []
    if any(spec.name not in speaker.language.intents for spec in specs):
        return None
    for spec in specs:
        reference = refer(speaker, spec.kinds, _NEAR)
        if reference is None:
            return None
        if any(thing in other.things for thing in reference.things for other in references):
            return None
        references.append(reference)
    return references


def _listed(speaker: Speaker, parts: Sequence[str]) -> str:
    text = parts[0]
    for part in parts[1:-1]:
        text = speaker.say("pair", "list_start", {"first": text, "next": part})
    return speaker.say("pair", "list", {"first": text, "last": parts[-1]})


def _merged(actions: Sequence[Action]) -> tuple[Action, ...]:
    """Return the actions with those that do the same made one."""
    merged: dict[tuple[str, str], Action] = {}
    for action in actions:
        key = (action.service, str(action.data))
        known = merged.get(key)
        merged[key] = replace(known, targets=known.targets + action.targets) if known else action
    return tuple(merged.values())


def shared(speaker: Speaker) -> Wish | None:
    """Ask with one verb for the same on two or three things, named or in places, of one or several domains."""
    count = 3 if speaker.chance(0.2) else 2
    if speaker.chance(0.6):
        side = speaker.pick(("on", "off"))
        names = speaker.random.choices(("light", "switch", "fan", "media"), (50, 25, 15, 10), k=count)
        specs = [BY_NAME[f"{name}_{side}"] for name in names]
        intent = specs[0].name if len(set(names)) == 1 else f"switch_{side}"
    else:
        specs = [BY_NAME[speaker.pick(_SHARED)]] * count
        intent = specs[0].name
    references = _references(speaker, specs)
    if references is None:
        return None
    value = specs[0].value(speaker, references[0])
    if value is None:
        return None
    whole = replace(references[0], how="several", many=True)
    slots = {"what": _listed(speaker, [reference.text for reference in references]), "it": "them", **value.spoken}
    said = sentence(speaker, intent, whole, slots)
    if said is None:
        return None
    actions = _merged(
        [
            action
            for spec, reference in zip(specs, references, strict=True)
            for action in calls(reference, services(spec.service, reference.things), value.data)
        ]
    )
    evidence = tuple(dict.fromkeys(ident for reference in references for ident in reference.evidence))
    if len(evidence) > MAX_EVIDENCE:
        return None
    label = speaker.listed([reference.label for reference in references])
    speech = speaker.say(intent, "reply", {"label": label, **value.told})
    unseen = any(any_unseen(reference) for reference in references)
    return Wish(said[0], said[1], Answer(speech, actions, evidence), "mixed", unseen)


def _part(speaker: Speaker, spec: Control, reference: Reference, value: Value) -> Wish:
    speech = speaker.say(spec.name, "reply", {"label": reference.label, **value.told})
    actions = calls(reference, services(spec.service, reference.things), value.data)
    return Wish("imperative", "", Answer(speech, actions, reference.evidence), spec.name, any_unseen(reference))


def contrast(speaker: Speaker) -> Wish | None:
    """Ask for one thing on and another off."""
    sides = speaker.pick((("on", "off"), ("off", "on")))
    specs = [BY_NAME[f"{speaker.pick(('light', 'light', 'switch', 'fan', 'media'))}_{side}"] for side in sides]
    references = _references(speaker, specs)
    if references is None:
        return None
    said = [speaker.language.tables["sides"][side][0] for side in sides]
    slots = {"first": references[0].text, "second": references[1].text, "one": said[0], "other": said[1]}
    form = "free" if speaker.chance(0.35) else "imperative"
    text = speaker.say("pair", "contrast_free" if form == "free" else "contrast", slots)
    nothing = Value({}, {}, {})
    parts = [_part(speaker, spec, reference, nothing) for spec, reference in zip(specs, references, strict=True)]
    return _joined("several", text, parts, form)


def settings(speaker: Speaker) -> Wish | None:
    """Ask for a value of one thing and another value of another, with one verb."""
    specs = [BY_NAME[speaker.pick(_SET)] for _ in range(2)]
    references = _references(speaker, specs)
    if references is None:
        return None
    drawn = [spec.value(speaker, reference) for spec, reference in zip(specs, references, strict=True)]
    values = [value for value in drawn if value is not None]
    if len(values) < 2:
        return None
    one, other = (next(iter(value.spoken.values())) for value in values)
    slots = {"first": references[0].text, "second": references[1].text, "one": one, "other": other}
    form = "free" if speaker.chance(0.25) else "imperative"
    text = speaker.say("pair", "settings_free" if form == "free" else "settings", slots)
    parts = [_part(speaker, *part) for part in zip(specs, references, values, strict=True)]
    return _joined("several", text, parts, form)


def everything(speaker: Speaker) -> Wish | None:
    """Switch off (rarely on) all there is, in a room, on a floor or in the home."""
    how = speaker.random.choices(("area", "here", "all", "floor"), (40, 18, 24, 18))[0]
    if how == "floor":
        return _everything_on_floor(speaker)
    room = speaker.home.room
    areas = [area for area in speaker.home.areas if how != "here" or area.id == room]
    if how != "all" and not areas:
        return None
    area = speaker.pick(areas) if how != "all" else None
    inside = [thing for thing in speaker.world.things if area is None or thing.area == area.id]
    target = f"area.{area.id}" if area else "all"
    return _all_inside(speaker, how, target, speaker.pick(area.names) if area else "", inside)


def _everything_on_floor(speaker: Speaker) -> Wish | None:
    if not speaker.home.floors or not speaker.has("everything", "floor_off"):
        return None
    floor = speaker.pick(speaker.home.floors)
    areas = speaker.world.on_floor(floor.id)
    inside = [thing for thing in speaker.world.things if thing.area in areas]
    return _all_inside(speaker, "floor", f"floor.{floor.id}", speaker.pick(floor.names), inside)


def _all_inside(speaker: Speaker, how: str, target: str, place: str, inside: Sequence[Thing]) -> Wish | None:
    """Return the wish to switch all of these, which are all there is in a place or in the home."""
    domains = [domain for domain in _SWITCHABLE if any(thing.kind.domain == domain for thing in inside)]
    if not domains or plain(place) in speaker.world.by_name:
        return None
    side = "off" if speaker.chance(0.85) else "on"
    where = speaker.say("question_group", "where_floor", {"place": place}) if how == "floor" else ""
    text = speaker.say("everything", f"{how}_{side}", {"place": place, "where": where})
    reply = "area" if how == "here" else how
    speech = speaker.say("everything", f"reply_{reply}_{side}", {"label": place})
    actions = tuple(Action(f"{domain}.turn_{side}", (target,)) for domain in domains)
    return Wish("imperative", text, Answer(speech, actions, (target,) if place else ()), "everything")


def corrected(speaker: Speaker) -> Wish | None:
    """Begin with one thing, then think better of it."""
    spec = BY_NAME[speaker.pick(("light_on", "light_off", "switch_on", "switch_off"))]
    wish = control(speaker, replace(spec, scopes=LIGHTS if "light" in spec.name else PLUGS))
    other = control(speaker, spec)
    if (
        wish is None
        or other is None
        or (wish.form, other.form) != ("imperative", "imperative")
        or _overlap(speaker, [other], wish)
    ):
        return None
    text = speaker.say("talk", "correction", {"first": other.text, "next": wish.text})
    return replace(wish, text=text, category="corrected")


MIX: tuple[tuple[float, Maker], ...] = (
    *((1.7 * spec.weight, partial(control, spec=spec)) for spec in CONTROLS),
    (66.0, described.described),
    (1.2, described.nothing_for_it),
    (15.0, chain),
    (18.0, shared),
    (5.6, contrast),
    (5.6, settings),
    (4.0, everything),
    (0.4, corrected),
    (9.0, lists.add),
    (5.0, lists.remove),
    (6.0, lists.complete),
    (13.0, questions.state),
    (29.0, classes.things),
    (36.0, classes.sensed),
    (9.0, classes.people),
    (9.0, readings.named),
    (11.0, readings.measured),
    (1.0, readings.compared),
    (0.7, readings.low),
    (0.6, readings.missing),
    (4.0, groups.missing),
    (1.0, questions.setting),
    (6.5, questions.attribute),
    (0.8, questions.mode),
    (2.0, questions.playing),
    (7.0, questions.person),
    (8.0, questions.weather),
    (1.0, questions.clock),
    (2.4, questions.todo),
    (0.4, questions.location),
    (1.2, refusals.small_talk),
    (0.4, refusals.missing_room),
    (0.5, refusals.missing_kind_in_room),
    (0.7, refusals.missing_thing),
    (0.5, refusals.unclear),
)
"""Everything people ask for, with its share. Refusals by subject come on top: `NONE`."""

NONE = 0.11
"""The share of requests that are other assistants' jobs."""

_NEEDED: dict[Maker, tuple[str, ...]] = {
    **dict.fromkeys((chain, shared, contrast, settings), ("pair",)),
    everything: ("everything", "question_group"),
    described.nothing_for_it: ("missing",),
    lists.add: ("todo_add",),
    lists.remove: ("todo_remove",),
    lists.complete: ("todo_complete",),
    questions.state: ("question_state",),
    **dict.fromkeys((classes.things, classes.sensed), ("question_group",)),
    classes.people: ("question_group", "question_person"),
    **dict.fromkeys((readings.named, readings.measured), ("question_sensor", "question_group")),
    **dict.fromkeys((readings.compared, readings.low, readings.missing), ("question_sensor", "question_group")),
    groups.missing: ("question_binary", "question_group"),
    questions.setting: ("question_state",),
    **dict.fromkeys((questions.attribute, questions.mode, questions.playing), ("question_attribute",)),
    questions.person: ("question_person",),
    questions.weather: ("question_weather",),
    questions.clock: ("question_clock",),
    questions.todo: ("question_todo",),
    questions.location: ("question_location",),
    refusals.small_talk: ("small_talk",),
    **dict.fromkeys((refusals.missing_room, refusals.missing_kind_in_room), ("missing",)),
    refusals.missing_thing: ("missing",),
    refusals.unclear: ("unclear",),
}
"""The intents' files without which there is no such request in a language."""


@cache
def _makers(code: str) -> tuple[tuple[Maker, ...], tuple[float, ...]]:
    """Return what can be asked for in a language, and the shares added up."""
    intents = load_language(code).intents
    mix = [(weight, maker) for weight, maker in MIX if all(name in intents for name in _NEEDED.get(maker, ()))]
    return tuple(maker for _, maker in mix), tuple(accumulate(weight for weight, _ in mix))


def next_wish(speaker: Speaker) -> Wish:
    """Return a request that this home allows."""
    elsewhere = speaker.chance(NONE)
    makers, totals = _makers(speaker.language.code)
    while True:
        if elsewhere:
            wish = refusals.refusal(speaker, speaker.pick(refusals.subjects(speaker)))
        else:
            wish = speaker.random.choices(makers, cum_weights=totals)[0](speaker)
        if wish is not None:
            return wish
