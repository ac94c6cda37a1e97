"""The dialog of a model from a hub: which repository, which of its files, and the download."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import voluptuous as vol
from homeassistant.config_entries import ConfigFlowResult
from homeassistant.const import CONF_TOKEN, CONF_URL
from homeassistant.data_entry_flow import section
from homeassistant.helpers.aiohttp_client import async_get_clientsession
from homeassistant.helpers.selector import (
    SelectOptionDict,
    SelectSelector,
    SelectSelectorConfig,
    SelectSelectorMode,
    TextSelector,
)

from .agent_flow import SECTION_ADVANCED
from .const import CONF_HUB, CONF_MODEL_PATH
from .download import async_download, async_forget, size, target
from .entry_flow import CONF_REPOSITORY, PASSWORD, URL
from .errors import DownloadError, HubGatedError, HubTokenError, ModelInvalidError
from .hub import DEFAULT_HUB, DEFAULT_REVISION, Hub, HubFile, Listing, read_repository
from .local_flow import LocalSteps, local_data, resources
from .machine import Machine

CONF_FILE: Final = "file"
CONF_REVISION: Final = "revision"
TELL_EVERY: Final = 1.0
"""Seconds between two words about how far a download is."""

SUGGESTED: Final = (
    "acon96/Home-1B-v3-GGUF",
    "acon96/Home-3B-v3-GGUF",
    "NousResearch/Hermes-3-Llama-3.2-3B-GGUF",
)
"""Repositories whose models know homes, or call tools, in a form that is recognised by their names."""

_WHERE: Final = vol.Schema(
    {
        vol.Required(CONF_URL, default=DEFAULT_HUB): URL,
        vol.Required(CONF_REVISION, default=DEFAULT_REVISION): TextSelector(),
    }
)
HUB_SCHEMA: Final = vol.Schema(
    {
        vol.Required(CONF_REPOSITORY): SelectSelector(
            SelectSelectorConfig(options=list(SUGGESTED), custom_value=True, mode=SelectSelectorMode.DROPDOWN)
        ),
        vol.Optional(CONF_TOKEN): PASSWORD,
        vol.Required(SECTION_ADVANCED): section(_WHERE, {"collapsed": True}),
    }
)


def suggest(machine: Machine, files: tuple[HubFile, ...]) -> HubFile:
    """Return the file that suits a machine best: the largest that fits and is bearably fast, else the smallest.

    Files of 16 bits and more are larger without being noticeably better.
    """
    small = [file for file in files if not (file.quantisation or "").endswith(("16", "32"))]
    good = [file for file in small if file.size <= machine.largest]
    return good[-1] if good else files[0]


def label(file: HubFile, files: tuple[HubFile, ...]) -> str:
    """Return what a file is called among others: its quantisation, if no other has the same."""
    same = [other for other in files if other.quantisation == file.quantisation]
    return file.quantisation if file.quantisation and len(same) == 1 else file.path


class HubSteps(LocalSteps):
    """The steps of a model that is downloaded."""

    def __init__(self) -> None:
        """Begin with nothing known."""
        super().__init__()
        self._source: dict[str, str] = {}
        """What was entered about the repository."""
        self._hub: Hub | None = None
        self._listing: Listing | None = None
        self._file: HubFile | None = None
        self._done = 0
        self._told_at = 0.0

    async def async_step_hub(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Ask for a repository, and list its models."""
        known: Mapping[str, Any] = self._source or self._data.get(CONF_HUB, {})
        if user_input is not None:
            known = self._source = {**user_input[SECTION_ADVANCED], **_entered(user_input)}
            try:
                self._source[CONF_REPOSITORY] = read_repository(self._source[CONF_REPOSITORY])
                self._hub = Hub(async_get_clientsession(self.hass), known[CONF_URL], known.get(CONF_TOKEN))
                self._listing = await self._hub.list_models(known[CONF_REPOSITORY], known[CONF_REVISION])
            except DownloadError as error:
                self._error = error
            else:
                return await self.async_step_hub_file()
        return self._form("hub", HUB_SCHEMA, {**known, SECTION_ADVANCED: known})

    async def async_step_hub_file(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Ask for one of the repository's models."""
        assert self._listing
        assert self._machine
        files = self._listing.files
        if user_input is not None:
            self._file = next(file for file in files if file.path == user_input[CONF_FILE])
            where = {key: self._source[key] for key in (CONF_URL, CONF_REPOSITORY, CONF_REVISION)}
            path = str(target(self.hass, self._listing.repository, self._file))
            data = {**local_data(user_input), CONF_MODEL_PATH: path, CONF_HUB: {**where, CONF_FILE: self._file.path}}
            self._accept(data, "hub_file")
            return await self.async_step_download()
        await self._async_forget_unusable()
        known = self._data.get(CONF_HUB, {}).get(CONF_FILE)
        chosen = known if any(file.path == known for file in files) else suggest(self._machine, files).path
        values = {CONF_FILE: chosen, **self._resources(CONF_HUB in self._data)}
        return self._form("hub_file", self._file_schema(files), values, {**self._told(), "files": self._table(files)})

    async def _async_forget_unusable(self) -> None:
        """Delete what was downloaded when it turned out to be no model that can be used; it would be tried again."""
        if isinstance(self._error, ModelInvalidError) and self._file and self._listing:
            await async_forget(self.hass, target(self.hass, self._listing.repository, self._file))

    def _file_schema(self, files: tuple[HubFile, ...]) -> vol.Schema:
        options = [
            SelectOptionDict(value=file.path, label=f"{label(file, files)} ({size(file.size)})") for file in files
        ]
        select = SelectSelector(SelectSelectorConfig(options=options, mode=SelectSelectorMode.DROPDOWN))
        return vol.Schema({vol.Required(CONF_FILE): select, **resources()})

    def _table(self, files: tuple[HubFile, ...]) -> str:
        """Return the rows of a table: name, size, memory, tokens a second."""
        machine = self._machine
        assert machine
        rows = []
        for file in files:
            name = label(file, files).replace("|", "\\|")
            fits = "" if machine.fits(file.size) else " ⚠"
            speed = machine.speed(file.size)
            written = f"{speed:.0f}" if speed >= 10 else f"{speed:.1f}"
            rows.append(f"| {name} | {size(file.size)} | {size(machine.need(file.size))}{fits} | {written} |")
        return "\n".join(rows)

    async def async_step_download(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Download the model, telling how far it is, then try it."""
        if waiting := self._progress("download", self._async_download, self._how_far):
            return waiting
        next_step = "try_model"
        if isinstance(self._error, (HubGatedError, HubTokenError)):
            next_step = "hub"
        elif self._error:
            next_step = "hub_file"
        return self.async_show_progress_done(next_step_id=next_step)

    async def _async_download(self) -> None:
        assert self._hub
        assert self._listing
        assert self._file
        await async_download(self.hass, self._hub, self._listing, self._file, self._report)

    def _how_far(self) -> dict[str, str]:
        assert self._file
        return {"file": self._file.name, "done": size(self._done), "total": size(self._file.size)}

    def _report(self, done: int) -> None:
        """Tell how far the download is, but not too often: the dialog is drawn anew each time."""
        assert self._file
        now = self.hass.loop.time()
        if now - self._told_at >= TELL_EVERY:
            self._told_at, self._done = now, done
            self.async_update_progress(done / self._file.size)
            self.async_notify_flow_changed()


def _entered(user_input: Mapping[str, Any]) -> dict[str, str]:
    fields = (CONF_REPOSITORY, CONF_TOKEN)
    return {key: user_input[key].strip() for key in fields if user_input.get(key, "").strip()}
