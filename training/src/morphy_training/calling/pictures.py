"""Pictures of a benchmark: accuracy by category, and what went wrong, several models side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ..tallies import COUNT, wilson
from .compare import EXACT, OUTCOMES
from .results import LENIENT, Result, sources

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLOURS = ("#2a7d3f", "#8cc99b", "#c0392b", "#e0b04a", "#d97b2e", "#8e5ea2", "#7f8c8d", "#4a7fb5", "#bdc3c7")
"""Of the outcomes, in their order: green is right, red is what was done and should not have been."""
CATEGORIES = 20
"""Categories of a source that are drawn at most: the most frequent ones."""


def draw(results: Sequence[Result], folder: Path) -> list[Path]:
    """Draw a picture of categories for each source, and one of outcomes; returns the PNG files."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for source in sources(results):
        there = [one for one in results if source in one.sources]
        name = "".join(letter if letter.isalnum() else "-" for letter in source).strip("-")
        files.append(folder / f"categories-{name}.png")
        _categories(there, source, files[-1])
    files.append(folder / "outcomes.png")
    _outcomes(results, files[-1])
    return files


def _figure(height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(8, max(2.6, height)), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots()


def _categories(results: Sequence[Result], source: str, path: Path) -> None:
    """Bars by category: exact in full colour with Wilson's interval, lenient behind it in pale."""
    tallies = [one.tallies(source) for one in results]
    names = list(dict.fromkeys(name for one in tallies for name in one))[: CATEGORIES + 1]
    figure, axes = _figure(1.4 + 0.28 * len(names) * (len(results) + 0.6))
    thick = 0.8 / len(results)
    for number, (result, rows) in enumerate(zip(results, tallies, strict=True)):
        places = [(place, rows[name]) for place, name in enumerate(names) if name in rows]
        heights = [place - 0.4 + thick * (number + 0.5) for place, _ in places]
        exact = [row[EXACT] / row[COUNT] for _, row in places]
        ends = [wilson(row[EXACT], row[COUNT]) for _, row in places]
        around = [
            [s - low for s, (low, _) in zip(exact, ends, strict=True)],
            [h - s for s, (_, h) in zip(exact, ends, strict=True)],
        ]
        colour = f"C{number}"
        axes.barh(heights, [row[LENIENT] / row[COUNT] for _, row in places], thick, color=colour, alpha=0.35)
        axes.barh(heights, exact, thick, color=colour, label=result.model)
        axes.errorbar(exact, heights, xerr=around, fmt="none", ecolor="black", elinewidth=0.8, capsize=2)
    counts = {name: max(rows[name][COUNT] for rows in tallies if name in rows) for name in names}
    axes.set_yticks(
        range(len(names)), [f"{name.removeprefix('= ')} ({counts[name]})" for name in names], fontsize="small"
    )
    axes.invert_yaxis()
    axes.set(xlim=(0, 1), xlabel="right: exact, with 95 % interval; pale: lenient", title=source)
    axes.legend(fontsize="small", loc="lower center", bbox_to_anchor=(0.5, 1.08), ncols=3)
    figure.savefig(path, dpi=100)


def _outcomes(results: Sequence[Result], path: Path) -> None:
    """A bar for each model and source, in pieces: what came of the cases."""
    rows = [(one, source) for source in sources(results) for one in results if source in one.sources]
    figure, axes = _figure(1.6 + 0.4 * len(rows))
    begins = [0.0] * len(rows)
    tallies = [one.tallies(source)["all"] for one, source in rows]
    for outcome, colour in zip(OUTCOMES, _COLOURS, strict=True):
        shares = [row[outcome] / row[COUNT] for row in tallies]
        if any(shares):
            axes.barh(range(len(rows)), shares, 0.7, left=begins, color=colour, label=outcome)
            begins = [begin + share for begin, share in zip(begins, shares, strict=True)]
    axes.set_yticks(range(len(rows)), [f"{one.model}\n{source}" for one, source in rows], fontsize="small")
    axes.invert_yaxis()
    axes.set(xlim=(0, 1), xlabel="share of the cases")
    axes.legend(fontsize="small", loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=5)
    figure.savefig(path, dpi=100)
