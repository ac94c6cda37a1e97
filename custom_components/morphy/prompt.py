"""What one turn tells the model: as much of the home and of the conversation as there is room for.

A home of more than MAX_DEVICES devices is told in part: those that the request most likely means, as many as have
`home_tokens` tokens. The budget is in tokens of the model; how many a text has is reckoned from its bytes, by what the
model has counted before, and counted where that might not do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final
from weakref import WeakKeyDictionary

from .backends import Backend
from .dialect import Dialect, Home, Turn
from .dialect.choice import MAX_DEVICES, Ranking, largest, rank, tell
from .errors import BackendError

HISTORY_TURNS: Final = 4
"""Earlier turns of a conversation that the model is shown at most."""

HOME_TOKENS: Final = 1000
"""Tokens that a home may have which is too large to be told whole."""

LEAST_DEVICES: Final = 10
"""Devices for which even the turn before is left out."""

_ANSWER_SHARE: Final = 8
"""The part of the context that is kept free for the answer, unless the answer may not be that long."""

_TOKENS_PER_BYTE: Final = 0.4
"""What is reckoned with until the model has counted."""

_CERTAIN: Final = 1.2
"""How many times what is reckoned must fit, so that it need not be counted."""

_TRIES: Final = 3

_tokens_per_byte: Final[WeakKeyDictionary[Backend, float]] = WeakKeyDictionary()


@dataclass(frozen=True, slots=True)
class Telling:
    """What a model is told: the home or a part of it, the whole prompt, how many that may be meant are left out, and
    the earlier turns that are in the prompt.
    """

    home: Home
    prompt: str
    left_out: int = 0
    turns: tuple[Turn, ...] = ()

    def family(self, agent: str) -> str:
        """Return which of an agent's prompts this one begins like: those with standing devices, or the others."""
        return f"{agent} standing" if self.home.standing else agent


async def async_fit(
    backend: Backend,
    dialect: Dialect,
    home: Home,
    instructions: str,
    request: str,
    history: Sequence[Turn],
    max_tokens: int,
    home_tokens: int = HOME_TOKENS,
) -> Telling:
    """Return what is told.

    The oldest turns are left out first, then the devices that the request and the turn before it mean least, then that
    turn. What does not fit even so is returned as it is: the backend refuses it with a sentence.
    """
    length = backend.info.context_length if backend.info else None
    room = None if length is None else length - min(max_tokens, length // _ANSWER_SHARE)
    told = _Telling(Tokens(backend), dialect, instructions, request, room, home_tokens)
    history = history[-HISTORY_TURNS:]
    chosen = told.choice(home, history)
    for left_out in range(len(history) or 1):
        if telling := await told.whole(chosen, history[left_out:]):
            return telling
    if history and (telling := await told.fewer(rank(home, request, _said(history)), history[-1:], LEAST_DEVICES)):
        return telling
    telling = await told.fewer(rank(home, request), (), 0)
    assert telling
    return telling


class Tokens:
    """How many tokens texts have for a model, without a way to its process for each."""

    def __init__(self, backend: Backend) -> None:
        """Reckon by what this model has counted so far."""
        self._backend = backend

    def reckon(self, text: str) -> int:
        """Return about how many there are."""
        return round(_bytes(text) * _tokens_per_byte.get(self._backend, _TOKENS_PER_BYTE))

    async def fits(self, text: str, room: int) -> bool:
        """Return whether there are at most so many, or nobody can tell."""
        if _bytes(text) <= room:  # a token is a byte at least
            return True
        if self._backend in _tokens_per_byte and self.reckon(text) * _CERTAIN < room:
            return True
        try:
            count = await self._backend.count_tokens(text)
        except BackendError:
            return True  # the completion runs into the same, and tells it
        if count is None:
            return True
        _tokens_per_byte[self._backend] = count / _bytes(text)
        return count <= room


@dataclass(frozen=True, slots=True)
class _Telling:
    """What stays the same while ever less of a home is tried."""

    tokens: Tokens
    dialect: Dialect
    instructions: str
    request: str
    room: int | None
    home_tokens: int

    def choice(self, home: Home, history: Sequence[Turn]) -> Telling:
        """Return the whole home, or of a large one what its budget allows; without a prompt."""
        if len(home.devices) <= MAX_DEVICES:
            return Telling(home, "")
        ranking = rank(home, self.request, _said(history))
        most = self.dialect.max_devices or len(home.devices)
        told = tell(ranking, most, lambda told: self._cost(told) <= self.home_tokens)
        return Telling(told, "", ranking.left_out(told))

    def _cost(self, told: Home) -> int:
        """Return the tokens of a home; services that are told whatever is asked are as good as instructions."""
        rest = replace(told, devices=(), areas=(), floors=()) if told.standing else Home()
        return self.tokens.reckon(self._prompt(told, ())) - self.tokens.reckon(self._prompt(rest, ()))

    async def whole(self, chosen: Telling, turns: Sequence[Turn]) -> Telling | None:
        """Return what was chosen with these turns before it, or None when that does not fit."""
        prompt = self._prompt(chosen.home, turns)
        if self.room is not None and not await self.tokens.fits(prompt, self.room):
            return None
        return Telling(chosen.home, prompt, chosen.left_out, tuple(turns))

    async def fewer(self, ranking: Ranking, turns: Sequence[Turn], least: int) -> Telling | None:
        """Return as many devices as fit with these turns; None when they are fewer than `least`.

        What was reckoned wrong is reckoned again by what the model has counted meanwhile.
        """
        assert self.room is not None
        room, ranking = self.room, replace(ranking, standing=())
        most = min(MAX_DEVICES, len(ranking.home.devices))
        for _ in range(_TRIES):
            most = largest(ranking, most, lambda told: self.tokens.reckon(self._prompt(told, turns)) <= room)
            if most < least:
                return None
            told = ranking.first(max(most, 1))
            prompt = self._prompt(told, turns)
            if most <= 1 or await self.tokens.fits(prompt, room):
                break
            most -= 1
        return Telling(told, prompt, ranking.left_out(told), tuple(turns))

    def _prompt(self, home: Home, turns: Sequence[Turn]) -> str:
        return self.dialect.prompt(home, self.instructions, self.request, turns)


def _said(history: Sequence[Turn]) -> str:
    """Return what was said in the last turn: a request such as "and the other one" needs it most."""
    return f"{history[-1].request} {history[-1].answer}" if history else ""


def _bytes(text: str) -> int:
    return len(text.encode(errors="replace"))
