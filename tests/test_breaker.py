"""The circuit breaker, by itself: time is real but short."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable

import pytest

from custom_components.morphy.backends.breaker import Breaker
from custom_components.morphy.errors import EmptyAnswerError, ServerTimeoutError

TROUBLE = ServerTimeoutError(url="http://127.0.0.1", seconds="1")
FIRST, LONGEST = 0.05, 0.2


class Patient:
    """Something to probe: ill until it is `well`."""

    def __init__(self) -> None:
        self.well = False
        self.error: Exception = TROUBLE
        self.probed: list[float] = []

    async def probe(self) -> None:
        self.probed.append(time.monotonic())
        if not self.well:
            raise self.error


@pytest.fixture(name="patient")
def patient_fixture() -> Patient:
    return Patient()


@pytest.fixture(name="breaker")
async def breaker_fixture(patient: Patient) -> AsyncGenerator[Breaker]:
    breaker = Breaker(patient.probe, first_pause=FIRST, longest_pause=LONGEST)
    yield breaker
    await breaker.close()


async def until(condition: Callable[[], bool], seconds: float = 2) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def test_it_is_closed_and_probes_nothing(breaker: Breaker, patient: Patient) -> None:
    assert not breaker.open
    assert not breaker.succeeded()
    await asyncio.sleep(3 * FIRST)
    assert not patient.probed


async def test_a_failure_opens_it_and_is_told_once(breaker: Breaker) -> None:
    assert breaker.failed(TROUBLE)
    assert breaker.open
    assert breaker.error is TROUBLE
    assert not breaker.failed(EmptyAnswerError())


async def test_a_probe_lets_requests_through_and_a_success_closes_it(breaker: Breaker, patient: Patient) -> None:
    patient.well = True
    breaker.failed(TROUBLE)
    await until(lambda: not breaker.open)
    assert len(patient.probed) == 1
    assert breaker.error, "half open: no request has succeeded yet"
    assert breaker.succeeded()
    assert not breaker.succeeded()
    assert breaker.error is None


async def test_pauses_grow_up_to_the_longest(breaker: Breaker, patient: Patient) -> None:
    breaker.failed(TROUBLE)
    began = time.monotonic()
    await until(lambda: len(patient.probed) == 5)
    pauses = [after - before for before, after in zip([began, *patient.probed], patient.probed, strict=False)]
    for pause, expected in zip(pauses, (FIRST, 2 * FIRST, LONGEST, LONGEST, LONGEST), strict=True):
        assert expected * 0.9 < pause < expected + 0.1


async def test_what_only_fails_at_real_requests_is_asked_ever_less_often(breaker: Breaker, patient: Patient) -> None:
    patient.well = True
    pauses = []
    for number in range(4):
        began = time.monotonic()
        assert breaker.failed(TROUBLE) is (number == 0), "told once"
        await until(lambda: not breaker.open)
        pauses.append(time.monotonic() - began)
    assert pauses[0] < pauses[1] < pauses[2]
    assert breaker.succeeded()
    breaker.failed(TROUBLE)
    began = time.monotonic()
    await until(lambda: not breaker.open)
    assert time.monotonic() - began < 2 * FIRST + 0.05


async def test_a_server_that_asks_to_be_left_alone_is(breaker: Breaker, patient: Patient) -> None:
    busy = ServerTimeoutError(url="http://127.0.0.1", seconds="1")
    busy.retry_after = 0.5
    breaker.failed(busy)
    await asyncio.sleep(0.4)
    assert not patient.probed
    await until(lambda: bool(patient.probed))


@pytest.mark.parametrize("error", [TROUBLE, ZeroDivisionError()])
async def test_it_goes_on_whatever_a_probe_raises(breaker: Breaker, patient: Patient, error: Exception) -> None:
    patient.error = error
    breaker.failed(TROUBLE)
    await until(lambda: len(patient.probed) == 2)
    assert breaker.open
    patient.well = True
    await until(lambda: not breaker.open)


async def test_a_success_while_it_is_open_closes_it(breaker: Breaker, patient: Patient) -> None:
    breaker.failed(TROUBLE)
    assert breaker.succeeded()
    assert not breaker.open
    await asyncio.sleep(3 * FIRST)
    assert not patient.probed


async def test_closing_ends_it_for_good(breaker: Breaker, patient: Patient) -> None:
    breaker.failed(TROUBLE)
    await breaker.close()
    await breaker.close()
    breaker.failed(TROUBLE)
    await asyncio.sleep(3 * FIRST)
    assert not patient.probed
