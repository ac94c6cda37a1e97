"""A request as the home would spell it: `the wled-office` becomes `the WLED Office` where that is a name in the home.

People write names in small letters, apart or in one, without their accents and marks. To a small model `kuchnia` and
`Kuchnia` are different tokens, so what it is to look up in its listing is spelt as it stands there.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

MOST_WORDS = 8
"""Words of a name, at most, that are looked for."""

_WORD = re.compile(r"[^\W_]+")
_JOINT = re.compile(r"[ _'’-]*")
"""What may stand between the words of a name; anything else ends it."""
_SHORT = 3
"""Letters of a name below which its words must stand as one."""


def as_listed(request: str, names: Iterable[str]) -> str:
    """Return the request with each of the names that it says spelt as given, the longest first; all else as it was."""
    spelt: dict[str, list[str]] = {}
    for name in names:
        spelt.setdefault(_letters(_WORD.findall(name)), []).append(name)
    spelt.pop("", None)
    words = list(_WORD.finditer(request))
    parts: list[str] = []
    at = first = 0
    while first < len(words):
        for last in range(_reach(request, words, first), first - 1, -1):
            begin, end = words[first].start(), words[last].end()
            key = _letters(word.group() for word in words[first : last + 1])
            if key in spelt and (last == first or len(key) >= _SHORT):
                said = request[begin:end]
                parts += [request[at:begin], said if said in spelt[key] else spelt[key][0]]
                at, first = end, last
                break
        first += 1
    return "".join(parts) + request[at:]


def _reach(request: str, words: list[re.Match[str]], first: int) -> int:
    """Return the place of the last word that may belong to a name which begins with the word in the first place."""
    last = first
    while last + 1 < min(len(words), first + MOST_WORDS):
        if not _JOINT.fullmatch(request, words[last].end(), words[last + 1].start()):
            break
        last += 1
    return last


def _letters(words: Iterable[str]) -> str:
    """Return the words as one, in small letters without accents."""
    letters = unicodedata.normalize("NFKD", "".join(words).casefold())
    return "".join(letter for letter in letters if not unicodedata.combining(letter))
