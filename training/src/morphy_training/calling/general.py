"""Plain questions, and whether what is said answers them: general sense that is to survive training for a home."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ..dialect import Tool
from ..errors import DataError
from .functions import from_json

QUESTIONS = Path(__file__).with_name("general.yaml")
"""Our own questions."""

_SMALL = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen"
_UNITS = {word: number for number, word in enumerate(f"{_SMALL} seventeen eighteen nineteen".split())}
_TENS = {
    word: 10 * number
    for number, word in enumerate(["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"], 2)
}
_WORD = rf"(?:{'|'.join(_TENS)})(?:[ -](?:{'|'.join(list(_UNITS)[1:10])}))?|{'|'.join(sorted(_UNITS, key=len)[::-1])}"
_NUMBER = re.compile(rf"(?<![\w.])-?\d+(?:,\d{{3}})*(?:\.\d+)?|\b(?:{_WORD})\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Check:
    """What a right answer holds: a number, one of several words, or exactly one text."""

    number: float | None = None
    any: tuple[str, ...] = ()
    never: tuple[str, ...] = ()
    exactly: str = ""

    def __str__(self) -> str:
        """What is expected, in a few words."""
        return " or ".join(self.any) or self.exactly or f"{self.number:g}"

    def passes(self, text: str, *, lenient: bool = False) -> bool:
        """Whether an answer is right. Leniently, the number need not be said last, and `never` does not count."""
        if self.exactly:
            return text.strip() == self.exactly or (lenient and _plain(text) == _plain(self.exactly))
        if self.number is not None:
            said = numbers(text)
            return self.number in (said if lenient else said[-1:])
        return _has(text, self.any) and (lenient or not _has(text, self.never))


@dataclass(frozen=True, slots=True)
class Question:
    """A question, and what a right answer holds."""

    category: str
    ask: str
    check: Check


def read_questions(path: Path = QUESTIONS) -> tuple[list[Question], list[Tool]]:
    """The questions of a YAML file and the tools that are offered; DataError when it cannot be understood."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        return list(_questions(content["questions"])), [from_json(one) for one in content.get("tools", [])]
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path} holds no questions: {error}") from error


def _questions(given: dict[str, list[dict[str, Any]]]) -> Iterator[Question]:
    for category, questions in given.items():
        for one in questions:
            words = {key: tuple(map(str, one[key])) for key in ("any", "never") if key in one}
            number, exactly = one.get("number"), str(one.get("exactly", ""))
            if (number is not None) + bool(words.get("any")) + bool(exactly) != 1:
                raise DataError(f"{one['ask']!r} needs one of number, any, exactly")
            yield Question(category, one["ask"], Check(number, exactly=exactly, **words))


def numbers(text: str) -> list[float]:
    """The numbers that an English text says, in digits or in words up to ninety-nine."""
    return [_number(found[0].lower()) for found in _NUMBER.finditer(text)]


def _number(text: str) -> float:
    if text[-1].isdigit():
        return float(text.replace(",", ""))
    tens, _, units = text.replace(" ", "-").partition("-")
    return _TENS.get(tens, _UNITS.get(tens, 0)) + _UNITS.get(units, 0)


def _has(text: str, words: tuple[str, ...]) -> bool:
    said = _plain(text)
    return any(re.search(rf"(?<!\w){re.escape(_plain(word))}(?!\w)", said) for word in words)


def _plain(text: str) -> str:
    return " ".join(text.casefold().split()).strip(".!?\"'` ")
