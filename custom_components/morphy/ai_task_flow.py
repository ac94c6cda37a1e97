"""The dialogs of what writes for automations: a name, and how long and how freely it may write."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import voluptuous as vol
from homeassistant.config_entries import ConfigEntry, ConfigSubentryFlow, SubentryFlowResult
from homeassistant.const import CONF_NAME
from homeassistant.helpers.selector import TextSelector

from .agent_flow import TEMPERATURE, TOKENS, suggest_dialect, whole_number
from .const import (
    BACKEND_LOCAL,
    CONF_BACKEND,
    CONF_MAX_TOKENS,
    CONF_MODEL_PATH,
    CONF_TEMPERATURE,
    DEFAULT_TASK_TOKENS,
    DEFAULT_TEMPERATURE,
)

TASK_NAME: Final = "Morphy AI Task"

SCHEMA: Final = vol.Schema(
    {
        vol.Required(CONF_NAME): TextSelector(),
        vol.Required(CONF_TEMPERATURE): TEMPERATURE,
        vol.Required(CONF_MAX_TOKENS): whole_number(16, 16384, TOKENS),
    }
)


def knows_homes_alone(entry: ConfigEntry) -> bool:
    """Return whether the model of an entry is one of ours, which can write of a home and of nothing else."""
    if entry.data[CONF_BACKEND] == BACKEND_LOCAL and CONF_MODEL_PATH not in entry.data:
        return True
    return suggest_dialect(entry.title, entry.data.get(CONF_MODEL_PATH, "")) == "morphy"


class AITaskSubentryFlow(ConfigSubentryFlow):
    """Add what does AI tasks, or change it."""

    async def async_step_user(self, user_input: dict[str, Any] | None = None) -> SubentryFlowResult:
        """Begin with a warning where the model is no writer."""
        return await (self.async_step_no_writer() if knows_homes_alone(self._get_entry()) else self.async_step_add())

    async def async_step_no_writer(self, user_input: dict[str, Any] | None = None) -> SubentryFlowResult:
        """Say what a model of ours cannot do; it may be added all the same."""
        if user_input is not None:
            return await self.async_step_add()
        return self.async_show_form(
            step_id="no_writer",
            data_schema=vol.Schema({}),
            description_placeholders={"model": self._get_entry().title},
        )

    async def async_step_add(self, user_input: dict[str, Any] | None = None) -> SubentryFlowResult:
        """Add it."""
        if user_input is not None:
            return self.async_create_entry(title=user_input.pop(CONF_NAME), data=user_input)
        data = {CONF_TEMPERATURE: DEFAULT_TEMPERATURE, CONF_MAX_TOKENS: DEFAULT_TASK_TOKENS}
        return self._form("add", {CONF_NAME: TASK_NAME, **data})

    async def async_step_reconfigure(self, user_input: dict[str, Any] | None = None) -> SubentryFlowResult:
        """Change it."""
        task = self._get_reconfigure_subentry()
        if user_input is not None:
            title = user_input.pop(CONF_NAME)
            return self.async_update_and_abort(self._get_entry(), task, title=title, data=user_input)
        return self._form("reconfigure", {CONF_NAME: task.title, **task.data})

    def _form(self, step: str, values: Mapping[str, Any]) -> SubentryFlowResult:
        return self.async_show_form(step_id=step, data_schema=self.add_suggested_values_to_schema(SCHEMA, values))
