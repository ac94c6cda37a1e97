"""Past one GPU: what FSDP shares out, the configurations against their schemas, and the scripts that start it all."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import sharded
import torch
import yaml
from accelerate.commands.config.config_args import load_config_from_file
from accelerate.commands.launch import _validate_launch_command, launch_command_parser
from accelerate.utils import FullyShardedDataParallelPlugin
from accelerate.utils.launch import prepare_multi_gpu_env
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from morphy_training import cli
from morphy_training.errors import RunError
from morphy_training.family import sft, tiny
from morphy_training.machine import machine
from morphy_training.recipe import load

CLUSTER = Path(__file__).parents[1] / "cluster"
SERVE = "vllm serve merged --served-model-name home-llm"
TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", 2)
ALONE = {key: value for key, value in os.environ.items() if not key.startswith(("ACCELERATE", "FSDP"))}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Mistral."""
    return tiny.make("mistral", tmp_path_factory.mktemp("model"))


def run(*command: object, **variables: str) -> str:
    """What a command prints; the test fails with it when the command does."""
    environment = ALONE | {"PYTHON": sys.executable, "OMP_NUM_THREADS": "1"} | variables
    done = subprocess.run(
        list(map(str, command)), env=environment, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_two_processes_hold_half_of_a_model_each_and_train_all_of_it(model: Path, tmp_path: Path) -> None:
    run(*TORCHRUN, Path(sharded.__file__), model, CLUSTER / "fsdp.json", tmp_path)
    first, second = (json.loads((tmp_path / f"{rank}.json").read_text()) for rank in (0, 1))
    assert first["sharded"]
    assert second["sharded"]
    assert {name: first["here"][name] + second["here"][name] for name in first["here"]} == first["whole"]
    assert sum(first["here"].values()) == pytest.approx(sum(first["whole"].values()) / 2, rel=0.02)
    # Each layer is gathered alone, and so is what stands before and behind the layers.
    assert {"", "model.layers.0", "model.layers.1", "model.embed_tokens", "lm_head"} <= set(first["units"])

    alone = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)
    before = {name: value.clone() for name, value in alone.state_dict().items()}
    list(sharded.train(alone, sharded.descent(alone), sharded.conversations()))
    gathered = torch.load(tmp_path / "gathered.pt")
    assert gathered.keys() == before.keys()
    for name, expected in alone.state_dict().items():
        torch.testing.assert_close(gathered[name], expected, rtol=1e-3, atol=1e-4)
        assert not torch.equal(expected, before[name]), name

    # Other processes go on from the checkpoint before the last step, and end with the very same weights.
    (tmp_path / "later").mkdir()
    run(*TORCHRUN, Path(sharded.__file__), model, CLUSTER / "fsdp.json", tmp_path / "later", tmp_path / "checkpoint")
    again = torch.load(tmp_path / "later" / "gathered.pt")
    assert again.keys() == gathered.keys()
    assert all(torch.equal(again[name], gathered[name]) for name in gathered)
    assert not (tmp_path / "later" / "checkpoint").exists()


def settings(one: FullyShardedDataParallelPlugin) -> dict[str, Any]:
    """What decides how a model is shared out, in values that can be compared."""
    names = ("fsdp_version", "reshard_after_forward", "cpu_ram_efficient_loading", "activation_checkpointing")
    chosen: dict[str, Any] = {name: getattr(one, name) for name in names}
    return chosen | {"policy": one.auto_wrap_policy, "saved": one.state_dict_type, "offload": str(one.cpu_offload)}


@pytest.mark.parametrize(("name", "machines", "processes"), [("one-machine", 1, 8), ("two-machines", 2, 16)])
def test_accelerate_reads_its_configuration_as_torchrun_does(
    name: str, machines: int, processes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = CLUSTER / f"{name}.yaml"
    configuration = load_config_from_file(str(path))  # Refuses unknown keys.
    assert (configuration.num_machines, configuration.num_processes) == (machines, processes)
    given = launch_command_parser().parse_args(["--config_file", str(path), "script.py"])
    arguments, *_ = _validate_launch_command(given)
    assert arguments.use_fsdp
    for key, value in prepare_multi_gpu_env(arguments).items():
        monkeypatch.setenv(key, value)
    assert os.environ["ACCELERATE_USE_FSDP"] == "true"
    launched = settings(FullyShardedDataParallelPlugin())
    assert launched == settings(sharded.plugin(CLUSTER / "fsdp.json"))
    assert launched["fsdp_version"] == 2


def test_fsdp_needs_several_processes_and_gpus(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="start them with torchrun"):
        machine(fsdp=CLUSTER / "fsdp.json")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(RunError, match="torch sees none here"):
        machine("cpu", fsdp=CLUSTER / "fsdp.json")


def test_a_batch_that_processes_cannot_share_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    part = load(CLUSTER.parent / "recipes" / "functionary.yaml").sft
    assert part is not None
    monkeypatch.setenv("WORLD_SIZE", "16")
    assert sft.accumulated(part) == 4
    monkeypatch.setenv("WORLD_SIZE", "12")
    with pytest.raises(RunError, match=r"sft\.batch is 64, which cannot be shared out: 12 conversations"):
        sft.accumulated(part)


@pytest.mark.parametrize(
    "command",
    [["all"], ["export"], ["smoke", "--all"], ["tune", "--recipe", str(CLUSTER.parent / "recipes/smoke.yaml")]],
)
def test_all_but_tune_of_a_base_is_refused_to_several_processes(
    command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert cli.main(command) == 1
    told = capsys.readouterr().err
    assert told.startswith(f"morphy-train: `morphy-train {command[0]}`")
    assert "runs in one process, and 2 were started. Under torchrun or accelerate, only `morphy-train tune` may" in told


def test_torchrun_itself_is_told(tmp_path: Path) -> None:
    command = [*TORCHRUN, "-m", "--", "morphy_training.cli", "all", "--run", str(tmp_path / "run")]
    done = subprocess.run(list(map(str, command)), env=ALONE, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode != 0
    assert "`morphy-train all` runs in one process, and 2 were started" in done.stderr
    assert not (tmp_path / "run").exists()


def test_two_processes_train_what_one_trains(model: Path, tmp_path: Path) -> None:
    content = {"architecture": "mistral", "dialect": "lines", "base": {"model": str(model), "dtype": "float32"}}
    content["data"] = [{"source": "home", "format": "home", "count": 8}]
    # Plain descent: AdamW makes a whole step of what is rounding where a gradient is nothing else.
    content["sft"] = {"rank": 4, "alpha": 8, "length": 4096, "batch": 2, "steps": 2, "evaluations": 1, "held_out": 0.3}
    content["sft"] |= {"optimiser": "sgd", "lr": 0.1}
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(yaml.safe_dump(content))
    options = ("--recipe", recipe, "--device", "cpu")
    run(CLUSTER / "tune", *options, "--run", tmp_path / "two", GPUS="2", FSDP="")
    assert cli.main(["tune", *map(str, options), "--run", str(tmp_path / "one")]) == 0
    saved = Path("tune", "checkpoint", "adapter_model.safetensors")
    one, two = (load_file(tmp_path / name / saved) for name in ("one", "two"))
    for name, value in one.items():
        assert value.abs().max() > 0
        torch.testing.assert_close(two[name], value, rtol=0, atol=float(value.abs().max()) / 100)
    figures = [json.loads((tmp_path / name / "metrics.json").read_text()) for name in ("one", "two")]
    assert figures[0]["steps"] == figures[1]["steps"] == 2
    assert figures[0]["best_evaluation_loss"] == pytest.approx(figures[1]["best_evaluation_loss"], rel=1e-3)


@pytest.fixture
def commands(tmp_path: Path) -> Path:
    """A folder with stand-ins of vllm and ray, which need GPUs: they print what they are asked for."""
    for name in ("vllm", "ray"):
        path = tmp_path / name
        path.write_text('#!/bin/sh\n[ "$1" = list ] && printf \'"node_id"\\n"node_id"\\n\' || echo "${0##*/} $*"\n')
        path.chmod(0o755)
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "variables", "expected"),
    [
        (
            ["merged", "home-llm"],
            {"GPUS": "4", "API_KEY": "secret"},
            f"{SERVE} --tensor-parallel-size 4 --max-model-len 4096 --port 8000 --api-key secret\n",
        ),
        (
            ["merged", "home-llm"],
            {"GPUS": "8", "NODES": "2", "HEAD": "10.0.0.1", "LENGTH": "8192"},
            (
                "ray start --head --node-ip-address 10.0.0.1 --port 6379\n"
                f"{SERVE} --tensor-parallel-size 8 --max-model-len 8192 --port 8000 --pipeline-parallel-size 2 "
                "--distributed-executor-backend ray\n"
            ),
        ),
        ([], {"HEAD": "10.0.0.1"}, "ray start --address 10.0.0.1:6379 --block\n"),
    ],
)
def test_vllm_is_started_as_documented(
    commands: Path, arguments: list[str], variables: dict[str, str], expected: str
) -> None:
    assert run(CLUSTER / "serve", *arguments, PATH=f"{commands}:{os.environ['PATH']}", **variables) == expected
