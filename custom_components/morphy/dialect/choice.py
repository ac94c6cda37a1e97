"""Which devices to tell a model about when a home has more than fit: those that the request most likely means.

The same code chooses in training and in serving. It looks at words only, so it takes no model and little time.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from difflib import get_close_matches
from math import log

from .home import Device, Home

MAX_DEVICES = 40
"""Devices a prompt lists; our small models are trained on no more."""

_WORD = re.compile(r"[^\W_]+")
_SAME_ROOM = (
    0.5  # worth of standing in the room in which the request was spoken; a rare word is worth several times that
)
_NEAR_MISS = 0.8  # likeness of a misspelt word to the one that was meant, as difflib measures it
_MOST_MISSPELT = 8  # unknown words that are looked for; each costs a look at every word of the home


def choose(home: Home, request: str, limit: int = MAX_DEVICES) -> Home:
    """Return the home with at most `limit` devices, the likeliest ones, in their own order.

    A device is likelier the more words of the request stand in its names, its area, its floor, its domain or its
    class, a rare word counting more than a frequent one. Areas and floors are all kept.
    """
    if len(home.devices) <= limit:
        return home
    words = [_words_of(device, home) for device in home.devices]
    frequency = Counter(word for of_device in words for word in of_device)
    wanted = _wanted(request, frequency)
    worth = {word: 1 + log(len(words) / frequency[word]) for word in wanted}
    scores = [
        sum(worth[word] for word in of_device & wanted)
        + (_SAME_ROOM if device.area and device.area == home.room else 0)
        for of_device, device in zip(words, home.devices, strict=True)
    ]
    best = sorted(range(len(scores)), key=lambda n: -scores[n])[:limit]
    return replace(home, devices=tuple(home.devices[n] for n in sorted(best)))


def _wanted(request: str, vocabulary: Counter[str]) -> set[str]:
    """Return the words of the home that the request holds, a misspelt one as the one it resembles."""
    words = _words([request])
    known = {word for word in words if word in vocabulary}
    unknown = sorted((word for word in words - known if len(word) > 3), key=len, reverse=True)[:_MOST_MISSPELT]
    meant = (get_close_matches(word, vocabulary, n=1, cutoff=_NEAR_MISS) for word in unknown)
    return known.union(*meant)


def _words_of(device: Device, home: Home) -> set[str]:
    texts = [*device.names, device.domain, device.attributes.get("class", "")]
    area = home.area_by_id.get(device.area or "")
    if area is not None:
        texts += area.names
        floor = home.floor_by_id.get(area.floor or "")
        texts += floor.names if floor is not None else ()
    return _words(texts)


def _words(texts: Iterable[str]) -> set[str]:
    """Return the words in lower case, without the -s of a plural."""
    found = (word.lower() for text in texts for word in _WORD.findall(text.replace("_", " ")))
    return {word[:-1] if len(word) > 3 and word.endswith("s") else word for word in found}
