"""How a home and a conversation are made to fit the context: what is told, and what is left out first."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import override

import pytest

from custom_components.morphy.backends import Backend, BackendInfo, Completion
from custom_components.morphy.dialect import Area, Device, Floor, Home, Turn, get_dialect, services_for
from custom_components.morphy.dialect.choice import MAX_DEVICES
from custom_components.morphy.prompt import Telling, async_fit

DIALECT = get_dialect("morphy")
EARLIER = [Turn("dim lamp number 3", "Dimmed Lamp number 3."), Turn("lamp number 37 off", "Turned off Lamp number 37.")]
ROOMS = [f"Room {letter}" for letter in "ABCDEFGHIJKLMNOPQRST"]


def lamps(count: int) -> Home:
    return Home(tuple(Device(f"light.lamp_{n}", (f"Lamp number {n}",), "on", {}) for n in range(count)))


def mansion(count: int) -> Home:
    """A home with as many windows as lamps, in twenty rooms on two floors; every tenth window is open."""
    devices = []
    for n in range(count):
        window = n % 2
        kind = ("binary_sensor", "Window", {"class": "window"}) if window else ("light", "Lamp", {})
        state = ("open" if n % 20 == 1 else "closed") if window else "off"
        devices.append(Device(f"{kind[0]}.thing_{n}", (f"{kind[1]} {n}",), state, kind[2], f"room_{n // 2 % 20}"))
    return Home(
        tuple(devices),
        tuple(Area(f"room_{n}", (room,), "up" if n < 10 else "down") for n, room in enumerate(ROOMS)),
        (Floor("up", ("Upper Floor", "Upstairs")), Floor("down", ("Lower Floor", "Downstairs"))),
        services_for(devices),
    )


class Counter(Backend):
    """A backend of which the prompt needs only the length of its context; some characters are a token."""

    def __init__(self, context_length: int | None, characters: float = 4) -> None:
        self.info = BackendInfo(model="counter", context_length=context_length)
        self.characters = characters
        self.asked = 0

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
        self.asked += 1
        return self.tokens(text)

    def tokens(self, text: str) -> int:
        return round(len(text) / self.characters)


async def fit(
    backend: Counter, home: Home, request: str = "and on again", history: Sequence[Turn] = (), **budget: int
) -> Telling:
    return await async_fit(backend, DIALECT, home, "You are Al.", request, history, 64, **budget)


@pytest.mark.parametrize(
    ("context_length", "devices", "turns"),
    [(570, 40, 2), (545, 40, 1), (450, 33, 1), (330, 23, 1), (150, 10, 0)],
)
async def test_old_turns_go_before_devices_and_those_before_the_last_turn(
    context_length: int, devices: int, turns: int
) -> None:
    backend = Counter(context_length)
    telling = await fit(backend, lamps(40), history=EARLIER)
    assert abs(len(telling.home.devices) - devices) <= (0 if devices == 40 else 2)
    assert telling.prompt.count("<|im_start|>user") == turns + 1
    assert backend.tokens(telling.prompt) <= context_length - min(64, context_length // 8)


@pytest.mark.parametrize("characters", [1, 1.7, 2.5, 4, 6])
@pytest.mark.parametrize("size", [41, 100, 1000])
async def test_however_a_model_counts_the_prompt_fits_and_uses_the_room(characters: float, size: int) -> None:
    backend = Counter(1000, characters)
    home = mansion(size)
    for request in ("are all windows closed", "turn on the lamp in room c", "hello"):
        telling = await fit(backend, home, request, EARLIER)
        assert backend.tokens(telling.prompt) <= 1000 - 64
        assert 1 <= len(telling.home.devices) <= MAX_DEVICES
    small = await fit(backend, lamps(40), "are all lamps off")
    assert len(small.home.devices) == 40 or backend.tokens(small.prompt) > 0.8 * (1000 - 64)


async def test_a_home_that_fits_is_told_whole_whatever_its_budget() -> None:
    home = lamps(MAX_DEVICES)
    telling = await fit(Counter(4096), home, home_tokens=10)
    assert telling.home is home
    assert telling.left_out == 0
    assert telling.prompt == DIALECT.prompt(home, "You are Al.", "and on again")


async def test_a_large_home_keeps_to_its_budget() -> None:
    backend = Counter(8192, 2.5)
    for budget in (300, 600, 1000):
        telling = await fit(backend, mansion(1000), "are all windows closed", home_tokens=budget)
        home = backend.tokens(telling.prompt) - backend.tokens(DIALECT.prompt(Home(), "You are Al.", "x"))
        assert 0.8 * budget < home <= 1.1 * budget


async def test_a_model_that_may_be_told_more_is_told_more() -> None:
    request, home = "are all windows closed", mansion(1000)
    telling = await async_fit(Counter(32768), get_dialect("lines"), home, "You are Al.", request, (), 64, 8000)
    assert len(telling.home.devices) > MAX_DEVICES


async def test_tokens_are_counted_a_few_times_and_not_for_each_device() -> None:
    backend = Counter(1000)
    await fit(backend, mansion(1000), "are all windows closed")
    first = backend.asked
    assert first <= 2
    for _ in range(5):
        await fit(backend, mansion(1000), "are all windows closed")
    assert backend.asked <= first + 5


async def test_what_was_spoken_of_last_is_told() -> None:
    assert "light.lamp_37" in (await fit(Counter(300), lamps(40), history=EARLIER)).home.by_id
    assert "light.lamp_37" not in (await fit(Counter(300), lamps(40))).home.by_id
    earlier = [Turn("the lamp in room q", 'Room Q "Lamp 72" light.thing_72 = off\nlight.turn_on(light.thing_72)\nOk.')]
    assert "light.thing_72" in (await fit(Counter(2048), mansion(1000), "off again", earlier)).home.by_id


async def test_what_is_left_out_is_known() -> None:
    home = mansion(400)
    assert (await fit(Counter(2048), home, "are all windows closed")).left_out > 100
    assert (await fit(Counter(2048), home, "turn on lamp 8")).left_out == 0
    assert (await fit(Counter(2048), home, "tell me a joke")).left_out == 0


async def test_the_few_open_windows_are_told_of_many() -> None:
    home = mansion(400)
    telling = await fit(Counter(2048), home, "are all windows closed")
    told_open = [device.id for device in telling.home.devices if device.state == "open"]
    assert len(told_open) >= 10
    assert any(device.state == "closed" for device in telling.home.devices)


@pytest.mark.parametrize("request_", ["turn everything off upstairs", "switch off all the lamps on the upper floor"])
async def test_a_whole_floor_can_be_called_by_its_name(request_: str) -> None:
    telling = await fit(Counter(2048), mansion(1000), request_)
    assert '"floor.up' in telling.prompt or "floor.up" in DIALECT.grammar(telling.home)
    assert any(device.domain == "light" for device in telling.home.devices)
    assert {telling.home.area_by_id[device.area or ""].floor for device in telling.home.devices[:5]} == {"up"}
