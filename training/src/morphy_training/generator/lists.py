"""Requests about lists: put something on one, take it off, check it off."""

from __future__ import annotations

from ..dialect.home import Action, Answer, ArgumentValue
from .speaker import Speaker, Wish


def _wish(speaker: Speaker, intent: str, item: str, service: str, **data: ArgumentValue) -> Wish | None:
    things = speaker.world.by_kind.get("todo") or []
    only = speaker.only(("todo",)) if speaker.chance(0.35) else None
    reference = only or speaker.one(things)
    if reference is None:
        return None
    thing = reference.things[0]
    text = speaker.say(intent, "imperative", {"item": item, "what": reference.text})
    speech = speaker.say(intent, "reply", {"item": item, "label": thing.name})
    action = Action(f"todo.{service}", (thing.id,), {"item": item, **data})
    return Wish("imperative", text, Answer(speech, (action,), (thing.id,)), intent, thing.unseen)


def new_item(speaker: Speaker) -> str:
    """Return something to buy or to do, as it is said."""
    slots = {
        key: speaker.word(key) for key in ("items", "tasks", "adjectives", "amounts", "first_names", "made_up_titles")
    }
    return speaker.say("talk", "item", slots).lower()


def add(speaker: Speaker) -> Wish | None:
    """Put something on a list."""
    return _wish(speaker, "todo_add", new_item(speaker), "add_item")


def _known_item(speaker: Speaker) -> str:
    things = speaker.world.by_kind.get("todo") or []
    items = [item for thing in things for item in thing.device.attributes.get("items", "").split(", ") if item]
    return speaker.pick(items) if items and len(things) == 1 else new_item(speaker)


def remove(speaker: Speaker) -> Wish | None:
    """Take something off a list."""
    return _wish(speaker, "todo_remove", _known_item(speaker), "remove_item")


def complete(speaker: Speaker) -> Wish | None:
    """Check something off a list."""
    return _wish(speaker, "todo_complete", _known_item(speaker), "update_item", status="completed")
