"""What came of each request of an evaluation: right, wrongly acted on, not understood, answered wrongly.

Read from what the harness leaves beside its predictions `X.jsonl`: `effects`, what changed in the real home, and
`X.failures.jsonl`, what ended otherwise than wanted.
"""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any

type Record = dict[str, Any]
type Group = tuple[str, str]
"""A source and a category; `ALL` and an empty string stand for all of them."""


class Outcome(StrEnum):
    """What came of a request."""

    RIGHT = "right"
    ACCEPTED = "accepted"
    """Right by the lenient reading only, such as one of several lamps that may be meant."""
    WRONG_ACT = "wrong act"
    """Something changed that nobody asked for, or changed into something else than was asked for."""
    TOO_LITTLE = "too little"
    """Called an action, and changed nothing unwanted, yet not all that was asked for, or nothing."""
    ASKED = "asked first"
    """Asked whether it should, as it does before a risky action; a request alone never gets past that."""
    NOTHING = "nothing"
    """Did nothing, or did not understand."""
    WRONG_ANSWER = "wrong answer"


def outcome(case: Record, prediction: Record, failure: Record | None) -> Outcome:
    """Return what came of a case; `failure` is its line in the harness's list of failures, None when it has none."""
    if failure is None:
        return Outcome.RIGHT
    if failure["lenient_ok"]:
        return Outcome.ACCEPTED
    kind = case["expect"]["kind"]
    changed = set(prediction.get("effects", ()))
    if kind == "changes":
        changed &= {why.partition(": ")[0] for why in failure["why"]}
    if changed or kind == "none":
        return Outcome.WRONG_ACT
    if kind == "answer":
        declined = not prediction.get("answer") or prediction["answer"].startswith("Sorry")
        return Outcome.NOTHING if declined else Outcome.WRONG_ANSWER
    if (prediction.get("answer") or "").endswith("?"):
        return Outcome.ASKED
    return Outcome.TOO_LITTLE if prediction.get("calls") else Outcome.NOTHING


def read_jsonl(path: Path) -> list[Record]:
    """Return the objects of a file, one a line."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def read_cases(folder: Path) -> list[Record]:
    """Return the cases of an evaluation set."""
    return [case for path in sorted((folder / "cases").glob("*.jsonl")) for case in read_jsonl(path)]


def read_outcomes(cases: Iterable[Record], predictions: Path) -> dict[str, Outcome]:
    """Return the outcome of each case that the harness has run, by its id."""
    failures = {record["id"]: record for record in read_jsonl(predictions.with_suffix(".failures.jsonl"))}
    answered = {record["id"]: record for record in read_jsonl(predictions)}
    return {
        case["id"]: outcome(case, answered[case["id"]], failures.get(case["id"]))
        for case in cases
        if case["id"] in answered
    }


def count(cases: Iterable[Record], outcomes: Mapping[str, Outcome]) -> dict[Group, Counter[Outcome]]:
    """Return how often each outcome came: over all, by kind of expectation, by source, and by source and category."""
    counts: dict[Group, Counter[Outcome]] = defaultdict(Counter)
    for case in cases:
        if result := outcomes.get(case["id"]):
            source = case["source"]
            kind = f"expect {case['expect']['kind']}"
            for group in (("ALL", ""), ("ALL", kind), (source, ""), (source, case["category"])):
                counts[group][result] += 1
    return dict(sorted(counts.items()))


def wilson(hits: int, total: int, z: float = 1.96) -> tuple[float, float]:
    """Return Wilson's interval around `hits` of `total` as two shares; 95 % with the default z."""
    share, square = hits / total, z * z / total
    middle, reach = share + square / 2, z * math.sqrt(share * (1 - share) / total + square / total / 4)
    return (middle - reach) / (1 + square), (middle + reach) / (1 + square)


def as_rows(counts: Mapping[Group, Counter[Outcome]]) -> list[Record]:
    """Return the counts as plain data: one object a group, with the interval around the share of right outcomes."""
    return [
        {
            "source": source,
            "category": category,
            "n": counter.total(),
            "right_ci95": [round(share, 4) for share in wilson(counter[Outcome.RIGHT], counter.total())],
            **{kind: counter[kind] for kind in Outcome},
        }
        for (source, category), counter in counts.items()
    ]


def table(rows: Sequence[Record], beside: Sequence[Record] = ()) -> str:
    """Return the rows as Markdown, with those of another agent beside them."""
    others = {(row["source"], row["category"]): row for row in beside}
    names = ["source", "category", "n", "right", "95 %", *list(Outcome)[1:], *_BESIDE[: len(others)]]
    lines = [f"| {' | '.join(names)} |", "|---|---|" + "--:|" * (len(names) - 2)]
    for row in rows:
        low, high = row["right_ci95"]
        cells = [row["source"], row["category"], row["n"], _share(row, Outcome.RIGHT), f"{low:.0%}-{high:.0%}"]
        cells += [_share(row, kind) for kind in list(Outcome)[1:]]
        if others:
            other = others.get((row["source"], row["category"]))
            cells += [_share(other, kind) if other else "" for kind in (Outcome.RIGHT, Outcome.WRONG_ACT)]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


_BESIDE = ("other: right", "other: wrong act")


def _share(row: Record, kind: Outcome) -> str:
    return f"{row[kind] / row['n']:.1%}"
