r"""ChatML, the frame around every prompt of `lines` and `morphy`.

Format: OpenAI's Chat Markup Language, as Home-LLM v001 was trained on it: `<|im_start|>role\\ntext<|im_end|>\\n`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .home import Turn
from .text import inert, one_line, words

START = "<|im_start|>"
END = "<|im_end|>"


def talk(system: str, request: str, history: Sequence[Turn] = ()) -> tuple[tuple[str, str], ...]:
    """Return a talk as roles and texts.

    The system text is a dialect's own and stands as it is; what was said is data.
    """
    earlier = [(("user", words(turn.request)), ("assistant", _lines(turn.answer))) for turn in history]
    return (("system", system), *(message for pair in earlier for message in pair), ("user", words(request)))


def chat(messages: Iterable[tuple[str, str]]) -> str:
    """Return the whole prompt, up to the point where the assistant begins to write."""
    return f"{''.join(_message(role, text) for role, text in messages)}{START}assistant\n"


def task(system: str, request: str) -> tuple[tuple[str, str], ...]:
    """Return a task that is no talk about a home as roles and texts: both keep their lines, and are data."""
    return ("system", _lines(system)), ("user", _lines(request))


def _lines(text: str) -> str:
    """Return data that may have more than one line: an earlier answer, or a task."""
    return inert("\n".join(map(one_line, text.split("\n"))))


def _message(role: str, text: str) -> str:
    return f"{START}{role}\n{text}{END}\n"
