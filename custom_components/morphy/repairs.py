"""The ways to mend from Home Assistant's repairs what `issues.py` tells of."""

from __future__ import annotations

from typing import Any, Final

import voluptuous as vol
from homeassistant.components.repairs import ConfirmRepairFlow, FlowType, RepairsFlow, RepairsFlowResult
from homeassistant.config_entries import SOURCE_RECONFIGURE, ConfigEntry, ConfigEntryState, ConfigFlowContext
from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir

from .agent_flow import TOKENS, whole_number
from .const import (
    BACKEND_LOCAL,
    CONF_BACKEND,
    CONF_CONTEXT_LENGTH,
    CONF_DIALECT,
    CONF_MODEL_FILE,
    CONF_MODEL_PATH,
    DOMAIN,
    LONGEST_CONTEXT,
    SUBENTRY_CONVERSATION,
)
from .errors import BackendError
from .issues import MODEL_MISSING, MODEL_UNUSABLE, PROMPT_TOO_LONG
from .trial import async_try

BUNDLED: Final = "bundled"
RECONFIGURE: Final = "reconfigure"
RETRY: Final = "retry"
BUNDLED_DIALECT: Final = "morphy"


async def async_create_fix_flow(
    hass: HomeAssistant, issue_id: str, data: dict[str, str | int | float | None] | None
) -> RepairsFlow:
    """Return the dialog that mends an issue."""
    data = data or {}
    entry = hass.config_entries.async_get_entry(str(data.get("entry_id")))
    if entry is None:
        return ConfirmRepairFlow()
    if data["issue"] == PROMPT_TOO_LONG:
        return LargerContextFlow(entry)
    return MendEntryFlow(entry, _ways(hass, entry, str(data["issue"])))


def _ways(hass: HomeAssistant, entry: ConfigEntry, issue: str) -> list[str]:
    """Return how an entry can be mended. Two entries with the bundled model would be one too many."""
    taken = any(_is_bundled(other) for other in hass.config_entries.async_entries(DOMAIN, include_ignore=False))
    local = entry.data[CONF_BACKEND] == BACKEND_LOCAL
    bundled = local and not taken and issue in (MODEL_MISSING, MODEL_UNUSABLE)
    return [RECONFIGURE, *([BUNDLED] if bundled else []), RETRY]


def _is_bundled(entry: ConfigEntry) -> bool:
    return entry.data[CONF_BACKEND] == BACKEND_LOCAL and CONF_MODEL_PATH not in entry.data


class EntryFlow(RepairsFlow):
    """A dialog about an entry."""

    def __init__(self, entry: ConfigEntry) -> None:
        """Mend this entry."""
        super().__init__()
        self.entry = entry

    @property
    def told(self) -> dict[str, str] | None:
        """What the issue says."""
        issue = ir.async_get(self.hass).async_get_issue(DOMAIN, self.issue_id)
        return issue.translation_placeholders if issue else None

    async def _async_change(self, data: dict[str, Any], title: str | None = None) -> None:
        """Change the entry. A loaded one reloads by its update listener, one that failed has none."""
        listens = bool(self.entry.update_listeners)
        self.hass.config_entries.async_update_entry(self.entry, data=data, title=title or self.entry.title)
        if not listens:
            await self.hass.config_entries.async_reload(self.entry.entry_id)


class MendEntryFlow(EntryFlow):
    """Offers to change the entry, to use the bundled model instead, or to try again after something was mended."""

    def __init__(self, entry: ConfigEntry, ways: list[str]) -> None:
        """Offer these ways."""
        super().__init__(entry)
        self._ways = ways

    async def async_step_init(self, user_input: dict[str, Any] | None = None) -> RepairsFlowResult:
        """Offer the ways."""
        return self.async_show_menu(step_id="init", menu_options=self._ways, description_placeholders=self.told)

    async def async_step_reconfigure(self, user_input: dict[str, Any] | None = None) -> RepairsFlowResult:
        """Go on in the entry's own dialog; the issue goes when the model works."""
        context = ConfigFlowContext(source=SOURCE_RECONFIGURE, entry_id=self.entry.entry_id)
        flow = await self.hass.config_entries.flow.async_init(DOMAIN, context=context)
        return self.async_abort(reason=RECONFIGURE, next_flow=(FlowType.CONFIG_FLOW, flow["flow_id"]))

    async def async_step_bundled(self, user_input: dict[str, Any] | None = None) -> RepairsFlowResult:
        """Use the bundled model, which all agents of the entry then address in its dialect."""
        own = {CONF_MODEL_PATH, CONF_MODEL_FILE}
        data = {key: value for key, value in self.entry.data.items() if key not in own}
        try:
            info = await async_try(self.hass, data)
        except BackendError as error:
            return self._still(str(error))
        for agent in self.entry.subentries.values():
            if agent.subentry_type == SUBENTRY_CONVERSATION:
                spoken = {**agent.data, CONF_DIALECT: BUNDLED_DIALECT}
                self.hass.config_entries.async_update_subentry(self.entry, agent, data=spoken)
        await self._async_change(data, info.model)
        return self.async_create_entry(data={})

    async def async_step_retry(self, user_input: dict[str, Any] | None = None) -> RepairsFlowResult:
        """Set the entry up again."""
        await self.hass.config_entries.async_reload(self.entry.entry_id)
        if self.entry.state is not ConfigEntryState.LOADED:
            return self._still(self.entry.reason or "")
        if error := self.entry.runtime_data.breaker.error:
            return self._still(str(error))
        return self.async_create_entry(data={})

    def _still(self, error: str) -> RepairsFlowResult:
        return self.async_abort(reason="still", description_placeholders={"error": error})


class LargerContextFlow(EntryFlow):
    """Asks for a larger context."""

    async def async_step_init(self, user_input: dict[str, Any] | None = None) -> RepairsFlowResult:
        """Begin. Home Assistant passes the id of the issue as if someone had entered it."""
        return await self.async_step_larger()

    async def async_step_larger(self, user_input: dict[str, Any] | None = None) -> RepairsFlowResult:
        """Ask how large, and suggest twice of what it is."""
        length = self.entry.data[CONF_CONTEXT_LENGTH]
        if user_input is not None:
            await self._async_change({**self.entry.data, **user_input})
            return self.async_create_entry(data={})
        larger = whole_number(length + 1, LONGEST_CONTEXT, TOKENS)
        schema = vol.Schema({vol.Required(CONF_CONTEXT_LENGTH, default=min(2 * length, LONGEST_CONTEXT)): larger})
        return self.async_show_form(step_id="larger", data_schema=schema, description_placeholders=self.told)
