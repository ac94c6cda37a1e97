"""What helps to find out what is wrong, for someone else to read: figures and settings, and nothing of the home.

Only what is named here goes in, so a setting that is added later stays out until someone has thought about it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import PurePath
from typing import Any, Final

from homeassistant.config_entries import ConfigEntryState, ConfigSubentry
from homeassistant.const import CONF_API_KEY, CONF_MODEL, CONF_URL
from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir
from yarl import URL

from . import MorphyConfigEntry, machine
from .backends import Backend
from .backends.local import LocalBackend
from .backends.remote import RemoteBackend
from .const import (
    CONF_BACKEND,
    CONF_CONFIRM_ENTITIES,
    CONF_CONFIRM_RISKY,
    CONF_CONTEXT_LENGTH,
    CONF_DIALECT,
    CONF_DOMAINS,
    CONF_FALLBACK,
    CONF_FALLBACK_AFTER,
    CONF_HOME_ASSISTANT_FIRST,
    CONF_MAX_TOKENS,
    CONF_MODEL_FILE,
    CONF_MODEL_PATH,
    CONF_READ_AHEAD,
    CONF_TEMPERATURE,
    CONF_THREADS,
    DOMAIN,
    FALLBACK_HOME_ASSISTANT,
)
from .errors import BackendError
from .health import async_runtime_version, resident_memory
from .home import snapshot

SETTINGS: Final = (CONF_BACKEND, CONF_CONTEXT_LENGTH, CONF_THREADS, CONF_MODEL_FILE)
"""What is told of an entry as it is; of the rest only that it is set."""
AGENT_SETTINGS: Final = (
    CONF_DIALECT,
    CONF_TEMPERATURE,
    CONF_MAX_TOKENS,
    CONF_DOMAINS,
    CONF_CONFIRM_RISKY,
    CONF_FALLBACK_AFTER,
    CONF_HOME_ASSISTANT_FIRST,
    CONF_READ_AHEAD,
)
FIGURES: Final = frozenset(
    {"context_length", "needed", "offset", "seconds", "size", "status", "tokens", "version", "waiting"}
)
"""What is told of an error's details. The others hold paths, addresses, and a server's words, which may be a user's."""


async def async_get_config_entry_diagnostics(hass: HomeAssistant, entry: MorphyConfigEntry) -> dict[str, Any]:
    """Return what can be told of an entry."""
    loaded = entry.state is ConfigEntryState.LOADED
    return {
        "version": f"{entry.version}.{entry.minor_version}",
        "state": entry.state.value,
        "reason": entry.error_reason_translation_key,
        "issues": _issues(hass, entry),
        "settings": _settings(entry.data, SETTINGS)
        | {
            "model": _file_name(entry.data.get(CONF_MODEL)),
            "own_model": CONF_MODEL_PATH in entry.data,
            "server": _server(entry.data.get(CONF_URL)),
            "has_key": CONF_API_KEY in entry.data,
        },
        "agents": [_agent(agent) for agent in entry.subentries.values()],
        "backend": await _backend(hass, entry.runtime_data) if loaded else None,
        "llama_cpp_python": await async_runtime_version(hass),
        "machine": asdict(await hass.async_add_executor_job(machine.look)),
        "home": _home(hass),
    }


def _settings(data: Mapping[str, Any], told: tuple[str, ...]) -> dict[str, Any]:
    return {key: data[key] for key in told if key in data} | {"also_set": sorted(set(data) - set(told))}


def _issues(hass: HomeAssistant, entry: MorphyConfigEntry) -> list[str | None]:
    """Return what repairs tells of the entry."""
    issues = ir.async_get(hass).issues.items()
    return [
        issue.translation_key for (domain, _), issue in issues if domain == DOMAIN and _is_about(issue, entry.entry_id)
    ]


def _is_about(issue: ir.IssueEntry, entry_id: str) -> bool:
    return (issue.data or {}).get("entry_id") == entry_id


def _agent(agent: ConfigSubentry) -> dict[str, Any]:
    fallback = agent.data.get(CONF_FALLBACK, ())
    return {
        "type": agent.subentry_type,
        **_settings(agent.data, AGENT_SETTINGS),
        "confirm_entities": len(agent.data.get(CONF_CONFIRM_ENTITIES, ())),
        "fallback": {
            "entries": sum(one != FALLBACK_HOME_ASSISTANT for one in fallback),
            "home_assistant": FALLBACK_HOME_ASSISTANT in fallback,
        },
    }


async def _backend(hass: HomeAssistant, backend: Backend) -> dict[str, Any]:
    statistics, error = backend.statistics, backend.breaker.error
    told: dict[str, Any] = {
        "available": not backend.breaker.open,
        "error": _error(error) if error else None,
        "completions": statistics.completions,
        "last": [asdict(usage) for usage in statistics.recent],
        "time_to_first_action": statistics.first_action_s,
    }
    if backend.info:
        told |= {
            "context_length": backend.info.context_length,
            "grammar": backend.info.grammar,
            "has_chat_template": bool(backend.info.chat_template),
        }
    if isinstance(backend, LocalBackend):
        memory = await hass.async_add_executor_job(resident_memory, backend.pid) if backend.pid else None
        told |= {
            "process": backend.pid is not None,
            "memory": memory,
            "model": _file_name(backend.info.model) if backend.info else None,
        }
    if isinstance(backend, RemoteBackend):
        told["kind"] = backend.kind
    return told


def _error(error: BackendError) -> dict[str, Any]:
    details = error.translation_placeholders or {}
    told = {key: value for key, value in details.items() if key in FIGURES}
    # The name of a signal or of an exception, without the words that follow it.
    kind = details.get("reason", "").partition(":")[0]
    return {"key": error.key, **told, "kind": kind if kind.isidentifier() else None}


def _file_name(name: str | None) -> str | None:
    """Return a model's name without the folders that some servers put before it."""
    return PurePath(name).name if name else None


def _server(url: str | None) -> str | None:
    """Return the kind of an address, without whose it is."""
    if url is None:
        return None
    try:
        parsed = URL(url)
        return f"{parsed.scheme}, port {parsed.port}, path of {len(parsed.parts) - 1}"
    except ValueError:
        return "no address"


def _home(hass: HomeAssistant) -> dict[str, Any]:
    """Return how much a model is told of."""
    home = snapshot(hass)
    return {
        "devices": dict(sorted(Counter(device.id.partition(".")[0] for device in home.devices).items())),
        "aliases": sum(len(device.names) - 1 for device in home.devices),
        "without_area": sum(device.area is None for device in home.devices),
        "areas": len(home.areas),
        "floors": len(home.floors),
        "services": len(home.services),
    }
