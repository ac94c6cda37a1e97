"""What came of every case that a model was asked: as tables, as data, and as pictures' figures."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..tallies import COUNT, Tallies, table, tally, wilson
from .compare import CLOSE, EXACT, OUTCOMES

LENIENT = "lenient"
"""Counted beside the outcomes: right exactly, or close."""

COLUMNS = (EXACT, LENIENT, *OUTCOMES[2:])
FIGURES = "benchmark.json"


@dataclass(frozen=True, slots=True)
class Judged:
    """One case and what came of it; `outcome` is one of compare.py's."""

    place: str
    category: str
    marks: tuple[str, ...]
    request: str
    expected: str
    got: str
    outcome: str


@dataclass(slots=True)
class Result:
    """What a model answered, by source of cases; `held` tells whether a grammar bounded it, `seconds` are for all."""

    model: str
    dialect: str
    held: bool
    sources: dict[str, list[Judged]] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def asked(self) -> list[Judged]:
        """All of them."""
        return [one for judged in self.sources.values() for one in judged]

    def tallies(self, source: str) -> Tallies:
        """How often which outcome came in a source, by category and by mark."""
        return tally(((*one.marks, one.category), _counted(one)) for one in self.sources[source])

    def misses(self, most: int) -> list[dict[str, str]]:
        """Cases that were not right exactly."""
        wrong = [one for one in self.asked if one.outcome != EXACT]
        return [
            {key: getattr(one, key) for key in ("place", "request", "expected", "got", "outcome")}
            for one in wrong[:most]
        ]

    def as_dict(self) -> dict[str, Any]:
        """The result as plain data, with Wilson's intervals."""
        return {
            "model": self.model,
            "dialect": self.dialect,
            "grammar": self.held,
            "ms_per_case": round(1000 * self.seconds / max(1, len(self.asked)), 1),
            "sources": {source: _shares(self.tallies(source)) for source in self.sources},
            "cases": {
                source: [{"place": one.place, "outcome": one.outcome, "got": one.got} for one in judged]
                for source, judged in self.sources.items()
            },
        }


def _counted(one: Judged) -> tuple[str, ...]:
    return (one.outcome, *([LENIENT] if one.outcome in (EXACT, CLOSE) else []))


def _shares(tallies: Tallies) -> dict[str, Any]:
    return {
        name: {
            **dict(row),
            **{f"{key}_95": [round(end, 4) for end in wilson(row[key], row[COUNT])] for key in (EXACT, LENIENT)},
        }
        for name, row in tallies.items()
    }


def tables(results: Sequence[Result]) -> str:
    """One table for each source with a row for each model, then each model's categories."""
    parts = []
    for source in sources(results):
        rows = {_label(one): one.tallies(source)["all"] for one in results if source in one.sources}
        parts.append(f"{source}\n{_table(rows)}")
        for one in results:
            if source in one.sources:
                categories = {name: row for name, row in one.tallies(source).items() if name != "all"}
                parts.append(f"{source}, {one.model}\n{_table(categories)}")
    return "\n\n".join(parts)


def _table(rows: dict[str, Counter[str]]) -> str:
    # Outcomes that came nowhere are left out.
    there = [name for name in COLUMNS if name in (EXACT, LENIENT) or any(row[name] for row in rows.values())]
    return table(rows, there, max(18, *map(len, rows)))


def _label(result: Result) -> str:
    return f"{result.model} ({result.dialect}{'' if result.held else ', no grammar'})"


def sources(results: Iterable[Result]) -> list[str]:
    """The sources that any model was asked about, in their order."""
    return list(dict.fromkeys(source for one in results for source in one.sources))


def save(results: Sequence[Result], path: Path) -> None:
    """Write the figures as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([one.as_dict() for one in results], indent=1, ensure_ascii=False), encoding="utf-8")
