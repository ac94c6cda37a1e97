"""When a model reads what has not been asked yet: the home as it is now, so that only the request is left to read.

That is what two prompts begin with that ask for different things: all that is told before the request, and of a home
too large to be told whole, what is told whatever is asked. The time and the room may be others by then; both come last.
It is read once Home Assistant has started, and again when something that is told has changed: a moment later, since
changes seldom come alone, and no more than the backend's allowance gives. While somebody speaks it is read at once.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice
from time import monotonic
from typing import Any, Final

from homeassistant.components.homeassistant.exposed_entities import async_should_expose
from homeassistant.config_entries import ConfigEntry
from homeassistant.const import EVENT_STATE_CHANGED
from homeassistant.core import (
    CALLBACK_TYPE,
    Event,
    EventStateChangedData,
    HassJob,
    HassJobType,
    HomeAssistant,
    callback,
)
from homeassistant.exceptions import TemplateError
from homeassistant.helpers.event import async_call_later
from homeassistant.helpers.start import async_at_started

from .backends import Backend
from .dialect import Dialect, Home, Turn
from .dialect.choice import MAX_DEVICES
from .fallback import Model, Models
from .home import CONVERSATION, async_snapshot
from .prompt import Telling

SETTLE: Final = 1.0
"""Seconds between a change and the look at it."""
_MOST_REQUESTS: Final = 8
"""Requests that are tried in search of two of which there is no doubt what they mean."""
FOLLOW_UP: Final = 60.0
"""Seconds in which the next request most likely belongs to the conversation before it."""


type Fit = Callable[[Backend, Dialect, Home, str, str, Sequence[Turn]], Awaitable[Telling]]
"""Says what a model is told: of a home, with these instructions, a request and the turns before it."""


@dataclass(frozen=True, slots=True)
class Asking:
    """How an agent asks: its family of prompts, the domains it may control, its instructions in a dialect."""

    family: str
    domains: Collection[str] | None
    instructions: Callable[[Dialect], str]
    fit: Fit


@dataclass(frozen=True, slots=True)
class _Talk:
    """What was talked about last: the turns, until when they may go on, and the device that was spoken to."""

    turns: tuple[Turn, ...] = ()
    until: float = 0.0
    device_id: str | None = None

    def going_on(self) -> tuple[Turn, ...]:
        """Return the turns that the next request may refer to."""
        return self.turns if monotonic() < self.until else ()


class ReadAhead:
    """Has an agent's model read what its next prompt begins with."""

    def __init__(self, hass: HomeAssistant, entry: ConfigEntry[Any], models: Models, asking: Asking) -> None:
        """Read nothing before `async_prepare` or `start`."""
        self._hass = hass
        self._entry = entry
        self._models = models
        self._asking = asking
        self._talk = _Talk()
        self._known: Home | None = None
        self._timer: CALLBACK_TYPE | None = None
        self._look = HassJob(self._begin, "morphy read ahead", cancel_on_shutdown=True, job_type=HassJobType.Callback)

    @callback
    def start(self) -> CALLBACK_TYPE:
        """Read ahead from now on, until the function that is returned has been called."""
        stops = [
            async_at_started(self._hass, self._started),
            self._hass.bus.async_listen(EVENT_STATE_CHANGED, self._state_changed),
        ]

        @callback
        def stop() -> None:
            for one in stops:
                one()
            if self._timer:
                self._timer()

        return stop

    async def async_prepare(self) -> None:
        """Read ahead at once: somebody has begun to speak."""
        home = await self._home()
        for model in self._models.well()[:1]:
            await self._read(model, home, urgent=True)

    @callback
    def note_turn(self, home: Home, turns: Sequence[Turn], device_id: str | None) -> None:
        """Take note of a turn: the model has read the home as it was, and the next request may refer to it."""
        self._talk = _Talk(tuple(turns), monotonic() + FOLLOW_UP, device_id)
        self._known = _timeless(home)

    @callback
    def _started(self, _hass: HomeAssistant) -> None:
        self._look_later()

    @callback
    def _state_changed(self, event: Event[EventStateChangedData]) -> None:
        if self._timer is None and async_should_expose(self._hass, CONVERSATION, event.data["entity_id"]):
            self._look_later()

    @callback
    def _look_later(self) -> None:
        if self._timer is None and (model := self._model()):
            self._timer = async_call_later(self._hass, max(SETTLE, model.backend.allowance.wait()), self._look)

    def _model(self) -> Model | None:
        """Return the model that is asked first, if it may be kept busy."""
        return next((model for model in self._models.well()[:1] if model.backend.reads_ahead), None)

    @callback
    def _begin(self, _now: object) -> None:
        self._timer = None
        self._entry.async_create_background_task(self._hass, self._read_changes(), "morphy read ahead")

    async def _read_changes(self) -> None:
        """Read the home if it is another one than the model knows."""
        home, model = await self._home(), self._model()
        if model is None or (known := _timeless(home)) == self._known:
            return
        self._known = known
        if not await self._read(model, home):
            self._known = None
            self._look_later()

    async def _home(self) -> Home:
        """Return the home as it will most likely be told: to who speaks next where someone spoke last."""
        return await async_snapshot(self._hass, device_id=self._talk.device_id, domains=self._asking.domains)

    async def _read(self, model: Model, home: Home, *, urgent: bool = False) -> bool:
        """Read what a prompt begins with whatever is asked; return False when that must be tried again."""
        try:
            instructions = self._asking.instructions(model.dialect)
        except TemplateError:
            return True
        turns = self._talk.going_on()
        told: list[Telling] = []
        for request in _requests(home):
            told.append(await self._asking.fit(model.backend, model.dialect, home, instructions, request, turns))
            told.sort(key=lambda telling: -telling.home.standing)
            if len(told) > 1 and (told[1].home.standing or len(home.devices) <= MAX_DEVICES):
                break
        one, other = told[:2]
        return await model.backend.prefill(
            _beginning(one.prompt, other.prompt),
            family=one.family(self._asking.family),
            special=model.dialect.special_tokens,
            urgent=urgent,
        )


def _requests(home: Home) -> Iterator[str]:
    """Yield requests that name different things, from both ends of the home, two at least.

    In a large home two of them have to leave no doubt about what they mean: what is told first whatever is asked is
    told for these.
    """
    yield from ("", "?") if len(home.devices) < 2 else ()
    for device in islice(chain.from_iterable(zip(home.devices, reversed(home.devices), strict=True)), _MOST_REQUESTS):
        area = home.area_by_id.get(device.area or "")
        yield f"{area.names[0] if area else ''} {device.names[0]}".strip()


def _beginning(one: str, other: str) -> str:
    """Return what two texts begin with."""
    differing = (place for place, (left, right) in enumerate(zip(one, other, strict=False)) if left != right)
    return one[: next(differing, min(len(one), len(other)))]


def _timeless(home: Home) -> Home:
    """Return what has to be read again when it changes: not the time, which is told last."""
    return replace(home, now=None, room=None, recent=())
