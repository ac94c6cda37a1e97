"""Copies texts to the languages of other regions: Home Assistant falls back from those to English, not to the nearest.

Run by `scripts/lint --fix`; a test fails while a copy is not what it is a copy of.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

TRANSLATIONS: Final = Path(__file__).resolve().parent.parent / "custom_components" / "morphy" / "translations"
COPIES: Final = {"es-419": "es", "gsw": "de"}
"""The languages of Home Assistant's frontend that have no texts of their own, and whose they have.

Portugal and Taiwan have texts of their own: a copy from Brazil or of simplified characters would name much wrongly.
"""


def copied(language: str) -> str:
    """Return the file of a language that has no texts of its own."""
    text = (TRANSLATIONS / f"{COPIES[language]}.json").read_text(encoding="utf-8")
    return text.replace("ß", "ss") if language == "gsw" else text  # Switzerland writes no ß


def main() -> None:
    """Write the copies."""
    for language in COPIES:
        (TRANSLATIONS / f"{language}.json").write_text(copied(language), encoding="utf-8")


if __name__ == "__main__":
    main()
