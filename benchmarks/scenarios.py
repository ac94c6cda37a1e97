"""In what situations a turn is measured. Each takes a home, a request and a pause, and returns the turn that counts.

What is read ahead is read by the end of a pause; where a situation's name ends in "at once", there is none.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from .apart import Apart
from .homes import FOLLOW_UPS
from .household import Turn

type Scenario = Callable[[Apart, str, float], Turn]


def cold(home: Apart, text: str, pause: float) -> Turn:
    """A request at the very moment at which the worker runs."""
    home.call("restart")
    return say(home, text)


def started(home: Apart, text: str, pause: float) -> Turn:
    """A request some time after the start."""
    home.call("restart")
    home.call("settle", pause)
    return say(home, text)


def prepared(home: Apart, text: str, pause: float) -> Turn:
    """A spoken request after the start: the pipeline tells the agent that somebody speaks, and then what was said."""
    home.call("restart")
    home.call("prepare")
    home.call("settle", pause)
    return say(home, text)


def warm(home: Apart, text: str, pause: float) -> Turn:
    """A request in a conversation of its own after others."""
    return say(home, text)


def follow_up(home: Apart, text: str, pause: float) -> Turn:
    """The second turn of a conversation."""
    before = say(home, text)
    turn: Turn = home.call("say", FOLLOW_UPS[0], before.conversation_id)
    return turn


def after_changes(count: int, *, at_once: bool) -> Scenario:
    """A request after so many states have changed."""

    def scenario(home: Apart, text: str, pause: float) -> Turn:
        home.call("change", count)
        if not at_once:
            home.call("settle", pause)
        return say(home, text)

    return scenario


def say(home: Apart, text: str) -> Turn:
    """Ask the first agent."""
    turn: Turn = home.call("say", text)
    return turn


SCENARIOS: Final[dict[str, Scenario]] = {
    "cold": cold,
    "started": started,
    "prepared": prepared,
    "warm": warm,
    "1 change": after_changes(1, at_once=False),
    "1 change, at once": after_changes(1, at_once=True),
    "20 changes": after_changes(20, at_once=False),
    "20 changes, at once": after_changes(20, at_once=True),
    "follow-up": follow_up,
}
