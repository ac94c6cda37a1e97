"""The words of one language, read from `data/<language>/`.

Everything a native speaker would write anew is in those files, as plain text: `intents/*.yaml` holds a file per intent,
whose sections are lines of templates; the other files hold lists, separated by commas and line ends. What a language
has no file or noun for is never asked for in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import yaml

from .forms import Forms
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
    patterns: Mapping[str, tuple[Template, ...]]
    forms: Forms | None

    def arranged(self, random: Random, pattern: str, **parts: str) -> str:
        """Return parts of a name in the order in which people of this language put them."""
        lines = self.patterns[pattern]
        line = lines[0] if len(lines) == 1 else lines[int(random.random() * len(lines))]
        return line.fill(random.random, parts)

    def arrangements(self, pattern: str, **parts: str) -> list[str]:
        """Return the parts in every order of a pattern."""
        return [line.fill(lambda: 0.0, parts) for line in self.patterns[pattern]]

    def alike(self, one: str, other: str) -> bool:
        """Return whether one word may stand where another does, with the same article."""
        return self.forms is None or self.forms.alike(one, other)


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


def _rules(path: Path, forms: Forms | None) -> dict[str, Node]:
    rules: dict[str, Node] = {}
    for name, text in _read(path).items():
        rules[name] = compile_template("|".join(split_lines(text)), rules, forms).node
    return rules


def _pairs(text: str) -> dict[str, str]:
    return {key.strip(): value.strip() for key, _, value in (entry.partition("=") for entry in split_list(text))}


def _forms(grammar: Mapping[str, Any], words: Mapping[str, tuple[str, ...]]) -> Forms | None:
    if "classes" not in grammar:
        return None
    endings = {ending: name for name, text in grammar["classes"].items() for ending in split_list(text)}
    marks, cases = ({key: _pairs(text) for key, text in grammar[part].items()} for part in ("marks", "cases"))
    people = (*words["first_names"], *words.get("heldout_first_names", ()))
    owners = frozenset(name + ending for name in people for ending in words["possessive"])
    return Forms(endings, marks, cases, _pairs(grammar["joints"]), owners)


def _intents(
    folder: Path, rules: Mapping[str, Node], forms: Forms | None
) -> dict[str, dict[str, tuple[Template, ...]]]:
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
            section: tuple(compile_template(line, rules, forms) for line in lines) for section, lines in merged.items()
        }
    return compiled


def _noun(entry: Mapping[str, str]) -> Noun:
    parts = {key: split_list(entry.get(key, "")) for key in ("one", "many", "names", "heldout")}
    return Noun(parts["one"], parts["many"], parts["names"] or parts["one"], parts["heldout"])


_Words = dict[str, tuple[str, ...]]


def _lists(folder: Path) -> tuple[_Words, dict[str, _Words]]:
    """Return the lists of words and the tables of a language's own files."""
    words: _Words = {}
    for path in sorted((folder / "words").glob("*.yaml")):
        words.update({key: split_list(text) for key, text in _read(path).items()})
    tables = {
        path.stem: {key: split_list(text) for key, text in _read(path).items()}
        for path in sorted((folder / "tables").glob("*.yaml"))
    }
    return words, tables


def _shared(names: tuple[str, ...]) -> tuple[_Words, dict[str, _Words]]:
    """Return lists and tables of English that belong to no language: brands, syllables, what the home itself shows."""
    words, tables = _lists(DATA / "en") if names else ({}, {})
    return {key: words[key] for key in names if key in words}, {key: tables[key] for key in names if key not in words}


def languages() -> tuple[str, ...]:
    """Return the codes of the languages that there are files for."""
    return tuple(sorted(folder.name for folder in DATA.iterdir() if (folder / "grammar.yaml").exists()))


@cache
def load_language(code: str) -> Language:
    """Read and compile the files of one language, once. Raises FileNotFoundError for a language without files."""
    folder = DATA / code
    if not folder.is_dir():
        raise FileNotFoundError(f"no word lists for language {code!r}")
    grammar = _read(folder / "grammar.yaml")
    shared_words, shared_tables = _shared(split_list(grammar.get("shared", "")))
    words, tables = _lists(folder)
    words, tables = shared_words | words, shared_tables | tables
    forms = _forms(grammar, words)
    return Language(
        code=code,
        intents=_intents(folder / "intents", _rules(folder / "rules.yaml", forms), forms),
        nouns={kind: _noun(entry) for kind, entry in _read(folder / "nouns.yaml").items()},
        words=words,
        tables=tables,
        numbers=words["numbers"],
        patterns={
            name: tuple(compile_template(line, {}, forms) for line in split_lines(text))
            for name, text in grammar["patterns"].items()
        },
        forms=forms,
    )
