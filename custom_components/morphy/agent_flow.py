"""The dialogs of an agent: what it may control, how its model is spoken to, and who answers when that cannot."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import voluptuous as vol
from homeassistant.config_entries import ConfigEntry, ConfigSubentryFlow, SubentryFlowResult
from homeassistant.const import CONF_LLM_HASS_API, CONF_NAME
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import section
from homeassistant.helpers import llm
from homeassistant.helpers.selector import (
    BooleanSelector,
    EntitySelector,
    EntitySelectorConfig,
    NumberSelector,
    NumberSelectorConfig,
    NumberSelectorMode,
    SelectOptionDict,
    SelectSelector,
    SelectSelectorConfig,
    SelectSelectorMode,
    TemplateSelector,
    TextSelector,
)

from .const import (
    CONF_CONFIRM_ENTITIES,
    CONF_CONFIRM_RISKY,
    CONF_DIALECT,
    CONF_DOMAINS,
    CONF_FALLBACK,
    CONF_FALLBACK_AFTER,
    CONF_HOME_ASSISTANT_FIRST,
    CONF_HOME_TOKENS,
    CONF_INSTRUCTIONS,
    CONF_MAX_TOKENS,
    CONF_READ_AHEAD,
    CONF_TEMPERATURE,
    DEFAULT_FALLBACK_AFTER,
    DEFAULT_MAX_TOKENS,
    DEFAULT_TEMPERATURE,
    DOMAIN,
    FALLBACK_HOME_ASSISTANT,
)
from .dialect import CATALOGUE, DIALECTS, TOOL_DIALECTS, find_dialect
from .dialect.detect import detect
from .prompt import HOME_TOKENS

ALL_DIALECTS: Final = (*DIALECTS, *TOOL_DIALECTS)
AGENT_NAME: Final = "Morphy"
SECTION_ADVANCED: Final = "advanced"
SECTION_CONTROL: Final = "control"
SECTION_STAND_IN: Final = "stand_in"
TOKENS: Final = "tokens"
"""The unit of lengths of text, the only one that has another name in other languages."""


def whole_number(low: int, high: int, unit: str | None = None) -> vol.All[Any]:
    """Return a validator for a whole number typed into a box."""
    config = NumberSelectorConfig(min=low, max=high, step=1, mode=NumberSelectorMode.BOX)
    if unit:
        config["unit_of_measurement"] = unit
    if unit == TOKENS:
        config["translation_key"] = TOKENS
    return vol.All(NumberSelector(config), vol.Coerce(int))


CONTROL: Final = section(
    vol.Schema(
        {
            # Without a default: a list that was emptied must not come back full.
            vol.Required(CONF_DOMAINS): SelectSelector(
                SelectSelectorConfig(
                    options=list(CATALOGUE),
                    multiple=True,
                    mode=SelectSelectorMode.DROPDOWN,
                    translation_key=CONF_DOMAINS,
                )
            ),
            vol.Optional(CONF_CONFIRM_ENTITIES): EntitySelector(
                EntitySelectorConfig(domain=list(CATALOGUE), multiple=True)
            ),
        }
    ),
    {"collapsed": True},
)
TEMPERATURE: Final = NumberSelector(NumberSelectorConfig(min=0, max=2, step=0.05, mode=NumberSelectorMode.SLIDER))
ADVANCED: Final = section(
    vol.Schema(
        {
            vol.Required(CONF_DIALECT): SelectSelector(
                SelectSelectorConfig(
                    options=list(ALL_DIALECTS), mode=SelectSelectorMode.DROPDOWN, translation_key=CONF_DIALECT
                )
            ),
            vol.Required(CONF_TEMPERATURE, default=DEFAULT_TEMPERATURE): TEMPERATURE,
            vol.Required(CONF_MAX_TOKENS, default=DEFAULT_MAX_TOKENS): whole_number(16, 4096, TOKENS),
            vol.Required(CONF_HOME_TOKENS, default=HOME_TOKENS): whole_number(200, 32768, TOKENS),
            vol.Required(CONF_READ_AHEAD, default=True): BooleanSelector(),
        }
    ),
    {"collapsed": True},
)


def _stand_ins(hass: HomeAssistant, own: ConfigEntry) -> dict[str, str]:
    """Return the names of those that can answer when an entry's own model cannot, by what is kept of them."""
    entries = hass.config_entries.async_entries(DOMAIN, include_ignore=False)
    names = {entry.entry_id: entry.title for entry in entries if entry.entry_id != own.entry_id}
    return names | {FALLBACK_HOME_ASSISTANT: "Home Assistant"}


def _advanced(hass: HomeAssistant) -> section:
    """Return the section about the model, with the LLM APIs that there are."""
    apis = [SelectOptionDict(value=api.id, label=api.name) for api in llm.async_get_apis(hass)]
    chosen = SelectSelector(SelectSelectorConfig(options=apis, multiple=True, mode=SelectSelectorMode.DROPDOWN))
    return section(ADVANCED.schema.extend({vol.Optional(CONF_LLM_HASS_API): chosen}), ADVANCED.options)


def _schema(stand_ins: Mapping[str, str], advanced: section) -> vol.Schema:
    options = [SelectOptionDict(value=value, label=label) for value, label in stand_ins.items()]
    stand_in = {
        vol.Optional(CONF_FALLBACK): SelectSelector(
            SelectSelectorConfig(options=options, multiple=True, mode=SelectSelectorMode.DROPDOWN)
        ),
        vol.Required(CONF_FALLBACK_AFTER, default=DEFAULT_FALLBACK_AFTER): whole_number(1, 60, "s"),
        vol.Required(CONF_HOME_ASSISTANT_FIRST, default=False): BooleanSelector(),
    }
    return vol.Schema(
        {
            vol.Required(CONF_NAME, default=AGENT_NAME): TextSelector(),
            vol.Optional(CONF_INSTRUCTIONS): TemplateSelector(),
            vol.Required(CONF_CONFIRM_RISKY, default=True): BooleanSelector(),
            vol.Required(SECTION_CONTROL): CONTROL,
            vol.Required(SECTION_ADVANCED): advanced,
            vol.Required(SECTION_STAND_IN): section(vol.Schema(stand_in), {"collapsed": True}),
        }
    )


def suggest_dialect(*names: str, template: str | None = None, declared: str | None = None) -> str:
    """Return the dialect that a model was most likely trained for.

    By its names (its own, its file's), its chat template, and what it declares itself.
    """
    return detect([Path(name).name for name in names], template, declared if declared in ALL_DIALECTS else None)


def default_agent(dialect: str) -> dict[str, Any]:
    """Return the data of an agent that may control everything it is shown, and asks before what is risky."""
    return {
        CONF_DIALECT: dialect,
        CONF_TEMPERATURE: DEFAULT_TEMPERATURE,
        CONF_MAX_TOKENS: DEFAULT_MAX_TOKENS,
        CONF_CONFIRM_RISKY: True,
    }


def _read(user_input: Mapping[str, Any]) -> dict[str, Any]:
    """Return an agent's data from its form; what can be absent is kept only where it is not the default."""
    data = {CONF_CONFIRM_RISKY: user_input[CONF_CONFIRM_RISKY], **user_input[SECTION_ADVANCED]}
    control = user_input[SECTION_CONTROL]
    domains = [domain for domain in CATALOGUE if domain in control[CONF_DOMAINS]]
    if data[CONF_DIALECT] not in TOOL_DIALECTS or data.get(CONF_LLM_HASS_API) == [llm.LLM_API_ASSIST]:
        data.pop(CONF_LLM_HASS_API, None)
    elif CONF_LLM_HASS_API not in data:
        data[CONF_LLM_HASS_API] = []
    for key, default in ((CONF_READ_AHEAD, True), (CONF_HOME_TOKENS, HOME_TOKENS)):
        if data[key] == default:
            del data[key]
    if len(domains) < len(CATALOGUE):
        data[CONF_DOMAINS] = domains
    instructions = user_input.get(CONF_INSTRUCTIONS, "").strip()
    if instructions not in {"", *(find_dialect(name).default_instructions for name in ALL_DIALECTS)}:
        data[CONF_INSTRUCTIONS] = instructions
    if entities := control.get(CONF_CONFIRM_ENTITIES):
        data[CONF_CONFIRM_ENTITIES] = entities
    others = user_input[SECTION_STAND_IN]
    if others[CONF_HOME_ASSISTANT_FIRST]:
        data[CONF_HOME_ASSISTANT_FIRST] = True
    if others.get(CONF_FALLBACK):
        data |= {key: others[key] for key in (CONF_FALLBACK, CONF_FALLBACK_AFTER)}
    return data


class AgentSubentryFlow(ConfigSubentryFlow):
    """Add an agent, or change one."""

    async def async_step_user(self, user_input: dict[str, Any] | None = None) -> SubentryFlowResult:
        """Add an agent."""
        if user_input is not None:
            return self.async_create_entry(title=user_input[CONF_NAME], data=_read(user_input))
        entry = self._get_entry()
        others = (agent.data[CONF_DIALECT] for agent in entry.subentries.values() if CONF_DIALECT in agent.data)
        return self._form("user", AGENT_NAME, default_agent(next(others, suggest_dialect(entry.title))))

    async def async_step_reconfigure(self, user_input: dict[str, Any] | None = None) -> SubentryFlowResult:
        """Change an agent."""
        agent = self._get_reconfigure_subentry()
        if user_input is not None:
            return self.async_update_and_abort(
                self._get_entry(), agent, title=user_input[CONF_NAME], data=_read(user_input)
            )
        return self._form("reconfigure", agent.title, agent.data)

    def _form(self, step: str, name: str, data: Mapping[str, Any]) -> SubentryFlowResult:
        stand_ins = _stand_ins(self.hass, self._get_entry())
        chosen = [value for value in data.get(CONF_FALLBACK, ()) if value in stand_ins]
        there = {api.id for api in llm.async_get_apis(self.hass)}
        apis = [value for value in data.get(CONF_LLM_HASS_API, [llm.LLM_API_ASSIST]) if value in there]
        values = {
            CONF_NAME: name,
            CONF_INSTRUCTIONS: find_dialect(data[CONF_DIALECT]).default_instructions,
            **data,
            SECTION_CONTROL: {CONF_DOMAINS: list(CATALOGUE), **data},
            SECTION_ADVANCED: {**data, CONF_LLM_HASS_API: apis},
            SECTION_STAND_IN: {**data, CONF_FALLBACK: chosen},
        }
        schema = self.add_suggested_values_to_schema(_schema(stand_ins, _advanced(self.hass)), values)
        return self.async_show_form(step_id=step, data_schema=schema)
