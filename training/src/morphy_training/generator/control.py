"""Requests that change something: which things, by which service, with which value.

The table says what can be asked for; `data/<language>/intents/<name>.yaml` says how it is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from ..dialect.catalogue import SERVICES
from ..dialect.home import Answer
from . import values
from .homes import Thing
from .kinds import KINDS
from .speaker import SLATS, Reference, Speaker, Wish, any_unseen, calls
from .values import Value

Scopes = Mapping[str, float]

LIGHTS: Scopes = {
    "device": 38,
    "several": 4,
    "area": 26,
    "areas": 3,
    "here": 26,
    "floor": 8,
    "all": 9,
    "except": 2,
    "only": 3,
    "outdoors": 4,
}
PLUGS: Scopes = {"device": 70, "several": 6, "area": 4, "here": 2, "all": 2, "only": 8, "loose": 12}
FANS: Scopes = {"device": 42, "several": 4, "area": 20, "here": 12, "floor": 4, "all": 8, "only": 10}
COVERS: Scopes = {
    "device": 38,
    "several": 4,
    "area": 22,
    "areas": 2,
    "here": 11,
    "floor": 4,
    "all": 6,
    "except": 1,
    "only": 7,
    "covers": 5,
}
SINGLE: Scopes = {"device": 46, "only": 26, "area": 16, "several": 2}
CLIMATE: Scopes = {"device": 34, "only": 12, "area": 16, "several": 2, "loose": 36}
PLAYERS: Scopes = {"device": 46, "only": 28, "area": 14, "several": 2, "loose": 10}
LOCKS: Scopes = {"device": 42, "only": 13, "area": 20, "here": 5, "floor": 2, "all": 11, "several": 4, "except": 3}
UNLOCKS: Scopes = {"device": 50, "only": 16, "area": 20, "here": 5, "all": 6, "several": 3}
NAMED: Scopes = {"device": 1}
PLAYER: Scopes = {"device": 24, "area": 16, "only": 14, "implied": 42, "loose": 4}
HEATING: Scopes = {"device": 24, "area": 20, "only": 12, "implied": 34, "loose": 18}
STEPS: Scopes = {"device": 24, "only": 14, "implied": 40, "loose": 14}
ONE_THERE: Scopes = {"device": 35, "only": 65}

_COVER_KINDS = ("blind", "curtain", "shutter", "shade", "awning", "garage", "gate", "window_cover", "door_cover")
_CLIMATE = ("thermostat", "ac")
_PLAYERS = ("tv", "speaker")
_ANY_SWITCH = ("switch", "outlet", "coffee", "switch_light")
_HUMID = ("humidifier", "dehumidifier")


@dataclass(frozen=True, slots=True)
class Control:
    """One intent: `service` is looked up in the thing's own domain, `prefer` is the state that implied things have.

    `instead` are the kinds that serve where the home has none of `kinds`, spoken of as `told_instead` has it.
    """

    name: str
    weight: float
    kinds: tuple[str, ...]
    service: str
    scopes: Scopes
    value: Callable[[Speaker, Reference], Value | None] = values.nothing
    prefer: str = ""
    category: str = ""
    instead: tuple[str, ...] = ()
    told_instead: Scopes = field(default_factory=dict)


_IMPLIED: Scopes = {"implied": 1}
_COOLING: Scopes = {"cooling": 1}
_SYSTEM: Scopes = {"system": 1}
_C = Control
CONTROLS: tuple[Control, ...] = (
    _C("light_on", 10.0, ("light",), "turn_on", LIGHTS),
    _C("light_off", 10.0, ("light",), "turn_off", LIGHTS),
    _C("light_toggle", 0.6, ("light",), "toggle", LIGHTS),
    _C("light_brightness", 5.2, ("light",), "turn_on", LIGHTS, values.percent("brightness_pct", "brightness")),
    _C("light_full", 0.9, ("light",), "turn_on", LIGHTS, values.fixed(brightness_pct=100)),
    _C("light_lowest", 0.7, ("light",), "turn_on", LIGHTS, values.fixed(brightness_pct=1)),
    _C("light_dim", 2.6, ("light",), "turn_on", LIGHTS, values.step(-1, said=False)),
    _C("light_brighten", 2.8, ("light",), "turn_on", LIGHTS, values.step(1, said=False)),
    _C("light_dim_by", 1.1, ("light",), "turn_on", LIGHTS, values.step(-1, said=True)),
    _C("light_brighten_by", 0.8, ("light",), "turn_on", LIGHTS, values.step(1, said=True)),
    _C("light_color", 4.8, ("light",), "turn_on", LIGHTS, values.color),
    _C("light_white", 0.9, ("light",), "turn_on", LIGHTS, values.warmth_of_white),
    _C("light_color_brightness", 0.6, ("light",), "turn_on", LIGHTS, values.color_and_percent),
    _C("switch_on", 8.5, _ANY_SWITCH, "turn_on", PLUGS),
    _C("switch_off", 7.5, _ANY_SWITCH, "turn_off", PLUGS),
    _C("switch_toggle", 0.5, _ANY_SWITCH, "toggle", PLUGS),
    _C("coffee", 6.5, ("coffee",), "turn_on", {"implied": 1}),
    _C("fan_on", 3.4, ("fan", "purifier"), "turn_on", FANS),
    _C("fan_off", 3.2, ("fan", "purifier"), "turn_off", FANS),
    _C("fan_speed", 1.6, ("fan", "purifier"), "set_percentage", FANS, values.percent("percentage", "brightness")),
    _C("fan_faster", 0.9, ("fan",), "increase_speed", FANS),
    _C("fan_slower", 0.9, ("fan",), "decrease_speed", FANS),
    _C("fan_swing", 1.2, ("fan",), "oscillate", FANS, values.fixed(oscillating=True)),
    _C("fan_still", 0.8, ("fan",), "oscillate", FANS, values.fixed(oscillating=False)),
    _C("fan_preset", 0.6, ("fan", "purifier"), "turn_on", FANS, values.words("preset_mode", "fan_presets")),
    _C("cover_open", 4.8, _COVER_KINDS, "open_cover", COVERS),
    _C("cover_close", 4.8, _COVER_KINDS, "close_cover", COVERS),
    _C("cover_stop", 0.75, _COVER_KINDS, "stop_cover", COVERS),
    _C("cover_position", 1.8, SLATS, "set_cover_position", COVERS, values.percent("position", "position")),
    _C("valve_open", 2.4, ("valve",), "open_valve", SINGLE),
    _C("valve_close", 2.4, ("valve",), "close_valve", SINGLE),
    _C("valve_position", 1.1, ("valve",), "set_valve_position", SINGLE, values.percent("position", "position")),
    _C("lock", 3.2, ("lock",), "lock", LOCKS),
    _C("unlock", 2.7, ("lock",), "unlock", UNLOCKS),
    _C("climate_set", 5.3, _CLIMATE, "set_temperature", HEATING, values.temperature),
    _C("climate_range", 0.66, _CLIMATE, "set_temperature", HEATING, values.temperature_range),
    _C(
        "climate_warmer",
        0.88,
        _CLIMATE,
        "set_temperature",
        STEPS,
        values.temperature_step(1),
    ),
    _C(
        "climate_cooler",
        0.88,
        _CLIMATE,
        "set_temperature",
        STEPS,
        values.temperature_step(-1),
    ),
    _C("climate_mode", 2, _CLIMATE, "set_hvac_mode", HEATING, values.choice("hvac_mode", "hvac_modes")),
    _C(
        "climate_heat",
        1.3,
        ("thermostat",),
        "set_hvac_mode",
        {"implied": 60, "area": 40},
        values.fixed(hvac_mode="heat"),
        instead=("ac",),
        told_instead=_IMPLIED,
    ),
    _C(
        "climate_cool",
        2,
        ("ac",),
        "set_hvac_mode",
        {"device": 30, "only": 30, "area": 16, "loose": 24},
        values.fixed(hvac_mode="cool"),
        instead=("thermostat",),
        told_instead=_COOLING,
    ),
    _C(
        "thermostat_on",
        1.8,
        ("thermostat",),
        "turn_on",
        CLIMATE,
        values.unless_heating,
        instead=("ac",),
        told_instead=_SYSTEM,
    ),
    _C("climate_off", 2.6, _CLIMATE, "turn_off", CLIMATE),
    _C("climate_fan", 0.55, _CLIMATE, "set_fan_mode", HEATING, values.words("fan_mode", "fan_modes")),
    _C("climate_preset", 0.77, _CLIMATE, "set_preset_mode", HEATING, values.words("preset_mode", "climate_presets")),
    _C("humidifier_on", 1.8, _HUMID, "turn_on", SINGLE),
    _C("humidifier_off", 1.4, _HUMID, "turn_off", SINGLE),
    _C("humidifier_set", 1.8, _HUMID, "set_humidity", SINGLE, values.percent("humidity", "humidity")),
    _C("water_heater_on", 2, ("water_heater",), "turn_on", SINGLE),
    _C("water_heater_off", 2, ("water_heater",), "turn_off", SINGLE),
    _C("water_heater_set", 3, ("water_heater",), "set_temperature", SINGLE, values.temperature),
    _C("media_on", 3, _PLAYERS, "turn_on", PLAYERS),
    _C("media_off", 3, _PLAYERS, "turn_off", PLAYERS),
    _C("media_resume", 1.8, _PLAYERS, "media_play", PLAYER, prefer="paused"),
    _C("media_pause", 2.2, _PLAYERS, "media_pause", PLAYER, prefer="playing"),
    _C("media_stop", 1, _PLAYERS, "media_stop", PLAYER, prefer="playing"),
    _C("media_next", 2.4, _PLAYERS, "media_next_track", PLAYER, prefer="playing"),
    _C("media_previous", 1.8, _PLAYERS, "media_previous_track", PLAYER, prefer="playing"),
    _C("volume_up", 3.2, _PLAYERS, "volume_up", PLAYER, prefer="playing"),
    _C("volume_down", 3.2, _PLAYERS, "volume_down", PLAYER, prefer="playing"),
    _C("volume_set", 2.4, _PLAYERS, "volume_set", PLAYER, values.percent("volume_pct", "volume"), prefer="playing"),
    _C("volume_mute", 3, _PLAYERS, "volume_mute", PLAYER, values.fixed(is_volume_muted=True), prefer="playing"),
    _C("volume_unmute", 1.4, _PLAYERS, "volume_mute", PLAYER, values.fixed(is_volume_muted=False), prefer="playing"),
    _C("media_source", 1.2, _PLAYERS, "select_source", PLAYER, values.words("source", "sources"), prefer="on"),
    _C("media_play", 5, _PLAYERS, "play_media", {"device": 34, "area": 22, "only": 8, "implied": 36}, values.music),
    _C("vacuum_start", 5.8, ("vacuum",), "start", {"device": 28, "only": 36, "implied": 36}),
    _C("vacuum_return", 4, ("vacuum",), "return_to_base", ONE_THERE),
    _C("vacuum_pause", 1.4, ("vacuum",), "pause", ONE_THERE),
    _C("vacuum_stop", 1.4, ("vacuum",), "stop", ONE_THERE),
    _C("vacuum_find", 1.1, ("vacuum",), "locate", ONE_THERE),
    _C("mower_start", 1.8, ("mower",), "start_mowing", {"device": 35, "only": 35, "implied": 30}),
    _C("mower_dock", 1.8, ("mower",), "dock", ONE_THERE),
    _C("mower_pause", 2, ("mower",), "pause", ONE_THERE),
    _C("scene", 6, ("scene",), "turn_on", NAMED),
    _C("script", 6, ("script",), "turn_on", NAMED),
    _C("automation", 3, ("automation",), "trigger", NAMED),
    _C("button", 3, ("button",), "press", NAMED),
    _C("helper_on", 2.4, ("helper",), "turn_on", NAMED),
    _C("helper_off", 2.4, ("helper",), "turn_off", NAMED),
    _C("number_set", 3, ("number", "input_number"), "set_value", NAMED, values.number("value")),
    _C("select_set", 3, ("select", "input_select"), "select_option", NAMED, values.words("option", "options")),
    _C("siren_on", 3, ("siren",), "turn_on", SINGLE),
    _C("siren_off", 3, ("siren",), "turn_off", SINGLE),
    _C("alarm_away", 1.5, ("alarm",), "alarm_arm_away", {"device": 30, "implied": 70}),
    _C("alarm_home", 1.5, ("alarm",), "alarm_arm_home", {"device": 30, "implied": 70}),
    _C("alarm_night", 1, ("alarm",), "alarm_arm_night", {"device": 30, "implied": 70}),
    _C("alarm_off", 1.5, ("alarm",), "alarm_disarm", {"device": 30, "implied": 70}),
)
"""Every intent that is one service on one reference, with its share.

The shares are of the attempts, and many homes have no valve to open: rare kinds have a larger one to make up for it.
"""

BY_NAME = {control.name: control for control in CONTROLS}

_SCOPES: dict[int, tuple[tuple[str, ...], tuple[float, ...]]] = {}


def refer(speaker: Speaker, kinds: Sequence[str], scopes: Scopes, prefer: str = "") -> Reference | None:
    """Draw a way to refer to things of these kinds, and the reference."""
    names, weights = _SCOPES.setdefault(id(scopes), (tuple(scopes), tuple(scopes.values())))
    how = speaker.random.choices(names, weights)[0]
    if how in ("device", "several"):
        things = [thing for kind in kinds for thing in speaker.world.by_kind.get(kind) or ()]
        return speaker.one(things) if how == "device" else speaker.several(things)
    if how == "only":
        return speaker.only(kinds)
    if how in ("loose", "cooling", "system"):
        return speaker.loose(kinds, how)
    if how == "covers":
        return speaker.coverings(speaker.pick(("area", "area", "here", "all", "all")))
    if how == "implied":
        return speaker.implied(kinds, prefer)
    if how == "except":
        return speaker.all_but(kinds)
    if how == "areas":
        return speaker.two_areas(kinds)
    if how == "outdoors":
        return speaker.outdoors(kinds[0])
    return speaker.group(kinds, how)


def services(service: str, things: Sequence[Thing]) -> dict[str, str]:
    """Return the full service for the domain of each thing."""
    return {thing.kind.domain: f"{thing.kind.domain}.{service}" for thing in things}


_FORMS = (("plain", 0.34), ("imperative", 0.34), ("free", 0.24), ("gerund", 0.08))


def sentence(speaker: Speaker, intent: str, reference: Reference, slots: dict[str, str]) -> tuple[str, str] | None:
    """Return a form and a sentence of an intent for a reference; None where the intent has no fitting one."""
    form = _form(speaker, intent, reference)
    template = speaker.usable(intent, form, slots) or speaker.usable(intent, "plain", slots)
    if template is None:
        return None
    if form in _SPECIAL and _is_number(speaker, slots.get("percent", "")):
        slots = slots | {"percent": f"{slots['percent']} {speaker.pick(speaker.language.words['percent_words'])}"}
    shape = "imperative" if form in ("plain", "implied") else "free" if form in _SPECIAL else form
    text = template.fill(speaker.random.random, slots)
    if form == "here" and reference.how != "here" and speaker.says(text, "here_words"):
        return None
    return shape, text


def _is_number(speaker: Speaker, text: str) -> bool:
    """Return whether a percentage is a bare number, which of a room could as well be a temperature."""
    return text.isdigit() or text in speaker.language.numbers


_SPECIAL = {"here": 0.36, "place": 0.24, "home": 0.1, "": 0.0}
"""How often a request says only the place, or nothing, of what it is about."""


def _special(speaker: Speaker, reference: Reference) -> str:
    """Return the section for requests without a word for the things: all of a place, or the home's only one."""
    whole = reference.targets[0].partition(".")[0] in ("area", "floor", "all")
    if whole and reference.how == "all" and speaker.chance(0.7):
        return "home"
    if reference.how == "here" or (speaker.home.room is None and reference.how in ("only", "all")):
        return "here" if whole or reference.how == "only" else ""
    return "place" if whole and reference.how in ("area", "floor") else ""


def _form(speaker: Speaker, intent: str, reference: Reference) -> str:
    if reference.how == "implied":
        return "implied_free" if speaker.has(intent, "implied_free") and speaker.chance(0.3) else "implied"
    special = _special(speaker, reference)
    if speaker.has(intent, special) and speaker.chance(_SPECIAL[special]):
        return special
    if speaker.difficulty == 0:
        return "plain"
    draw = speaker.random.random()
    for form, share in _FORMS:
        if draw < share:
            return form if speaker.has(intent, form) else "plain"
        draw -= share
    return "plain"


def control(speaker: Speaker, spec: Control) -> Wish | None:
    """Make one request for an intent; None where this home or the draw has nothing for it."""
    if spec.name not in speaker.language.intents:
        return None
    kinds, scopes = spec.kinds, spec.scopes
    if not any(speaker.world.by_kind.get(kind) for kind in kinds):
        kinds, scopes = spec.instead, spec.told_instead
    if not any(speaker.world.by_kind.get(kind) for kind in kinds):
        return None
    reference = refer(speaker, kinds, scopes, spec.prefer)
    if reference is None:
        return None
    value = spec.value(speaker, reference)
    if value is None:
        return None
    slots = {"what": reference.text, "it": "them" if reference.many else "it", **value.spoken}
    if reference.place:
        slots["place"] = reference.place
    said = sentence(speaker, spec.name, reference, slots)
    if said is None or (reference.how == "implied" and speaker.claimed(said[1], reference.things[0].kind.domain)):
        return None
    actions = calls(reference, services(spec.service, reference.things), value.data)
    speech = speaker.say(spec.name, "reply", {"label": reference.label, **value.told})
    answer = Answer(speech, actions, reference.evidence)
    form = "free" if said[0] == "implied_free" else said[0]
    return Wish(form, said[1], answer, spec.category or spec.name, any_unseen(reference))


def check_table() -> None:
    """Raise ValueError where the table names a kind or a service that does not exist."""
    for spec in CONTROLS:
        for kind in spec.kinds:
            if f"{KINDS[kind].domain}.{spec.service}" not in SERVICES:
                raise ValueError(f"{spec.name}: no service {spec.service} for {kind}")
