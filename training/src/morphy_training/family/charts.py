"""Pictures of a fine-tuning: loss, learning rate and loss on held-out data, each as a PNG file."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ..loop import LOG
from ..runs import Folder

_SERIES = {"loss": "loss", "learning_rate": "learning rate", "eval_loss": "loss on held-out data"}


def draw_run(folder: Folder) -> list[Path]:
    """Draw a fine-tuning from its log into the run's `report/`; returns the files."""
    log = folder.need(folder.tune / LOG, "tune")
    return draw(folder.path / "report", map(json.loads, log.read_text(encoding="utf-8").splitlines()))


def draw(folder: Path, entries: Iterable[dict[str, Any]]) -> list[Path]:
    """Draw what the log of a trainer has into the folder; returns the files."""
    folder.mkdir(parents=True, exist_ok=True)
    logged, files = list(entries), []
    for key, label in _SERIES.items():
        points = [(entry["step"], entry[key]) for entry in logged if key in entry]
        if points:
            files.append(folder / f"{key}.png")
            _picture(files[-1], points, label)
    return files


def _picture(path: Path, points: list[tuple[int, float]], label: str) -> None:
    figure = Figure(figsize=(6, 3.2), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.plot([step for step, _ in points], [value for _, value in points], marker="." if len(points) < 30 else "")
    axes.set(xlabel="step", ylabel=label)
    figure.savefig(path, dpi=100)
