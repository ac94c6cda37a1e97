"""How a home and a conversation are made to fit the context: what is told, and what is left out first."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import override

import pytest

from custom_components.morphy.backends import Backend, BackendInfo, Completion
from custom_components.morphy.dialect import Device, Home, Turn, get_dialect
from custom_components.morphy.prompt import async_fit

DIALECT = get_dialect("morphy")
HOME = Home(tuple(Device(f"light.lamp_{n}", (f"Lamp number {n}",), "on", {}) for n in range(60)))
EARLIER = [Turn("dim lamp number 3", "Dimmed Lamp number 3."), Turn("lamp number 57 off", "Turned off Lamp number 57.")]


class Counter(Backend):
    """A backend of which the prompt needs only the length of its context; four characters are a token."""

    def __init__(self, context_length: int) -> None:
        self.info = BackendInfo(model="counter", context_length=context_length)

    @override
    async def start(self) -> BackendInfo:
        raise NotImplementedError

    @override
    def complete(self, request: Completion) -> AsyncGenerator[str]:
        raise NotImplementedError

    @override
    async def prefill(self, prompt: str) -> None:
        raise NotImplementedError

    @override
    async def close(self) -> None:
        raise NotImplementedError

    @override
    async def count_tokens(self, text: str) -> int:
        return len(text) // 4


async def fit(
    context_length: int, history: Sequence[Turn] = EARLIER, request: str = "and on again"
) -> tuple[Home, str]:
    return await async_fit(Counter(context_length), DIALECT, HOME, "You are Al.", request, history, 64)


@pytest.mark.parametrize(
    ("context_length", "devices", "turns"),
    [(500, 40, 2), (485, 40, 1), (400, 30, 1), (300, 20, 1), (200, 10, 1), (150, 10, 0)],
)
async def test_old_turns_go_before_devices_and_those_before_the_last_turn(
    context_length: int, devices: int, turns: int
) -> None:
    told, prompt = await fit(context_length)
    assert len(told.devices) == devices
    assert prompt.count("<|im_start|>user") == turns + 1


async def test_what_was_spoken_of_last_is_told() -> None:
    told, _ = await fit(400)
    assert "light.lamp_57" in told.by_id
    told, _ = await fit(400, ())
    assert "light.lamp_57" not in told.by_id
