"""What someone has to do about an entry: told in Home Assistant's repairs, and taken back once it is done.

The ways to mend it from there are in `repairs.py`. A refused key is Home Assistant's own affair: it asks for another.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from homeassistant.config_entries import SIGNAL_CONFIG_ENTRY_CHANGED, ConfigEntry, ConfigEntryChange, ConfigEntryState
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import issue_registry as ir
from homeassistant.helpers.dispatcher import async_dispatcher_connect
from homeassistant.helpers.translation import async_get_cached_translations
from homeassistant.util.hass_dict import HassKey

from .const import CONF_CONTEXT_LENGTH, DOMAIN, LONGEST_CONTEXT
from .errors import (
    BackendError,
    ModelInvalidError,
    ModelMissingError,
    PromptTooLongError,
    RuntimeMissingError,
    ServerBadAnswerError,
    ServerBrokeOffError,
    ServerCertificateError,
    ServerModelMissingError,
    ServerNoCompletionError,
    ServerStatusError,
    ServerTimeoutError,
    ServerUnreachableError,
    WorkerDiedError,
    WorkerSilentError,
)

HELP: Final = "https://github.com/morphy-home/morphy/blob/main/docs/troubleshooting.md"
GRACE: Final = 300.0
"""Seconds a server may be gone before anyone is told: it may be starting, or asleep."""

CONTEXT_FULL: Final = "context_full"
MODEL_MISSING: Final = "model_missing"
MODEL_UNUSABLE: Final = "model_unusable"
NEWER_VERSION: Final = "newer_version"
PROMPT_TOO_LONG: Final = "prompt_too_long"
RUNTIME_MISSING: Final = "runtime_missing"
SERVER_GONE: Final = "server_gone"
WORKER_DIES: Final = "worker_dies"

OUTAGES: Final = frozenset({MODEL_MISSING, MODEL_UNUSABLE, RUNTIME_MISSING, SERVER_GONE, WORKER_DIES})
"""Issues that are over as soon as the model answers."""
PROMPTS: Final = frozenset({PROMPT_TOO_LONG, CONTEXT_FULL})
"""Issues of one request's prompt: over when the settings change."""
FIXABLE: Final = OUTAGES | {PROMPT_TOO_LONG}

_KINDS: Final[tuple[tuple[type[BackendError], str], ...]] = (
    (RuntimeMissingError, RUNTIME_MISSING),
    (ModelMissingError, MODEL_MISSING),
    (ModelInvalidError, MODEL_UNUSABLE),
    (ServerModelMissingError, MODEL_UNUSABLE),
    (ServerNoCompletionError, MODEL_UNUSABLE),
    (WorkerDiedError, WORKER_DIES),
    (WorkerSilentError, WORKER_DIES),
    (ServerUnreachableError, SERVER_GONE),
    (ServerCertificateError, SERVER_GONE),
    (ServerTimeoutError, SERVER_GONE),
    (ServerStatusError, SERVER_GONE),
    (ServerBadAnswerError, SERVER_GONE),
    (ServerBrokeOffError, SERVER_GONE),
)
_GONE_SINCE: Final[HassKey[dict[str, float]]] = HassKey(f"{DOMAIN}_gone_since")
"""When the server of an entry, by its id, was first found to be gone: seconds of the event loop's clock."""


@callback
def async_watch_entries(hass: HomeAssistant) -> None:
    """Take back the issues of entries that are unloaded, disabled or removed."""

    @callback
    def changed(change: ConfigEntryChange, entry: ConfigEntry) -> None:
        unloaded = entry.state is ConfigEntryState.NOT_LOADED and change is ConfigEntryChange.UPDATED
        if entry.domain == DOMAIN and (unloaded or change is ConfigEntryChange.REMOVED):
            async_clear(hass, entry, {*OUTAGES, *PROMPTS, NEWER_VERSION})

    async_dispatcher_connect(hass, SIGNAL_CONFIG_ENTRY_CHANGED, changed)


@callback
def async_report(hass: HomeAssistant, entry: ConfigEntry, error: BackendError) -> None:
    """Tell what someone can do about an entry whose model cannot be asked."""
    key = next((key for kind, key in _KINDS if isinstance(error, kind)), None)
    if key is None:
        return
    async_clear(hass, entry, OUTAGES - {key})
    if key != SERVER_GONE or _long_gone(hass, entry):
        async_create(hass, entry, key, error=_sentence(hass, error))


@callback
def async_report_prompt(
    hass: HomeAssistant, entry: ConfigEntry, error: PromptTooLongError, context_length: int | None
) -> None:
    """Tell that a prompt was longer than the context, which has `context_length` tokens.

    A larger one is offered only where it was the setting that made it so small, not the model or the server.
    """
    wanted = entry.data.get(CONF_CONTEXT_LENGTH)
    can_grow = wanted is not None and context_length == wanted < LONGEST_CONTEXT
    async_create(hass, entry, PROMPT_TOO_LONG if can_grow else CONTEXT_FULL, **(error.translation_placeholders or {}))


@callback
def async_create(hass: HomeAssistant, entry: ConfigEntry, key: str, **placeholders: str) -> None:
    """Create an issue about an entry."""
    ir.async_create_issue(
        hass,
        DOMAIN,
        f"{key}_{entry.entry_id}",
        data={"entry_id": entry.entry_id, "issue": key},
        is_fixable=key in FIXABLE,
        learn_more_url=HELP,
        severity=ir.IssueSeverity.WARNING if key in PROMPTS else ir.IssueSeverity.ERROR,
        translation_key=key,
        translation_placeholders={"entry": entry.title, **placeholders},
    )


@callback
def async_clear(hass: HomeAssistant, entry: ConfigEntry, keys: Iterable[str] = OUTAGES) -> None:
    """Take issues of an entry back."""
    for key in keys:
        ir.async_delete_issue(hass, DOMAIN, f"{key}_{entry.entry_id}")
        if key == SERVER_GONE:
            hass.data.get(_GONE_SINCE, {}).pop(entry.entry_id, None)


def _long_gone(hass: HomeAssistant, entry: ConfigEntry) -> bool:
    now = hass.loop.time()
    return now - hass.data.setdefault(_GONE_SINCE, {}).setdefault(entry.entry_id, now) >= GRACE


def _sentence(hass: HomeAssistant, error: BackendError) -> str:
    """Return the sentence of an error in the language of Home Assistant."""
    texts = async_get_cached_translations(hass, hass.config.language, "exceptions", DOMAIN)
    text = texts.get(f"component.{DOMAIN}.exceptions.{error.key}.message")
    return text.format(**(error.translation_placeholders or {})) if text else str(error)
