"""A request is told to a model of ours with the home's names in the home's own spelling."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from custom_components.morphy.dialect import Area, Device, Home, Turn, get_dialect
from custom_components.morphy.dialect.listed import as_listed

NAMES = (
    "Kitchen Light",
    "Kitchen",
    "WLED-Office",
    "Büro Decke",
    "Son's Room",
    "TV",
    "Light1",
    "LUCE del Bagno",
    "office",
)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("turn on the kitchen light", "turn on the Kitchen Light"),
        ("turn on the KITCHEN lights", "turn on the Kitchen lights"),
        ("switch wled office on", "switch WLED-Office on"),
        ("wledoffice off", "WLED-Office off"),
        ("buro decke aus", "Büro Decke aus"),
        ("sons room, please", "Son's Room, please"),
        ("is the tv on?", "is the TV on?"),
        ("light 1 and luce del bagno", "Light1 and LUCE del Bagno"),
        ("the kitchen, light it", "the Kitchen, light it"),
        ("in the office", "in the office"),
        ("t v", "t v"),
        ("nothing of the kind", "nothing of the kind"),
        ("", ""),
    ],
)
def test_names_are_spelt_as_listed(said: str, told: str) -> None:
    assert as_listed(said, NAMES) == told


def test_a_spelling_that_something_has_is_kept() -> None:
    assert as_listed("the desk lamp", ["Desk Lamp", "desk lamp"]) == "the desk lamp"


@given(st.text(max_size=60), st.lists(st.text(min_size=1, max_size=20), max_size=5))
def test_without_a_name_nothing_changes_and_twice_is_once(request: str, names: list[str]) -> None:
    told = as_listed(request, names)
    assert as_listed(request, []) == request
    assert told == request or any(name in told for name in names)


def test_only_our_own_dialect_does_so() -> None:
    home = Home(devices=(Device("switch.kuchnia", ("Kuchnia",), "off", {}, "hall"),), areas=(Area("hall", ("HALL",)),))
    history = (Turn("what about the hall", "It is off."),)
    ours = get_dialect("morphy").prompt(home, "Be kind.", "kuchnia on", history)
    assert "user\nKuchnia on<" in ours
    assert "user\nwhat about the HALL<" in ours
    assert "user\nkuchnia on<" in get_dialect("lines").prompt(home, "Be kind.", "kuchnia on", history)
