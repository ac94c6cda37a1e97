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
from morphy_training.dialect.morphy import MAX_EVIDENCE
from morphy_training.generator import Exchange, classes, questions, readings, stream
from morphy_training.generator.homes import Thing, World
from morphy_training.generator.kinds import KINDS, SENSORS
from morphy_training.generator.language import load_language
from morphy_training.generator.sensing import clustered
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


def named(home: Home, exchange: Exchange) -> list[str]:
    """Return the ids of the copied devices whose names are told, longest first: one may be part of another."""
    text, found = exchange.answer.speech, []
    for device in sorted((home.by_id[one] for one in exchange.answer.evidence), key=lambda one: -len(one.names[0])):
        said = next((name for name in device.names if re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text)), None)
        if said is not None:
            text = text.replace(said, "", 1)
            found.append(device.id)
    return found


def house(*lights: tuple[str, str, str | None], room: str | None = None) -> Speaker:
    """Return someone in a home of lights, each with its name, its state and its area's id."""
    areas = (Area("kitchen", ("Kitchen",)), Area("cellar", ("Cellar",)))
    devices = [Device(f"light.l{place}", (name,), state, {}, area) for place, (name, state, area) in enumerate(lights)]
    things = [Thing(device, KINDS["light"], False) for device in devices]
    world = World(Home(tuple(devices), areas, (), (), room, "Monday 2026-01-05 10:00"), things, "°C")
    return Speaker(Random(5), load_language("en"), world, 1.0)


def many(speaker: Speaker, count: int = 1500) -> list[Wish]:
    """Return what a speaker asks about groups of things."""
    return [wish for _ in range(count) if (wish := classes.things(speaker))]


def sensing(*sensors: tuple[str, str, str, str | None]) -> Speaker:
    """Return someone in a home of binary sensors, each with its class, its name, its state and its area's id."""
    areas = (Area("kitchen", ("Kitchen",)), Area("cellar", ("Cellar",)))
    devices = [
        Device(f"binary_sensor.s{place}", (name,), state, {"class": of_class}, area)
        for place, (of_class, name, state, area) in enumerate(sensors)
    ]
    things = [
        Thing(device, KINDS[f"binary {of_class}"], False)
        for device, (of_class, *_) in zip(devices, sensors, strict=True)
    ]
    world = World(Home(tuple(devices), areas, (), (), None, "Monday 2026-01-05 10:00"), things, "°C")
    return Speaker(Random(5), load_language("en"), world, 1.0)


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


def test_what_is_asked_about_is_copied() -> None:
    """Every thing of a place up to a bound, whatever its state; so those that are named are among them."""
    whole = 0
    for home, exchange in of_category("any", "which", "count", "all"):
        copied = [home.by_id[ident] for ident in exchange.answer.evidence]
        whole += len({device.state for device in copied}) > 1
        assert len(copied) <= MAX_EVIDENCE
        assert len(named(home, exchange)) <= len(copied)
    assert whole > 20
    for home, exchange in of_category("one", "state"):
        (ident,) = exchange.answer.evidence
        assert any(name in exchange.answer.speech for name in home.by_id[ident].names), exchange


def test_yes_and_no_follow_from_what_is_named() -> None:
    for home, exchange in of_category("any"):
        assert exchange.answer.speech.startswith("Yes, " if named(home, exchange) else "No, "), exchange
    for home, exchange in of_category("all"):
        assert exchange.answer.speech.startswith("No, " if named(home, exchange) else "Yes, "), exchange
    for home, exchange in of_category("count"):
        number = exchange.answer.speech.split(" ")[0]
        assert number == (str(len(named(home, exchange))) or "No").replace("0", "No"), exchange


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
        assert {names[ident] for ident in wish.answer.evidence} == on | off
        shown = {name for name in on | off if name in wish.answer.speech}
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


HOUSE = (
    ("gas", "Hob", "clear", "kitchen"),
    ("window", "Left", "open", "kitchen"),
    ("window", "Right", "closed", "kitchen"),
    ("window", "Hatch", "closed", "cellar"),
    ("battery charging", "Tablet", "charging", None),
    ("moisture", "Drain", "wet", "cellar"),
)


def test_everything_of_the_class_is_copied() -> None:
    """No line of another class, and none of another room where a room is named."""
    speaker = sensing(*HOUSE)
    names = {thing.id: thing.name for thing in speaker.world.things}
    windows = {"kitchen": {"Left", "Right"}, "cellar": {"Hatch"}}
    windows[""] = windows["kitchen"] | windows["cellar"]
    seen = 0
    for wish in (classes.sensed(speaker) for _ in range(1500)):
        if wish is None or "window" not in wish.text or not wish.category.startswith("question_class"):
            continue
        place = next((room for room in ("kitchen", "cellar") if room in wish.text.lower()), "")
        assert {names[ident] for ident in wish.answer.evidence} == windows[place], wish
        seen += 1
    assert seen > 100


def test_answers_about_a_class_follow_from_its_states() -> None:
    """Yes or no, the names and the number are those of the windows in the state asked for."""
    speaker = sensing(*(sensor for sensor in HOUSE if sensor[-1] != "cellar"))
    replies = {
        ("any", "open"): "Yes, Left is open.",
        ("any", "closed"): "Yes, Right is closed.",
        ("which", "open"): "Left is open.",
        ("which", "closed"): "Right is closed.",
        ("count", "open"): "Left is open: 1 window.",
        ("count", "closed"): "Right is closed: 1 window.",
        ("all", "open"): "No, Right is closed.",
        ("all", "closed"): "No, Left is open.",
    }
    seen: set[tuple[str, str]] = set()
    for wish in (classes.sensed(speaker) for _ in range(3000)):
        form = wish.category.removeprefix("question_class_") if wish else ""
        if wish is None or "window" not in wish.text or form == wish.category:
            continue
        asked = re.search(r"\b(open|closed)\b", wish.text)
        if asked:
            seen.add((form, asked[0]))
            assert wish.answer.speech == replies[form, asked[0]], wish
    assert seen == set(replies)


def test_yes_and_no_are_equally_frequent() -> None:
    for names in (("class_any",), ("class_all",), ("state",), ("one",)):
        speeches = [exchange.answer.speech for _, exchange in of_category(*names)]
        yes, no = (sum(speech.startswith(word) for speech in speeches) for word in ("Yes, ", "No, "))
        assert 0.38 < yes / (yes + no) < 0.62, names


def test_nobody_at_home_is_somewhere_else() -> None:
    people = [Device(f"person.p{place}", (f"P{place}",), state) for place, state in enumerate(("home", "work"))]
    things = [Thing(device, KINDS["person"], False) for device in people]
    speaker = Speaker(Random(3), load_language("en"), World(Home(tuple(people)), things, "°C"), 1.0)
    wishes = [wish for _ in range(400) if (wish := classes.people(speaker))]
    assert {wish.answer.evidence for wish in wishes} == {("person.p0", "person.p1")}
    gone = [wish for wish in wishes if re.fullmatch(r"who('s| is) (away|gone|out|not home)", wish.text)]
    assert gone
    assert {wish.answer.speech for wish in gone} == {"P1 is away."}
    working = [wish for wish in wishes if wish.text.startswith("who is") and "work" in wish.text]
    assert working
    assert all(wish.answer.speech == "P1 is at work." for wish in working)


def test_a_home_may_be_full_of_sensors() -> None:
    sensors = tuple(kind for kind in KINDS if kind.startswith(("binary ", "sensor ")))
    homes = [clustered(Random(seed), ["light"] * 30, sensors, 1.0) for seed in range(200)]
    assert {len(home) for home in homes} == {30}
    counts = [sum(kind in sensors for kind in home) for home in homes]
    assert 60 < sum(count >= 7 for count in counts) < 120
    assert max(counts) <= 20
    repeated = [max(home.count(kind) for kind in sensors) for home in homes if any(kind in sensors for kind in home)]
    assert sum(repeated) / len(repeated) > 3
    assert clustered(Random(1), ["light"], sensors, 0.0) == ["light"]


def test_names_that_several_share_are_told_once() -> None:
    someone = house(("Lamp", "on", "kitchen"), ("Lamp", "on", "cellar"), ("Spot", "on", "cellar"))
    assert someone.names(someone.world.things) == "Lamp and Spot"
