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
from typing import TYPE_CHECKING, Any, cast

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
from .dialect import OPENAI, Dialect, ToolDialect, find_dialect
from .errors import BackendError, FirstWordSlowError, PromptTooLongError, ServerAuthError
from .issues import async_report_prompt

if TYPE_CHECKING:
    from . import MorphyConfigEntry

_LOGGER = logging.getLogger(__name__)

type Ask[D] = Callable[[Backend, D], Awaitable[Completion]]
"""Writes the request for a model: how much of the home is told depends on its dialect and its context."""


@dataclass(frozen=True, slots=True)
class Model[D: Dialect | ToolDialect = Dialect]:
    """A model that may answer: that of an entry, in the dialect that was chosen for it."""

    entry: MorphyConfigEntry
    chosen: D

    @property
    def backend(self) -> Backend:
        """Where it runs."""
        return self.entry.runtime_data

    @property
    def dialect(self) -> D:
        """The dialect that was chosen; of tools, a server that takes messages alone is told in its own form."""
        if self.backend.chats_only and isinstance(self.chosen, ToolDialect):
            return cast(D, OPENAI)
        return self.chosen


class Models[D: Dialect | ToolDialect = Dialect]:
    """The models that may answer an agent: those that are told of a home, or those that are told of tools."""

    def __init__(self, hass: HomeAssistant, entry: MorphyConfigEntry, dialect: D, settings: Mapping[str, Any]) -> None:
        """Take the agent's own entry and dialect, and the settings that name the others."""
        self._hass = hass
        self._own = Model(entry, dialect)
        self._others = [name for name in settings.get(CONF_FALLBACK, ()) if name != FALLBACK_HOME_ASSISTANT]
        self._patience: float = settings.get(CONF_FALLBACK_AFTER, DEFAULT_FALLBACK_AFTER)
        self.then_home_assistant = FALLBACK_HOME_ASSISTANT in settings.get(CONF_FALLBACK, ())
        """Whether Home Assistant's own sentences come last."""

    def well(self) -> list[Model[D]]:
        """Return the models that can be asked, in their order."""
        others = map(self._model_of, self._others)
        return [model for model in (self._own, *others) if model and not model.backend.breaker.open]

    def languages(self) -> set[str] | None:
        """Return the languages that any of the models knows, or None when one of them does not tell."""
        languages = set[str]()
        for model in (self._own, *map(self._model_of, self._others)):
            if model is None:
                continue
            if model.backend.info is None or model.backend.info.languages is None:
                return None
            languages.update(model.backend.info.languages)
        return languages

    def _model_of(self, entry_id: str) -> Model[D] | None:
        """Return the model of another entry, in the dialect of that entry's first agent.

        None unless it is loaded, and where its agents are all of the other kind: told of tools, not of a home.
        """
        entry: MorphyConfigEntry | None = self._hass.config_entries.async_get_entry(entry_id)
        if entry is None or entry.domain != DOMAIN or entry.state is not ConfigEntryState.LOADED:
            return None
        agents = [agent.data[CONF_DIALECT] for agent in entry.subentries.values() if CONF_DIALECT in agent.data]
        kind = ToolDialect if isinstance(self._own.dialect, ToolDialect) else Dialect
        found = [dialect for name in agents if isinstance(dialect := find_dialect(name), kind)]
        if agents and not found:
            return None
        return Model(entry, cast(D, found[0]) if found else self._own.dialect)

    async def async_answer(self, ask: Ask[D]) -> tuple[D, AsyncGenerator[str]]:
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

    async def _begin(self, model: Model[D], ask: Ask[D], seconds: float | None) -> AsyncGenerator[str]:
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

    async def _rest(self, model: Model[D], begun: str, pieces: AsyncGenerator[str]) -> AsyncGenerator[str]:
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
    if isinstance(error, PromptTooLongError):
        async_report_prompt(hass, entry, error, backend.info.context_length if backend.info else None)
    if error.outage and backend.breaker.failed(error):
        _LOGGER.warning("The model of %s cannot answer for now: %s", entry.title, error)
    else:
        _LOGGER.debug("The model of %s did not answer: %s", entry.title, error)


async def broken_off(error: BackendError, pieces: Iterable[str] = ()) -> AsyncGenerator[str]:
    """Be an answer that ends with this error."""
    for piece in pieces:
        yield piece
    raise error
