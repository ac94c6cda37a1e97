"""Copies texts to the languages of other regions: Home Assistant falls back from those to English, not to the nearest.

Run by `scripts/lint --fix`; a test fails while a copy is not what it is a copy of.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

TRANSLATIONS: Final = Path(__file__).resolve().parent.parent / "custom_components" / "morphy" / "translations"
COPIES: Final = {"es-419": "es", "gsw": "de", "pt": "pt-BR", "zh-Hant": "zh-Hans"}
"""The languages of Home Assistant's frontend that have no texts of their own, and whose they have."""


def main() -> None:
    """Write the copies."""
    for copy, original in COPIES.items():
        shutil.copyfile(TRANSLATIONS / f"{original}.json", TRANSLATIONS / f"{copy}.json")


if __name__ == "__main__":
    main()
