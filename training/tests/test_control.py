"""What requests to act mean: which things their words stand for, and that no two mean different things by the same."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from random import Random

import pytest

from morphy_training.dialect import Area, Device, Home
from morphy_training.generator import compose, lists
from morphy_training.generator.control import BY_NAME, CONTROLS, control
from morphy_training.generator.homes import Thing, World, make_world
from morphy_training.generator.kinds import KINDS
from morphy_training.generator.language import load_language
from morphy_training.generator.speaker import Reference, Speaker, Wish

LANGUAGE = load_language("en")
KITCHEN, BEDROOM = Area("kitchen", ("Kitchen",)), Area("bedroom", ("Bedroom",))
DRAWS = 300


def world(*things: tuple[str, str, str | None], room: str | None = None) -> World:
    """Return a home of (kind, name, area id)."""
    devices = [
        Thing(Device(f"{KINDS[kind].domain}.{n}", (name,), "on", {}, area), KINDS[kind], unseen=False)
        for n, (kind, name, area) in enumerate(things)
    ]
    home = Home(tuple(thing.device for thing in devices), (KITCHEN, BEDROOM), (), (), room, None)
    return World(home, devices, "°C")


def speaker(home: World, seed: int = 1) -> Speaker:
    """Return somebody in this home who says everything there is to say."""
    return Speaker(Random(seed), LANGUAGE, home, 1.0)


def wishes(make: object, count: int) -> Iterable[tuple[Speaker, Wish]]:
    """Yield wishes of one maker from so many homes."""
    random = Random(5)
    assert callable(make)
    for _ in range(count):
        someone = Speaker(random, LANGUAGE, make_world(random, LANGUAGE, 1.0, heldout=False), 1.0)
        if wish := make(someone):
            yield someone, wish


def reached(someone: Speaker, wish: Wish) -> list[str]:
    """Return the ids of all devices that the actions of a wish act on, as often as they do."""
    found: list[str] = []
    for action in wish.answer.actions:
        domain = action.service.partition(".")[0]
        for target in action.targets:
            kind, _, ident = target.partition(".")
            areas = {ident} if kind == "area" else someone.world.on_floor(ident)
            found += [
                thing.id
                for thing in someone.world.things
                if thing.id == target or (thing.kind.domain == domain and (kind == "all" or thing.area in areas))
            ]
    return found


@pytest.mark.parametrize("make", [compose.chain, compose.shared, compose.contrast, compose.settings])
def test_one_sentence_asks_one_thing_of_each_device(make: object) -> None:
    made = list(wishes(make, 400))
    assert len(made) > 40
    for someone, wish in made:
        ids = reached(someone, wish)
        assert len(ids) == len(set(ids)) >= 2, wish
        assert len(wish.answer.evidence) <= 8


def test_no_two_intents_say_the_same() -> None:
    slots = {"what": "thing", "place": "nowhere", "percent": "9 percent", "color": "red", "temperature": "20 degrees"}
    slots |= {"choice": "choice", "number": "7", "low": "18", "high": "22", "it": "it"}
    random = Random(1)
    said: dict[tuple[str, str], set[str]] = defaultdict(set)
    for spec in CONTROLS:
        for section, templates in LANGUAGE.intents[spec.name].items():
            alone = "implied" in section or section in ("here", "place", "home")
            for template in templates if not section.startswith("reply") else ():
                for _ in range(40):
                    for kind in spec.kinds:
                        key = "" if alone else kind
                        said[template.fill(random.random, slots), key].add(spec.name)
    # What is white and what is a colour, what a mode and what a preset, is told by the value.
    values = ({"light_color", "light_white"}, {"climate_mode", "climate_preset"})
    assert [(text, names) for (text, _), names in said.items() if len(names) > 1 and names not in values] == []


def groups(home: World, how: str) -> list[Reference]:
    someone = speaker(home)
    return [found for _ in range(DRAWS) if (found := someone.group(("light",), how))]


def test_a_lamp_is_what_is_named_so() -> None:
    home = world(("light", "Ceiling Light", "bedroom"), ("light", "Bedside Lamp", "bedroom"))
    by_word = {
        frozenset(thing.id for thing in found.things): found.text
        for found in groups(home, "area")
        if "lamp" in found.text
    }
    assert set(by_word) == {frozenset({"light.1"})}
    assert {found.targets for found in groups(home, "area") if "lamp" not in found.text} == {("area.bedroom",)}
    plain = world(("light", "Ceiling", "bedroom"), ("light", "Spots", "bedroom"))
    assert {found.targets for found in groups(plain, "area")} == {("area.bedroom",)}


def loosely(home: World, kind: str) -> set[tuple[str, ...]]:
    someone = speaker(home)
    return {found.targets for _ in range(DRAWS) if (found := someone.loose((kind,)))}


def test_loose_words_mean_the_only_thing() -> None:
    assert loosely(world(("thermostat", "Nest", None)), "ac") == {("climate.0",)}
    two = (("thermostat", "Nest", "kitchen"), ("thermostat", "Tado", "bedroom"))
    assert loosely(world(*two), "thermostat") == set()
    assert loosely(world(*two, room="bedroom"), "thermostat") == {("climate.1",)}
    assert loosely(world(("switch", "Toaster", None), ("switch", "Smart Plug", None)), "switch") == {("switch.1",)}
    assert loosely(world(("switch", "Toaster", None)), "switch") == set()


def test_the_ac_is_not_the_thermostat_where_there_is_one() -> None:
    someone = speaker(world(("thermostat", "Nest", "kitchen"), ("ac", "Split", "bedroom"), room="kitchen"))
    words = set(LANGUAGE.nouns["ac"].one)
    texts = {found.text for _ in range(DRAWS) if (found := someone.loose(("thermostat", "ac")))}
    assert texts
    assert not {text for text in texts if text.removeprefix("the ").removeprefix("my ") in words}


def test_covers_are_called_by_kinds_the_home_has_not() -> None:
    home = world(("blind", "Roller", "kitchen"), ("garage", "Big Door", None))
    someone = speaker(home)
    found = [one for _ in range(DRAWS) if (one := someone.coverings("all"))]
    assert {one.targets for one in found if "cover" in one.text} == {("all",)}
    assert {one.targets for one in found if "curtain" in one.text} <= {("cover.0",)}


def test_nothing_is_made_of_what_a_room_lacks() -> None:
    home = world(("light", "Desk", "bedroom"), room="kitchen")
    someone = speaker(home)
    made = [wish for _ in range(DRAWS) if (wish := control(someone, BY_NAME["light_color"]))]
    assert made
    assert all(reached(someone, wish) == ["light.0"] for wish in made)


def listed(home: World, word: str) -> set[tuple[str, ...]]:
    someone = speaker(home)
    made = [wish for _ in range(DRAWS) if (wish := lists.add(someone))]
    return {wish.answer.actions[0].targets for wish in made if word in wish.text}


def test_a_grocery_list_is_the_shopping_list() -> None:
    home = world(("todo", "Shopping List", None), ("todo", "Chores", None), ("todo", "To Do", None))
    assert listed(home, "grocery list") == {("todo.0",)}
    assert listed(home, "task list") == {("todo.2",)}
    assert listed(world(("todo", "Shopping", None), ("todo", "Groceries", None)), "grocery list") == set()


def test_what_is_done_is_checked_off_and_what_is_not_needed_removed() -> None:
    home = speaker(world(("todo", "Chores", None)))
    services = {
        make: {wish.answer.actions[0].service for _ in range(30) if (wish := make(home))}
        for make in (lists.add, lists.remove, lists.complete)
    }
    assert services == {
        lists.add: {"todo.add_item"},
        lists.remove: {"todo.remove_item"},
        lists.complete: {"todo.update_item"},
    }


def test_everything_on_a_floor_is_switched_by_its_domains() -> None:
    made = [pair for pair in wishes(compose.everything, 600) if "floor." in str(pair[1].answer.actions)]
    assert len(made) > 20
    for someone, wish in made:
        [target] = {target for action in wish.answer.actions for target in action.targets}
        areas = someone.world.on_floor(target.removeprefix("floor."))
        there = {thing.kind.domain for thing in someone.world.things if thing.area in areas}
        domains = [action.service.partition(".")[0] for action in wish.answer.actions]
        assert domains == [one for one in ("light", "switch", "fan", "media_player") if one in there]
        assert wish.answer.evidence == (target,)
