"""What is known of languages here: what each calls itself, how people say yes in it, which is nearest to another."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from homeassistant.util.language import matches


@dataclass(frozen=True, slots=True)
class Language:
    """A language: its own name for itself, and whole answers that mean yes, in small letters and without marks."""

    name: str
    yes: frozenset[str]


def _language(name: str, *yes: str) -> Language:
    return Language(name, frozenset(yes))


LANGUAGES: Final[Mapping[str, Language]] = {
    "de": _language("Deutsch", "ja", "jawohl", "klar", "na klar", "gerne", "ja bitte", "bitte", "mach das", "tu das"),
    "en": _language(
        "English", "yes", "yeah", "yep", "sure", "ok", "okay", "do it", "please do", "go ahead", "yes please",
        "yes do it", "confirm",
    ),
    "es": _language("Español", "sí", "si", "claro", "vale", "de acuerdo", "hazlo", "sí por favor", "si por favor"),
    "fr": _language("Français", "oui", "ouais", "bien sûr", "daccord", "vas y", "fais le", "oui sil te plaît"),
    "it": _language("Italiano", "sì", "si", "certo", "va bene", "fallo", "sì per favore", "si per favore"),
    "nl": _language("Nederlands", "ja", "jazeker", "zeker", "graag", "ja graag", "doe maar", "prima"),
    "pl": _language("Polski", "tak", "jasne", "pewnie", "dobrze", "zrób to", "tak proszę"),
    "pt": _language("Português", "sim", "claro", "pode", "está bem", "faz isso", "faça isso", "sim por favor"),
    "sv": _language("Svenska", "ja", "japp", "visst", "gärna", "okej", "gör det", "ja tack"),
    "zh": _language("中文", "是", "是的", "好", "好的", "可以", "行", "对", "對", "没问题", "沒問題", "确认", "確認"),
}  # fmt: skip


TRANSLATED: Final = (
    "de", "en", "es", "es-419", "fr", "gsw", "it", "nl", "pl", "pt", "pt-BR", "sv", "zh-Hans", "zh-Hant",
)  # fmt: skip
"""The languages that have a file in `translations/`."""

_TRADITIONAL: Final = re.compile(r"zh[-_](?:tw|hk|mo)", re.IGNORECASE)
"""Regions that write Chinese in traditional characters."""
_CODE: Final = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{2,8})*")


def nearest(language: str, languages: Collection[str] = TRANSLATED) -> str:
    """Return which of these languages is nearest to one, `de` to `de-CH`; English where none is near."""
    if not _CODE.fullmatch(language):
        return "en"
    code = "zh-Hant" if _TRADITIONAL.fullmatch(language) else language
    return next(iter(matches(code, languages)), "en")


def answer_in(language: str) -> str:
    """Return the sentence by which a model is told the language of its answer; nothing for what is no language."""
    if not _CODE.fullmatch(language):
        return ""
    known = matches(language, LANGUAGES)
    return f"Answer in {LANGUAGES[known[0]].name} ({language})." if known else f"Answer in the language {language}."


def knows(languages: Collection[str] | None, language: str) -> bool:
    """Return whether a model of these languages, None for one that does not tell, knows this one (`de-CH` as `de`)."""
    return languages is None or bool(matches(language, languages))


def named(languages: Collection[str]) -> str:
    """Return the languages by name, as each calls itself; one that is not known here by its code."""
    return ", ".join(LANGUAGES[code].name if code in LANGUAGES else code for code in languages)


def is_yes(text: str, language: str) -> bool:
    """Return whether a whole answer means yes, in this language or in English."""
    letters = "".join(c if c.isalnum() else " " for c in text.casefold().replace("'", "").replace("’", ""))
    codes = {"en", *matches(language, LANGUAGES)[:1]}
    return " ".join(letters.split()) in frozenset().union(*(LANGUAGES[code].yes for code in codes))
