"""Requests about lists: put something on one, take it off, check it off."""

from __future__ import annotations

from ..dialect.home import Action, Answer, ArgumentValue
from .homes import Thing
from .names import plain
from .speaker import Speaker, Wish


def _family(speaker: Speaker, key: str) -> list[Thing]:
    """Return the lists whose name has a word of the family: `shopping` or `tasks`."""
    marks = speaker.language.tables["list_names"][key]
    return [
        thing
        for thing in speaker.world.by_kind.get("todo") or ()
        if any(mark in plain(name).split() for mark in marks for name in thing.device.names)
    ]


def _meant(speaker: Speaker, key: str) -> Thing | None:
    """Return the list meant by a word for its family; `any` is the home's only list, or its only shopping list."""
    things = speaker.world.by_kind.get("todo") or []
    if key != "any" or len(things) > 1:
        things = _family(speaker, "shopping" if key == "any" else key)
    return things[0] if len(things) == 1 else None


def _spoken(speaker: Speaker) -> tuple[Thing, str] | None:
    """Return a list and words that mean it: its name, or those for its family."""
    draw = speaker.random.random()
    if draw < 0.55:
        key = "any" if draw < 0.16 else "shopping" if draw < 0.42 else "tasks"
        thing = _meant(speaker, key)
        word = speaker.pick(speaker.language.tables["list_words"][key])
        if thing and speaker.world.by_name.get(plain(word), [thing]) == [thing]:
            return thing, speaker.say("talk", "list_article", {"name": word})
    reference = speaker.one(speaker.world.by_kind.get("todo") or [])
    if reference is None:
        return None
    thing = reference.things[0]
    words = plain(reference.text).split()
    suffix = speaker.language.nouns["todo"].one[0]
    if suffix in words or speaker.chance(0.5):
        return thing, reference.text
    return thing, speaker.language.arranged(speaker.random, "list_name", name=reference.text, kind=suffix)


def _wish(speaker: Speaker, intent: str, service: str, *, known: float, **data: ArgumentValue) -> Wish | None:
    spoken = _spoken(speaker)
    if spoken is None:
        return None
    thing, text = spoken
    items = [item for item in thing.device.attributes.get("items", "").split(", ") if item]
    item = speaker.pick(items) if items and speaker.chance(known) else new_item(speaker)
    form = "free" if speaker.chance(0.2) else "imperative"
    text = speaker.say(intent, form, {"item": item, "what": text})
    speech = speaker.say(intent, "reply", {"item": item, "label": thing.name})
    action = Action(f"todo.{service}", (thing.id,), {"item": item, **data})
    return Wish(form, text, Answer(speech, (action,), (thing.id,)), intent, thing.unseen)


def new_item(speaker: Speaker) -> str:
    """Return something to buy or to do, as it is said."""
    keys = ("items", "tasks", "objects", "adjectives", "amounts", "first_names", "made_up_titles")
    slots = {key: speaker.word(key) for key in keys if key in speaker.language.words}
    return speaker.say("talk", "item", slots).lower()


def add(speaker: Speaker) -> Wish | None:
    """Put something on a list."""
    return _wish(speaker, "todo_add", "add_item", known=0)


def remove(speaker: Speaker) -> Wish | None:
    """Take something off a list."""
    return _wish(speaker, "todo_remove", "remove_item", known=0.5)


def complete(speaker: Speaker) -> Wish | None:
    """Check something off a list."""
    return _wish(speaker, "todo_complete", "update_item", known=0.5, status="completed")
