"""Figures of an evaluation: how often what came of a request, by category and by mark, with Wilson's interval."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

COUNT = "count"
"""What every tally holds beside the outcomes: of how many."""

Tallies = dict[str, Counter[str]]
"""By category, and by mark, which begins with `= `; `all` holds everything."""


def tally(requests: Iterable[tuple[Iterable[str], Iterable[str]]]) -> Tallies:
    """Count requests, each given as the names it counts under and what came of it.

    `all` comes first, then marks, then categories, the most frequent ones first.
    """
    tallies: Tallies = {"all": Counter()}
    for names, came in requests:
        came = (COUNT, *came)  # noqa: PLW2901 - the same, with what all have
        for name in ("all", *names):
            tallies.setdefault(name, Counter()).update(came)
    return dict(sorted(tallies.items(), key=lambda item: (item[0] != "all", item[0][:1] != "=", -item[1][COUNT])))


def table(rows: Mapping[str, Counter[str]], columns: Sequence[str], width: int = 18) -> str:
    """Rows as text: how many, the share of the first column with Wilson's 95 % interval, the shares of the others."""
    first, *others = columns
    lines = [f"  {'':{width}} count  {first:5}     95 %      {'  '.join(others)}"]
    for name, row in rows.items():
        count = row[COUNT]
        low, high = wilson(row[first], count)
        shares = "  ".join(f"{row[column] / count:{len(column)}.3f}" for column in others)
        lines.append(f"  {name:{width}} {count:5d}  {row[first] / count:5.3f}  {low:5.3f}-{high:5.3f}  {shares}")
    return "\n".join(lines)


def wilson(right: int, count: int, z: float = 1.96) -> tuple[float, float]:
    """Wilson's interval around `right` of `count`; 95 % with the default z."""
    share, square = right / count, z * z / count
    middle = (share + square / 2) / (1 + square)
    reach = z / (1 + square) * math.sqrt(share * (1 - share) / count + square / count / 4)
    return max(0.0, middle - reach), min(1.0, middle + reach)
