"""The dialogs of an entry: where the model runs. Those of its agents are in `agent_flow.py`.

Whatever is entered is tried before it is accepted: the model is loaded, or the server reached, and has to write
something. What goes wrong is told on the form it came from, with everything still as it was entered.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Coroutine, Mapping
from contextlib import aclosing
from typing import Any, Final, override

import voluptuous as vol
from homeassistant.config_entries import (
    SOURCE_RECONFIGURE,
    ConfigEntry,
    ConfigFlow,
    ConfigFlowResult,
    ConfigSubentryData,
    ConfigSubentryFlow,
)
from homeassistant.const import CONF_API_KEY, CONF_MODEL, CONF_URL
from homeassistant.core import HomeAssistant, callback
from homeassistant.data_entry_flow import AbortFlow, section
from homeassistant.helpers import config_validation as cv
from homeassistant.helpers.aiohttp_client import async_get_clientsession
from homeassistant.helpers.selector import (
    SelectSelector,
    SelectSelectorConfig,
    SelectSelectorMode,
    TextSelector,
    TextSelectorConfig,
    TextSelectorType,
)

from . import create_backend
from .agent_flow import (
    AGENT_NAME,
    SECTION_ADVANCED,
    AgentSubentryFlow,
    default_agent,
    suggest_dialect,
    whole_number,
)
from .backends import BackendInfo, Completion
from .backends.remote import RemoteBackend
from .const import (
    BACKEND_LOCAL,
    BACKEND_REMOTE,
    CONF_BACKEND,
    CONF_CONTEXT_LENGTH,
    CONF_MODEL_PATH,
    CONF_THREADS,
    DEFAULT_CONTEXT_LENGTH,
    DOMAIN,
    ENTRY_VERSION,
    SUBENTRY_CONVERSATION,
)
from .dialect import Home, get_dialect
from .errors import (
    BackendError,
    EmptyAnswerError,
    ModelInvalidError,
    ModelMissingError,
    RuntimeMissingError,
    ServerAuthError,
    ServerBadAnswerError,
    ServerModelMissingError,
    ServerUnreachableError,
)
from .runtime import DEFAULT_INDEX, async_install_runtime

_LOGGER = logging.getLogger(__name__)

CONF_INDEX: Final = "index"
PROBE_TIMEOUT: Final = 15
"""Seconds a server may take to list its models."""
TRIAL_TOKENS: Final = 8

FIELDS: Final[Mapping[type[BackendError], str]] = {
    ModelMissingError: CONF_MODEL_PATH,
    ModelInvalidError: CONF_MODEL_PATH,
    ServerAuthError: CONF_API_KEY,
    ServerBadAnswerError: CONF_URL,
    ServerModelMissingError: CONF_MODEL,
    ServerUnreachableError: CONF_URL,
}
"""The field an error is shown at, where the form has it; the others stand above the form."""

PASSWORD: Final = TextSelector(TextSelectorConfig(type=TextSelectorType.PASSWORD, autocomplete="off"))
URL: Final = TextSelector(TextSelectorConfig(type=TextSelectorType.URL))


LOCAL_SCHEMA: Final = vol.Schema(
    {
        vol.Optional(CONF_MODEL_PATH): TextSelector(),
        vol.Required(SECTION_ADVANCED): section(
            vol.Schema(
                {
                    vol.Required(CONF_CONTEXT_LENGTH, default=DEFAULT_CONTEXT_LENGTH): whole_number(
                        512, 131072, "tokens"
                    ),
                    vol.Optional(CONF_THREADS): whole_number(1, os.cpu_count() or 1),
                }
            ),
            {"collapsed": True},
        ),
    }
)
REMOTE_SCHEMA: Final = vol.Schema({vol.Required(CONF_URL): URL, vol.Optional(CONF_API_KEY): PASSWORD})
REAUTH_SCHEMA: Final = vol.Schema({vol.Required(CONF_API_KEY): PASSWORD})
INSTALL_SCHEMA: Final = vol.Schema({vol.Required(CONF_INDEX, default=DEFAULT_INDEX): URL})


def _read_server(user_input: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of an entry's data that says which server and key."""
    url = user_input[CONF_URL].strip()
    url = url if "://" in url else f"http://{url}"
    data = {CONF_BACKEND: BACKEND_REMOTE, CONF_URL: url.rstrip("/")}
    if key := user_input.get(CONF_API_KEY, "").strip():
        data[CONF_API_KEY] = key
    return data


def _place(data: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return what makes two entries the same model in the same place."""
    return tuple(data.get(key) for key in (CONF_BACKEND, CONF_MODEL_PATH, CONF_URL, CONF_MODEL))


def _field(error: Exception) -> str:
    return next((field for kind, field in FIELDS.items() if isinstance(error, kind)), "base")


def _dialect_for(info: BackendInfo, data: Mapping[str, Any]) -> str:
    bundled = data[CONF_BACKEND] == BACKEND_LOCAL and CONF_MODEL_PATH not in data
    return "morphy" if bundled else suggest_dialect(info.model, data.get(CONF_MODEL_PATH, ""))


async def async_try(hass: HomeAssistant, data: Mapping[str, Any]) -> BackendInfo:
    """Start the backend that an entry's data describes and have it write something; raise a BackendError otherwise."""
    backend = create_backend(hass, data)
    try:
        info = await backend.start()
        dialect = get_dialect(_dialect_for(info, data))
        prompt = dialect.prompt(Home(), dialect.default_instructions, "Hello")
        async with aclosing(backend.complete(Completion(prompt=prompt, max_tokens=TRIAL_TOKENS))) as pieces:
            async for piece in pieces:
                if piece.strip():
                    return info
        raise EmptyAnswerError
    finally:
        await backend.close()


class MorphyConfigFlow(ConfigFlow, domain=DOMAIN):
    """Set up a backend: a model file on this machine, or a server."""

    VERSION = ENTRY_VERSION
    MINOR_VERSION = 1

    def __init__(self) -> None:
        """Begin with nothing known."""
        self._data: dict[str, Any] = {}
        """What becomes the entry's data."""
        self._models: list[str] = []
        self._index = DEFAULT_INDEX
        self._info: BackendInfo | None = None
        self._task: asyncio.Task[Any] | None = None
        self._error: Exception | None = None
        """What went wrong last, to be shown on the next form."""

    @classmethod
    @callback
    @override
    def async_get_supported_subentry_types(cls, config_entry: ConfigEntry) -> dict[str, type[ConfigSubentryFlow]]:
        """Return the kinds of agents an entry can have."""
        return {SUBENTRY_CONVERSATION: AgentSubentryFlow}

    @override
    async def async_step_user(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Ask where the model is to run."""
        return self.async_show_menu(step_id="user", menu_options=[BACKEND_LOCAL, BACKEND_REMOTE])

    async def async_step_reconfigure(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Show the entry's own form again, as it was filled in."""
        self._data = dict(self._get_reconfigure_entry().data)
        return await (self.async_step_remote() if self._is_remote else self.async_step_local())

    @property
    def _is_remote(self) -> bool:
        return bool(self._data.get(CONF_BACKEND) == BACKEND_REMOTE)

    # A model on this machine.

    async def async_step_local(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Ask for a model file; none means the bundled model."""
        if user_input is not None:
            data: dict[str, Any] = {CONF_BACKEND: BACKEND_LOCAL, **user_input[SECTION_ADVANCED]}
            if path := user_input.get(CONF_MODEL_PATH, "").strip():
                data[CONF_MODEL_PATH] = self.hass.config.path(path)
            self._accept(data)
            return await self.async_step_try_model()
        values = self._data if not self._is_remote else {}
        return self._form("local", LOCAL_SCHEMA, {**values, SECTION_ADVANCED: values})

    async def async_step_runtime_missing(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Tell that llama-cpp-python is missing, and what can be done."""
        return self._what_now("runtime_missing")

    async def async_step_install(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Ask where llama-cpp-python is to come from."""
        if user_input is not None:
            self._index = user_input[CONF_INDEX].strip()
            return await self.async_step_installing()
        return self._form("install", INSTALL_SCHEMA, {CONF_INDEX: self._index})

    async def async_step_installing(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Install llama-cpp-python, then go on with the model."""
        if waiting := self._progress("installing", lambda: async_install_runtime(self.hass, self._index)):
            return waiting
        return self.async_show_progress_done(next_step_id="install_failed" if self._error else "try_model")

    async def async_step_install_failed(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Tell why, and offer another index or a server."""
        return self._what_now("install_failed")

    def _what_now(self, step: str) -> ConfigFlowResult:
        """Show what went wrong with llama-cpp-python, and the ways out."""
        error, self._error = self._error, None
        placeholders = error.translation_placeholders if isinstance(error, BackendError) else None
        return self.async_show_menu(
            step_id=step,
            menu_options=["install", BACKEND_REMOTE],
            description_placeholders={"reason": (placeholders or {}).get("reason") or repr(error)},
        )

    # A server.

    async def async_step_remote(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Ask for a server, and what it serves."""
        if user_input is not None:
            chosen = {key: self._data[key] for key in (CONF_MODEL,) if key in self._data}
            self._data = chosen | _read_server(user_input)
            if await self._async_list_models():
                return await self.async_step_model()
        return self._form("remote", REMOTE_SCHEMA, self._data if self._is_remote else {})

    def _server(self) -> RemoteBackend:
        return RemoteBackend(
            async_get_clientsession(self.hass),
            self._data[CONF_URL],
            api_key=self._data.get(CONF_API_KEY),
            timeout=PROBE_TIMEOUT,
        )

    async def _async_list_models(self) -> bool:
        """Fetch the names of the server's models; on failure keep the error for the form."""
        server = self._server()
        try:
            cv.url(self._data[CONF_URL])
            self._models = await server.list_models()
        except vol.Invalid:
            self._error = ServerUnreachableError(url=server.url)
        except BackendError as err:
            self._error = err
        except Exception as err:
            _LOGGER.exception("Unexpected error while listing a server's models")
            self._error = err
        finally:
            await server.close()
        return self._error is None

    async def async_step_model(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Ask which of the server's models is to be used."""
        if user_input is not None:
            self._accept({**self._data, CONF_MODEL: user_input[CONF_MODEL].strip()})
            return await self.async_step_try_model()
        options = SelectSelectorConfig(options=self._models, mode=SelectSelectorMode.DROPDOWN, custom_value=True)
        schema = vol.Schema({vol.Required(CONF_MODEL): SelectSelector(options)})
        suggested = {CONF_MODEL: self._models[0]} if self._models else {}
        return self._form("model", schema, {**suggested, **self._data})

    async def async_step_reauth(self, entry_data: Mapping[str, Any]) -> ConfigFlowResult:
        """Begin after a server has refused its key."""
        self._data = dict(entry_data)
        return await self.async_step_reauth_confirm()

    async def async_step_reauth_confirm(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Ask for another key."""
        if user_input is not None:
            self._data[CONF_API_KEY] = user_input[CONF_API_KEY].strip()
            if await self._async_list_models() and await self._async_key_works():
                return self._update(self._get_reauth_entry())
        return self._form("reauth_confirm", REAUTH_SCHEMA, {}, {"url": self._server().url})

    async def _async_key_works(self) -> bool:
        """Ask for a first word, since some servers list their models to anyone; keep the error for the form."""
        try:
            await self._async_try()
        except BackendError as err:
            self._error = err
        except Exception as err:
            _LOGGER.exception("Unexpected error while trying a key")
            self._error = err
        return self._error is None

    # Both.

    async def async_step_try_model(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Have the model write something before it is accepted."""
        if waiting := self._progress("try_model", self._async_try):
            return waiting
        return self.async_show_progress_done(next_step_id=self._after_trial())

    async def _async_try(self) -> None:
        self._info = await async_try(self.hass, self._data)

    def _after_trial(self) -> str:
        """Return the step in which a failure can be mended, or the last one."""
        if self._error is None:
            return "finish"
        if isinstance(self._error, RuntimeMissingError):
            return "runtime_missing"
        if not self._is_remote:
            return BACKEND_LOCAL
        return BACKEND_REMOTE if _field(self._error) in (CONF_URL, CONF_API_KEY) else "model"

    async def async_step_finish(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Create the entry with one agent, or change it."""
        assert self._info is not None
        if self.source == SOURCE_RECONFIGURE:
            return self._update(self._get_reconfigure_entry())
        agent = ConfigSubentryData(
            subentry_type=SUBENTRY_CONVERSATION,
            title=AGENT_NAME,
            data=default_agent(_dialect_for(self._info, self._data)),
            unique_id=None,
        )
        return self.async_create_entry(title=self._info.model, data=self._data, subentries=[agent])

    def _accept(self, data: dict[str, Any]) -> None:
        """Keep what was entered; abort when another entry already is this model."""
        self._data = data
        own = self._get_reconfigure_entry().entry_id if self.source == SOURCE_RECONFIGURE else None
        for entry in self._async_current_entries(include_ignore=False):
            if entry.entry_id != own and _place(entry.data) == _place(data):
                raise AbortFlow("already_configured")

    def _update(self, entry: ConfigEntry) -> ConfigFlowResult:
        """Change the entry. A loaded one reloads by its update listener, one that failed has none."""
        moved = self._info is not None and _place(entry.data) != _place(self._data)
        title = self._info.model if self._info and moved else entry.title
        listens = bool(entry.update_listeners)
        result = self.async_update_and_abort(entry, data=self._data, title=title)
        if not listens:
            self.hass.config_entries.async_schedule_reload(entry.entry_id)
        return result

    def _progress(self, step: str, work: Callable[[], Coroutine[Any, Any, None]]) -> ConfigFlowResult | None:
        """Show a spinner while the work runs; None once it is done, with what went wrong in `_error`.

        Closing the dialog cancels the task: Home Assistant knows it from `async_show_progress`.
        """
        if self._task is None:
            # Not eager: work that is done at once would skip the spinner, and the form before it be sent again.
            self._task = self.hass.async_create_background_task(work(), f"{DOMAIN} {step}", eager_start=False)
        if not self._task.done():
            return self.async_show_progress(step_id=step, progress_action=step, progress_task=self._task)
        task, self._task = self._task, None
        error = task.exception()
        if isinstance(error, Exception):
            self._error = error
            if not isinstance(error, BackendError):
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
        if isinstance(error, BackendError):
            field = _field(error)
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
