"""The dialog of a model on this machine: what the machine has, what runs models on it, and which model it is to be."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import voluptuous as vol
from homeassistant.config_entries import ConfigFlowResult
from homeassistant.data_entry_flow import section
from homeassistant.helpers.selector import TextSelector

from . import machine, package
from .agent_flow import SECTION_ADVANCED, TOKENS, whole_number
from .const import (
    BACKEND_LOCAL,
    BACKEND_REMOTE,
    BUNDLED_CONTEXT_LENGTH,
    CONF_BACKEND,
    CONF_CONTEXT_LENGTH,
    CONF_HUB,
    CONF_MODEL_PATH,
    CONF_THREADS,
    DEFAULT_CONTEXT_LENGTH,
    LONGEST_CONTEXT,
)
from .download import size
from .entry_flow import URL, EntryFlow
from .errors import MorphyError, RuntimeBrokenError, RuntimeMissingError, RuntimeNoWheelError

CONF_INDEX: Final = "index"

INSTALL_SCHEMA: Final = vol.Schema({vol.Required(CONF_INDEX, default=package.DEFAULT_INDEX): URL})


def resources(context_length: int = DEFAULT_CONTEXT_LENGTH) -> dict[vol.Marker, Any]:
    """Return the fields of what a model may take, in a section of their own."""
    fields = {
        vol.Required(CONF_CONTEXT_LENGTH, default=context_length): whole_number(512, LONGEST_CONTEXT, TOKENS),
        vol.Optional(CONF_THREADS): whole_number(1, os.cpu_count() or 1),
    }
    return {vol.Required(SECTION_ADVANCED): section(vol.Schema(fields), {"collapsed": True})}


BUNDLED_SCHEMA: Final = vol.Schema(resources(BUNDLED_CONTEXT_LENGTH))
FILE_SCHEMA: Final = vol.Schema({vol.Required(CONF_MODEL_PATH): TextSelector(), **resources()})


class LocalSteps(EntryFlow):
    """The steps of a model on this machine, but for those of a hub."""

    def __init__(self) -> None:
        """Begin with nothing known."""
        super().__init__()
        self._machine: machine.Machine | None = None
        self._index = package.DEFAULT_INDEX

    async def async_step_local(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Begin by looking at the machine."""
        return await self.async_step_look()

    async def async_step_look(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """See what this machine has, and whether llama-cpp-python runs on it."""
        if waiting := self._progress("look", self._async_look):
            return waiting
        next_step = "local_model"
        if isinstance(self._error, RuntimeMissingError):
            next_step = self._error.key
        elif self._error:
            next_step = "failed"
        return self.async_show_progress_done(next_step_id=next_step)

    async def _async_look(self) -> None:
        seen = await self.hass.async_add_executor_job(machine.look)
        packages = await package.async_locate(self.hass)
        self._machine = replace(seen, compute=await package.async_check(self.hass, packages))

    async def async_step_runtime_missing(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Tell that llama-cpp-python is missing, and what can be done."""
        return self._what_now("runtime_missing")

    async def async_step_runtime_broken(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Tell that llama-cpp-python does not run here, and what can be done."""
        return self._what_now("runtime_broken")

    async def async_step_install(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Ask where llama-cpp-python is to come from."""
        if user_input is not None:
            self._index = user_input[CONF_INDEX].strip()
            return await self.async_step_installing()
        return self._form("install", INSTALL_SCHEMA, {CONF_INDEX: self._index})

    async def async_step_installing(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Install llama-cpp-python and try it, then go on."""
        if waiting := self._progress("installing", lambda: package.async_install(self.hass, self._index)):
            return waiting
        next_step = "look"
        if isinstance(self._error, RuntimeBrokenError):
            next_step = "runtime_broken"
        elif isinstance(self._error, RuntimeNoWheelError):
            next_step = "no_wheel"
        elif self._error:
            next_step = "install_failed"
        return self.async_show_progress_done(next_step_id=next_step)

    async def async_step_no_wheel(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Tell that the index has no build for this machine, and offer another one or a server."""
        return self._what_now("no_wheel")

    async def async_step_install_failed(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Tell why, and offer another index or a server."""
        return self._what_now("install_failed")

    def _what_now(self, step: str) -> ConfigFlowResult:
        """Show what went wrong with llama-cpp-python, and the ways out."""
        error, self._error = self._error, None
        told = (isinstance(error, MorphyError) and error.translation_placeholders) or {"reason": repr(error)}
        return self.async_show_menu(
            step_id=step,
            menu_options=["install", BACKEND_REMOTE],
            description_placeholders={"index": self._index, **told},
        )

    async def async_step_local_model(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Tell what this machine has, and ask where the model is to come from."""
        return self.async_show_menu(
            step_id="local_model", menu_options=["bundled", "file", "hub"], description_placeholders=self._told()
        )

    def _told(self) -> dict[str, str]:
        """Return what is told about the machine."""
        assert self._machine
        return {
            "cores": str(self._machine.cores),
            "memory": size(self._machine.memory),
            "free": size(self._machine.free),
            "processor": self._machine.processor,
            "features": ", ".join(self._machine.features) or "–",
            "largest": size(self._machine.largest),
        }

    async def async_step_bundled(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Ask what the bundled model may take."""
        if user_input is not None:
            self._accept(local_data(user_input), "bundled")
            return await self.async_step_try_model()
        return self._form("bundled", BUNDLED_SCHEMA, self._resources(CONF_MODEL_PATH not in self._data))

    async def async_step_file(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Ask for a model file."""
        if user_input is not None:
            path = self.hass.config.path(user_input[CONF_MODEL_PATH].strip())
            self._accept({**local_data(user_input), CONF_MODEL_PATH: path}, "file")
            return await self.async_step_try_model()
        own = CONF_MODEL_PATH in self._data and CONF_HUB not in self._data
        known = {CONF_MODEL_PATH: self._data[CONF_MODEL_PATH]} if own else {}
        return self._form("file", FILE_SCHEMA, {**known, **self._resources(own)})

    def _resources(self, known: bool) -> dict[str, Mapping[str, Any]]:
        """Return what the model may take, where it was entered for this kind of model."""
        return {SECTION_ADVANCED: self._data if known and not self._is_remote else {}}


def local_data(user_input: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of an entry's data that says where it runs, and with what."""
    return {CONF_BACKEND: BACKEND_LOCAL, **user_input[SECTION_ADVANCED]}
