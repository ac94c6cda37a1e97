"""Text of others in a prompt: names, states, titles, list items and a user's words are told, and never obeyed as form.

Nothing of it ends its line or its turn, nothing is a token with a meaning of its own, and nothing of the home can be
copied into an answer as a call. Ordinary text stays what it is, byte for byte: training and serving share this code.
A worker of ours also reads everything but the dialect's own markers as plain characters; to a server only text is sent,
so what any family of models takes for a marker is broken up here.
"""

from __future__ import annotations

import re
import unicodedata

MAX_DATA_CHARS = 160
"""Longest text that a name, a state or an attribute may put into a prompt."""

# `<|im_end|>`, DeepSeek's `<｜User｜>`, EXAONE's `[|user|]`; `</s>`, `<start_of_turn>`, `<<SYS>>`; `[INST]`, `[gMASK]`.
_MARKER = re.compile(
    r"(?<=[<＜﹤\[])(?=[|｜])"
    r"|(?<=[|｜])(?=[>＞﹥\]])"
    r"|(?<=[<＜﹤])(?=[</!A-Za-z_])"
    r"|(?<=\[)(?=/?[a-z]?[A-Z][A-Z_0-9]+\])"
)
_OPENING = re.compile(r"(\.[a-z][a-z0-9_]*|\])(?=\()")
"""What stands before the bracket of a call, `light.turn_on(`, or of a link, `[text](`."""
_SPACES = re.compile(r" {2,}")
_WITHOUT_FORM = frozenset({"Cf", "Cs", "Co", "Cn"})
"""Unicode's categories of what has no width or no form: joiners and marks that reorder text, half characters, gaps."""


def one_line(text: str) -> str:
    """Return the text on one line: line ends and control characters become spaces, what cannot be seen is left out."""
    if not text.isprintable():
        text = "".join(character if character.isprintable() else _blank(character) for character in text)
    return _SPACES.sub(" ", text).strip()


def _blank(character: str) -> str:
    return "" if unicodedata.category(character) in _WITHOUT_FORM else " "


def inert(text: str) -> str:
    """Return the text with a space inside whatever a tokenizer may take for a token of its own."""
    return _MARKER.sub(" ", text)


def words(text: str) -> str:
    """Return a person's words as they may stand in a prompt: inert, on one line, whole.

    They are never cut, since half an order may be another one; what does not fit the context is refused.
    """
    return inert(one_line(text))


def shortened(text: str, limit: int = MAX_DATA_CHARS) -> str:
    """Return a text of at most `limit` characters, with an ellipsis where it was cut."""
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def data(text: str) -> str:
    """Return text from the home as it may stand in a line of a prompt: inert, on one line, bounded, and no call."""
    return inert(_OPENING.sub(r"\1 ", shortened(one_line(text))))


def value(text: str) -> str:
    """Return the data of a field between separators: it holds no `"` and no `;`."""
    return data(text).replace('"', "'").replace(";", ",")
