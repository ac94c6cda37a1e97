"""What Home Assistant's repairs tell of an entry, the dialogs that mend it from there, and that it goes when mended."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import pytest
from homeassistant.components import conversation
from homeassistant.components.repairs import repairs_flow_manager
from homeassistant.config_entries import (
    SOURCE_REAUTH,
    SOURCE_RECONFIGURE,
    ConfigEntry,
    ConfigEntryDisabler,
    ConfigEntryState,
)
from homeassistant.core import Context, HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers import issue_registry as ir
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.morphy.agent_flow import default_agent
from custom_components.morphy.backends.local import LocalBackend
from custom_components.morphy.const import DOMAIN
from custom_components.morphy.errors import PromptTooLongError, ServerUnreachableError
from custom_components.morphy.fallback import async_note_failure

from .flows import english, placeholders, state_of
from .model_server import ModelServer, says


@pytest.fixture(autouse=True)
async def home(hass: HomeAssistant, socket_enabled: None) -> None:
    """Set up what conversation and repairs need."""
    for component in ("homeassistant", "repairs"):
        assert await async_setup_component(hass, component, {})


async def set_up(hass: HomeAssistant, fallback: bool = False, **data: Any) -> MockConfigEntry:
    """Return an entry with one agent, set up as well as it could be."""
    stand_in = {"fallback": ["home_assistant"], "fallback_after": 10} if fallback else {}
    agent = {"subentry_type": "conversation", "title": "Butler", "unique_id": None}
    agent["data"] = {**default_agent("lines"), **stand_in}
    task = {"subentry_type": "ai_task_data", "title": "Clerk", "unique_id": None, "data": {}}
    entry = MockConfigEntry(domain=DOMAIN, title="Tiny", data=data, subentries_data=[agent, task])
    entry.add_to_hass(hass)
    await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    return entry


def local(path: Path | str) -> dict[str, Any]:
    return {"backend": "local", "model_path": str(path), "context_length": 512}


def told(hass: HomeAssistant) -> list[str | None]:
    """Return what repairs show, all of it with the texts it needs."""
    issues = [issue for (domain, _), issue in ir.async_get(hass).issues.items() if domain == DOMAIN]
    for issue in issues:
        texts = english()["issues"][issue.translation_key]
        assert ("fix_flow" in texts) is issue.is_fixable
        shown = [texts["title"], *([texts["description"]] if "description" in texts else [])]
        assert all(placeholders(text) <= set(issue.translation_placeholders or {}) for text in shown)
    return [issue.translation_key for issue in issues]


class Repair:
    """The dialog of the only issue there is."""

    def __init__(self, hass: HomeAssistant, result: Any, key: str) -> None:
        self.hass = hass
        self.result = result
        self.texts = english()["issues"][key]["fix_flow"]
        self.check()

    @classmethod
    async def of(cls, hass: HomeAssistant) -> Self:
        """Press the button of the issue."""
        [(key, issue)] = [(key, issue) for key, issue in ir.async_get(hass).issues.items() if key[0] == DOMAIN]
        manager = repairs_flow_manager(hass)
        assert manager
        return cls(hass, await manager.async_init(DOMAIN, context={"issue_id": key[1]}), str(issue.translation_key))

    async def answers(self, user_input: dict[str, Any]) -> Self:
        manager = repairs_flow_manager(self.hass)
        assert manager
        self.result = await manager.async_configure(self.result["flow_id"], user_input)
        await self.hass.async_block_till_done()
        self.check()
        return self

    async def picks(self, option: str) -> Self:
        assert option in self.result["menu_options"]
        return await self.answers({"next_step_id": option})

    def check(self) -> None:
        """Everything that is shown has a text, and every text what it needs."""
        given = set(self.result.get("description_placeholders") or {})
        match self.result["type"]:
            case FlowResultType.MENU:
                texts = self.texts["step"][self.result["step_id"]]
                assert set(self.result["menu_options"]) <= set(texts["menu_options"])
                assert set(texts["menu_options"]) == set(texts["menu_option_descriptions"])
                shown = [texts["title"], texts["description"]]
            case FlowResultType.FORM:
                texts = self.texts["step"][self.result["step_id"]]
                fields = {str(field) for field in self.result["data_schema"].schema}
                assert set(texts["data"]) == set(texts["data_description"]) == fields
                shown = [texts["title"], texts["description"]]
            case FlowResultType.ABORT:
                shown = [self.texts["abort"][self.result["reason"]]]
            case _:
                shown = []
        assert all(placeholders(text) <= given for text in shown)

    @property
    def done(self) -> bool:
        return self.result["type"] is FlowResultType.CREATE_ENTRY


@pytest.mark.parametrize(("content", "issue"), [(None, "model_missing"), (b"A letter.", "model_unusable")])
async def test_a_model_file_that_comes_back(
    hass: HomeAssistant, tmp_path: Path, model: Path, content: bytes | None, issue: str
) -> None:
    path = tmp_path / "mine.gguf"
    if content:
        path.write_bytes(content)
    entry = await set_up(hass, **local(path))
    assert told(hass) == [issue]
    repair = await (await Repair.of(hass)).picks("retry")
    assert not repair.done
    assert str(path) in repair.result["description_placeholders"]["error"]
    assert told(hass) == [issue]

    path.write_bytes(model.read_bytes())  # noqa: ASYNC240
    assert (await (await Repair.of(hass)).picks("retry")).done
    assert told(hass) == []
    assert state_of(entry) is ConfigEntryState.LOADED


@pytest.mark.parametrize("fallback", [True, False])
async def test_the_bundled_model_steps_in(
    hass: HomeAssistant, tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch, fallback: bool
) -> None:
    monkeypatch.setattr("custom_components.morphy.BUNDLED_MODEL", tmp_path / "not yet.gguf")
    entry = await set_up(hass, fallback=fallback, **local(tmp_path / "gone.gguf"))
    assert (state_of(entry) is ConfigEntryState.LOADED) is fallback
    assert told(hass) == ["model_missing"]
    assert not (await (await Repair.of(hass)).picks("retry")).done
    repair = await (await Repair.of(hass)).picks("bundled")
    assert "not yet.gguf" in repair.result["description_placeholders"]["error"]
    assert "model_path" in entry.data
    assert told(hass) == ["model_missing"]

    monkeypatch.setattr("custom_components.morphy.BUNDLED_MODEL", model)
    assert (await (await Repair.of(hass)).picks("bundled")).done
    assert told(hass) == []
    assert entry.data == {"backend": "local", "context_length": 512}
    agent, task = entry.subentries.values()
    assert agent.data["dialect"] == "morphy"
    assert not task.data
    assert entry.runtime_data.pid

    other = await set_up(hass, **local(tmp_path / "gone too.gguf"))
    assert "bundled" not in (await Repair.of(hass)).result["menu_options"], "one entry has it already"
    await hass.config_entries.async_remove(other.entry_id)
    assert told(hass) == []


async def test_the_settings_open_from_the_issue(hass: HomeAssistant, tmp_path: Path) -> None:
    entry = await set_up(hass, **local(tmp_path / "gone.gguf"))
    repair = await (await Repair.of(hass)).picks("reconfigure")
    kind, flow_id = repair.result["next_flow"]
    assert kind == "config_flow"
    flow = hass.config_entries.flow.async_get(flow_id)
    assert flow["context"]["source"] == SOURCE_RECONFIGURE
    assert flow["context"]["entry_id"] == entry.entry_id
    assert told(hass) == ["model_missing"], "nothing is mended yet"
    hass.config_entries.flow.async_abort(flow_id)


async def test_the_package_is_missing(hass: HomeAssistant, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as context:
        context.setitem(LocalBackend.__init__.__kwdefaults__, "interpreter", "/nowhere/python")
        await set_up(hass, **local(model))
        assert told(hass) == ["runtime_missing"]
    assert (await (await Repair.of(hass)).picks("retry")).done
    assert told(hass) == []


async def test_a_server_that_stays_away(
    hass: HomeAssistant, server: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("custom_components.morphy.issues.GRACE", 60.0)
    server.listing = says(503)
    entry = await set_up(hass, backend="remote", url=await server.start())
    assert state_of(entry) is ConfigEntryState.SETUP_RETRY
    assert told(hass) == [], "it may only be starting"
    monkeypatch.setattr("custom_components.morphy.issues.GRACE", 0.0)
    await hass.config_entries.async_reload(entry.entry_id)
    assert told(hass) == ["server_gone"]
    server.listing = None
    assert (await (await Repair.of(hass)).picks("retry")).done
    assert told(hass) == []


async def test_how_long_a_server_is_away_counts_from_the_first_failure(
    hass: HomeAssistant, server: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = await set_up(hass, backend="remote", url=await server.start())
    backend, now = entry.runtime_data, hass.loop.time()
    for seconds, issues in ((0, []), (299, []), (301, ["server_gone"])):
        monkeypatch.setattr(hass.loop, "time", lambda seconds=seconds: now + seconds)
        async_note_failure(hass, entry, backend, ServerUnreachableError(url=backend.url))
        assert told(hass) == issues
    assert backend.breaker.open
    backend.breaker.succeeded()
    assert told(hass) == []
    monkeypatch.setattr(hass.loop, "time", lambda: now + 302)
    async_note_failure(hass, entry, backend, ServerUnreachableError(url=backend.url))
    assert told(hass) == [], "counted anew"
    monkeypatch.undo()


async def test_a_key_that_is_refused_is_asked_for_by_home_assistant(hass: HomeAssistant, server: ModelServer) -> None:
    server.key = "right"
    entry = await set_up(hass, backend="remote", url=await server.start(), api_key="wrong")
    assert told(hass) == []
    [(domain, _)] = ir.async_get(hass).issues
    assert domain == "homeassistant"
    [flow] = hass.config_entries.flow.async_progress()
    assert flow["context"]["source"] == SOURCE_REAUTH
    await hass.config_entries.flow.async_configure(flow["flow_id"], {"api_key": "right"})
    await hass.async_block_till_done()
    assert state_of(entry) is ConfigEntryState.LOADED
    assert not ir.async_get(hass).issues


async def test_a_prompt_that_is_too_long(hass: HomeAssistant, model: Path) -> None:
    assert await async_setup_component(hass, "conversation", {})
    entry = await set_up(hass, **local(model))
    await conversation.async_converse(hass, "please " * 400, None, Context(), "en", "conversation.butler")
    assert told(hass) == ["prompt_too_long"]
    repair = await Repair.of(hass)
    [field] = repair.result["data_schema"].schema
    assert field.default() == 1024
    assert (await repair.answers({"context_length": 1500})).done
    assert told(hass) == []
    assert entry.runtime_data.info.context_length == 1500

    hass.config_entries.async_update_entry(entry, data={**entry.data, "context_length": 4096})
    await hass.async_block_till_done()
    assert entry.runtime_data.info.context_length == 2048, "the model's own limit"
    note_long_prompt(hass, entry)
    assert told(hass) == ["context_full"], "nothing to choose"
    await hass.config_entries.async_reload(entry.entry_id)
    assert told(hass) == []


async def test_a_prompt_that_is_too_long_for_a_server(hass: HomeAssistant, server: ModelServer) -> None:
    entry = await set_up(hass, backend="remote", url=await server.start())
    note_long_prompt(hass, entry)
    assert told(hass) == ["context_full"]


async def test_one_trouble_takes_the_place_of_another(hass: HomeAssistant, tmp_path: Path) -> None:
    path = tmp_path / "mine.gguf"
    entry = await set_up(hass, fallback=True, **local(path))
    assert told(hass) == ["model_missing"]
    path.write_bytes(b"A letter.")
    await hass.config_entries.async_reload(entry.entry_id)
    assert told(hass) == ["model_unusable"]


@pytest.mark.parametrize("way", ["disabled", "removed"])
async def test_an_entry_that_goes_takes_its_issues_along(hass: HomeAssistant, tmp_path: Path, way: str) -> None:
    entry = await set_up(hass, **local(tmp_path / "gone.gguf"))
    assert told(hass) == ["model_missing"]
    if way == "disabled":
        await hass.config_entries.async_set_disabled_by(entry.entry_id, ConfigEntryDisabler.USER)
    else:
        await hass.config_entries.async_remove(entry.entry_id)
    assert told(hass) == []


async def test_an_issue_whose_entry_is_gone_can_be_closed(hass: HomeAssistant) -> None:
    assert await async_setup_component(hass, DOMAIN, {})
    ir.async_create_issue(
        hass, DOMAIN, "left", is_fixable=True, severity=ir.IssueSeverity.ERROR, translation_key="model_missing"
    )
    manager = repairs_flow_manager(hass)
    assert manager
    result = await manager.async_init(DOMAIN, context={"issue_id": "left"})
    result = await manager.async_configure(result["flow_id"], {})
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert told(hass) == []


def note_long_prompt(hass: HomeAssistant, entry: ConfigEntry) -> None:
    length = str(entry.runtime_data.info.context_length or 8192)
    error = PromptTooLongError(tokens="9999", context_length=length)
    async_note_failure(hass, entry, entry.runtime_data, error)
