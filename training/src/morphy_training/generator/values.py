"""Values people say, and what they come to as arguments: half is 50, twenty one and a half 21.5, warm white 2700 K."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..dialect.home import ArgumentValue
from .names import plain
from .speaker import Reference, Speaker


@dataclass(frozen=True, slots=True)
class Value:
    """A value: the slots it fills in a request, the arguments it becomes, the slots it fills in the answer."""

    spoken: dict[str, str]
    data: dict[str, ArgumentValue]
    told: dict[str, str]


_HALF = 5
_NEVER_HEARD = 0.5
"""How often a title is put together: it is taken over as it is said, known or not."""
_UNUSUAL = 0.3
"""How often a temperature is any at all: it is taken over as it is said, and not what rooms mostly have."""


def number_words(speaker: Speaker, value: float) -> str:
    """Return a number from 0 to 100 in words, with its tenths; a half is said as people do."""
    whole = speaker.language.numbers[int(value)]
    if value == int(value):
        return whole
    digit = round(value % 1 * 10)
    section = "and_a_half" if digit == _HALF else "and_tenths"
    return speaker.say("talk", section, {"number": whole, "digit": speaker.language.numbers[digit]})


def _spoken_number(speaker: Speaker, value: float) -> str:
    sayable = round(value * 2) == value * 2 or speaker.has("talk", "and_tenths")
    if 0 <= value <= 100 and sayable and speaker.chance(0.3 * speaker.difficulty):
        return number_words(speaker, value)
    return f"{value:g}"


def _any_percent(speaker: Speaker) -> int:
    draw = speaker.random.random()
    if draw < 0.4:
        return 10 * (1 + int(speaker.random.random() * 10))
    if draw < 0.55:
        return 5 * (1 + int(speaker.random.random() * 20))
    return 1 + int(speaker.random.random() * 100)


def percent(argument: str, fractions: str) -> Callable[[Speaker, Reference], Value]:
    """Return a maker of percentages for an argument; `fractions` is the table of words for some of them."""

    def make(speaker: Speaker, reference: Reference) -> Value:
        table = speaker.language.tables[fractions]
        if speaker.chance(0.16 * speaker.difficulty):
            key = speaker.pick(tuple(table))
            return Value({"percent": speaker.pick(table[key])}, {argument: int(key)}, {"percent": f"{key}%"})
        value = _any_percent(speaker)
        text = speaker.say("talk", "percent", {"number": _spoken_number(speaker, value)})
        return Value({"percent": text}, {argument: value}, {"percent": f"{value}%"})

    return make


def step(sign: int, *, said: bool) -> Callable[[Speaker, Reference], Value]:
    """Return a maker of brightness steps: 20 percent unless an amount is said."""

    def make(speaker: Speaker, reference: Reference) -> Value:
        if not said:
            return Value({}, {"brightness_step_pct": 20 * sign}, {})
        value = speaker.pick((5, 10, 10, 15, 20, 20, 25, 30, 30, 40, 50, 60))
        text = speaker.say("talk", "percent", {"number": _spoken_number(speaker, value)})
        return Value({"percent": text}, {"brightness_step_pct": value * sign}, {"percent": f"{value}%"})

    return make


def nothing(speaker: Speaker, reference: Reference) -> Value:
    """No value at all."""
    return Value({}, {}, {})


def unless_heating(speaker: Speaker, reference: Reference) -> Value | None:
    """No value; None where heating is spoken of, which is a mode."""
    said = plain(reference.text)
    heated = any(word in said for word in speaker.language.words["heating_words"])
    return None if heated else nothing(speaker, reference)


def fixed(**data: ArgumentValue) -> Callable[[Speaker, Reference], Value]:
    """Return a maker of one and the same value."""
    return lambda speaker, reference: Value({}, dict(data), {})


def color_words(speaker: Speaker, name: str) -> tuple[str, ...]:
    """Return the words for a colour of Home Assistant's; in English they are its names."""
    return speaker.language.tables.get("color_words", {}).get(name, (name,))


def color(speaker: Speaker, reference: Reference) -> Value:
    """A colour by name."""
    name = speaker.word("colors")
    words = color_words(speaker, name)
    said = speaker.pick(words) if len(words) > 1 else words[0]
    return Value({"color": said}, {"color_name": name}, {"color": said})


def warmth_of_white(speaker: Speaker, reference: Reference) -> Value:
    """A white by name or by its temperature in kelvin."""
    if speaker.chance(0.3):
        kelvin = speaker.pick((2000, 2200, 2500, 2700, 3000, 3500, 4000, 4500, 5000, 5500, 6000, 6500))
        return Value(
            {"color": speaker.say("talk", "kelvin", {"number": str(kelvin)})},
            {"color_temp_kelvin": kelvin},
            {"color": f"{kelvin} K"},
        )
    table = speaker.language.tables["whites"]
    key = speaker.pick(tuple(table))
    return Value({"color": speaker.pick(table[key])}, {"color_temp_kelvin": int(key)}, {"color": f"{key} K"})


def color_and_percent(speaker: Speaker, reference: Reference) -> Value:
    """A colour and a brightness."""
    first, second = color(speaker, reference), percent("brightness_pct", "brightness")(speaker, reference)
    return Value(first.spoken | second.spoken, second.data | first.data, first.told | second.told)


def temperature(speaker: Speaker, reference: Reference) -> Value:
    """A room's temperature in the home's unit."""
    unit = speaker.world.unit
    low, spread = ((10, 20) if speaker.chance(0.2) else (16, 12)) if unit == "°C" else (50, 40)
    if speaker.chance(_UNUSUAL * speaker.difficulty):
        low, spread = (1, 99)
    value: float = low + speaker.random.random() * spread
    draw = speaker.random.random()
    halved, exact = (0.3, 0.42) if unit == "°C" else (0.12, 0.2)
    value = round(value * 2) / 2 if draw < halved else round(value, 1) if draw < exact else round(value)
    return Value(
        {"temperature": _degrees(speaker, value)}, {"temperature": _plain(value)}, {"temperature": f"{value:g}{unit}"}
    )


def _degrees(speaker: Speaker, value: float) -> str:
    """Return a temperature as it is said, with or without its unit."""
    section = "degrees" if speaker.chance(0.8) else "degrees_c" if speaker.world.unit == "°C" else "degrees_f"
    return speaker.say("talk", section, {"number": _spoken_number(speaker, value)})


def temperature_range(speaker: Speaker, reference: Reference) -> Value:
    """A lowest and a highest temperature."""
    unit = speaker.world.unit
    lowest, spread = (8, 16) if unit == "°C" else (46, 30)
    if speaker.chance(_UNUSUAL * speaker.difficulty):
        lowest, spread = (1, 80)
    low = round(lowest + speaker.random.random() * spread)
    high = low + 2 + int(speaker.random.random() * (8 if speaker.chance(0.7) else 30))
    return Value(
        {"low": _degrees(speaker, low), "high": _degrees(speaker, high)},
        {"target_temp_low": low, "target_temp_high": high},
        {"low": f"{low}{unit}", "high": f"{high}{unit}"},
    )


def temperature_step(sign: int) -> Callable[[Speaker, Reference], Value | None]:
    """Return a maker of one degree more or less than a thermostat is set to; None where it is not set."""

    def make(speaker: Speaker, reference: Reference) -> Value | None:
        setting = reference.things[0].device.attributes.get("set")
        if setting is None:
            return None
        value = float(setting.rstrip("°CF")) + sign
        return Value({}, {"temperature": _plain(value)}, {"temperature": f"{value:g}{speaker.world.unit}"})

    return make


def _plain(value: float) -> int | float:
    return int(value) if value == int(value) else value


def choice(argument: str, table: str) -> Callable[[Speaker, Reference], Value]:
    """Return a maker of values from a table whose keys are the values and whose entries are the words for them."""

    def make(speaker: Speaker, reference: Reference) -> Value:
        entries = speaker.language.tables[table]
        key = speaker.pick(tuple(entries))
        return Value({"choice": speaker.pick(entries[key])}, {argument: key}, {"choice": key.replace("_", " ")})

    return make


def words(argument: str, key: str) -> Callable[[Speaker, Reference], Value]:
    """Return a maker of values that are passed on as they are said."""

    def make(speaker: Speaker, reference: Reference) -> Value:
        word = speaker.word(key)
        return Value({"choice": word}, {argument: word}, {"choice": word})

    return make


def number(argument: str) -> Callable[[Speaker, Reference], Value]:
    """Return a maker of whole numbers."""

    def make(speaker: Speaker, reference: Reference) -> Value:
        value = int(speaker.random.random() * speaker.pick((10, 30, 100)))
        return Value({"number": _spoken_number(speaker, value)}, {argument: value}, {"number": str(value)})

    return make


def _title(speaker: Speaker) -> str:
    """Return the title of something that does not exist."""
    slots = {key: speaker.word(key) for key in ("adjectives", "objects", "animals", "cities", "first_names", "tasks")}
    slots["made_up"] = "".join(speaker.word(f"syllable_{part}") for part in ("start", "middle", "end"))
    slots["number"] = speaker.pick(speaker.language.numbers)
    return speaker.say("talk", "title", slots)


def music(speaker: Speaker, reference: Reference) -> Value:
    """Something to play: what is said is what is searched for."""
    slots = {
        key: speaker.word(key)
        for key in ("genres", "artists", "titles", "moods", "albums", "made_up_titles", "films", "stations")
        if key in speaker.language.words
    }
    if speaker.has("talk", "title"):
        for key in ("artists", "titles", "albums", "made_up_titles", "films"):
            if speaker.chance(_NEVER_HEARD):
                slots[key] = _title(speaker)
    query = speaker.say("talk", "music", slots).lower().replace("the the ", "the ")
    return Value({"choice": query}, {"query": query}, {"choice": query})
