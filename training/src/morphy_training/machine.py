"""What a run computes on, and for how long this time: nothing of it stands in a recipe, or changes more than rounding.

A recipe's `micro_tokens` are those of a CPU, where small pieces stay in its caches; a graphics card wants large ones.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

import torch

from . import torchrun
from .errors import RunError

GPU_MICRO_TOKENS = 16_384
"""Tokens computed at once on a graphics card, with padding: by count some 15 GB for 35 M parameters. Not run."""


_half = True


def set_half(half: bool) -> None:
    """Whether matrices are multiplied in bfloat16, which is the default, or in float32: global, like torch's threads.

    Of CPUs, those with AMX (Intel since 2023) and Zen 4 multiply faster in bfloat16. Others do not, and lose the casts.
    """
    global _half
    _half = half


def autocast(device: torch.device) -> torch.autocast:
    """The context to compute a model's forward pass in."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=_half)


@dataclass(frozen=True, slots=True)
class Machine:
    """The device of the model, the processes that generate its data (0: the run's own), and when to stop.

    `micro_tokens` replaces those of the recipe; `deadline` is a time of `time.monotonic()`. `fsdp` is a JSON file of
    transformers' `fsdp_config`: a base model that is fine-tuned by several processes lies in shares on their GPUs.
    """

    device: torch.device
    micro_tokens: int | None = None
    workers: int = 0
    deadline: float | None = None
    fsdp: Path | None = None

    @property
    def name(self) -> str:
        """What it is called in a sentence."""
        return torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else "the CPU"

    def micro(self, of_recipe: int) -> int:
        """How many tokens are computed at once, where a recipe says `of_recipe`."""
        return self.micro_tokens or (of_recipe if self.device.type == "cpu" else max(of_recipe, GPU_MICRO_TOKENS))

    @property
    def time_is_up(self) -> bool:
        """Whether the deadline has passed."""
        return self.deadline is not None and time.monotonic() >= self.deadline

    def finish(self) -> None:
        """Wait until everything that was asked of the device is done, so that time can be measured."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


CPU = Machine(torch.device("cpu"))


def machine(
    device: str = "auto",
    micro_tokens: int | None = None,
    workers: int | None = None,
    deadline: float | None = None,
    fsdp: Path | None = None,
) -> Machine:
    """The machine as the command line names it; RunError when it asks for a GPU that torch does not see.

    `auto` is a GPU where torch sees one. On a GPU, all cores but one generate data unless `workers` says otherwise.
    """
    if fsdp is not None and torchrun.processes() < 2:
        raise RunError("--fsdp is for several processes: start them with torchrun, as training/cluster/README.md shows")
    seen = torch.cuda.is_available()
    if device == "cuda" and not seen:
        raise RunError("torch sees no GPU here: leave out --device cuda, or install a torch for CUDA")
    chosen = torch.device("cuda" if seen and device != "cpu" else "cpu")
    if workers is None:
        workers = 0 if chosen.type == "cpu" else max(1, (os.cpu_count() or 2) - 1)
    if fsdp is not None and chosen.type == "cpu":
        raise RunError("--fsdp shares a model out among GPUs, and torch sees none here")
    return Machine(chosen, micro_tokens, workers, deadline, fsdp)
