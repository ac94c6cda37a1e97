"""What each of two processes does in the test of FSDP: it trains a tiny model that is shared out between them.

The sharding is that of the GPU configuration, by accelerate's own code and torch's `fully_shard`, over gloo. The
`Accelerator` of accelerate would leave FSDP out on a CPU; what the code asks of it, `main` tells.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
import torch.distributed as dist
from accelerate.utils import FullyShardedDataParallelPlugin
from accelerate.utils.fsdp_utils import (
    fsdp2_prepare_model,
    load_fsdp_model,
    load_fsdp_optimizer,
    save_fsdp_model,
    save_fsdp_optimizer,
)
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict
from torch.distributed.fsdp import FSDPModule
from torch.distributed.tensor import DTensor
from transformers import AutoModelForCausalLM
from trl import SFTConfig

STEPS = 3


def descent(model: torch.nn.Module) -> torch.optim.Optimizer:
    """Plain descent with momentum, in which a gradient's rounding stays as small as it is."""
    return torch.optim.SGD(model.parameters(), lr=0.3, momentum=0.5)


def train(model: torch.nn.Module, optimiser: torch.optim.Optimizer, ids: torch.Tensor, first: int = 0) -> Iterator[int]:
    """Make the steps from `first` on, each on these conversations; gives the number of each that was made."""
    for step in range(first, STEPS):
        model(input_ids=ids, labels=ids).loss.backward()
        optimiser.step()
        optimiser.zero_grad()
        yield step + 1


def conversations() -> torch.Tensor:
    """Two of them, equally long."""
    return torch.arange(64).view(2, 32) * 7 % 500


def plugin(configuration: Path) -> FullyShardedDataParallelPlugin:
    """accelerate's settings as transformers makes them of the file."""
    given = SFTConfig(output_dir="unused", fsdp=True, fsdp_config=str(configuration), use_cpu=True, report_to="none")
    return FullyShardedDataParallelPlugin(**given.fsdp_plugin_args)


def main(model_folder: Path, configuration: Path, target: Path, checkpoint: Path | None = None) -> None:
    """Train, then leave what this process held, and (the first one) the whole model as it was put together again.

    Before the last step a checkpoint is written into `target`, by what transformers' trainer writes and reads it with;
    given one, training goes on from there.
    """
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    model: Any = AutoModelForCausalLM.from_pretrained(model_folder, dtype=torch.float32)
    settings = plugin(configuration)
    processes = SimpleNamespace(
        state=SimpleNamespace(fsdp_plugin=settings),
        mixed_precision="no",
        is_main_process=dist.get_rank() == 0,
        process_index=dist.get_rank(),
        num_processes=dist.get_world_size(),
        is_fsdp2=True,
        wait_for_everyone=dist.barrier,
        device=torch.device("cpu"),
    )
    fsdp2_prepare_model(processes, model)
    optimiser = descent(model)
    if checkpoint:
        load_fsdp_model(settings, processes, model, checkpoint)
        load_fsdp_optimizer(settings, processes, optimiser, model, checkpoint)
    ids = conversations()[dist.get_rank() :: 2]
    for step in train(model, optimiser, ids, STEPS - 1 if checkpoint else 0):
        if step == STEPS - 1:
            save_fsdp_model(settings, processes, model, target / "checkpoint")
            save_fsdp_optimizer(settings, processes, optimiser, model, target / "checkpoint")
    held = {
        "sharded": all(isinstance(one, DTensor) for one in model.parameters()),
        "here": {name: one.to_local().numel() for name, one in model.named_parameters()},
        "whole": {name: one.numel() for name, one in model.named_parameters()},
        "units": [name for name, module in model.named_modules() if isinstance(module, FSDPModule)],
    }
    (target / f"{dist.get_rank()}.json").write_text(json.dumps(held), encoding="utf-8")
    gathered = get_model_state_dict(model, options=StateDictOptions(full_state_dict=True, cpu_offload=True))
    if dist.get_rank() == 0:
        torch.save(gathered, target / "gathered.pt")
    dist.destroy_process_group()


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
