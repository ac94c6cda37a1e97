"""The reader as a specification: what is speech, what is a call; and it makes no difference how the text arrives."""

from __future__ import annotations

import string

import pytest
from hypothesis import given, strategies as st

from custom_components.morphy.dialect import (
    Action,
    Answer,
    Area,
    Call,
    Device,
    Event,
    Home,
    Malformed,
    Reader,
    Speech,
    get_dialect,
    read_calls,
    write_call,
)
from custom_components.morphy.dialect.calls import CallError

ON = Action("light.turn_on", ("light.kitchen",))
OFF = Action("light.turn_off", ("light.office",))


def read(text: str, sizes: list[int] | None = None, reader: Reader | None = None) -> list[Event]:
    """Read a text in pieces of these sizes, the last one repeated."""
    reader = reader or Reader()
    events, sizes = [], sizes or [len(text) or 1]
    position = 0
    while position < len(text):
        size = sizes[0] if len(sizes) == 1 else sizes.pop(0)
        events += reader.feed(text[position : position + size])
        position += size
    return merged(events + reader.close())


def merged(events: list[Event]) -> list[Event]:
    """Join neighbouring pieces of speech, which say how the text arrived and nothing else."""
    out: list[Event] = []
    for event in events:
        if isinstance(event, Speech) and out and isinstance(out[-1], Speech):
            out[-1] = Speech(out[-1].text + event.text)
        else:
            out.append(event)
    return out


def speech(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, Speech))


def actions(events: list[Event]) -> list[Action]:
    return [event.action for event in events if isinstance(event, Call)]


def is_call_line(line: str) -> bool:
    try:
        return read_calls(line) is not None
    except CallError:
        return True


ANSWERS: list[tuple[str, str, list[Action]]] = [
    ("turning on\nlight.turn_on(light.kitchen)", "turning on", [ON]),
    ("light.turn_on(light.kitchen)\nDone.", "Done.", [ON]),
    ("a\nlight.turn_on(light.kitchen)\nb", "a\nb", [ON]),
    ("on\n```\nlight.turn_on(light.kitchen)\n```", "on", [ON]),
    ("on\n```homeassistant\nlight.turn_on(light.kitchen)\nlight.turn_off(light.office)\n```\n", "on", [ON, OFF]),
    ("on\n```homeassistant\nlight.turn_on(light.kitchen)", "on", [ON]),
    ("on\r\n```\r\nlight.turn_on(light.kitchen)\r\n```\r\nbye\r\n", "on\nbye", [ON]),
    ("light.turn_on(light.kitchen); light.turn_off(light.office)", "", [ON, OFF]),
    ("  light.turn_on(light.kitchen)  ", "", [ON]),
    ("```homeassistant\nlight.turn_on(light.kitchen)\nAnd done.", "And done.", [ON]),
    ("on\r\nlight.turn_on(light.kitchen)\r", "on", [ON]),
    ("two lines\n\nof speech", "two lines\n\nof speech", []),
    (
        "light.turn_on(light.kitchen) is how you would write it",
        "light.turn_on(light.kitchen) is how you would write it",
        [],
    ),
    ("e.g. this, i.e. that", "e.g. this, i.e. that", []),
    ("light", "light", []),
    ("light.turn_on", "light.turn_on", []),
    ("Look:\n```python\nprint(1)\n```", "Look:\n```python\nprint(1)\n```", []),
    ("Look:\n```\nplain\n```\nend", "Look:\n```\nplain\n```\nend", []),
    ("grüße 🏠\nlight.turn_on(light.kitchen)\n你好", "grüße 🏠\n你好", [ON]),
    ("5 < 10 and `x` is code", "5 < 10 and `x` is code", []),
    ("", "", []),
]


@pytest.mark.parametrize(("text", "said", "done"), ANSWERS)
def test_answers_at_every_split(text: str, said: str, done: list[Action]) -> None:
    whole = read(text)
    assert speech(whole) == said
    assert actions(whole) == done
    for split in range(1, len(text)):
        assert read(text, [split, len(text)]) == whole, split
    assert read(text, [1]) == whole


CALLS: list[tuple[str, Action]] = [
    ("light.turn_on(light.a, light.b)", Action("light.turn_on", ("light.a", "light.b"))),
    (
        "light.turn_on(area.kitchen, brightness_pct=40)",
        Action("light.turn_on", ("area.kitchen",), {"brightness_pct": 40}),
    ),
    ("light.turn_on(light.a, rgb_color=(255,0,0))", Action("light.turn_on", ("light.a",), {"rgb_color": (255, 0, 0)})),
    (
        "light.turn_on(light.a, rgb_color=[255, 0, 0])",
        Action("light.turn_on", ("light.a",), {"rgb_color": (255, 0, 0)}),
    ),
    ("light.turn_on(entity_id=light.a, color_name=red)", Action("light.turn_on", ("light.a",), {"color_name": "red"})),
    ("light.turn_on(entity_id=[light.a, light.b])", Action("light.turn_on", ("light.a", "light.b"))),
    ("light.turn_on(area_id=kitchen)", Action("light.turn_on", ("area.kitchen",))),
    (
        'todo.add_item(todo.x, item="milk, eggs (12)")',
        Action("todo.add_item", ("todo.x",), {"item": "milk, eggs (12)"}),
    ),
    ('todo.add_item(todo.x, item="a \\"b\\" \\\\ c")', Action("todo.add_item", ("todo.x",), {"item": 'a "b" \\ c'})),
    ("todo.add_item(todo.x, item=dad's list)", Action("todo.add_item", ("todo.x",), {"item": "dad's list"})),
    (
        "climate.set_temperature(climate.h, temperature=-21.5)",
        Action("climate.set_temperature", ("climate.h",), {"temperature": -21.5}),
    ),
    (
        "media_player.volume_mute(media_player.tv, is_volume_muted=True)",
        Action("media_player.volume_mute", ("media_player.tv",), {"is_volume_muted": True}),
    ),
    (
        f"light.turn_on(light.a, brightness_pct={'9' * 5000})",
        Action("light.turn_on", ("light.a",), {"brightness_pct": "9" * 5000}),
    ),
    ("light.turn_on()", Action("light.turn_on")),
    ("light.turn_on('Kitchen Light')", Action("light.turn_on", ("Kitchen Light",))),
]


@pytest.mark.parametrize(("line", "action"), CALLS)
def test_calls(line: str, action: Action) -> None:
    assert read_calls(line) == [action]
    assert read(line, [1]) == [Call(action, line)]


@pytest.mark.parametrize("space", ["\u00a0", "\x0c", "\u2003;.\u00a0"])
def test_space_of_any_kind_around_a_call_does_not_make_it_speech(space: str) -> None:
    assert actions(read(f"{space[0]}light.turn_on(light.a){space}\nlight.turn_off(light.a){space}", [1])) == [
        Action("light.turn_on", ("light.a",)),
        Action("light.turn_off", ("light.a",)),
    ]


@pytest.mark.parametrize(
    "line",
    [
        "light.turn_on(light.kitchen",
        'todo.add_item(todo.x, item="milk)',
        "light.turn_on(x, rgb_color=(a,b))",
        "light.turn_on(x, brightness_pct=)",
        "light.turn_on(x, rgb_color=(1e300,0,0))",
        f"light.turn_on(x, rgb_color=({'9' * 5000}))",
    ],
)
def test_a_call_that_cannot_be_read_is_neither_spoken_nor_made(line: str) -> None:
    assert read(f"ok\n{line}", [1]) == [Speech("ok"), Malformed(line)]


def test_speech_streams_as_soon_as_it_cannot_be_a_call() -> None:
    reader = Reader()
    assert reader.feed("turn") == []
    assert reader.feed("ing on ") == [Speech("turning on ")]
    assert reader.feed("the light") == [Speech("the light")]
    assert reader.feed("\nlight.turn_") == []
    assert reader.feed("on(light.kitchen)") == []
    assert reader.close() == [Call(ON, "light.turn_on(light.kitchen)")]


words = st.text(alphabet=string.ascii_lowercase + "._`(),= \t\r\n\"'äß🏠" + "<|>", max_size=60)
ids = st.from_regex(r"[a-z]{2,8}\.[a-z][a-z0-9_]{0,8}", fullmatch=True)
values = (
    st.booleans()
    | st.integers(-999, 9999)
    | st.floats(-50, 50).map(lambda number: round(number, 1)).filter(lambda number: number != int(number))
    | st.tuples(*[st.integers(0, 255)] * 3)
    | st.text(alphabet=st.characters(exclude_categories=("Cc", "Cs")), max_size=12)
)
arguments = st.dictionaries(
    st.sampled_from(["brightness_pct", "item", "option", "position", "rgb_color"]), values, max_size=3
)
calls = st.builds(Action, ids, st.lists(ids, max_size=3).map(tuple), arguments)
lines = (
    words
    | calls.map(write_call)
    | st.sampled_from(["```", "```homeassistant", "```python", "", "light.turn_on(", "ok."])
)
texts = st.lists(lines, max_size=8).map("\n".join)
sizes = st.lists(st.integers(1, 9), min_size=1, max_size=200)


@given(texts, sizes)
def test_pieces_do_not_matter(text: str, sizes: list[int]) -> None:
    assert read(text, sizes) == read(text)


@given(texts)
def test_no_call_line_is_ever_spoken(text: str) -> None:
    assert not [line for line in speech(read(text)).split("\n") if is_call_line(line)]


@given(texts)
def test_no_character_of_speech_is_lost(text: str) -> None:
    """Speech, calls and malformed lines together hold every letter; only fences and white space around calls may go."""
    events = read(text)
    told = [event.text for event in events if not isinstance(event, Call)]
    told += dict.fromkeys(event.text for event in events if isinstance(event, Call))
    kept = "".join(told)
    wanted = [line for line in text.replace("\r\n", "\n").split("\n") if not line.strip().startswith("```")]
    for letter in "abcdefghijklmnopqrstuvwxyzäß🏠":
        assert kept.count(letter) >= sum(
            line.count(letter) for line in dict.fromkeys(wanted) if not is_call_line(line)
        ), letter


@given(calls)
def test_what_is_written_can_be_read(action: Action) -> None:
    assert read_calls(write_call(action)) == [action]


HOME = Home(
    devices=(
        Device("light.k1", ("Ceiling", "Big Lamp"), "on", {"brightness": "60%"}, "kitchen"),
        Device("switch.kettle", ("Kettle",), "off"),
    ),
    areas=(Area("kitchen", ("Kitchen",)), Area("hall", ("Hall",))),
)
NOTES = (
    '"Ceiling" "Big Lamp" light.k1 = on; brightness 60%',
    'Kitchen "Ceiling',
    '"Kettle" switch.kettle = off',
    'Hall "Lamp" light.none = on',
    "Hall is dark.",
    '"Kettle" is off',
    "light.turn_off(light.k1)",
    "",
)


@pytest.mark.parametrize("start", [None, "Big Lamp", "Kitchen"])
def test_morphy_keeps_its_evidence_to_itself(start: str | None) -> None:
    dialect = get_dialect("morphy")
    action = Action("light.turn_off", ("light.k1",))
    text = dialect.write(
        Answer("Kitchen is dark now.", (action,), ("light.k1",), {"light.k1": start} if start else {}), HOME
    )
    for size in (1, 2, 3, 5, 8, len(text)):
        events = read(text, [size], dialect.reader(HOME))
        assert speech(events) == "Kitchen is dark now."
        assert actions(events) == [action]


def test_morphy_speaks_what_only_begins_like_evidence() -> None:
    events = read('Kitchen is warm.\n"Kettle" is off', [1], get_dialect("morphy").reader(HOME))
    assert events == [Speech('Kitchen is warm.\n"Kettle" is off')]


@given(st.lists(st.sampled_from(NOTES) | words, max_size=6).map("\n".join), sizes)
def test_pieces_do_not_matter_to_morphy_either(text: str, sizes: list[int]) -> None:
    reader = get_dialect("morphy").reader
    assert read(text, sizes, reader(HOME)) == read(text, None, reader(HOME))
