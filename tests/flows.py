"""A person in front of the dialogs: fills in forms, picks from menus, waits, and checks that all is in words."""

from __future__ import annotations

import json
from pathlib import Path
from string import Formatter
from typing import Any, Self

from homeassistant.config_entries import SOURCE_USER, ConfigEntry, ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType, section

INTEGRATION = Path(__file__).parent.parent / "custom_components" / "morphy"

type Strings = dict[str, Any]


def english() -> Strings:
    """Return the English texts."""
    texts: Strings = json.loads((INTEGRATION / "translations" / "en.json").read_text(encoding="utf-8"))
    return texts


def placeholders(text: str) -> set[str]:
    """Return the names in braces."""
    return {name for _, name, _, _ in Formatter().parse(text) if name}


def state_of(entry: ConfigEntry) -> ConfigEntryState:
    """Return the state an entry has by now."""
    return entry.state


class Person:
    """Goes through one dialog of the entry, or with `kind` of its subentries."""

    def __init__(self, hass: HomeAssistant, result: Any, kind: str | None = None) -> None:
        """See what is shown first."""
        self.hass = hass
        self.result = result
        self.kind = kind
        self.texts = english()["config_subentries"][kind] if kind else english()["config"]
        self.check()

    @classmethod
    async def adds_entry(cls, hass: HomeAssistant, *options: str) -> Self:
        """Add the integration and choose where the model runs, one menu after the other."""
        person = cls(hass, await hass.config_entries.flow.async_init("morphy", context={"source": SOURCE_USER}))
        return await person.picks(*options)

    @property
    def _flows(self) -> Any:
        return self.hass.config_entries.subentries if self.kind else self.hass.config_entries.flow

    async def _configure(self, user_input: dict[str, Any] | None) -> None:
        self.result = await self._flows.async_configure(self.result["flow_id"], user_input)
        self.check()

    async def picks(self, *options: str) -> Self:
        """Choose from one menu after the other, and wait for what comes then."""
        for option in options:
            assert option in self.result["menu_options"]
            await self._configure({"next_step_id": option})
            await self.waits()
        return self

    async def enters(self, **fields: Any) -> Self:
        """Send a form as it is shown, but for these fields, and wait for the answer."""
        await self._configure({**self.shown(), **fields})
        return await self.waits()

    async def waits(self) -> Self:
        """Look on until there is something to do again."""
        while self.result["type"] is FlowResultType.SHOW_PROGRESS:
            await self.hass.async_block_till_done(wait_background_tasks=True)
            await self._configure(None)
        return self

    def shown(self) -> dict[str, Any]:
        """Return the values that the form shows: suggested, or the default."""
        return _shown(self.result["data_schema"].schema)

    @property
    def step(self) -> str:
        """The step that is shown."""
        return str(self.result["step_id"])

    @property
    def errors(self) -> dict[str, str]:
        """The errors that are shown, by field."""
        return dict(self.result["errors"] or {})

    def reads(self, error: str) -> str:
        """Return the text of an error as it is shown."""
        text: str = self.texts["error"][error].format(**(self.result["description_placeholders"] or {}))
        return text

    def check(self) -> None:
        """Everything that is shown has a text, and every text what it needs."""
        given = set(self.result.get("description_placeholders") or {})
        match self.result["type"]:
            case FlowResultType.FORM:
                texts = self.texts["step"][self.step]
                _check_fields(texts, self.result["data_schema"].schema)
                errors = [self.texts["error"][error] for error in self.errors.values()]
                shown = [texts["title"], texts["description"], *errors]
            case FlowResultType.MENU:
                texts = self.texts["step"][self.step]
                options = self.result["menu_options"]
                assert list(texts["menu_options"]) == list(texts["menu_option_descriptions"]) == options
                shown = [texts["title"], texts["description"]]
            case FlowResultType.SHOW_PROGRESS:
                shown = [self.texts["progress"][self.result["progress_action"]], self.texts["step"][self.step]["title"]]
            case FlowResultType.ABORT if self.result.get("translation_domain") != "homeassistant":
                shown = [self.texts["abort"][self.result["reason"]]]
            case _:
                shown = []
        for text in shown:
            assert placeholders(text) <= given, text


def _shown(schema: dict[Any, Any]) -> dict[str, Any]:
    values = {}
    for marker, value in schema.items():
        if isinstance(value, section):
            values[str(marker)] = _shown(value.schema.schema)
        elif "suggested_value" in (marker.description or {}):
            values[str(marker)] = marker.description["suggested_value"]
        elif callable(marker.default):
            values[str(marker)] = marker.default()
    return values


def _check_fields(texts: Strings, schema: dict[Any, Any]) -> None:
    fields = {str(marker) for marker, value in schema.items() if not isinstance(value, section)}
    assert set(texts.get("data", {})) == set(texts.get("data_description", {})) == fields
    sections = {str(marker): value.schema.schema for marker, value in schema.items() if isinstance(value, section)}
    assert set(texts.get("sections", {})) == set(sections)
    for name, inner in sections.items():
        assert texts["sections"][name]["name"]
        _check_fields(texts["sections"][name], inner)
