"""What the answers to generated questions promise: they say what the home's states say, and copy what decides."""

from __future__ import annotations

import ast
import re
from functools import cache
from itertools import islice
from pathlib import Path
from random import Random

import pytest

from morphy_training.dialect.home import Area, Device, Home
from morphy_training.generator import Exchange, groups, questions, readings, stream
from morphy_training.generator.homes import Thing, World
from morphy_training.generator.kinds import KINDS, SENSORS
from morphy_training.generator.language import load_language
from morphy_training.generator.speaker import Speaker, Wish

SERVED = Path(__file__).parents[2] / "custom_components/morphy/attributes.py"


@cache
def asked() -> list[tuple[Home, Exchange]]:
    """Return some generated questions with their homes."""
    return [
        (example.home, exchange)
        for example in islice(stream(3), 900)
        for exchange in example.turns
        if exchange.category.startswith("question_")
    ]


def of_category(*names: str) -> list[tuple[Home, Exchange]]:
    """Return the questions of some categories; there must be enough of them to mean something."""
    chosen = [(home, exchange) for home, exchange in asked() if exchange.category.removeprefix("question_") in names]
    assert len(chosen) > 20
    return chosen


def house(*lights: tuple[str, str, str | None], room: str | None = None) -> Speaker:
    """Return someone in a home of lights, each with its name, its state and its area's id."""
    areas = (Area("kitchen", ("Kitchen",)), Area("cellar", ("Cellar",)))
    devices = [Device(f"light.l{place}", (name,), state, {}, area) for place, (name, state, area) in enumerate(lights)]
    things = [Thing(device, KINDS["light"], False) for device in devices]
    world = World(Home(tuple(devices), areas, (), (), room, "Monday 2026-01-05 10:00"), things, "°C")
    return Speaker(Random(5), load_language("en"), world, 1.0)


def many(speaker: Speaker, count: int = 1500) -> list[Wish]:
    """Return what a speaker asks about groups."""
    return [wish for _ in range(count) if (wish := groups.group(speaker))]


def test_binary_sensors_say_what_the_integration_says() -> None:
    source = SERVED.read_text(encoding="utf-8")
    begin = source.index("{", source.index("BINARY_STATES"))
    states = ast.literal_eval(source[begin : source.index("}", begin) + 1])
    served = {name.replace("_", " "): words for name, words in states.items()}
    table = load_language("en").tables["binary_states"]
    assert {name: words for name, words in table.items() if name != "power"} == served
    assert table["power"] == ("on", "off")


def test_every_sensor_can_be_asked_for() -> None:
    language = load_language("en")
    assert set(language.tables["quantities"]) == set(SENSORS)
    assert {kind.name for kind in KINDS.values()} <= set(language.nouns)


def test_what_is_copied_is_named_and_nothing_else() -> None:
    for home, exchange in of_category("any", "which", "count", "all", "one", "state"):
        speech = exchange.answer.speech
        for ident in exchange.answer.evidence:
            assert any(name in speech for name in home.by_id[ident].names), speech
        if exchange.category != "question_all":
            assert speech.startswith(("Yes, all", "Yes, every")) is False


def test_yes_and_no_follow_from_what_is_copied() -> None:
    for _, exchange in of_category("any"):
        assert exchange.answer.speech.startswith("Yes, " if exchange.answer.evidence else "No, "), exchange
    for _, exchange in of_category("all"):
        assert exchange.answer.speech.startswith("No, " if exchange.answer.evidence else "Yes, "), exchange
    for _, exchange in of_category("count"):
        number = exchange.answer.speech.split(" ")[0]
        assert number == (str(len(exchange.answer.evidence)) if exchange.answer.evidence else "No"), exchange


def test_a_named_thing_is_told_in_its_own_state() -> None:
    spoken = {"detected": "triggered", "problem": "has a problem", "update available": "has an update available"}
    for home, exchange in of_category("state", "one"):
        (ident,) = exchange.answer.evidence
        state = home.by_id[ident].state
        if state in ("open", "closed", "locked", "unlocked", "docked", "wet", "dry", "off", *spoken):
            assert exchange.answer.speech.endswith(f"{spoken.get(state, f'is {state}')}."), exchange


def test_readings_are_told_as_they_stand() -> None:
    for home, exchange in of_category("sensor"):
        for ident in exchange.answer.evidence:
            device = home.by_id[ident]
            values = (device.state, *device.attributes.values())
            warmest = " is the " in exchange.answer.speech and len(exchange.answer.evidence) > 1
            assert warmest or any(value in exchange.answer.speech for value in values), exchange


@pytest.mark.parametrize(("place", "on"), [("kitchen", {"Sink Lamp"}), ("cellar", {"Ceiling", "Shelf"})])
def test_lights_of_a_room(place: str, on: set[str]) -> None:
    speaker = house(
        ("Sink Lamp", "on", "kitchen"),
        ("Hood", "off", "kitchen"),
        ("Ceiling", "on", "cellar"),
        ("Shelf", "on", "cellar"),
    )
    names = {thing.id: thing.name for thing in speaker.world.things}
    off = {thing.name for thing in speaker.world.things if thing.area == place} - on
    seen = 0
    for wish in many(speaker):
        if place not in wish.text.lower():
            continue
        shown = {names[ident] for ident in wish.answer.evidence}
        dark = re.search(r"\b(off|dark)\b", wish.text) is not None and "forget" not in wish.text
        wanted = (off if dark else on) if wish.category != "question_all" else (on if dark else off)
        assert shown == wanted, wish
        seen += 1
    assert seen > 100


def test_the_lights_are_those_of_the_room() -> None:
    speaker = house(
        ("Sink Lamp", "off", "kitchen"), ("Ceiling", "on", "cellar"), ("Shelf", "on", "cellar"), room="cellar"
    )
    bare = [wish for wish in many(speaker) if re.fullmatch(r"are the (lights|lamps) on", wish.text)]
    assert len(bare) > 3
    assert {wish.answer.speech for wish in bare} == {"Yes, all lights are on here."}


def test_comparisons_name_the_right_room() -> None:
    language, random = load_language("en"), Random(2)
    devices = (
        Device("sensor.a", ("Stove",), "24.5°C", {"class": "temperature"}, "kitchen"),
        Device("sensor.b", ("Vault",), "9°C", {"class": "temperature"}, "cellar"),
    )
    things = [Thing(device, KINDS["sensor temperature"], False) for device in devices]
    home = Home(devices, (Area("kitchen", ("Kitchen",)), Area("cellar", ("Cellar",))))
    speaker = Speaker(random, language, World(home, things, "°C"), 1.0)
    wishes = [wish for _ in range(200) if (wish := readings.compared(speaker))]
    assert len(wishes) > 50
    for wish in wishes:
        warm = re.search("warm|hot", wish.text) is not None
        assert ("Kitchen is" if warm else "Cellar is") in wish.answer.speech, wish


def test_low_batteries_are_those_below_a_fifth() -> None:
    levels = {"sensor.a": "19%", "sensor.b": "20%", "sensor.c": "3%", "sensor.d": "80%"}
    devices = tuple(Device(ident, (ident[-1].upper(),), level, {"class": "battery"}) for ident, level in levels.items())
    things = [Thing(device, KINDS["sensor battery"], False) for device in devices]
    speaker = Speaker(Random(1), load_language("en"), World(Home(devices), things, "°C"), 1.0)
    wish = readings.low(speaker)
    assert wish is not None
    assert wish.answer.evidence == ("sensor.a", "sensor.c")


def test_two_things_of_one_name_are_told_apart_by_what_is_asked() -> None:
    devices = (
        Device("binary_sensor.a", ("Phone",), "charging", {"class": "battery charging"}),
        Device("binary_sensor.b", ("Phone",), "disconnected", {"class": "connectivity"}),
    )
    kinds = ("binary battery charging", "binary connectivity")
    things = [Thing(device, KINDS[kind], False) for device, kind in zip(devices, kinds, strict=True)]
    speaker = Speaker(Random(4), load_language("en"), World(Home(devices), things, "°C"), 1.0)
    wishes = [wish for _ in range(300) if (wish := questions.state(speaker)) and "phone" in wish.text.lower()]
    assert len(wishes) > 50
    for wish in wishes:
        charging = "charg" in wish.text
        assert wish.answer.evidence == (("binary_sensor.a",) if charging else ("binary_sensor.b",)), wish
