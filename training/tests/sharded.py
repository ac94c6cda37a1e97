"""What each of two processes does in the test of FSDP: it trains a tiny model that is shared out between them.

The sharding is that of the GPU configuration, by accelerate's own code and torch's `fully_shard`, over gloo. The
`Accelerator` of accelerate would leave FSDP out on a CPU; what the code asks of it, `main` tells.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
import torch.distributed as dist
from accelerate.utils import FullyShardedDataParallelPlugin
from accelerate.utils.fsdp_utils import fsdp2_prepare_model
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict
from torch.distributed.fsdp import FSDPModule
from torch.distributed.tensor import DTensor
from transformers import AutoModelForCausalLM
from trl import SFTConfig

STEPS = 3


def train(model: torch.nn.Module, ids: torch.Tensor) -> None:
    """A few steps on these conversations: of plain descent, in which a gradient's rounding stays as small as it is."""
    optimiser = torch.optim.SGD(model.parameters(), lr=0.5)
    for _ in range(STEPS):
        model(input_ids=ids, labels=ids).loss.backward()
        optimiser.step()
        optimiser.zero_grad()


def conversations() -> torch.Tensor:
    """Two of them, equally long."""
    return torch.arange(64).view(2, 32) * 7 % 500


def plugin(configuration: Path) -> FullyShardedDataParallelPlugin:
    """accelerate's settings as transformers makes them of the file."""
    given = SFTConfig(output_dir="unused", fsdp=True, fsdp_config=str(configuration), use_cpu=True, report_to="none")
    return FullyShardedDataParallelPlugin(**given.fsdp_plugin_args)


def main(model_folder: Path, configuration: Path, target: Path) -> None:
    """Train, then leave what this process held, and (the first one) the whole model as it was put together again."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    model: Any = AutoModelForCausalLM.from_pretrained(model_folder, dtype=torch.float32)
    state = SimpleNamespace(fsdp_plugin=plugin(configuration))
    processes = SimpleNamespace(
        state=state, mixed_precision="no", is_main_process=dist.get_rank() == 0, device=torch.device("cpu")
    )
    fsdp2_prepare_model(processes, model)
    train(model, conversations()[dist.get_rank() :: 2])
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
