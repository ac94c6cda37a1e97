"""What one turn tells the model: as much of the home and of the conversation as its context has room for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from .backends import Backend
from .dialect import Dialect, Home, Turn
from .dialect.choice import MAX_DEVICES, choose
from .errors import BackendError

HISTORY_TURNS: Final = 4
"""Earlier turns of a conversation that the model is shown at most."""

FEWER_DEVICES: Final = (30, 20, 10)
"""How many devices are told when MAX_DEVICES are too many for the context."""

_ANSWER_SHARE: Final = 8
"""The part of the context that is kept free for the answer, unless the answer may not be that long."""


async def async_fit(
    backend: Backend,
    dialect: Dialect,
    home: Home,
    instructions: str,
    request: str,
    history: Sequence[Turn],
    max_tokens: int,
) -> tuple[Home, str]:
    """Return the part of the home that is told, and the prompt.

    The oldest turns are left out first, then the devices that the request and the turn before it mean least, then that
    turn. What does not fit even so is returned as it is: the backend refuses it with a sentence.
    """
    length = backend.info.context_length if backend.info else None
    told, prompt = home, ""
    for told, turns in _ways(home, request, history[-HISTORY_TURNS:]):
        prompt = dialect.prompt(told, instructions, request, turns)
        if length is None or await _fits(backend, prompt, length - min(max_tokens, length // _ANSWER_SHARE)):
            break
    return told, prompt


def _ways(home: Home, request: str, history: Sequence[Turn]) -> Iterator[tuple[Home, Sequence[Turn]]]:
    """Yield what may be told, ever less: a request such as "and the other one" needs the turn before it most."""
    fewer = [limit for limit in FEWER_DEVICES if limit < min(len(home.devices), MAX_DEVICES)]
    if history:
        last = history[-1]
        spoken = f"{last.request} {last.answer} {request}"
        chosen = choose(home, spoken)
        for left_out in range(len(history)):
            yield chosen, history[left_out:]
        for limit in fewer:
            yield choose(home, spoken, limit), [last]
    for limit in (MAX_DEVICES, *fewer):
        yield choose(home, request, limit), ()


async def _fits(backend: Backend, prompt: str, room: int) -> bool:
    """Return whether the prompt has at most `room` tokens, or nobody can tell."""
    if len(prompt.encode(errors="replace")) < room:  # a token is a byte at least
        return True
    try:
        tokens = await backend.count_tokens(prompt)
    except BackendError:
        return True  # the completion runs into the same, and tells it
    return tokens is None or tokens <= room
