"""Morphy: talk to a home through a small language model of one's own.

An entry is one backend, the place where a model runs; its subentries are the agents that ask it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, Final

from homeassistant.config_entries import ConfigEntry
from homeassistant.const import CONF_API_KEY, CONF_MODEL, CONF_URL, EVENT_HOMEASSISTANT_STOP, Platform
from homeassistant.core import Event, HomeAssistant, callback
from homeassistant.exceptions import ConfigEntryAuthFailed, ConfigEntryError, ConfigEntryNotReady, IntegrationError
from homeassistant.helpers import config_validation as cv, issue_registry as ir
from homeassistant.helpers.aiohttp_client import async_get_clientsession
from homeassistant.helpers.typing import ConfigType

from .backends import Backend
from .backends.local import LocalBackend
from .backends.model_file import Fingerprint
from .backends.remote import RemoteBackend
from .const import (
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
PLATFORMS: Final = (Platform.CONVERSATION,)
BUNDLED_MODEL: Final = Path(__file__).parent / "models" / "morphy.gguf"

type MorphyConfigEntry = ConfigEntry[Backend]


def create_backend(hass: HomeAssistant, data: Mapping[str, Any]) -> Backend:
    """Return the backend that an entry's data describes, not yet started."""
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
    )


async def async_setup(hass: HomeAssistant, config: ConfigType) -> bool:
    """Tell about entries that a newer version of Morphy has made: Home Assistant does not set them up."""
    for entry in hass.config_entries.async_entries(DOMAIN):
        if entry.version > ENTRY_VERSION:
            _async_create_issue_until_unload(hass, entry, "newer_version")
    return True


async def async_setup_entry(hass: HomeAssistant, entry: MorphyConfigEntry) -> bool:
    """Load the model or reach the server, then set up the agents.

    Agents that have a fallback are there even when that fails; the model joins them once it is well.
    """
    backend = create_backend(hass, entry.data)
    backend.on_trouble = partial(_async_tell_of_deaths, hass, entry)

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
        if isinstance(err, (WorkerDiedError, WorkerSilentError)):
            _async_tell_of_deaths(hass, entry, err)
        failure = _setup_error(err)
        if not any(agent.data.get(CONF_FALLBACK) for agent in entry.subentries.values()):
            raise failure from err
        async_note_failure(hass, entry, backend, err)
        if isinstance(failure, ConfigEntryError):
            _async_create_issue_until_unload(hass, entry, "model_unusable", error=str(err))
    else:
        _async_tell_of_deaths(hass, entry, None)
    _remember_file(hass, entry, backend)
    entry.runtime_data = backend
    entry.async_on_unload(entry.add_update_listener(_async_reload))
    await hass.config_entries.async_forward_entry_setups(entry, PLATFORMS)
    return True


async def async_unload_entry(hass: HomeAssistant, entry: MorphyConfigEntry) -> bool:
    """Take the agents down; the backend is closed after them."""
    _async_tell_of_deaths(hass, entry, None)
    return await hass.config_entries.async_unload_platforms(entry, PLATFORMS)


def _remember_file(hass: HomeAssistant, entry: MorphyConfigEntry, backend: Backend) -> None:
    """Keep what a user's model file is known by, so that another one in its place is noticed.

    The bundled model changes with Morphy, and has its checksum beside it.
    """
    if CONF_MODEL_PATH in entry.data and isinstance(backend, LocalBackend) and backend.file:
        hass.config_entries.async_update_entry(entry, data={**entry.data, CONF_MODEL_FILE: asdict(backend.file)})


async def async_remove_entry(hass: HomeAssistant, entry: MorphyConfigEntry) -> None:
    """Leave no issue about an entry that never came up."""
    _async_tell_of_deaths(hass, entry, None)


async def _async_reload(hass: HomeAssistant, entry: MorphyConfigEntry) -> None:
    """Reload after the entry or one of its agents was changed, added or removed."""
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
def _async_tell_of_deaths(hass: HomeAssistant, entry: MorphyConfigEntry, error: BackendError | None) -> None:
    """Tell in Home Assistant's repairs that a model's process dies again and again, or with None that it works.

    The issue outlives a set-up that failed, since that is tried again.
    """
    if error is None:
        ir.async_delete_issue(hass, DOMAIN, f"worker_dies_{entry.entry_id}")
    else:
        _async_create_issue(hass, entry, "worker_dies", error=str(error))


def _async_create_issue_until_unload(
    hass: HomeAssistant, entry: MorphyConfigEntry, key: str, **placeholders: str
) -> None:
    """Tell in Home Assistant's repairs what someone has to do about an entry, until the entry is unloaded."""
    issue_id = _async_create_issue(hass, entry, key, **placeholders)
    entry.async_on_unload(lambda: ir.async_delete_issue(hass, DOMAIN, issue_id))


def _async_create_issue(hass: HomeAssistant, entry: MorphyConfigEntry, key: str, **placeholders: str) -> str:
    """Create an issue about an entry, and return its id."""
    issue_id = f"{key}_{entry.entry_id}"
    ir.async_create_issue(
        hass,
        DOMAIN,
        issue_id,
        is_fixable=False,
        severity=ir.IssueSeverity.ERROR,
        translation_key=key,
        translation_placeholders={"entry": entry.title, **placeholders},
    )
    return issue_id
