"""How good a model is while it trains: every token of an answer must be the likeliest one, on homes never trained on.

With the earlier tokens given this equals greedy decoding without a grammar, at a hundredth of its cost.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import torch
from transformers import PreTrainedModel

from .data import HELD_OUT, Encoder, Sample, Source, collate, samples
from .model import logits_at


@dataclass(slots=True)
class Tally:
    """How many answers were counted, and of how many the calls and the whole answer were right."""

    count: int = 0
    calls: int = 0
    answers: int = 0

    def add(self, calls: bool, answer: bool) -> None:
        """Count one answer."""
        self.count += 1
        self.calls += calls
        self.answers += answer


@dataclass(slots=True)
class Score:
    """Tallies by category, and by four marks.

    `= all` holds every answer, `= first` those without an exchange before them, `= unseen` those about names that
    training homes do not share, `= heldout` those about homes made of nothing else.
    """

    tallies: dict[str, Tally] = field(default_factory=lambda: defaultdict(Tally))

    def table(self) -> str:
        """The tallies as text, a line each."""
        lines = [f"  {'':20} count  calls answers"]
        for name, tally in sorted(self.tallies.items(), key=lambda item: -item[1].count):
            n = tally.count
            lines.append(f"  {name:20} {n:5d} {tally.calls / n:6.3f} {tally.answers / n:7.3f}")
        return "\n".join(lines)

    def shares(self) -> dict[str, float]:
        """Right calls and right answers, of all."""
        tally = self.tallies["= all"]
        return {"calls": tally.calls / tally.count, "answers": tally.answers / tally.count}

    def as_dict(self) -> dict[str, Any]:
        """The tallies as plain data."""
        return {name: [tally.count, tally.calls, tally.answers] for name, tally in self.tallies.items()}


@torch.inference_mode()
def measure(model: PreTrainedModel, source: Source, encoder: Encoder, exchanges: int = 300) -> Score:
    """Score the model on about `exchanges` exchanges of homes never trained on, always the same ones.

    A third of them is about held-out homes, whose names training homes do not have.
    """
    model.train(False)
    score = Score()
    for heldout, share in ((False, 2 / 3), (True, 1 / 3)):
        stream = samples(source, encoder, HELD_OUT, heldout=heldout)
        done = 0
        while done < exchanges * share:
            sample = next(stream)
            _count(score, sample, judge(model, sample)[0], heldout)
            done += len(sample.spans)
    return score


def family(category: str) -> str:
    """The first word of a category: `none` of `none_weather`. There are a hundred categories, too many for a table."""
    return category.partition("_")[0]


def _count(score: Score, sample: Sample, right: list[bool], heldout: bool) -> None:
    for number, span in enumerate(sample.spans):
        answer = all(right[span.start : span.end])
        calls = all(all(right[start:end]) for start, end in span.calls)
        marks = {"= all": True, "= first": number == 0, "= unseen": span.unseen, "= heldout": heldout}
        for name in [family(span.category), *(mark for mark, applies in marks.items() if applies)]:
            score.tallies[name].add(calls, answer)


def judge(model: PreTrainedModel, sample: Sample) -> tuple[list[bool], list[float]]:
    """For each token, whether the model would have written it, and the natural logarithm of its probability.

    Those outside answers count as wrong, and as certain.
    """
    ids = collate([sample])[0].to(model.device)
    where = torch.zeros_like(ids, dtype=torch.bool)
    for span in sample.spans:
        where[0, span.start - 1 : span.end - 1] = True
    logits = logits_at(model, ids[:, :-1], where[:, :-1])
    written = ids[0, 1:][where[0, :-1]]
    right = torch.zeros_like(ids[0], dtype=torch.bool)
    right[1:][where[0, :-1]] = logits.argmax(-1) == written
    certainty = torch.zeros_like(ids[0], dtype=torch.float32)
    certainty[1:][where[0, :-1]] = logits.log_softmax(-1).gather(-1, written[:, None])[:, 0]
    return right.tolist(), certainty.tolist()
