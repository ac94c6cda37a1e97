"""The dialog of a model on a server: which server, and which of its models."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Final

import voluptuous as vol
from homeassistant.config_entries import ConfigFlowResult
from homeassistant.const import CONF_API_KEY, CONF_MODEL, CONF_URL
from homeassistant.helpers import config_validation as cv
from homeassistant.helpers.aiohttp_client import async_get_clientsession
from homeassistant.helpers.selector import SelectSelector, SelectSelectorConfig, SelectSelectorMode

from .backends.remote import RemoteBackend
from .const import BACKEND_REMOTE, CONF_BACKEND
from .entry_flow import PASSWORD, URL, EntryFlow, field_of
from .errors import MorphyError, ServerNoModelsError, ServerUnreachableError

_LOGGER = logging.getLogger(__name__)

PROBE_TIMEOUT: Final = 15
"""Seconds a server may take to list its models."""

REMOTE_SCHEMA: Final = vol.Schema({vol.Required(CONF_URL): URL, vol.Optional(CONF_API_KEY): PASSWORD})


def _read_server(user_input: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of an entry's data that says which server and key."""
    url = user_input[CONF_URL].strip()
    url = url if "://" in url else f"http://{url}"
    data = {CONF_BACKEND: BACKEND_REMOTE, CONF_URL: url.rstrip("/")}
    if key := user_input.get(CONF_API_KEY, "").strip():
        data[CONF_API_KEY] = key
    return data


class RemoteSteps(EntryFlow):
    """The steps of a model on a server."""

    async def async_step_remote(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Ask for a server."""
        if user_input is not None:
            chosen = {key: self._data[key] for key in (CONF_MODEL,) if key in self._data}
            self._data = chosen | _read_server(user_input)
            return await self.async_step_model()
        return self._form("remote", REMOTE_SCHEMA, self._data if self._is_remote else {})

    async def async_step_model(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Ask which of the models is to be used that the server has right now."""
        if user_input is not None:
            self._accept({**self._data, CONF_MODEL: user_input[CONF_MODEL]}, "model")
            return await self.async_step_try_model()
        if field_of(self._error) in (CONF_URL, CONF_API_KEY):
            return await self.async_step_remote()
        tried = self._error
        models = await self._async_list_models()
        if self._error:
            return await self.async_step_remote()
        self._error = tried
        known = self._data.get(CONF_MODEL)
        chosen = next((model for model in models if model in (known, f"{known}:latest")), models[0])
        options = SelectSelectorConfig(options=models, mode=SelectSelectorMode.DROPDOWN)
        schema = vol.Schema({vol.Required(CONF_MODEL): SelectSelector(options)})
        return self._form("model", schema, {CONF_MODEL: chosen})

    def _server(self) -> RemoteBackend:
        return RemoteBackend(
            async_get_clientsession(self.hass),
            self._data[CONF_URL],
            api_key=self._data.get(CONF_API_KEY),
            timeout=PROBE_TIMEOUT,
        )

    async def _async_list_models(self) -> list[str]:
        """Return the names of the server's models, at least one; on failure none, with the error for the form."""
        self._error = None
        server = self._server()
        try:
            cv.url(self._data[CONF_URL])
            models = await server.list_models()
            if models:
                return models
            self._error = ServerNoModelsError(url=server.url)
        except vol.Invalid:
            self._error = ServerUnreachableError(url=server.url)
        except MorphyError as error:
            self._error = error
        except Exception as error:
            _LOGGER.exception("Unexpected error while listing a server's models")
            self._error = error
        finally:
            await server.close()
        return []
