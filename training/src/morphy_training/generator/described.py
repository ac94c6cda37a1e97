"""Requests that do not say which thing is meant: the home, or the speaker's room, has just one that does what is asked.

`vacuum the floor` means the vacuum, whatever it is called, and not the floor lamp.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from ..dialect.home import Answer
from .control import BY_NAME, Control, Scopes, control
from .kinds import KINDS
from .names import plain
from .speaker import Speaker, Wish

_IMPLIED: Scopes = {"implied": 1}
_SPOKEN: Scopes = {"only": 3, "loose": 1}
_LOOSE: Scopes = {"only": 1, "loose": 1}
_ONLY: Scopes = {"only": 1}
_PLUG: Scopes = {"only": 1, "loose": 2}
_HERE: Scopes = {"here": 1}
_COVER: Scopes = {"only": 4, "covers": 1, "here": 1}

_ASKED: dict[str, tuple[tuple[float, str, Scopes], ...]] = {
    "vacuum": (
        (5, "vacuum_start", _IMPLIED),
        (5, "vacuum_start", _LOOSE),
        (3, "vacuum_return", _LOOSE),
        (2, "vacuum_return", _IMPLIED),
        (1.2, "vacuum_pause", _LOOSE),
        (0.8, "vacuum_pause", _IMPLIED),
        (1.2, "vacuum_stop", _LOOSE),
        (1.2, "vacuum_stop", _IMPLIED),
        (0.8, "vacuum_find", _ONLY),
    ),
    "climate": (
        (6, "climate_set", _IMPLIED),
        (3, "climate_set", _LOOSE),
        (1, "climate_range", _IMPLIED),
        (0.8, "climate_range", _LOOSE),
        (0.8, "climate_warmer", _IMPLIED),
        (0.8, "climate_cooler", _IMPLIED),
        (2, "climate_mode", _LOOSE),
        (1, "climate_mode", _IMPLIED),
        (2, "climate_heat", _IMPLIED),
        (2, "climate_cool", _LOOSE),
        (1.6, "thermostat_on", _LOOSE),
        (3, "climate_off", _LOOSE),
        (0.4, "climate_fan", _IMPLIED),
        (0.4, "climate_preset", _IMPLIED),
    ),
    "media_player": (
        *((2, name, _IMPLIED) for name in ("volume_up", "volume_down", "volume_mute", "volume_set")),
        *((0.7, name, _SPOKEN) for name in ("volume_up", "volume_down", "volume_mute", "volume_set")),
        (1, "volume_unmute", _IMPLIED),
        (0.5, "volume_unmute", _SPOKEN),
        (3.5, "media_play", _IMPLIED),
        (1.5, "media_play", _SPOKEN),
        *((1.3, name, _IMPLIED) for name in ("media_next", "media_previous", "media_pause", "media_resume")),
        *((0.4, name, _SPOKEN) for name in ("media_next", "media_previous", "media_pause", "media_resume")),
        (0.6, "media_stop", _IMPLIED),
        (0.4, "media_source", _IMPLIED),
        (1.6, "media_on", _SPOKEN),
        (1.6, "media_off", _SPOKEN),
    ),
    "outlet": ((1, "switch_on", _PLUG), (1, "switch_off", _PLUG)),
    "coffee": ((3, "coffee", _IMPLIED), (0.6, "switch_off", _ONLY)),
    "cover": (
        (3, "cover_open", _COVER),
        (3, "cover_close", _COVER),
        (0.6, "cover_stop", _COVER),
        (1, "cover_position", _COVER),
    ),
    "fan": tuple(
        (share, name, _ONLY)
        for share, name in ((2, "fan_on"), (2, "fan_off"), (1, "fan_speed"), (1, "fan_swing"), (0.6, "fan_still"))
    ),
    "light": (
        *((2, name, _HERE) for name in ("light_on", "light_off", "light_color", "light_brightness")),
        *((1.2, name, _HERE) for name in ("light_dim", "light_brighten")),
        (0.6, "light_full", _HERE),
        (0.4, "light_white", _HERE),
    ),
    "lock": ((1, "lock", _ONLY), (1, "unlock", _ONLY)),
    "valve": ((1, "valve_open", _ONLY), (1, "valve_close", _ONLY), (0.5, "valve_position", _ONLY)),
    "mower": ((1, "mower_start", _IMPLIED), (0.5, "mower_start", _ONLY), (0.7, "mower_dock", _ONLY)),
    "humidifier": ((1, "humidifier_on", _ONLY), (1, "humidifier_off", _ONLY), (1, "humidifier_set", _ONLY)),
    "alarm": tuple((1, f"alarm_{what}", _IMPLIED) for what in ("away", "home", "night", "off")),
}
"""By kind or domain: what is asked of a thing that is not named, with its share and how the thing is spoken of."""

_SHARES = {
    "vacuum": 3.4,
    "climate": 4.6,
    "media_player": 6.0,
    "outlet": 3.0,
    "coffee": 1.4,
    "cover": 4.5,
    "fan": 1.2,
    "light": 12.0,
    "lock": 0.8,
    "valve": 0.6,
    "mower": 0.6,
    "humidifier": 0.6,
    "alarm": 0.5,
}


@cache
def _spec(name: str, family: str, index: int) -> Control:
    spec = replace(BY_NAME[name], scopes=_ASKED[family][index][2])
    return replace(spec, kinds=(family,)) if family in spec.kinds and family in ("outlet", "coffee") else spec


def described(speaker: Speaker) -> Wish | None:
    """Ask for something of the one thing that does it, without its name."""
    present = [family for family in _SHARES if speaker.world.by_kind.get(family) or speaker.world.by_domain.get(family)]
    if not present:
        return None
    family = speaker.random.choices(present, [_SHARES[family] for family in present])[0]
    asked = _ASKED[family]
    index = speaker.random.choices(range(len(asked)), [share for share, _, _ in asked])[0]
    _, name, scopes = asked[index]
    if scopes is _IMPLIED and not speaker.has(name, "implied"):
        return None
    return control(speaker, _spec(name, family, index))


_LACKING = (
    *(("vacuum", name) for name in ("vacuum_start", "vacuum_start", "vacuum_start", "vacuum_return", "vacuum_stop")),
    *(("thermostat", name) for name in ("climate_set", "climate_set", "climate_heat", "climate_warmer")),
    *(("speaker", name) for name in ("volume_up", "volume_down", "volume_mute", "media_play", "media_next")),
    *(("coffee", "coffee"),) * 3,
    ("mower", "mower_start"),
    ("alarm", "alarm_away"),
)
"""The kind that a home may lack, and what is asked of it all the same."""


def nothing_for_it(speaker: Speaker) -> Wish | None:
    """Ask for what no thing of this home does; the nearest names in it mean something else."""
    kind, intent = speaker.pick(_LACKING)
    noun = speaker.language.nouns.get(kind)
    domains = {"climate", "water_heater"} if kind == "thermostat" else {KINDS[kind].domain}
    if noun is None or not speaker.has(intent, "implied"):
        return None
    if kind != "coffee" and any(speaker.world.by_domain.get(domain) for domain in domains):
        return None
    if any(plain(word).split()[0] in speaker.world.words for word in noun.one + noun.many):
        return None
    number = speaker.pick(("18", "19", "20", "21", "22") if speaker.world.unit == "°C" else ("66", "68", "70", "72"))
    slots = {"temperature": speaker.say("talk", "degrees", {"number": number}), "choice": speaker.word("genres")}
    text = speaker.say(intent, "implied", slots)
    answer = Answer(speaker.say("missing", "reply_thing", {"name": noun.one[0]}))
    return Wish("imperative", text, answer, "missing_function")
