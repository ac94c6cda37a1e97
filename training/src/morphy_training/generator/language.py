"""The words of one language, read from `data/<language>/`.

Everything a native speaker would write anew is in those files, as plain text: `intents/*.yaml` holds a file per intent,
whose sections are lines of templates; the other files hold lists, separated by commas and line ends.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from .templates import Node, Template, compile_template

DATA = Path(__file__).parent / "data"


@dataclass(frozen=True, slots=True)
class Noun:
    """How people speak of one kind of thing, and what they name things of that kind."""

    one: tuple[str, ...]
    many: tuple[str, ...]
    names: tuple[str, ...]
    heldout: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Language:
    """One language: the intents' templates by file and section, the kinds of thing, and the lists of words."""

    code: str
    intents: Mapping[str, Mapping[str, tuple[Template, ...]]]
    nouns: Mapping[str, Noun]
    words: Mapping[str, tuple[str, ...]]
    tables: Mapping[str, Mapping[str, tuple[str, ...]]]
    numbers: tuple[str, ...]


def split_list(text: str) -> tuple[str, ...]:
    """Return the entries of a list separated by commas and line ends; a line that starts with `#` is a remark."""
    lines = (line for line in text.splitlines() if not line.lstrip().startswith("#"))
    return tuple(entry for line in lines for entry in (part.strip() for part in line.split(",")) if entry)


def split_lines(text: str) -> tuple[str, ...]:
    """Return the lines of a section, without empty lines and remarks."""
    return tuple(line for line in map(str.strip, text.splitlines()) if line and not line.startswith("#"))


def _read(path: Path) -> dict[str, Any]:
    # The base loader leaves every scalar a string: `on`, `off`, `yes` and `no` are words here.
    loader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
    content = yaml.load(path.read_text(encoding="utf-8"), Loader=loader)
    return content if isinstance(content, dict) else {}


def _rules(path: Path) -> dict[str, Node]:
    rules: dict[str, Node] = {}
    for name, text in _read(path).items():
        rules[name] = compile_template("|".join(split_lines(text)), rules).node
    return rules


def _intents(folder: Path, rules: Mapping[str, Node]) -> dict[str, dict[str, tuple[Template, ...]]]:
    raw = {path.stem: _read(path) for path in sorted(folder.glob("*.yaml"))}
    compiled: dict[str, dict[str, tuple[Template, ...]]] = {}
    for name, sections in raw.items():
        merged: dict[str, list[str]] = {}
        for source in (*split_list(sections.get("include", "")), name):
            for section, text in raw[source].items():
                if section == "reply" and source != name and "reply" in sections:
                    continue
                if section != "include":
                    merged.setdefault(section, []).extend(split_lines(text))
        compiled[name] = {
            section: tuple(compile_template(line, rules) for line in lines) for section, lines in merged.items()
        }
    return compiled


def _noun(entry: Mapping[str, str]) -> Noun:
    parts = {key: split_list(entry.get(key, "")) for key in ("one", "many", "names", "heldout")}
    return Noun(parts["one"], parts["many"], parts["names"] or parts["one"], parts["heldout"])


@cache
def load_language(code: str) -> Language:
    """Read and compile the files of one language, once. Raises FileNotFoundError for a language without files."""
    folder = DATA / code
    if not folder.is_dir():
        raise FileNotFoundError(f"no word lists for language {code!r}")
    words: dict[str, tuple[str, ...]] = {}
    for path in sorted((folder / "words").glob("*.yaml")):
        words.update({key: split_list(text) for key, text in _read(path).items()})
    tables = {
        path.stem: {key: split_list(text) for key, text in _read(path).items()}
        for path in sorted((folder / "tables").glob("*.yaml"))
    }
    return Language(
        code=code,
        intents=_intents(folder / "intents", _rules(folder / "rules.yaml")),
        nouns={kind: _noun(entry) for kind, entry in _read(folder / "nouns.yaml").items()},
        words=words,
        tables=tables,
        numbers=words["numbers"],
    )
