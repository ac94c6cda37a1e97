"""What Settings → System → Repairs → System information tells of Morphy."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from homeassistant.components.system_health import SystemHealthRegistration
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant, callback
from homeassistant.loader import async_get_integration

from . import MorphyConfigEntry
from .backends import Backend
from .backends.local import LocalBackend
from .backends.remote import RemoteBackend
from .const import DOMAIN
from .errors import BackendError
from .health import async_runtime_version, resident_memory

PATIENCE: Final = 5.0
"""Seconds a server gets to answer."""


@callback
def async_register(hass: HomeAssistant, register: SystemHealthRegistration) -> None:
    """Register what is told."""
    register.async_register_info(_async_info)


async def _async_info(hass: HomeAssistant) -> dict[str, Any]:
    """Return it; what takes its time comes as a coroutine."""
    entries: list[MorphyConfigEntry] = hass.config_entries.async_entries(DOMAIN, include_ignore=False)
    backends = [entry.runtime_data for entry in entries if entry.state is ConfigEntryState.LOADED]
    local = [backend for backend in backends if isinstance(backend, LocalBackend)]
    remote = [backend for backend in backends if isinstance(backend, RemoteBackend)]
    integration = await async_get_integration(hass, DOMAIN)
    return {
        "version": str(integration.version),
        "llama_cpp_python": await async_runtime_version(hass) or "-",
        "entries_loaded": f"{len(backends)}/{len(entries)}",
        "models": ", ".join(map(_model, backends)) or "-",
        "processes": f"{sum(backend.pid is not None for backend in local)}/{len(local)}",
        "memory": await _async_memory(hass, local),
        "servers": _async_reachable(remote),
    }


def _model(backend: Backend) -> str:
    """Return a model's name and what it may read, such as `Morphy (2048)`."""
    if backend.info is None:
        return "?"
    length = backend.info.context_length
    name = backend.kind or "?" if isinstance(backend, RemoteBackend) else backend.info.model
    return f"{name} ({length})" if length else name


async def _async_memory(hass: HomeAssistant, backends: list[LocalBackend]) -> str:
    pids = [backend.pid for backend in backends if backend.pid]
    sizes = [await hass.async_add_executor_job(resident_memory, pid) for pid in pids]
    return f"{sum(size or 0 for size in sizes) / 2**20:.0f} MiB"


async def _async_reachable(backends: list[RemoteBackend]) -> str:
    """Return how many of the servers answer."""
    answers = await asyncio.gather(*map(_async_answers, backends))
    return f"{sum(answers)}/{len(backends)}"


async def _async_answers(backend: RemoteBackend) -> bool:
    try:
        async with asyncio.timeout(PATIENCE):
            await backend.list_models()
    except BackendError, TimeoutError:
        return False
    return True
