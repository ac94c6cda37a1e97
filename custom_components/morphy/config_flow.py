"""The dialogs of an entry: where the model runs. Those of its agents are in `agent_flow.py`.

Whatever is entered is tried before it is accepted: the model is loaded, or the server reached, and has to write
something. What goes wrong is told on the form it came from, with everything still as it was entered.

The steps are in `local_flow.py`, `hub_flow.py` and `remote_flow.py`; here are the first, the last, and another key.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, override

import voluptuous as vol
from homeassistant.config_entries import (
    SOURCE_RECONFIGURE,
    ConfigEntry,
    ConfigEntryState,
    ConfigFlowResult,
    ConfigSubentryData,
    ConfigSubentryFlow,
)
from homeassistant.const import CONF_API_KEY, CONF_MODEL
from homeassistant.core import callback

from .agent_flow import AGENT_NAME, AgentSubentryFlow, default_agent
from .ai_task_flow import AITaskSubentryFlow
from .backends import BackendInfo
from .const import (
    BACKEND_LOCAL,
    BACKEND_REMOTE,
    CONF_DIALECT,
    CONF_MODEL_PATH,
    DOMAIN,
    ENTRY_VERSION,
    SUBENTRY_AI_TASK,
    SUBENTRY_CONVERSATION,
)
from .download import async_forget
from .entry_flow import PASSWORD, place_of
from .errors import MorphyError
from .hub_flow import HubSteps
from .remote_flow import RemoteSteps
from .trial import dialect_for

_LOGGER = logging.getLogger(__name__)

REAUTH_SCHEMA: Final = vol.Schema({vol.Required(CONF_API_KEY): PASSWORD})


class MorphyConfigFlow(HubSteps, RemoteSteps, domain=DOMAIN):
    """Set up a backend: a model on this machine, or a server."""

    VERSION = ENTRY_VERSION
    MINOR_VERSION = 1

    @classmethod
    @callback
    @override
    def async_get_supported_subentry_types(cls, config_entry: ConfigEntry) -> dict[str, type[ConfigSubentryFlow]]:
        """Return what an entry can have: agents to talk to, and those that write for automations."""
        return {SUBENTRY_CONVERSATION: AgentSubentryFlow, SUBENTRY_AI_TASK: AITaskSubentryFlow}

    @override
    async def async_step_user(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Ask where the model is to run."""
        return self.async_show_menu(step_id="user", menu_options=[BACKEND_LOCAL, BACKEND_REMOTE])

    async def async_step_reconfigure(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Go through the entry's own forms again, as they were filled in."""
        self._data = dict(self._get_reconfigure_entry().data)
        return await (self.async_step_remote() if self._is_remote else self.async_step_local())

    async def async_step_finish(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Create the entry with one agent, or change it."""
        assert self._info is not None
        if self.source == SOURCE_RECONFIGURE:
            entry = self._get_reconfigure_entry()
            self._follow(entry, self._info)
            replaced = entry.data.get(CONF_MODEL_PATH)
            result = self._update(entry)
            if replaced and replaced != self._data.get(CONF_MODEL_PATH):
                await async_forget(self.hass, Path(replaced))
            return result
        agent = ConfigSubentryData(
            subentry_type=SUBENTRY_CONVERSATION,
            title=AGENT_NAME,
            data=default_agent(dialect_for(self._info, self._data)),
            unique_id=None,
        )
        return self.async_create_entry(title=self._info.model, data=self._data, subentries=[agent])

    def _follow(self, entry: ConfigEntry, info: BackendInfo) -> None:
        """Have agents speak the dialect of the new model, unless they were told to speak another than the old one's."""
        loaded = entry.runtime_data.info if entry.state is ConfigEntryState.LOADED else None
        before = dialect_for(loaded or BackendInfo(model=entry.data.get(CONF_MODEL) or entry.title), entry.data)
        after = dialect_for(info, self._data)
        for agent in entry.subentries.values():
            if before != after and agent.data.get(CONF_DIALECT) == before:
                data = {**agent.data, CONF_DIALECT: after}
                self.hass.config_entries.async_update_subentry(entry, agent, data=data)

    def _update(self, entry: ConfigEntry) -> ConfigFlowResult:
        """Change the entry. A loaded one reloads by its update listener, one that failed has none."""
        moved = self._info is not None and place_of(entry.data) != place_of(self._data)
        title = self._info.model if self._info and moved else entry.title
        listens = bool(entry.update_listeners)
        result = self.async_update_and_abort(entry, data=self._data, title=title)
        if not listens:
            self.hass.config_entries.async_schedule_reload(entry.entry_id)
        return result

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
        except MorphyError as error:
            self._error = error
        except Exception as error:
            _LOGGER.exception("Unexpected error while trying a key")
            self._error = error
        return self._error is None
