"""Morphy: talk to a home through a small language model of one's own.

An entry is one backend, the place where a model runs; its subentries are the agents that ask it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from homeassistant.config_entries import ConfigEntry
from homeassistant.const import CONF_API_KEY, CONF_MODEL, CONF_URL, EVENT_HOMEASSISTANT_STOP, Platform
from homeassistant.core import Event, HomeAssistant
from homeassistant.exceptions import ConfigEntryAuthFailed, ConfigEntryError, ConfigEntryNotReady, IntegrationError
from homeassistant.helpers.aiohttp_client import async_get_clientsession

from .backends import Backend
from .backends.local import LocalBackend
from .backends.remote import RemoteBackend
from .const import (
    BACKEND_REMOTE,
    CONF_BACKEND,
    CONF_CONTEXT_LENGTH,
    CONF_MODEL_PATH,
    CONF_THREADS,
    DEFAULT_CONTEXT_LENGTH,
)
from .errors import BackendError, ModelInvalidError, RuntimeMissingError, ServerAuthError, ServerModelMissingError

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
    return LocalBackend(
        Path(data.get(CONF_MODEL_PATH, BUNDLED_MODEL)),
        context_length=data.get(CONF_CONTEXT_LENGTH, DEFAULT_CONTEXT_LENGTH),
        threads=data.get(CONF_THREADS),
    )


async def async_setup_entry(hass: HomeAssistant, entry: MorphyConfigEntry) -> bool:
    """Load the model or reach the server, then set up the agents."""
    backend = create_backend(hass, entry.data)

    async def stop(_event: Event) -> None:
        await backend.close()

    # Runs after an unload and after a set-up that failed, so no process is left behind in any case.
    entry.async_on_unload(backend.close)
    entry.async_on_unload(hass.bus.async_listen_once(EVENT_HOMEASSISTANT_STOP, stop))
    try:
        await backend.start()
    except BackendError as err:
        raise _setup_error(err) from err
    entry.runtime_data = backend
    entry.async_on_unload(entry.add_update_listener(_async_reload))
    await hass.config_entries.async_forward_entry_setups(entry, PLATFORMS)
    return True


async def async_unload_entry(hass: HomeAssistant, entry: MorphyConfigEntry) -> bool:
    """Take the agents down; the backend is closed after them."""
    return await hass.config_entries.async_unload_platforms(entry, PLATFORMS)


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
