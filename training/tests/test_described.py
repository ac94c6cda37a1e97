"""Requests that name no thing: what is meant is what does it, and nothing where the home has no such thing."""

from __future__ import annotations

from test_control import reached, speaker, world

from morphy_training.generator import described
from morphy_training.generator.control import BY_NAME, control
from morphy_training.generator.homes import World
from morphy_training.generator.speaker import Wish

DRAWS = 400


def asked(home: World) -> list[Wish]:
    """Return what is asked of this home without a name."""
    someone = speaker(home)
    return [wish for _ in range(DRAWS) if (wish := described.described(someone))]


def test_the_floor_is_vacuumed_and_the_floor_lamp_left_alone() -> None:
    home = world(("light", "Floor Lamp", "kitchen"), ("light", "Carpet Light", "kitchen"), ("vacuum", "Rosie", None))
    made = [wish for wish in asked(home) if "floor" in wish.text or "carpet" in wish.text]
    assert made
    assert {target for wish in made for action in wish.answer.actions for target in action.targets} == {"vacuum.2"}


def test_a_request_without_a_name_is_met_by_one_thing() -> None:
    home = world(
        ("light", "Desk", "bedroom"),
        ("switch", "Toaster", "kitchen"),
        ("outlet", "Smart Plug", "bedroom"),
        ("thermostat", "Oskar", None),
        ("tv", "Big One", "kitchen"),
        ("vacuum", "Pepper", None),
        room="bedroom",
    )
    someone = speaker(home)
    made = asked(home)
    assert {len(reached(someone, wish)) for wish in made} == {1}
    services = {action.service.partition(".")[0] for wish in made for action in wish.answer.actions}
    assert services == {"light", "switch", "climate", "media_player", "vacuum"}
    switched = [wish for wish in made if wish.category.startswith("switch")]
    assert {reached(someone, wish)[0] for wish in switched} == {"switch.2"}


def test_the_plug_is_never_every_switch() -> None:
    home = world(("switch", "Toaster", None), ("switch", "Pump", None), ("outlet", "Outlet", None))
    someone = speaker(home)
    made = [wish for _ in range(DRAWS * 3) if (wish := control(someone, BY_NAME["switch_off"]))]
    plugs = [wish for wish in made if set(wish.text.split()) & {"plug", "plugs", "socket", "sockets", "outlets"}]
    assert plugs
    assert all(reached(someone, wish) == ["switch.2"] for wish in plugs)


def test_the_heating_of_a_home_with_an_air_conditioner_is_that() -> None:
    someone = speaker(world(("ac", "Split", "bedroom")))
    made = [wish for _ in range(DRAWS) if (wish := control(someone, BY_NAME["climate_heat"]))]
    assert made
    assert {wish.answer.actions[0].targets for wish in made} == {("climate.0",)}
    clash = speaker(world(("ac", "Split", "bedroom"), ("switch", "Space Heater", "bedroom")))
    told = [wish.text for _ in range(DRAWS) if (wish := control(clash, BY_NAME["climate_heat"]))]
    assert told
    assert not [text for text in told if "heater" in text.split()]


def test_what_no_thing_does_is_refused() -> None:
    full = speaker(
        world(*((kind, "Pepper", None) for kind in ("vacuum", "thermostat", "speaker", "coffee", "mower", "alarm")))
    )
    refused = [wish for _ in range(DRAWS) if (wish := described.nothing_for_it(full))]
    assert {wish.answer.speech for wish in refused} <= {"There is no coffee machine here."}
    bare = speaker(world(("light", "Floor Lamp", "kitchen")))
    refused = [wish for _ in range(DRAWS) if (wish := described.nothing_for_it(bare))]
    assert any("floor" in wish.text for wish in refused)
    assert not any(wish.answer.actions for wish in refused)
