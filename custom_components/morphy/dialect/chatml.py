r"""ChatML, the frame around every prompt of `lines` and `morphy`, and the care that data cannot break out of it.

Format: OpenAI's Chat Markup Language, as Home-LLM v001 was trained on it: `<|im_start|>role\\ntext<|im_end|>\\n`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from .home import Turn

START = "<|im_start|>"
END = "<|im_end|>"

MAX_DATA_CHARS = 160
"""Longest text that a name, a state or an attribute may put into a prompt."""

# Line ends and other control characters, and the marks that reorder text on a screen.
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]+")
_SPACES = re.compile(r" {2,}")


def inert(text: str) -> str:
    """Return the text with every special token broken up, so that a tokenizer reads it as plain characters."""
    return text.replace("<|", "< |").replace("|>", "| >")


def data(text: str, limit: int = MAX_DATA_CHARS) -> str:
    """Return text from the home as it may stand in a line of a prompt: inert, printable, on one line, bounded."""
    text = _SPACES.sub(" ", _UNPRINTABLE.sub(" ", text)).strip()
    return inert(text if len(text) <= limit else text[: limit - 1].rstrip() + "…")


def chat(system: str, request: str, history: Sequence[Turn] = ()) -> str:
    """Return the whole prompt, up to the point where the assistant begins to write."""
    earlier = (_message("user", inert(turn.request)) + _message("assistant", inert(turn.answer)) for turn in history)
    return f"{_message('system', system)}{''.join(earlier)}{_message('user', inert(request))}{START}assistant\n"


def _message(role: str, text: str) -> str:
    return f"{START}{role}\n{text}{END}\n"
