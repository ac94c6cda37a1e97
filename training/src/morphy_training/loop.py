"""The training loop, for the base model and for the LoRA alike: step-seeded data, a schedule, checkpoints, resume.

Nothing around it: a step draws its data, adds up gradients over micro-batches, and moves the optimisers. All that a run
needs to go on stands in its checkpoint, which is also a model that can be used.
"""

from __future__ import annotations

import itertools
import json
import math
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset
from transformers import PreTrainedModel

from . import sigterm
from .data import Encoder, Sample, Source, draw, micro_batches, samples, step_seed
from .errors import RunError, Stopped
from .machine import CPU, Machine
from .measure import Score, measure
from .model import weighted_loss

CHECKPOINT = "checkpoint"
RESUME = "resume.pt"
LOG = "log.jsonl"
_STALE = "checkpoint.old"
"""The checkpoint before, while a new one takes its place."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """How a run goes: `tokens` in all, per step and per micro-batch; warm-up, decay and curriculum as shares of it."""

    tokens: int
    batch_tokens: int
    micro_tokens: int
    warmup: float
    decay: float
    curriculum: float = 0.0

    def rate(self, done: float) -> float:
        """The factor on every learning rate after the share `done` of the run."""
        rising = done / self.warmup if self.warmup else 1.0
        return max(0.01, min(1.0, rising, (1.0 - done) / self.decay if self.decay else 1.0))

    def difficulty(self, done: float) -> float:
        """How large homes are after the share `done` of the run, from 0 to 1."""
        return min(1.0, done / self.curriculum) if self.curriculum else 1.0


@dataclass(frozen=True)
class Steps(Dataset[list[Sample]]):
    """The data of each step of a run, by the step's number: always the same, in whatever process it is generated."""

    source: Source
    encoder: Encoder
    schedule: Schedule
    seed: int

    def __getitem__(self, step: int) -> list[Sample]:
        """The samples of a step."""
        size = self.schedule.batch_tokens
        difficulty = self.schedule.difficulty(step * size / self.schedule.tokens)
        return draw(samples(self.source, self.encoder, step_seed(self.seed, step), difficulty=difficulty), size)

    def batches(self, first: int, workers: int) -> Iterator[list[Sample]]:
        """The steps from `first` on, without end, generated ahead by so many processes; with none, when asked for."""
        # Its own dice: the loader would take a number from those of the model.
        dice, steps = torch.Generator(), itertools.count(first)
        return iter(DataLoader(self, None, sampler=steps, num_workers=workers, collate_fn=_as_is, generator=dice))


def _as_is(batch: list[Sample]) -> list[Sample]:
    return batch


@dataclass(slots=True)
class State:
    """Where a run stands."""

    tokens: int = 0
    step: int = 0
    seconds: float = 0.0
    loss: float = float("nan")
    budget: int = 0
    score: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Pace:
    """How often a run tells of itself and saves itself: seconds between lines, evaluations and checkpoints."""

    line: float = 15.0
    evaluation: float = 240.0
    checkpoint: float = 300.0


DEFAULT_PACE = Pace()


class Run:
    """One training run in its folder."""

    def __init__(
        self,
        folder: Path,
        model: PreTrainedModel,
        optimizers: Sequence[torch.optim.Optimizer],
        save_model: Callable[[Path], None],
    ) -> None:
        """`model` computes the loss; `save_model` writes what a checkpoint holds beside the optimisers' state."""
        self.folder = folder
        self.state = State()
        self._model = model
        self._optimizers = optimizers
        self._save_model = save_model
        self._rates = [[group["lr"] for group in optimizer.param_groups] for optimizer in optimizers]

    def restore(self) -> bool:
        """Go on from the checkpoint, exactly as if the run had never stopped; False when there is none."""
        checkpoint, stale = self.folder / CHECKPOINT, self.folder / _STALE
        if not checkpoint.exists() and stale.exists():  # A kill between the two renames of `save`.
            stale.rename(checkpoint)
        if not checkpoint.exists():
            return False
        self.state = State(**json.loads((checkpoint / "state.json").read_text()))
        saved = torch.load(checkpoint / RESUME, map_location="cpu", weights_only=True)
        if set(saved["weights"]) != {name for name, _ in self._trained()}:
            raise RunError(f"{checkpoint} holds another model; choose another run folder or delete it")
        self._model.load_state_dict(saved["weights"], strict=False)
        if not saved["optimizers"]:
            print("This checkpoint was packed without its optimisers: they begin anew")
            return True
        for optimizer, state in zip(self._optimizers, saved["optimizers"], strict=True):
            optimizer.load_state_dict(state)
        return True

    def _trained(self) -> list[tuple[str, torch.nn.Parameter]]:
        return [(name, parameter) for name, parameter in self._model.named_parameters() if parameter.requires_grad]

    def train(
        self,
        source: Source,
        encoder: Encoder,
        schedule: Schedule,
        seed: int,
        pace: Pace,
        stop_after: int | None = None,
        machine: Machine = CPU,
    ) -> Score:
        """Train until the schedule's tokens are spent, or `stop_after` steps were made; returns the last evaluation.

        A SIGTERM or the machine's deadline ends the run after the step it is in, with a checkpoint: Stopped.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        self.state.budget = schedule.tokens
        begun = time.monotonic() - self.state.seconds
        told = evaluated = saved = time.monotonic()
        tokens_told, first = self.state.tokens, self.state.step
        batches = Steps(source, encoder, schedule, seed).batches(first, machine.workers)
        with sigterm.heeded() as stopped:
            while self.state.tokens < schedule.tokens and (stop_after is None or self.state.step - first < stop_after):
                self._step(next(batches), schedule)
                now = time.monotonic()
                self.state.seconds = now - begun
                if stopped.is_set() or (machine.time_is_up and self.state.tokens < schedule.tokens):
                    self.save()
                    raise Stopped(self._standing(schedule))
                if now - told >= pace.line:
                    self._tell((self.state.tokens - tokens_told) / (now - told), schedule)
                    told, tokens_told = now, self.state.tokens
                if now - evaluated >= pace.evaluation:
                    self._evaluate(source, encoder, seed)
                    evaluated = time.monotonic()
                if now - saved >= pace.checkpoint:
                    self.save()
                    saved = time.monotonic()
            score = self._evaluate(source, encoder, seed)
            self.save()
            if stopped.is_set():
                raise Stopped(self._standing(schedule))
        return score

    def _standing(self, schedule: Schedule) -> str:
        done, whole = self.state.tokens, schedule.tokens
        return (
            f"Stopped {self.folder.name} at {done / 1e6:.2f} of {whole / 1e6:.2f} M tokens ({done / whole:.1%}); "
            "the same command goes on from here"
        )

    def _step(self, batch: list[Sample], schedule: Schedule) -> None:
        done = self.state.tokens / schedule.tokens
        total = sum(sum(sample.weights[1:]) for sample in batch)
        for optimizer, rates in zip(self._optimizers, self._rates, strict=True):
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                group["lr"] = rate * schedule.rate(done)
        self._model.train()
        loss = 0.0
        for ids, weights in micro_batches(batch, schedule.micro_tokens):
            part = weighted_loss(self._model, ids, weights) / total
            part.backward()  # type: ignore[no-untyped-call]
            loss += part.item()
        torch.nn.utils.clip_grad_norm_([p for _, p in self._trained()], 1.0)
        for optimizer in self._optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        self.state.step += 1
        self.state.tokens += sum(len(sample.ids) for sample in batch)
        # The mean over about the last 50 steps: a single step has four homes and says little.
        self.state.loss = loss if math.isnan(self.state.loss) else 0.98 * self.state.loss + 0.02 * loss

    def _tell(self, speed: float, schedule: Schedule) -> None:
        state = self.state
        left = (schedule.tokens - state.tokens) / max(speed, 1.0) / 60
        print(
            f"step {state.step:6d}  {state.tokens / 1e6:7.3f} of {schedule.tokens / 1e6:.2f} M tokens  "
            f"loss {state.loss:.4f}  {speed:6.0f} tokens/s  {left:5.1f} min left",
            flush=True,
        )
        self._log({"loss": state.loss, "tokens_per_second": speed})

    def _evaluate(self, source: Source, encoder: Encoder, seed: int) -> Score:
        score = measure(self._model, source, encoder)
        print(score.table(), flush=True)
        self.state.score = score.as_dict()
        self._log({"loss": self.state.loss, "score": self.state.score})
        return score

    def _log(self, entry: dict[str, Any]) -> None:
        where = {"step": self.state.step, "tokens": self.state.tokens, "seconds": round(self.state.seconds, 1)}
        with (self.folder / LOG).open("a", encoding="utf-8") as log:
            log.write(json.dumps({**where, **entry}) + "\n")

    def save(self) -> None:
        """Write the checkpoint anew, in one go: a kill in the middle leaves the earlier one whole.

        It is made of copies on the CPU, so that the run can go on on another device.
        """
        checkpoint = self.folder / CHECKPOINT
        fresh, stale = self.folder / "checkpoint.new", self.folder / _STALE
        for folder in (fresh, stale):
            shutil.rmtree(folder, ignore_errors=True)
        fresh.mkdir(parents=True)
        self._save_model(fresh)
        weights = {name: parameter.detach().cpu() for name, parameter in self._trained()}
        states = [mapped(optimizer.state_dict(), torch.Tensor.cpu) for optimizer in self._optimizers]
        torch.save({"weights": weights, "optimizers": states}, fresh / RESUME)
        (fresh / "state.json").write_text(json.dumps(asdict(self.state), indent=1))
        if checkpoint.exists():
            checkpoint.rename(stale)
        fresh.rename(checkpoint)
        shutil.rmtree(stale, ignore_errors=True)


def mapped(value: Any, change: Callable[[torch.Tensor], torch.Tensor]) -> Any:
    """An optimiser's state, of dicts, lists and tensors, with every tensor changed."""
    if isinstance(value, torch.Tensor):
        return change(value)
    if isinstance(value, dict):
        return {key: mapped(item, change) for key, item in value.items()}
    return [mapped(item, change) for item in value] if isinstance(value, list) else value
