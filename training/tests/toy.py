"""A generator of toy homes: lamps and plugs in two rooms, so that the tests need no data files."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from morphy_training.dialect import Action, Answer, Area, Device, Home, services_for

NOUNS = ("lamp", "heater", "fan", "kettle", "radio", "mirror", "desk", "shelf", "stove", "pump")
ADJECTIVES = ("old", "red", "small", "tall", "left", "right", "new", "blue")


@dataclass(frozen=True)
class Exchange:
    request: str
    answer: Answer
    category: str
    unseen: bool = False


@dataclass(frozen=True)
class Example:
    home: Home
    turns: tuple[Exchange, ...]


def stream(seed: int, *, difficulty: float = 1.0, heldout: bool = False) -> Iterator[Example]:
    """Homes of two to eight devices, with requests to switch one of them and questions about its state."""
    dice = random.Random(f"{seed}/{heldout}")
    while True:
        yield _example(dice, 2 + dice.randint(0, round(6 * difficulty)))


def _example(dice: random.Random, count: int) -> Example:
    names = dice.sample([f"{adjective} {noun}" for adjective in ADJECTIVES for noun in NOUNS], count)
    areas = (Area("kitchen", ("Kitchen",)), Area("hall", ("Hall",)))
    devices = tuple(
        Device(
            f"{dice.choice(('light', 'switch', 'fan'))}.{name.replace(' ', '_')}",
            (name.title(),),
            dice.choice(("on", "off")),
            area=dice.choice(areas).id,
        )
        for name in names
    )
    home = Home(devices, areas, services=services_for(devices), now="Monday 2026-11-02 08:00")
    return Example(home, tuple(_exchange(dice, dice.choice(devices)) for _ in range(dice.randint(1, 8))))


def _exchange(dice: random.Random, device: Device) -> Exchange:
    name = device.names[0]
    if dice.random() < 0.25:
        answer = Answer(f"The {name} is {device.state}.", evidence=(device.id,))
        return Exchange(f"is the {name.lower()} on", answer, "question")
    verb = dice.choice(("on", "off"))
    action = Action(f"{device.domain}.turn_{verb}", (device.id,))
    answer = Answer(f"Turned {verb} {name}.", (action,), (device.id,))
    return Exchange(f"turn {verb} the {name.lower()}", answer, device.domain)
