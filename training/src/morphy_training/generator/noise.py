"""What happens to a sentence on its way: wake words and politeness, lower case, slips of the finger and of the ear."""

from __future__ import annotations

from .speaker import Speaker, Wish

_VERBATIM = frozenset(("item", "query"))
_KEYS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_NEAR = {
    key: row[max(0, place - 1) : place] + row[place + 1 : place + 2] for row in _KEYS for place, key in enumerate(row)
}


def wrapped(speaker: Speaker, form: str, text: str) -> str:
    """Put politeness and hesitation around a sentence, as its form allows."""
    if speaker.difficulty == 0:
        return text
    draw = speaker.random.random()
    if form == "imperative" and draw < 0.34:
        text = speaker.say("talk", "before_imperative", {"text": text})
    elif form == "gerund":
        text = speaker.say("talk", "before_gerund", {"text": text})
    elif form == "question" and draw < 0.2:
        text = speaker.say("talk", "before_question", {"text": text})
    if form in ("imperative", "free") and speaker.chance(0.13):
        text = speaker.say("talk", "after", {"text": text})
    if speaker.chance(0.1):
        text = speaker.say("talk", "wake", {"text": text, "assistant": speaker.word("assistants")})
    return text


def written(speaker: Speaker, form: str, text: str, *, slips: bool = True) -> str:
    """Write a sentence down as a speech recogniser or a hasty thumb does, or with care."""
    if slips and speaker.difficulty > 0 and speaker.chance(0.05):
        text = _misheard(speaker, text)
    if slips and speaker.difficulty > 0 and speaker.chance(0.05):
        text = _mistyped(speaker, text)
    draw = speaker.random.random()
    if draw < 0.62:
        return text.lower()
    if draw < 0.72:
        return text
    end = "?" if form in ("question", "gerund") else "!" if draw > 0.97 else "."
    if draw < 0.80:
        return text.lower() + end
    text = text[:1].upper() + text[1:]
    return text + end if draw < 0.96 or draw > 0.97 else text


def _misheard(speaker: Speaker, text: str) -> str:
    table = speaker.language.tables["misheard"]
    words = text.split(" ")
    places = [place for place, word in enumerate(words) if word in table]
    if places:
        place = speaker.pick(places)
        words[place] = speaker.pick(table[words[place]])
    return " ".join(words)


def _mistyped(speaker: Speaker, text: str) -> str:
    words = text.split(" ")
    places = [place for place, word in enumerate(words) if len(word) > 3 and word.isalpha() and word.islower()]
    if not places:
        return text
    place = speaker.pick(places)
    words[place] = _slip(speaker, words[place])
    return " ".join(words)


def _slip(speaker: Speaker, word: str) -> str:
    at = 1 + int(speaker.random.random() * (len(word) - 2))
    draw = speaker.random.random()
    if draw < 0.3:
        return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    if draw < 0.6:
        return word[:at] + word[at + 1 :]
    if draw < 0.8:
        return word[:at] + word[at] + word[at:]
    near = _NEAR.get(word[at], "")
    return word[:at] + (speaker.pick(near) if near else "") + word[at + 1 :]


def finished(speaker: Speaker, wish: Wish) -> str:
    """Return the request as it arrives. Words that the answer takes over as they are said suffer no slip."""
    exact = any(not _VERBATIM.isdisjoint(action.data) for action in wish.answer.actions)
    return written(speaker, wish.form, wrapped(speaker, wish.form, wish.text), slips=not exact)
