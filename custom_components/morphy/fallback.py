"""Which model answers an agent: its own, and when that cannot, those of the entries it falls back to, in their order.

A model is given up only as long as no word of it has come. By then nothing was said and nothing done, so nothing can be
said or done twice; once a word has come, a failure is told.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant

from .backends import Backend, Completion
from .const import (
    CONF_DIALECT,
    CONF_FALLBACK,
    CONF_FALLBACK_AFTER,
    DEFAULT_FALLBACK_AFTER,
    DOMAIN,
    FALLBACK_HOME_ASSISTANT,
)
from .dialect import Dialect, get_dialect
from .errors import BackendError, FirstWordSlowError, ServerAuthError

if TYPE_CHECKING:
    from . import MorphyConfigEntry

_LOGGER = logging.getLogger(__name__)

type Ask = Callable[[Backend, Dialect], Awaitable[Completion]]
"""Writes the request for a model: how much of the home is told depends on its dialect and its context."""


@dataclass(frozen=True, slots=True)
class Model:
    """A model that may answer: that of an entry, in the dialect it was trained for."""

    entry: MorphyConfigEntry
    dialect: Dialect

    @property
    def backend(self) -> Backend:
        """Where it runs."""
        return self.entry.runtime_data


class Models:
    """The models that may answer an agent."""

    def __init__(
        self, hass: HomeAssistant, entry: MorphyConfigEntry, dialect: Dialect, settings: Mapping[str, Any]
    ) -> None:
        """Take the agent's own entry and dialect, and the settings that name the others."""
        self._hass = hass
        self._own = Model(entry, dialect)
        self._others = [name for name in settings.get(CONF_FALLBACK, ()) if name != FALLBACK_HOME_ASSISTANT]
        self._patience: float = settings.get(CONF_FALLBACK_AFTER, DEFAULT_FALLBACK_AFTER)
        self.then_home_assistant = FALLBACK_HOME_ASSISTANT in settings.get(CONF_FALLBACK, ())
        """Whether Home Assistant's own sentences come last."""

    def well(self) -> list[Model]:
        """Return the models that can be asked, in their order."""
        others = map(self._model_of, self._others)
        return [model for model in (self._own, *others) if model and not model.backend.breaker.open]

    def _model_of(self, entry_id: str) -> Model | None:
        """Return the model of another entry, in the dialect of that entry's first agent; None unless it is loaded."""
        entry: MorphyConfigEntry | None = self._hass.config_entries.async_get_entry(entry_id)
        if entry is None or entry.domain != DOMAIN or entry.state is not ConfigEntryState.LOADED:
            return None
        dialects = (agent.data[CONF_DIALECT] for agent in entry.subentries.values() if CONF_DIALECT in agent.data)
        return Model(entry, get_dialect(next(dialects, self._own.dialect.name)))

    async def async_answer(self, ask: Ask) -> tuple[Dialect, AsyncGenerator[str]]:
        """Return the answer of the first model that begins one, and its dialect.

        Raises the error of the last one that was asked. When none is well, the agent's own is asked all the same,
        unless Home Assistant comes next.
        """
        models = self.well()
        if not models and self.then_home_assistant and (error := self._own.backend.breaker.error):
            raise error.with_traceback(None)
        models = models or [self._own]
        for model in models:
            last = model is models[-1]
            try:
                return model.dialect, await self._begin(
                    model, ask, None if last and not self.then_home_assistant else self._patience
                )
            except BackendError as error:
                async_note_failure(self._hass, model.entry, model.backend, error)
                if last:
                    raise
        raise AssertionError

    async def _begin(self, model: Model, ask: Ask, seconds: float | None) -> AsyncGenerator[str]:
        """Return the pieces of an answer, of which the first has come within so many seconds."""
        begun = ""
        try:
            async with asyncio.timeout(seconds):
                pieces = model.backend.complete(await ask(model.backend, model.dialect))
                async for piece in pieces:
                    begun += piece
                    if begun.strip():
                        break
        except TimeoutError:
            raise FirstWordSlowError(entry=model.entry.title, seconds=f"{seconds:g}") from None
        return self._rest(model, begun, pieces)

    async def _rest(self, model: Model, begun: str, pieces: AsyncGenerator[str]) -> AsyncGenerator[str]:
        async with aclosing(pieces):
            yield begun
            try:
                async for piece in pieces:
                    yield piece
            except BackendError as error:
                async_note_failure(self._hass, model.entry, model.backend, error)
                raise
        if model.backend.breaker.succeeded():
            _LOGGER.info("The model of %s answers again", model.entry.title)


def async_note_failure(hass: HomeAssistant, entry: MorphyConfigEntry, backend: Backend, error: BackendError) -> None:
    """Take note that an entry's model could not be asked; the log has the first of several failures in a row."""
    if isinstance(error, ServerAuthError):
        entry.async_start_reauth(hass)
    if error.outage and backend.breaker.failed(error):
        _LOGGER.warning("The model of %s cannot answer for now: %s", entry.title, error)
    else:
        _LOGGER.debug("The model of %s did not answer: %s", entry.title, error)


async def broken_off(error: BackendError, pieces: Iterable[str] = ()) -> AsyncGenerator[str]:
    """Be an answer that ends with this error."""
    for piece in pieces:
        yield piece
    raise error
