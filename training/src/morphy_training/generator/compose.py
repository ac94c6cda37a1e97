"""Which kind of request comes next, and requests made of several."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from ..dialect.home import Action, Answer
from . import lists, questions, refusals
from .control import BY_NAME, CONTROLS, LIGHTS, PLUGS, control, services
from .speaker import Speaker, Wish, any_unseen

Maker = Callable[[Speaker], Wish | None]

_POWER = (
    "light_on",
    "light_off",
    "switch_on",
    "switch_off",
    "fan_on",
    "fan_off",
    "media_off",
    "cover_close",
    "cover_open",
    "lock",
)
_CHAINED = (
    *_POWER,
    "light_on",
    "light_off",
    "light_brightness",
    "light_color",
    "light_dim",
    "climate_set",
    "volume_set",
    "scene",
    "vacuum_start",
)
_SWITCHABLE = ("light", "switch", "fan", "media_player")


def chain(speaker: Speaker) -> Wish | None:
    """Ask for two or three things in one sentence."""
    parts: list[Wish] = []
    for _ in range(12):
        part = control(speaker, BY_NAME[speaker.pick(_CHAINED)])
        if part and part.form == "imperative" and not _same_things(parts, part):
            parts.append(part)
        if len(parts) == (3 if parts and speaker.chance(0.04) else 2):
            break
    if len(parts) < 2:
        return None
    text = parts[0].text
    for part in parts[1:]:
        text = speaker.say("talk", "chain", {"first": text, "next": part.text})
    return _joined("several", text, parts)


def _same_things(parts: list[Wish], new: Wish) -> bool:
    return any(set(part.answer.actions[0].targets) & set(new.answer.actions[0].targets) for part in parts)


def _joined(category: str, text: str, parts: list[Wish]) -> Wish:
    evidence = tuple(dict.fromkeys(ident for part in parts for ident in part.answer.evidence))
    actions = tuple(action for part in parts for action in part.answer.actions)
    speech = " ".join(part.answer.speech for part in parts)
    return Wish("imperative", text, Answer(speech, actions, evidence), category, any(part.unseen for part in parts))


def mixed(speaker: Speaker) -> Wish | None:
    """Switch several named things of different domains on or off."""
    side = speaker.pick(("on", "off"))
    things = [thing for domain in ("light", "switch", "fan") for thing in speaker.world.by_domain.get(domain) or ()]
    reference = speaker.several(things)
    if reference is None:
        return None
    by_service: dict[str, list[str]] = {}
    names = services(f"turn_{side}", reference.things)
    for thing in reference.things:
        by_service.setdefault(names[thing.kind.domain], []).append(thing.id)
    actions = tuple(Action(service, tuple(ids)) for service, ids in by_service.items())
    slots = {"what": reference.text}
    text = speaker.say(f"switch_{side}", "plain" if speaker.chance(0.6) else "imperative", slots)
    speech = speaker.say(f"switch_{side}", "reply", {"label": reference.label})
    return Wish("imperative", text, Answer(speech, actions, reference.evidence), "mixed", any_unseen(reference))


def everything(speaker: Speaker) -> Wish | None:
    """Switch off (rarely on) all there is, in a room or in the home."""
    how = speaker.random.choices(("area", "here", "all"), (50, 20, 30))[0]
    room = speaker.home.room
    areas = [area for area in speaker.home.areas if how != "here" or area.id == room]
    if how != "all" and not areas:
        return None
    area = speaker.pick(areas) if how != "all" else None
    inside = [thing for thing in speaker.world.things if area is None or thing.area == area.id]
    domains = [domain for domain in _SWITCHABLE if any(thing.kind.domain == domain for thing in inside)]
    if not domains:
        return None
    side = "off" if speaker.chance(0.85) else "on"
    target = f"area.{area.id}" if area else "all"
    place = speaker.pick(area.names) if area else ""
    slots = {"place": place, "label": place}
    text = speaker.say("everything", f"{how}_{side}", slots)
    speech = speaker.say("everything", f"reply_{'area' if area else 'all'}_{side}", slots)
    actions = tuple(Action(f"{domain}.turn_{side}", (target,)) for domain in domains)
    evidence = (target,) if area else ()
    return Wish("imperative", text, Answer(speech, actions, evidence), "everything")


def corrected(speaker: Speaker) -> Wish | None:
    """Begin with one thing, then think better of it."""
    spec = BY_NAME[speaker.pick(("light_on", "light_off", "switch_on", "switch_off"))]
    wish = control(speaker, replace(spec, scopes=LIGHTS if "light" in spec.name else PLUGS))
    other = control(speaker, spec)
    if (
        wish is None
        or other is None
        or (wish.form, other.form) != ("imperative", "imperative")
        or _same_things([other], wish)
    ):
        return None
    text = speaker.say("talk", "correction", {"first": other.text, "next": wish.text})
    return replace(wish, text=text, category="corrected")


MIX: tuple[tuple[float, Maker], ...] = (
    *((spec.weight, partial(control, spec=spec)) for spec in CONTROLS),
    (4.0, chain),
    (1.6, mixed),
    (1.5, everything),
    (0.4, corrected),
    (6.5, lists.add),
    (2.6, lists.remove),
    (3.2, lists.complete),
    (11.0, questions.state),
    (16.0, questions.group),
    (3.2, questions.sensor_named),
    (4.0, questions.sensor_in_place),
    (5.0, questions.binary_in_place),
    (6.0, questions.attribute),
    (2.0, questions.playing),
    (3.6, questions.person),
    (4.5, questions.weather),
    (1.0, questions.clock),
    (2.4, questions.todo),
    (0.4, questions.location),
    (1.2, refusals.small_talk),
    (1.3, refusals.missing_room),
    (1.6, refusals.missing_kind_in_room),
    (1.5, refusals.missing_thing),
    (0.5, refusals.unclear),
)
"""Everything people ask for, with its share. Refusals by subject come on top: `NONE`."""

NONE = 0.09
"""The share of requests that are other assistants' jobs."""

_MAKERS = tuple(maker for _, maker in MIX)
_TOTALS = tuple(sum(weight for weight, _ in MIX[: place + 1]) for place in range(len(MIX)))


def next_wish(speaker: Speaker) -> Wish:
    """Return a request that this home allows."""
    elsewhere = speaker.chance(NONE)
    while True:
        if elsewhere:
            wish = refusals.refusal(speaker, speaker.pick(refusals.subjects(speaker)))
        else:
            wish = speaker.random.choices(_MAKERS, cum_weights=_TOTALS)[0](speaker)
        if wish is not None:
            return wish
