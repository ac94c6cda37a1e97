"""What the dialogs of an entry share: forms that tell what went wrong, and work that is waited for."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final

import voluptuous as vol
from homeassistant.config_entries import SOURCE_RECONFIGURE, ConfigFlow, ConfigFlowResult
from homeassistant.const import CONF_API_KEY, CONF_MODEL, CONF_TOKEN, CONF_URL
from homeassistant.data_entry_flow import AbortFlow
from homeassistant.helpers.selector import TextSelector, TextSelectorConfig, TextSelectorType

from .backends import BackendInfo
from .const import BACKEND_REMOTE, CONF_BACKEND, CONF_MODEL_PATH, DOMAIN
from .errors import (
    HubGatedError,
    HubMissingError,
    HubNoModelError,
    HubPartsError,
    HubRepositoryError,
    HubTokenError,
    ModelInvalidError,
    ModelMissingError,
    MorphyError,
    ServerAuthError,
    ServerBadAnswerError,
    ServerModelMissingError,
    ServerNoModelsError,
    ServerUnreachableError,
)
from .trial import async_try

_LOGGER = logging.getLogger(__name__)

CONF_REPOSITORY: Final = "repository"

FIELDS: Final[Mapping[type[MorphyError], str]] = {
    ModelMissingError: CONF_MODEL_PATH,
    ModelInvalidError: CONF_MODEL_PATH,
    ServerAuthError: CONF_API_KEY,
    ServerBadAnswerError: CONF_URL,
    ServerModelMissingError: CONF_MODEL,
    ServerNoModelsError: CONF_URL,
    ServerUnreachableError: CONF_URL,
    HubGatedError: CONF_TOKEN,
    HubMissingError: CONF_REPOSITORY,
    HubNoModelError: CONF_REPOSITORY,
    HubPartsError: CONF_REPOSITORY,
    HubRepositoryError: CONF_REPOSITORY,
    HubTokenError: CONF_TOKEN,
}
"""The field an error is shown at, where the form has it; the others stand above the form."""

SHOWN: Final = 2.0
"""Seconds that progress is shown at least: a browser begins to listen for its end only once it shows it."""

PASSWORD: Final = TextSelector(TextSelectorConfig(type=TextSelectorType.PASSWORD, autocomplete="off"))
URL: Final = TextSelector(TextSelectorConfig(type=TextSelectorType.URL))


def field_of(error: Exception | None) -> str:
    """Return the field that an error is about."""
    return next((field for kind, field in FIELDS.items() if isinstance(error, kind)), "base")


def place_of(data: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return what makes two entries the same model in the same place."""
    return tuple(data.get(key) for key in (CONF_BACKEND, CONF_MODEL_PATH, CONF_URL, CONF_MODEL))


async def _shown(work: Coroutine[Any, Any, None]) -> None:
    """Do the work, and end or fail no earlier than somebody can see it."""
    outcomes = await asyncio.gather(work, asyncio.sleep(SHOWN), return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome


class EntryFlow(ConfigFlow):
    """A dialog about an entry's data."""

    def __init__(self) -> None:
        """Begin with nothing known."""
        self._data: dict[str, Any] = {}
        """What becomes the entry's data."""
        self._info: BackendInfo | None = None
        self._error: Exception | None = None
        """What went wrong last, to be shown on the next form."""
        self._origin = ""
        """The step whose form has what is being tried."""
        self._task: asyncio.Task[None] | None = None

    @property
    def _is_remote(self) -> bool:
        return bool(self._data.get(CONF_BACKEND) == BACKEND_REMOTE)

    async def async_step_try_model(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Have the model write something before it is accepted."""
        if waiting := self._progress("try_model", self._async_try):
            return waiting
        return self.async_show_progress_done(next_step_id=self._origin if self._error else "finish")

    async def _async_try(self) -> None:
        self._info = await async_try(self.hass, self._data)

    async def async_step_failed(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """End with a fault of our own; the log has it."""
        return self.async_abort(reason="unknown")

    def _accept(self, data: dict[str, Any], origin: str) -> None:
        """Keep what was entered in a step; abort when another entry already is this model."""
        self._data, self._origin = data, origin
        own = self._get_reconfigure_entry().entry_id if self.source == SOURCE_RECONFIGURE else None
        for entry in self._async_current_entries(include_ignore=False):
            if entry.entry_id != own and place_of(entry.data) == place_of(data):
                raise AbortFlow("already_configured")

    def _progress(
        self,
        step: str,
        work: Callable[[], Coroutine[Any, Any, None]],
        placeholders: Callable[[], Mapping[str, str] | None] = lambda: None,
    ) -> ConfigFlowResult | None:
        """Show a spinner while the work runs; None once it is done, with what went wrong in `_error`.

        Closing the dialog cancels the task: Home Assistant knows it from `async_show_progress`.
        """
        if self._task is None:
            self._error = None
            # Not eager: work that is done at once would skip the spinner, and the form before it be sent again.
            self._task = self.hass.async_create_background_task(_shown(work()), f"{DOMAIN} {step}", eager_start=False)
        if not self._task.done():
            return self.async_show_progress(
                step_id=step,
                progress_action=step,
                progress_task=self._task,
                description_placeholders=placeholders(),
            )
        task, self._task = self._task, None
        error = task.exception()
        if isinstance(error, Exception):
            self._error = error
            if not isinstance(error, MorphyError):
                _LOGGER.error("Unexpected error in step %s", step, exc_info=error)
        return None

    def _form(
        self,
        step: str,
        schema: vol.Schema,
        values: Mapping[str, Any],
        placeholders: Mapping[str, str] | None = None,
    ) -> ConfigFlowResult:
        """Show a form with these values and what went wrong last."""
        error, self._error = self._error, None
        errors: dict[str, str] = {}
        if isinstance(error, MorphyError):
            field = field_of(error)
            errors[field if field in schema.schema else "base"] = error.key
            placeholders = {**(placeholders or {}), **(error.translation_placeholders or {})}
        elif error is not None:
            errors["base"] = "unknown"
        return self.async_show_form(
            step_id=step,
            data_schema=self.add_suggested_values_to_schema(schema, values),
            errors=errors,
            description_placeholders=placeholders,
        )
