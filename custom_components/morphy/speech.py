"""Sentences Morphy says itself, in the user's language or the nearest: what went wrong, what was done, what it asks.

They stand under `exceptions` in `translations/`, the one place there whose sentences a custom integration may load.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping

from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.generated.languages import LANGUAGES
from homeassistant.helpers.translation import async_get_translations

from .const import DOMAIN
from .errors import SeveralFailedError
from .languages import TRANSLATED, nearest


async def async_error_sentence(hass: HomeAssistant, language: str, error: HomeAssistantError) -> str:
    """Return the sentence of an error in this language, or in Home Assistant's words where there is no translation."""
    placeholders = dict(error.translation_placeholders or {})
    if isinstance(error, SeveralFailedError):
        sentences = [await async_error_sentence(hass, language, one) for one in error.errors]
        placeholders["reason"] = " ".join(dict.fromkeys(sentences))
    if error.translation_domain and error.translation_key:
        sentence = await _async_translated(
            hass, language, error.translation_domain, error.translation_key, placeholders
        )
        if sentence is not None:
            return sentence
    return str(error)


async def async_sentence(hass: HomeAssistant, language: str, key: str) -> str:
    """Return one of Morphy's own sentences in this language, English where it has no translation."""
    return await _async_translated(hass, language, DOMAIN, key, {}) or key


async def _async_translated(
    hass: HomeAssistant, language: str, domain: str, key: str, placeholders: Mapping[str, str]
) -> str | None:
    translated = TRANSLATED if domain == DOMAIN else LANGUAGES
    translations = await async_get_translations(hass, nearest(language, translated), "exceptions", [domain])
    sentence = translations.get(f"component.{domain}.exceptions.{key}.message")
    # A sentence of another integration may name what its error does not bring; it is then said as it stands.
    with contextlib.suppress(LookupError, ValueError):
        return sentence.format_map(placeholders) if sentence is not None else None
    return sentence
