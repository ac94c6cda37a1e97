"""Pictures of a run: how it learnt, what it gets right beside the built-in agent, how it bears large homes."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import RunError
from .evaluate import RIGHT
from .loop import LOG
from .runs import Folder
from .tallies import wilson

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CATEGORIES = 30
"""Categories that are drawn at most: the most frequent ones."""

Entry = dict[str, Any]
Share = tuple[int, int]
"""How many were right, of how many."""


def report(folder: Folder, harness: Path | None = None, built_in: Path | None = None) -> list[Path]:
    """Draw what there is into the run's `report/`; returns the PNG files.

    `harness` and `built_in` are the `.report.json` of two runs of `benchmarks.evaluate`: of this model, and of Home
    Assistant's own agent. RunError where there is nothing to draw, or no matplotlib.
    """
    files: list[Path] = []
    for name, log in (("base model", folder.pretrain / LOG), ("LoRA", folder.tune / LOG)):
        if log.exists():
            fill = partial(_learning, entries=read_log(log), name=name)
            files.append(_draw(folder, f"learning-{log.parent.name}", 3, fill))
    if harness:
        ours, theirs = by_category(harness), by_category(built_in) if built_in else {}
        files.append(_draw(folder, "categories", 1, partial(_categories, ours=ours, theirs=theirs), tall=True))
    if folder.evaluation.exists() and (sizes := by_devices(folder.evaluation)):
        files.append(_draw(folder, "devices", 1, partial(_devices, sizes=sizes)))
    if not files:
        raise RunError(f"{folder.path} has nothing to draw: no log, no evaluation, and no --harness was given")
    return files


def read_log(path: Path) -> list[Entry]:
    """The entries of a run's log. What was lost by going back to a checkpoint is left out."""
    entries: list[Entry] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        while entries and entries[-1]["tokens"] > entry["tokens"]:
            entries.pop()
        entries.append(entry)
    return entries


def by_category(path: Path) -> dict[str, Share]:
    """The strict shares of a harness's report, by category over all sources; the most frequent categories first."""
    shares: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for row in json.loads(path.read_text(encoding="utf-8"))["rows"]:
        if row["category"] and row["source"] != "ALL":
            shares[row["category"]][0] += row["strict"]
            shares[row["category"]][1] += row["n"]
    return {name: (right, count) for name, (right, count) in sorted(shares.items(), key=lambda item: -item[1][1])}


def by_devices(path: Path) -> dict[int, Share]:
    """The shares of right actions by number of devices, from what `evaluate --sizes` wrote; empty without that."""
    sizes = json.loads(path.read_text(encoding="utf-8"))["sizes"]
    tallies = sizes[0]["tallies"] if sizes else {}
    rows = {int(name.split()[1]): tally for name, tally in tallies.items() if name.endswith(" devices")}
    return {size: (tally.get(RIGHT, 0), tally["count"]) for size, tally in sorted(rows.items())}


def _draw(folder: Folder, name: str, rows: int, fill: Callable[[list[Axes]], None], tall: bool = False) -> Path:
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise RunError("Pictures need matplotlib: pip install 'morphy-training[report]'") from error
    figure = Figure(figsize=(6, 7 if tall or rows > 1 else 3.2), layout="constrained")
    FigureCanvasAgg(figure)
    fill(list(figure.subplots(rows, 1, squeeze=False)[:, 0]))
    path = folder.path / "report" / f"{name}.png"
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, dpi=100)
    return path


def _learning(axes: list[Axes], entries: list[Entry], name: str) -> None:
    loss, rate, score = axes
    loss.set(title=name, ylabel="loss", yscale="log")
    loss.tick_params(axis="y", which="minor", labelleft=False)
    loss.plot(*_series(entries, "loss"))
    logged = any("rate" in entry for entry in entries)
    rate.set(ylabel="learning rate" if logged else "tokens/s")
    rate.plot(*_series(entries, "rate" if logged else "tokens_per_second"))
    score.set(ylabel="right on held-out streams", xlabel="million tokens", ylim=(0, 1))
    scored = [entry for entry in entries if "score" in entry]
    for mark, style in (("= all", "-"), ("= heldout", "--")):
        points = [(one["tokens"] / 1e6, one["score"][mark]) for one in scored if mark in one["score"]]
        for place, what in enumerate(("calls", "answers"), 1):
            line = [x for x, _ in points], [tally[place] / tally[0] for _, tally in points]
            score.plot(*line, style, color=f"C{place}", marker=".", label=f"{what}, {mark.removeprefix('= ')}")
    score.legend(fontsize="small")


def _series(entries: Iterable[Entry], key: str) -> tuple[list[float], list[float]]:
    points = [(entry["tokens"] / 1e6, entry[key]) for entry in entries if key in entry]
    return [x for x, _ in points], [y for _, y in points]


def _categories(rows: list[Axes], ours: dict[str, Share], theirs: dict[str, Share]) -> None:
    [axes] = rows
    names = list(ours)[:CATEGORIES][::-1]
    for shares, label, shift in ((ours, "this model", 0.2), (theirs, "built-in agent", -0.2)):
        there = [(place + shift, *shares[name]) for place, name in enumerate(names) if name in shares]
        if there:
            axes.barh([y for y, _, _ in there], [right / count for _, right, count in there], 0.4, label=label)
    axes.set_yticks(range(len(names)), [f"{name} ({ours[name][1]})" for name in names], fontsize="small")
    axes.set(xlim=(0, 1), ylim=(-0.6, len(names) - 0.4), xlabel="right (strict)")
    axes.legend(fontsize="small", loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)


def _devices(rows: list[Axes], sizes: dict[int, Share]) -> None:
    [axes] = rows
    shares = [right / count for right, count in sizes.values()]
    around = [wilson(*share) for share in sizes.values()]
    errors = [[s - low for s, (low, _) in zip(shares, around, strict=True)]]
    errors.append([high - s for s, (_, high) in zip(shares, around, strict=True)])
    axes.errorbar(list(sizes), shares, errors, marker="o", capsize=3)
    axes.set(ylim=(0, 1), xlabel="devices in the home", ylabel="right actions")
