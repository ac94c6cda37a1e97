"""The tables and the graph of the whole benchmark."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from .figures import Row, table

_TIMES: Final = {
    "first_token_ms": "first token, median / p95, ms",
    "first_action_ms": "first action, ms",
    "last_word_ms": "last word, ms",
}
_TOKENS: Final = {"prompt_tokens": "prompt tokens", "cached_tokens": "not read again"}
_SPEEDS: Final = {"prefill_tokens_s": "prefill tokens/s", "decode_tokens_s": "decode tokens/s"}
_TURNS: Final = {"turns": "turns", "acted": "acted"}
HEADINGS: Final = {
    "sizes": "By size of the home and situation",
    "beside": "Beside others, with the same prompts",
    "agents": "Agents that take turns on one worker",
    "clients": "Many at once",
    "grammars": "Grammars",
}
COLUMNS: Final[dict[str, dict[str, str]]] = {
    "sizes": {
        "size": "entities",
        "scenario": "situation",
        **_TIMES,
        **_TOKENS,
        **_SPEEDS,
        "worker_mb": "worker MB",
        **_TURNS,
    },
    "beside": {"size": "entities", "scenario": "situation", "who": "who", **_TIMES, **_TOKENS, **_TURNS},
    "agents": {"agents": "agents", **_TIMES, **_TOKENS, "worker_mb": "worker MB", **_TURNS},
    "clients": {"clients": "clients", "who": "who", "turns_s": "turns/s", **_TIMES, **_TURNS},
    "grammars": {
        "size": "ids",
        "grammar_kb": "kB",
        "write_ms": "to write it, ms",
        "first_token_with_ms": "first token with, ms",
        "first_token_without_ms": "without, ms",
        "token_with_ms": "a token with, ms",
        "token_without_ms": "without, ms",
        "turns": "turns",
    },
}


def markdown(rows: Sequence[Row]) -> str:
    """Return a table for each part and model."""
    return "\n\n".join(_tables(rows)) + "\n"


def _tables(rows: Sequence[Row]) -> Iterator[str]:
    for part, heading in HEADINGS.items():
        of_part = [row for row in rows if row["part"] == part]
        for model in dict.fromkeys(row["model"] for row in of_part):
            yield f"### {heading}: {model}"
            yield table([row for row in of_part if row["model"] == model], COLUMNS[part])


def draw(rows: Sequence[Row], path: Path) -> None:
    """Draw the time to the first token, or to the first action where there is one, by the size of the home."""
    from matplotlib.figure import Figure

    of_sizes = [row for row in rows if row["part"] == "sizes"]
    models = list(dict.fromkeys(row["model"] for row in of_sizes))
    figure = Figure(figsize=(7 * max(1, len(models)), 4), layout="constrained")
    for place, model in enumerate(models):
        axes = figure.add_subplot(1, len(models), place + 1)
        of_model = [row for row in of_sizes if row["model"] == model]
        acts = any(row["first_action_ms"] for row in of_model)
        name = "first_action_ms" if acts else "first_token_ms"
        for scenario in dict.fromkeys(row["scenario"] for row in of_model):
            points = [
                (row["size"], row[name]["median"]) for row in of_model if row["scenario"] == scenario and row[name]
            ]
            if points:
                axes.plot(*zip(*points, strict=True), marker="o", label=scenario)
        axes.set(xscale="log", xlabel="exposed entities", ylabel="ms", ylim=(0, None))
        sizes = sorted({row["size"] for row in of_model})
        axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
        axes.set_title(f"{model}: first {'action' if acts else 'token'}")
        axes.grid(alpha=0.3)
        axes.legend(fontsize="small", loc="upper left", bbox_to_anchor=(1, 1))
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
