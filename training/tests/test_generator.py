"""What the generator promises: the same stream for the same seed, answers that hold in their homes, enough speed."""

from __future__ import annotations

from collections import Counter
from itertools import islice

import pytest

from morphy_training.dialect import get_dialect
from morphy_training.dialect.catalogue import SERVICES
from morphy_training.dialect.home import Action, Home
from morphy_training.dialect.morphy import MAX_EVIDENCE
from morphy_training.generator import Example, stream
from morphy_training.generator.control import CONTROLS, check_table
from morphy_training.generator.language import load_language
from morphy_training.generator.templates import compile_template


def take(count: int, seed: int = 1, **options: float | bool | str) -> list[Example]:
    """Return the first examples of a stream."""
    return list(islice(stream(seed, **options), count))  # type: ignore[arg-type]


def valid_targets(home: Home) -> set[str]:
    """Return everything that may be a target or evidence in this home."""
    places = {f"area.{area.id}" for area in home.areas} | {f"floor.{floor.id}" for floor in home.floors}
    return {*home.by_id, *places, "all"}


def domains_hit(home: Home, action: Action) -> set[str]:
    """Return the domains of the devices an action's targets name one by one."""
    return {home.by_id[target].domain for target in action.targets if target in home.by_id}


@pytest.mark.parametrize("options", [{}, {"difficulty": 0.0}, {"heldout": True}])
def test_answers_hold_in_their_homes(options: dict[str, float | bool]) -> None:
    for example in take(400, **options):
        allowed = valid_targets(example.home)
        arguments = {service.name: service.arguments for service in example.home.services}
        for exchange in example.turns:
            assert exchange.request.strip() == exchange.request != ""
            assert exchange.answer.speech
            assert "\n" not in exchange.answer.speech
            assert set(exchange.answer.evidence) <= allowed - {"all"}
            assert len(exchange.answer.evidence) <= MAX_EVIDENCE
            for action in exchange.answer.actions:
                service = SERVICES[action.service]
                assert set(action.data) <= set(service.arguments), action
                assert action.targets
                assert set(action.targets) <= allowed
                assert domains_hit(example.home, action) <= {service.domain}
                assert set(action.data) <= set(arguments[action.service]), action


def reached(home: Home, target: str, domain: str) -> bool:
    """Return whether a target stands for at least one device of the domain."""
    kind, _, ident = target.partition(".")
    areas = {area.id for area in home.areas if (kind == "area" and area.id == ident) or area.floor == ident}
    inside = [device for device in home.devices if kind == "all" or device.area in areas or device.id == target]
    return any(device.domain == domain for device in inside)


def test_every_target_reaches_something() -> None:
    for example in take(400):
        for exchange in example.turns:
            for action in exchange.answer.actions:
                for target in action.targets:
                    assert reached(example.home, target, SERVICES[action.service].domain), (exchange, target)


def test_same_seed_same_stream() -> None:
    assert take(30, seed=5) == take(30, seed=5)
    assert take(30, seed=5) != take(30, seed=6)


def test_homes_have_unique_ids_and_known_areas() -> None:
    for example in take(300):
        ids = [device.id for device in example.home.devices]
        assert len(ids) == len(set(ids))
        assert all(device.area is None or device.area in example.home.area_by_id for device in example.home.devices)
        assert example.home.room is None or example.home.room in example.home.area_by_id
        assert example.home.now
        assert 1 <= len(example.turns) <= 14


def test_difficulty_sets_the_size() -> None:
    assert all(2 <= len(example.home.devices) <= 4 for example in take(100, difficulty=0.0))
    sizes = [len(example.home.devices) for example in take(300)]
    assert min(sizes) >= 2
    assert max(sizes) <= 40
    assert 18 < sum(sizes) / len(sizes) < 28


def test_heldout_names_are_in_no_training_home() -> None:
    language = load_language("en")
    rooms = {room.split()[0] for room in language.words["rooms"]}
    kept = {name for noun in language.nouns.values() for name in noun.heldout if len(name) > 5}
    kept = {name for name in kept if name.split()[0] not in rooms}  # `cellar blower` may be the blower of a cellar
    spoken = " | ".join(
        name.lower() for example in take(400) for device in example.home.devices for name in device.names
    )
    assert not [name for name in kept if f" {name} " in f" {spoken} "]
    examples = take(200, heldout=True)
    unseen = [exchange.unseen for example in examples for exchange in example.turns if exchange.answer.evidence]
    assert sum(unseen) > len(unseen) / 3


def test_shares() -> None:
    counts: Counter[str] = Counter()
    for example in take(1500):
        for exchange in example.turns:
            name = exchange.category
            counts["question" if name.startswith("question") else "action" if exchange.answer.actions else "none"] += 1
            counts[name] += 1
    total = counts["question"] + counts["action"] + counts["none"]
    assert 0.18 < counts["question"] / total < 0.33
    assert counts["none"] / total > 0.1
    missing = {control.name for control in CONTROLS} - set(counts)
    assert not missing


def test_every_template_can_be_said() -> None:
    check_table()
    language = load_language("en")
    for intent in CONTROLS:
        assert intent.name in language.intents
        assert "reply" in language.intents[intent.name]


def test_dialects_write_what_their_readers_read() -> None:
    for dialect in (get_dialect("morphy"), get_dialect("lines")):
        for example in take(60):
            for exchange in example.turns:
                text = dialect.write(exchange.answer, example.home)
                reader = dialect.reader(example.home)
                events = [*reader.feed(text), *reader.close()]
                actions = [event.action for event in events if hasattr(event, "action")]
                assert [(action.service, tuple(action.targets)) for action in actions] == [
                    (action.service, action.targets) for action in exchange.answer.actions
                ], text
                if dialect.name == "morphy":
                    assert [dict(action.data) for action in actions] == [
                        dict(action.data) for action in exchange.answer.actions
                    ]
                spoken = "".join(event.text for event in events if type(event).__name__ == "Speech").strip()
                assert spoken == exchange.answer.speech


@pytest.mark.parametrize("text", ["turn (on", "turn on]", "say <nothing>", "a { b"])
def test_templates_that_cannot_be_read(text: str) -> None:
    with pytest.raises(ValueError, match="template"):
        compile_template(text, {})


def test_template_branches() -> None:
    template = compile_template("(turn|switch) [the] {what} on", {})
    said = {
        template.fill(iter([first, second]).__next__, {"what": "lamp"}) for first in (0, 0.9) for second in (0, 0.9)
    }
    assert said == {"turn lamp on", "turn the lamp on", "switch lamp on", "switch the lamp on"}
