"""What the generator promises of follow-ups, of refusals and of noise."""

from __future__ import annotations

from collections import Counter
from functools import cache
from itertools import islice, pairwise

from morphy_training.dialect.home import Action
from morphy_training.generator import Example, Exchange, stream
from morphy_training.generator.names import plain, slug


@cache
def examples() -> list[Example]:
    """Return the first examples of a stream."""
    return list(islice(stream(1), 900))


def pairs(kind: str) -> list[tuple[Example, Exchange, Exchange]]:
    """Return each follow-up of a kind with its home and the turn before it."""
    return [
        (example, before, turn)
        for example in examples()
        for before, turn in pairwise(example.turns)
        if turn.category == kind
    ]


def what(action: Action) -> tuple[str, dict[str, object]]:
    """Return what an action does, whatever it does it to, without the domain."""
    return action.service.partition(".")[2], dict(action.data)


def test_most_turns_stand_alone() -> None:
    turns = [turn for example in examples() for turn in example.turns]
    share = sum("followup" in turn.category for turn in turns) / len(turns)
    assert 0.1 < share < 0.18
    assert not [example for example in examples() if "followup" in example.turns[0].category]


def test_a_pronoun_means_what_the_turn_before_was_about() -> None:
    for _, before, turn in pairs("followup_it"):
        [action] = turn.answer.actions
        if before.answer.actions:
            assert action.targets == before.answer.actions[0].targets
            assert turn.answer.evidence == before.answer.evidence
        else:
            assert set(action.targets) <= set(before.answer.evidence)
            assert turn.answer.evidence == action.targets


def test_the_same_elsewhere() -> None:
    for kind in ("followup_also", "followup_instead", "followup_other"):
        for _, before, turn in pairs(kind):
            assert [what(action) for action in turn.answer.actions] == [
                what(action) for action in before.answer.actions
            ]
            assert not set(turn.answer.evidence) & set(before.answer.evidence)


def test_again_is_the_same_call() -> None:
    for kind in ("followup_again", "followup_yes"):
        for _, before, turn in pairs(kind):
            assert turn.answer == before.answer


def test_no_does_nothing() -> None:
    for _, before, turn in pairs("followup_no"):
        assert before.answer.actions
        assert not turn.answer.actions


def test_every_kind_of_follow_up_is_drawn() -> None:
    counts = Counter(turn.category for example in examples() for turn in example.turns)
    kinds = ("it", "also", "instead", "other", "again", "there", "yes", "no")
    assert all(counts[f"followup_{kind}"] for kind in kinds)
    assert counts["question_followup"]


def test_what_is_called_missing_is_not_there() -> None:
    for example in examples():
        places = {plain(name) for area in example.home.areas for name in area.names}
        things = {plain(name) for device in example.home.devices for name in device.names}
        for turn in example.turns:
            if turn.category == "missing_room":
                room = turn.answer.speech.removeprefix("There is no room called ").removesuffix(" here.")
                assert plain(room) not in places | things, turn
            if turn.category == "missing_thing":
                name = turn.answer.speech.removeprefix("There is no ").removesuffix(" here.")
                assert plain(name) not in things, turn
                assert not turn.answer.actions


def test_refusals_do_nothing() -> None:
    refused = [t for e in examples() for t in e.turns if t.category.startswith(("none_", "missing_", "unclear"))]
    assert not [turn for turn in refused if turn.answer.actions or turn.answer.evidence]
    assert len({turn.category for turn in refused}) > 30


def test_homes_of_all_sorts() -> None:
    homes = [example.home for example in examples()]
    assert any(not home.areas for home in homes)
    assert any(home.areas and all(device.area is None for device in home.devices) for home in homes)
    assert any(home.room and all(device.area != home.room for device in home.devices) for home in homes)
    assert any(len({device.names[0].casefold() for device in home.devices}) < len(home.devices) for home in homes)
    areas = {area.id: area for home in homes for area in home.areas}
    assert any(device.names[0] in areas[device.area].names for h in homes for device in h.devices if device.area)
    names = [name for home in homes for device in home.devices for name in device.names]
    assert any(any(ord(letter) > 0x400 for letter in name) for name in names)


def test_slugs_are_home_assistants() -> None:
    assert slug("Küche 2") == "kuche_2"
    assert slug("Kate's Lamp") == "kates_lamp"
    assert slug("Кухня") == "kukhnia"
    assert slug("寝室") == ""
