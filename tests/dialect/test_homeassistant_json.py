"""The dialects of Home-LLM's second and third models: their prompts byte for byte, and how their calls are read."""

from __future__ import annotations

import json
from typing import Any

import pytest

from custom_components.morphy.dialect import (
    Action,
    Answer,
    Call,
    Device,
    Home,
    Malformed,
    Service,
    Speech,
    Turn,
    get_dialect,
)

HOME = Home(
    devices=(
        Device("light.kitchen", ("Kitchen Light", "Lamp"), "on", {"brightness": "80%", "color": "salmon"}),
        Device("climate.hall", ("Thermostat",), "cool", {"set": "63°F"}),
        Device("todo.list", ("List <|endoftext|>",), "2"),
    ),
    services=(
        Service("light.turn_on", ("brightness_pct", "color_name", "color_temp_kelvin")),
        Service("light.turn_off"),
        Service("climate.set_temperature", ("temperature",)),
        Service("todo.add_item", ("item",)),
    ),
    now="Thursday 2024-03-14 08:12",
)
ON = Action("light.turn_on", ("light.kitchen",), {"brightness_pct": 50})

V2 = """\
<|im_start|>system
Be brief.
Services: light.turn_on, light.turn_off, climate.set_temperature, todo.add_item
Devices:
light.kitchen 'Kitchen Light' = on;salmon;80%
climate.hall 'Thermostat' = cool;63°F
todo.list 'List < |endoftext| >' = 2<|im_end|>
<|im_start|>user
hello<|im_end|>
<|im_start|>assistant
"""
V3 = """\
<|system|>
Be brief.
The current time and date is 08:12 AM on Thursday March 14, 2024
Services: light.turn_on(brightness,rgb_color), light.turn_off(), climate.set_temperature(temperature), \
todo.add_item(item)
Devices:
light.kitchen 'Kitchen Light' = on;salmon;80%
climate.hall 'Thermostat' = cool;63°F
todo.list 'List < |endoftext| >' = 2<|endoftext|>
<|user|>
hi<|endoftext|>
<|assistant|>
Hi.<|endoftext|>
<|user|>
hello<|endoftext|>
<|assistant|>
"""


def read(text: str, size: int = 10**6) -> tuple[str, list[Action], int]:
    """Return what is said, what is done, and how much cannot be read."""
    reader = get_dialect("homeassistant_json").reader(HOME)
    events = [event for n in range(0, len(text), size) for event in reader.feed(text[n : n + size])]
    events += reader.close()
    return (
        "".join(event.text for event in events if isinstance(event, Speech)),
        [event.action for event in events if isinstance(event, Call)],
        sum(isinstance(event, Malformed) for event in events),
    )


def test_prompts_are_pinned() -> None:
    assert get_dialect("homeassistant_json").prompt(HOME, "Be brief.", "hello") == V2
    history = [Turn("hi", "Hi.")]
    third = get_dialect("homeassistant_json_v3")
    assert third.prompt(HOME, "Be brief.", "hello", history) == V3
    small = get_dialect("homeassistant_json_v3_1b")
    assert small.prompt(HOME, "Be brief.", "hello", history) == V3.replace("<|endoftext|>\n", "</s>\n")


ON_JSON = '{"service": "light.turn_on", "target_device": "light.kitchen", "brightness": 0.5}'
REPLIES: list[tuple[str, str, list[Action], int]] = [
    (f"on\n```homeassistant\n{ON_JSON}\n```", "on", [ON], 0),
    (f"on\n```homeassistant\n{ON_JSON}\n{ON_JSON}\n```\n", "on", [ON, ON], 0),
    (f"on\n{ON_JSON}", "on", [ON], 0),
    (f"```homeassistant\n{ON_JSON}", "", [ON], 0),
    (f"{ON_JSON} {ON_JSON}", "", [ON, ON], 0),
    (
        '{\n  "service": "light.turn_on",\n  "target_device": "light.kitchen",\n  "brightness": 0.5\n}\nok',
        "ok",
        [ON],
        0,
    ),
    ('{"name": "light.turn_on", "arguments": {"entity_id": "light.kitchen", "brightness": 0.5}}', "", [ON], 0),
    (
        '{"service": "light.turn_on", "target_device": "light.kitchen", "rgb_color": "(240, 128, 128)"}',
        "",
        [Action("light.turn_on", ("light.kitchen",), {"rgb_color": (240, 128, 128)})],
        0,
    ),
    (
        '{"service": "todo.add_item", "target_device": "todo.list", "item": "a } b\\n{"}',
        "",
        [Action("todo.add_item", ("todo.list",), {"item": "a } b\n{"})],
        0,
    ),
    ('{"service": "light.turn_on", "target_device": "light.kit', "", [], 1),
    ('{"service": 5}', "", [], 1),
    ("{'service': 'light.turn_on'}\nok", "ok", [], 1),
    ('{"service": "lights", "target_device": "light.kitchen"}', "", [], 1),
    ("[1, 2] and {x} here", "[1, 2] and {x} here", [], 0),
    ("Look:\n```python\nprint(1)\n```", "Look:\n```python\nprint(1)\n```", [], 0),
    ("light.turn_on(light.kitchen, brightness_pct=50)", "", [ON], 0),
]


@pytest.mark.parametrize(("text", "said", "done", "malformed"), REPLIES)
def test_replies_at_every_split(text: str, said: str, done: list[Action], malformed: int) -> None:
    assert read(text) == (said, done, malformed)
    for size in (1, 2, 3, 7):
        assert read(text, size) == (said, done, malformed), size


@pytest.mark.parametrize(
    "data",
    [
        {"brightness_pct": 47},
        {"rgb_color": (255, 0, 100)},
        {"color_name": "salmon", "brightness_pct": 5},
        {"temperature": 21.5},
        {"effect": '["fade", "out"]'},
    ],
)
def test_arguments_that_are_written_are_read(data: dict[str, Any]) -> None:
    dialect = get_dialect("homeassistant_json")
    action = Action("light.turn_on", ("light.kitchen",), data)
    assert read(dialect.write(Answer("", (action,)), HOME))[1] == [action]


@pytest.mark.parametrize(
    ("value", "argument"),
    [
        ("(255, 300, -4)", ("rgb_color", (255, 255, 0))),
        ([1.4, 2, "3"], ("rgb_color", (1, 2, 3))),
        ("salmon", ("color_name", "salmon")),
        (True, ("color_name", "True")),
    ],
)
def test_a_colour_is_three_numbers_or_a_name(value: Any, argument: tuple[str, Any]) -> None:
    text = json.dumps({"service": "light.turn_on", "target_device": "light.kitchen", "rgb_color": value})
    [action] = read(text)[1]
    assert dict(action.data) == dict([argument])


@pytest.mark.parametrize("value", [["fade", "out"], {"kind": "fade"}])
def test_what_is_no_single_value_is_kept_as_it_was_written(value: Any) -> None:
    text = json.dumps({"service": "light.turn_on", "target_device": "light.kitchen", "effect": value})
    [action] = read(text)[1]
    assert dict(action.data) == {"effect": json.dumps(value)}


def test_without_a_service_the_grammar_allows_speech_alone() -> None:
    grammar = get_dialect("homeassistant_json").grammar(Home(devices=HOME.devices, services=()))
    assert "block" not in grammar
    assert grammar.startswith("root ::= speech")


def test_what_is_written_is_read() -> None:
    for name in ("homeassistant_json", "homeassistant_json_v3"):
        written = get_dialect(name).write(Answer("turning it on", (ON,)), HOME)
        assert written == f"turning it on\n```homeassistant\n{ON_JSON}\n```"
        assert read(written) == ("turning it on", [ON], 0)


@pytest.mark.parametrize(
    ("value", "argument"),
    [
        (0.47, ("brightness_pct", 47)),
        (1, ("brightness_pct", 100)),
        (255, ("brightness_pct", 100)),
        (True, ("brightness", True)),
        ("50%", ("brightness", "50%")),
    ],
)
def test_brightness_is_a_share_of_one(value: Any, argument: tuple[str, Any]) -> None:
    text = json.dumps({"service": "light.turn_on", "target_device": "light.kitchen", "brightness": value})
    [action] = read(text)[1]
    assert dict(action.data) == dict([argument])
