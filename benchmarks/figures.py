"""What is made of measured turns: rows for JSON, tables to read, and ratios of two things measured in turn."""

from __future__ import annotations

import json
import os
import platform
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from .household import Turn
from .turns import spread

TIMES: Final = ("first_token_ms", "first_action_ms", "last_word_ms")
NAMES: Final = {"first_token_ms": "first token", "first_action_ms": "first action", "last_word_ms": "last word"}

type Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Ratio:
    """How one time compares to another: milliseconds of both, measured in turn in one run."""

    over: str
    under: str
    over_ms: Sequence[float]
    under_ms: Sequence[float]

    @property
    def value(self) -> float | None:
        """The ratio of the medians, or None where one of the two never came about."""
        if not (self.over_ms and self.under_ms):
            return None
        return statistics.median(self.over_ms) / statistics.median(self.under_ms)

    def as_json(self) -> dict[str, Any]:
        """Return the ratio, and beside it the medians under the names of the two."""
        return {
            "ratio": _rounded(self.value, 3),
            f"{self.over}_ms": _rounded(median(self.over_ms), 2),
            f"{self.under}_ms": _rounded(median(self.under_ms), 2),
            "samples": [len(self.over_ms), len(self.under_ms)],
        }


def median(values: Iterable[float]) -> float | None:
    """Return the median, or None of nothing."""
    values = list(values)
    return statistics.median(values) if values else None


def present(turns: Iterable[Turn], name: str) -> list[float]:
    """Return one of the times of the turns that have it."""
    return [value for turn in turns if (value := getattr(turn, name)) is not None]


def row(turns: Sequence[Turn], **what: Any) -> Row:
    """Return what several turns of one kind took: spreads of times, medians of tokens, tokens per second."""
    times = {name: _spread(present(turns, name)) for name in TIMES}
    tokens = {
        name: median(getattr(turn, name) for turn in turns if turn.prompt_tokens)
        for name in ("prompt_tokens", "cached_tokens", "completion_tokens")
    }
    speeds = {
        "prefill_tokens_s": _speed((turn.prompt_tokens - turn.cached_tokens, turn.prefill_ms) for turn in turns),
        "decode_tokens_s": _speed((turn.completion_tokens, turn.decode_ms) for turn in turns),
    }
    acted = sum(turn.first_action_ms is not None for turn in turns)
    return {**what, "turns": len(turns), "acted": acted, **times, **tokens, **speeds}


def table(rows: Sequence[Row], columns: Mapping[str, str]) -> str:
    """Return rows as a Markdown table; `columns` are headings by key."""
    rules = ("---" if key == "who" else "--:" for key in columns)
    lines = [f"| {' | '.join(columns.values())} |", f"|{'|'.join(rules)}|"]
    lines += [f"| {' | '.join(_shown(row.get(key)) for key in columns)} |" for row in rows]
    return "\n".join(lines)


def about(model: str) -> dict[str, Any]:
    """Return what the figures were measured on: they mean little elsewhere, their ratios more."""
    return {
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "model": model,
        "cores": len(os.sched_getaffinity(0)),
        "load": round(os.getloadavg()[0], 1),
        "machine": platform.machine(),
        "home_assistant": version("homeassistant"),
        "llama_cpp_python": version("llama-cpp-python"),
    }


def write_json(path: Path, data: object) -> None:
    """Write figures where a script can read them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")


def _spread(values: Sequence[float]) -> dict[str, float]:
    return spread(values) if len(values) != 1 else {"median": round(values[0], 1)}


def _speed(pairs: Iterable[tuple[int, float]]) -> float | None:
    """Return tokens per second of all together, of pairs of tokens and milliseconds."""
    tokens, milliseconds = map(sum, zip(*pairs, strict=True))
    return round(1000 * tokens / milliseconds, 1) if tokens and milliseconds else None


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


def _shown(value: Any) -> str:
    """Return a cell: a spread as median and 95th percentile, nothing for what was not measured."""
    match value:
        case {"median": middle, "p95": late}:
            return f"{middle:.0f} / {late:.0f}"
        case {"median": middle}:
            return f"{middle:.0f}"
        case None | {}:
            return "–"
        case float():
            return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
        case _:
            return f"{value:,}" if isinstance(value, int) else str(value)
