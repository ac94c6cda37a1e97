"""Morphy: talk to a home through a small language model of one's own.

An entry is one backend, the place where a model runs; its subentries are the agents that ask it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, Final

from homeassistant.config_entries import ConfigEntry
from homeassistant.const import CONF_API_KEY, CONF_MODEL, CONF_URL, EVENT_HOMEASSISTANT_STOP, Platform
from homeassistant.core import Event, HomeAssistant, callback
from homeassistant.exceptions import ConfigEntryAuthFailed, ConfigEntryError, ConfigEntryNotReady, IntegrationError
from homeassistant.helpers import config_validation as cv
from homeassistant.helpers.aiohttp_client import async_get_clientsession
from homeassistant.helpers.dispatcher import async_dispatcher_send
from homeassistant.helpers.typing import ConfigType
from homeassistant.util.hass_dict import HassKey

from . import download, issues, package
from .backends import Backend
from .backends.local import LocalBackend
from .backends.model_file import Fingerprint
from .backends.remote import RemoteBackend
from .const import (
    BACKEND_LOCAL,
    BACKEND_REMOTE,
    CONF_BACKEND,
    CONF_CONTEXT_LENGTH,
    CONF_FALLBACK,
    CONF_MODEL_FILE,
    CONF_MODEL_PATH,
    CONF_THREADS,
    DEFAULT_CONTEXT_LENGTH,
    DOMAIN,
    ENTRY_VERSION,
    SIGNAL_BACKEND,
)
from .errors import (
    BackendError,
    ModelInvalidError,
    RuntimeMissingError,
    ServerAuthError,
    ServerModelMissingError,
    WorkerDiedError,
    WorkerSilentError,
)
from .fallback import async_note_failure

CONFIG_SCHEMA: Final = cv.config_entry_only_config_schema(DOMAIN)
PLATFORMS: Final = (Platform.AI_TASK, Platform.CONVERSATION, Platform.SENSOR)
BUNDLED_MODEL: Final = Path(__file__).parent / "models" / "morphy.gguf"

type MorphyConfigEntry = ConfigEntry[Backend]

_CHANGED: Final[HassKey[set[str]]] = HassKey(f"{DOMAIN}_changed")
"""Ids of entries that are about to be reloaded."""


async def async_create_backend(hass: HomeAssistant, data: Mapping[str, Any]) -> Backend:
    """Return the backend that an entry's data describes, not yet started, with the llama_cpp that there is."""
    return create_backend(hass, data, await package.async_locate(hass) if data[CONF_BACKEND] == BACKEND_LOCAL else None)


def create_backend(hass: HomeAssistant, data: Mapping[str, Any], packages: Path | None = None) -> Backend:
    """Return the backend that an entry's data describes, not yet started.

    `packages` is the folder with llama_cpp, None where Home Assistant's own environment has it.
    """
    if data[CONF_BACKEND] == BACKEND_REMOTE:
        return RemoteBackend(
            async_get_clientsession(hass),
            data[CONF_URL],
            api_key=data.get(CONF_API_KEY),
            model=data.get(CONF_MODEL),
        )
    known = data.get(CONF_MODEL_FILE)
    return LocalBackend(
        Path(data.get(CONF_MODEL_PATH, BUNDLED_MODEL)),
        known=Fingerprint(**known) if known else None,
        context_length=data.get(CONF_CONTEXT_LENGTH, DEFAULT_CONTEXT_LENGTH),
        threads=data.get(CONF_THREADS),
        packages=packages,
    )


async def async_setup(hass: HomeAssistant, config: ConfigType) -> bool:
    """Tell about entries that a newer version of Morphy has made: Home Assistant does not set them up."""
    for entry in hass.config_entries.async_entries(DOMAIN):
        if entry.version > ENTRY_VERSION:
            issues.async_create(hass, entry, issues.NEWER_VERSION)
    issues.async_watch_entries(hass)
    return True


async def async_setup_entry(hass: HomeAssistant, entry: MorphyConfigEntry) -> bool:
    """Load the model or reach the server, then set up the agents.

    Agents that have a fallback are there even when that fails; the model joins them once it is well.
    """
    backend = await async_create_backend(hass, entry.data)
    if isinstance(backend, LocalBackend):
        package.async_renew(hass, backend.packages)
    backend.on_trouble = partial(_async_note_deaths, hass, entry)
    backend.breaker.on_change = partial(_async_note_health, hass, entry, backend)
    backend.statistics.on_change = partial(async_dispatcher_send, hass, SIGNAL_BACKEND)

    async def stop(_event: Event) -> None:
        await backend.breaker.close()
        await backend.close()

    # Runs after an unload and after a set-up that failed, so no process is left behind in any case.
    entry.async_on_unload(backend.close)
    entry.async_on_unload(backend.breaker.close)
    entry.async_on_unload(hass.bus.async_listen_once(EVENT_HOMEASSISTANT_STOP, stop))
    try:
        await backend.start()
    except BackendError as err:
        if isinstance(backend, LocalBackend):
            err = await package.async_explain(hass, err, backend.packages)
        issues.async_report(hass, entry, err)
        failure = _setup_error(err)
        if not any(agent.data.get(CONF_FALLBACK) for agent in entry.subentries.values()):
            raise failure from err
        async_note_failure(hass, entry, backend, err)
    else:
        issues.async_clear(hass, entry)
    _remember_file(hass, entry, backend)
    entry.runtime_data = backend
    entry.async_on_unload(entry.add_update_listener(_async_reload))
    await hass.config_entries.async_forward_entry_setups(entry, PLATFORMS)
    return True


async def async_unload_entry(hass: HomeAssistant, entry: MorphyConfigEntry) -> bool:
    """Take the agents down; the backend is closed after them."""
    return await hass.config_entries.async_unload_platforms(entry, PLATFORMS)


def _remember_file(hass: HomeAssistant, entry: MorphyConfigEntry, backend: Backend) -> None:
    """Keep what a user's model file is known by, so that another one in its place is noticed.

    The bundled model changes with Morphy, and has its checksum beside it.
    """
    if CONF_MODEL_PATH in entry.data and isinstance(backend, LocalBackend) and backend.file:
        hass.config_entries.async_update_entry(entry, data={**entry.data, CONF_MODEL_FILE: asdict(backend.file)})


async def async_remove_entry(hass: HomeAssistant, entry: MorphyConfigEntry) -> None:
    """Delete the model that was downloaded for an entry; with the last one on this machine, all that was installed."""
    others = [other.data for other in hass.config_entries.async_entries(DOMAIN) if other.entry_id != entry.entry_id]
    path = entry.data.get(CONF_MODEL_PATH)
    if path and all(other.get(CONF_MODEL_PATH) != path for other in others):
        await download.async_forget(hass, Path(path))
    if BACKEND_LOCAL not in (other[CONF_BACKEND] for other in others) and entry.data[CONF_BACKEND] == BACKEND_LOCAL:
        await download.async_remove(hass)
        await package.async_remove(hass)


async def _async_reload(hass: HomeAssistant, entry: MorphyConfigEntry) -> None:
    """Reload after the entry or one of its agents was changed, added or removed: once, if several were at a time."""
    changed = hass.data.setdefault(_CHANGED, set())
    if entry.entry_id not in changed:
        changed.add(entry.entry_id)
        await asyncio.sleep(0)
        changed.discard(entry.entry_id)
        await hass.config_entries.async_reload(entry.entry_id)


def _setup_error(err: BackendError) -> IntegrationError:
    """Return what Home Assistant is told: to ask for a key, to leave it, or to try again later.

    A missing file or a silent server may come back by itself (a network drive, a machine that still starts).
    """
    kind: type[IntegrationError] = ConfigEntryNotReady
    if isinstance(err, ServerAuthError):
        kind = ConfigEntryAuthFailed
    elif isinstance(err, (RuntimeMissingError, ModelInvalidError, ServerModelMissingError)):
        kind = ConfigEntryError
    return kind(
        translation_domain=err.translation_domain,
        translation_key=err.translation_key,
        translation_placeholders=err.translation_placeholders,
    )


@callback
def _async_note_deaths(hass: HomeAssistant, entry: MorphyConfigEntry, error: BackendError | None) -> None:
    """Take note that a model's process dies again and again, or with None that it works."""
    if error is None:
        issues.async_clear(hass, entry, {issues.WORKER_DIES})
    else:
        issues.async_report(hass, entry, error)


@callback
def _async_note_health(hass: HomeAssistant, entry: MorphyConfigEntry, backend: Backend) -> None:
    """Take note that a backend can or cannot be asked. That a process died is told only when it does so again."""
    error = backend.breaker.error if backend.breaker.open else None
    if error is None:
        issues.async_clear(hass, entry)
    elif not isinstance(error, (WorkerDiedError, WorkerSilentError)):
        issues.async_report(hass, entry, error)
    async_dispatcher_send(hass, SIGNAL_BACKEND)
