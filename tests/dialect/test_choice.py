"""Choosing the devices that a prompt tells of."""

from __future__ import annotations

from dataclasses import replace

import pytest

from custom_components.morphy.dialect import Area, Device, Floor, Home, get_dialect
from custom_components.morphy.dialect.choice import choose, largest, rank
from custom_components.morphy.dialect.kind_words import EMPTY_WORDS, KIND_WORDS

ROOMS = ("Kitchen", "Bedroom", "Hall", "Study", "Garage", "Attic", "Bathroom", "Porch")
KINDS = (("light", "Ceiling"), ("light", "Reading Lamp"), ("switch", "Radio"), ("fan", "Fan"), ("cover", "Blind"))
HOME = Home(
    devices=(
        *(
            Device(f"{domain}.{room}_{name}".lower().replace(" ", "_"), (name,), "off", area=room.lower())
            for room in ROOMS
            for domain, name in KINDS
        ),
        Device("binary_sensor.attic_window", ("Skylight",), "closed", {"class": "window"}, "attic"),
        Device("vacuum.robby", ("Robby",), "docked"),
        Device("climate.trv_7", ("TRV 7",), "heat", area="study"),
        Device("media_player.den", ("Küchenradio", "NightOwl"), "idle", area="kitchen"),
    ),
    areas=tuple(Area(room.lower(), (room,), "up" if room in ("Attic", "Bedroom") else None) for room in ROOMS),
    floors=(Floor("up", ("Upstairs",)),),
    room="hall",
)
WINDOWS = Home(
    devices=tuple(
        Device(f"binary_sensor.{n}", (f"Contact {n}",), "open" if n in (31, 77) else "closed", {"class": "window"})
        for n in range(90)
    )
)


@pytest.mark.parametrize(
    ("request_", "needed"),
    [
        ("turn on the ceiling in the study", {"light.study_ceiling"}),
        ("are any windows open", {"binary_sensor.attic_window"}),
        ("switch off all reading lamps", {f"light.{room}_reading_lamp".lower() for room in ROOMS}),
        ("turn everything upstairs off", {"light.attic_ceiling", "fan.bedroom_fan", "switch.attic_radio"}),
        ("turn on the garge radio", {"switch.garage_radio"}),
        ("turn on the graage radio", {"switch.garage_radio"}),
        ("it is too dark in here", {"light.hall_ceiling", "light.hall_reading_lamp"}),
        ("send the hoover home", {"vacuum.robby"}),
        ("the heating in the study to 20 degrees", {"climate.trv_7"}),
        ("turn the night owl down", {"media_player.den"}),
        ("is nightowl on", {"media_player.den"}),
        ("mach das Radio in der Kuche an", {"media_player.den"}),
        ("sind alle Fenster zu", {"binary_sensor.attic_window"}),
        ("schalte den Staubsauger ein", {"vacuum.robby"}),
        ("porch fan off, study blind down, robby to dock", {"fan.porch_fan", "cover.study_blind", "vacuum.robby"}),
    ],
)  # fmt: skip
def test_what_is_needed_is_told(request_: str, needed: set[str]) -> None:
    chosen = choose(HOME, request_, limit=12)
    assert len(chosen.devices) <= 12
    assert needed <= {device.id for device in chosen.devices}


def test_order_stays() -> None:
    chosen = choose(HOME, "blinds", limit=10)
    positions = [HOME.devices.index(device) for device in chosen.devices]
    assert positions == sorted(positions)


def test_a_home_that_fits_is_told_whole() -> None:
    assert choose(HOME, "anything", limit=len(HOME.devices)) is HOME


def test_places_that_hold_nothing_told_are_left_out() -> None:
    chosen = choose(HOME, "the ceiling in the study", limit=3)
    areas = {device.area for device in chosen.devices} | {HOME.room}
    assert {area.id for area in chosen.areas} == areas - {None}


@pytest.mark.parametrize("request_", ["are all windows closed", "is any window open", "how are the windows"])
def test_the_few_that_differ_come_first(request_: str) -> None:
    assert {"binary_sensor.31", "binary_sensor.77"} <= choose(WINDOWS, request_, limit=12).by_id.keys()


def test_what_is_left_out_is_counted() -> None:
    for request, left_out in (("are all windows closed", 50), ("is contact 31 open", 0), ("how are you", 0)):
        ranking = rank(WINDOWS, request)
        assert ranking.left_out(ranking.first(40)) == left_out


def test_what_was_spoken_of_or_changed_last_comes_before_its_like() -> None:
    earlier = "the porch fan\nfan.turn_on(fan.porch_fan)\nTurned on Fan."
    assert "fan.porch_fan" in rank(HOME, "off again", earlier).first(4).by_id
    assert "cover.garage_blind" in choose(replace(HOME, recent=("cover.garage_blind",)), "undo that", limit=6).by_id


def test_as_many_are_told_as_fit() -> None:
    ranking = replace(rank(HOME, "blinds"), standing=())
    assert largest(ranking, 40, lambda home: len(home.devices) <= 17) == 17
    assert largest(ranking, 9, lambda _: True) == 9
    assert largest(ranking, 40, lambda _: False) == 0


CLEAR = ("turn on the study reading lamp", "is the porch blind open", "switch on all fans upstairs", "attic radio off")


def test_what_is_told_whatever_is_asked_comes_first() -> None:
    told = [choose(HOME, request) for request in CLEAR]
    assert len({tuple(device.id for device in home.devices[: home.standing]) for home in told}) == 1
    assert {device.domain for device in told[0].devices[: told[0].standing]} == {"light", "switch", "fan", "cover"}
    system = [get_dialect("morphy").system(home, "You are Al.") for home in told]
    last = told[0].devices[told[0].standing - 1].id
    assert len({text.partition(last)[0] for text in system}) == 1
    assert all(device.id in text for home, text in zip(told, system, strict=True) for device in home.devices)
    assert all(f"area.{area.id}" in text for home, text in zip(told, system, strict=True) for area in home.areas)


def test_little_else_is_told_where_there_is_no_doubt() -> None:
    assert {"light.study_reading_lamp"} < choose(HOME, CLEAR[0]).by_id.keys()
    assert all(len(choose(HOME, request).devices) <= 16 for request in CLEAR)
    for request in ("turn on the lamps", "attic radio off and porch fan on"):
        assert len(choose(HOME, request).devices) >= 16
    assert choose(HOME, "turn on the lamps", limit=9).standing == 0, "they make room for what is meant"


@pytest.mark.parametrize(
    ("request_", "needed"),
    [
        ("close shutter two", "cover.shutter_2"),
        ("how much pm2.5 is there", "sensor.dust"),
        ("is anything in the corridor moving", "binary_sensor.hall"),
        ("start moviemode", "scene.movie_mode"),
    ],
)
def test_words_are_found_however_they_are_written(request_: str, needed: str) -> None:
    others = (
        *(Device(f"cover.shutter_{n}", (f"Shutter {n}",), "open") for n in range(1, 9)),
        Device("sensor.dust", ("Air Quality",), "12", {"class": "pm25"}),
        Device("binary_sensor.hall", ("PIR",), "clear", {"class": "motion"}, "hall"),
        Device("scene.movie_mode", ("Movie Mode",), "unknown"),
    )
    assert needed in choose(replace(HOME, devices=(*HOME.devices, *others)), request_, limit=5).by_id


@pytest.mark.parametrize("words", [*KIND_WORDS.values()], ids=[*KIND_WORDS])
def test_the_words_for_kinds_are_as_they_are_looked_up(words: dict[str, str]) -> None:
    for kind, of_kind in words.items():
        assert of_kind == of_kind.lower()
        assert kind.isalnum()
        assert len(of_kind.split()) == len(set(of_kind.split())), kind


def test_no_word_is_empty_twice() -> None:
    for words in EMPTY_WORDS.values():
        assert len(words.split()) == len(set(words.split()))
