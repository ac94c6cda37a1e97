r"""ChatML, the frame around every prompt of `lines` and `morphy`.

Format: OpenAI's Chat Markup Language, as Home-LLM v001 was trained on it: `<|im_start|>role\\ntext<|im_end|>\\n`.
"""

from __future__ import annotations

from collections.abc import Sequence

from .home import Turn
from .text import inert, one_line, words

START = "<|im_start|>"
END = "<|im_end|>"


def chat(system: str, request: str, history: Sequence[Turn] = ()) -> str:
    """Return the whole prompt, up to the point where the assistant begins to write.

    The system text is a dialect's own and stands as it is; what was said is data.
    """
    earlier = (_message("user", words(turn.request)) + _message("assistant", _lines(turn.answer)) for turn in history)
    return f"{_message('system', system)}{''.join(earlier)}{_message('user', words(request))}{START}assistant\n"


def instruct(system: str, request: str) -> str:
    """Return the prompt of a task that is no talk about a home: both texts keep their lines, and are data."""
    return f"{_message('system', _lines(system))}{_message('user', _lines(request))}{START}assistant\n"


def _lines(text: str) -> str:
    """Return data that may have more than one line: an earlier answer, or a task."""
    return inert("\n".join(map(one_line, text.split("\n"))))


def _message(role: str, text: str) -> str:
    return f"{START}{role}\n{text}{END}\n"
