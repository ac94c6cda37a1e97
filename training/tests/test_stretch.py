"""A run in stretches, on other machines, and in pieces between them."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import toy
from transformers import AutoModelForCausalLM

from morphy_training import cli, loop, model, pretrain, recipe as recipes, tune
from morphy_training.errors import PackError, RunError, Stopped
from morphy_training.machine import CPU, GPU_MICRO_TOKENS, Machine, machine
from morphy_training.pack import SUMS, Keep, pack, unpack
from morphy_training.recipe import Recipe
from morphy_training.runs import Folder

TRAINING = Path(__file__).parents[1]


def state(run: Path) -> loop.State:
    """Return where a run stands."""
    return loop.State(**json.loads((run / loop.CHECKPOINT / "state.json").read_text()))


def weights(folder: Folder) -> dict[str, torch.Tensor]:
    """Return the weights of a base model."""
    return AutoModelForCausalLM.from_pretrained(folder.pretrain / loop.CHECKPOINT).state_dict()


def assert_same_end(one: Folder, other: Folder) -> None:
    """Assert that two runs of the base model went alike, bit by bit."""
    ours, theirs = state(one.pretrain), state(other.pretrain)
    assert (ours.step, ours.tokens, ours.loss) == (theirs.step, theirs.tokens, theirs.loss)
    expected = weights(other)
    assert all(torch.equal(tensor, expected[name]) for name, tensor in weights(one).items())


@pytest.fixture(name="half", scope="module")
def half_fixture(smoke: Recipe, tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """Return a run that stopped in the middle of its base model."""
    folder = Folder(tmp_path_factory.mktemp("half"))
    pretrain.pretrain(smoke, folder, toy.stream, stop_after=6)
    return folder


@pytest.fixture(name="pieces")
def pieces_fixture(half: Folder, tmp_path: Path) -> Path:
    """Return a folder with that run in some pieces, packed bit by bit."""
    pack(half, tmp_path / "pieces", 200_000, 20)
    return tmp_path / "pieces"


def test_a_run_in_stretches_ends_like_one_in_one_go(smoke: Recipe, run: Folder, tmp_path: Path) -> None:
    folder = Folder(tmp_path / "run")
    for step in range(1, 4):
        with pytest.raises(Stopped, match=r"^Stopped pretrain at .* of 0\.03 M tokens .*the same command goes on"):
            pretrain.pretrain(smoke, folder, toy.stream, machine=Machine(CPU.device, deadline=time.monotonic()))
        assert state(folder.pretrain).step == step
    pretrain.pretrain(smoke, folder, toy.stream, machine=Machine(CPU.device, deadline=time.monotonic() + 600))
    assert_same_end(folder, run)


def test_a_lora_in_stretches_ends_like_one_in_one_go(smoke: Recipe, run: Folder, tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.pretrain.symlink_to(run.pretrain)
    with pytest.raises(Stopped, match="Stopped tune"):
        tune.tune(smoke, folder, toy.stream, machine=Machine(CPU.device, deadline=time.monotonic()))
    tune.tune(smoke, folder, toy.stream)
    assert state(folder.tune).loss == state(run.tune).loss


def test_sigterm_ends_a_run_like_a_stretch_that_is_over(smoke: Recipe, half: Folder, tmp_path: Path) -> None:
    def source(seed: int, *, difficulty: float = 1.0, heldout: bool = False) -> Iterator[toy.Example]:
        signal.raise_signal(signal.SIGTERM)
        return toy.stream(seed, difficulty=difficulty, heldout=heldout)

    folder = Folder(tmp_path / "run")
    shutil.copytree(half.path, folder.path)
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Stopped, match="goes on from here"):
        pretrain.pretrain(smoke, folder, source)
    assert state(folder.pretrain).step == 7
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_kill_while_a_checkpoint_takes_the_place_of_another_loses_neither(
    smoke: Recipe, half: Folder, tmp_path: Path
) -> None:
    folder = Folder(tmp_path / "run")
    shutil.copytree(half.path, folder.path)
    (folder.pretrain / "checkpoint").rename(folder.pretrain / "checkpoint.old")
    pretrain.pretrain(smoke, folder, toy.stream, stop_after=1)
    assert state(folder.pretrain).step == 7


def test_data_generated_ahead_are_the_same(smoke: Recipe, run: Folder, tmp_path: Path) -> None:
    folder = Folder(tmp_path / "run")
    pretrain.pretrain(smoke, folder, toy.stream, stop_after=3, machine=Machine(CPU.device, workers=2))
    pretrain.pretrain(smoke, folder, toy.stream, machine=Machine(CPU.device, workers=1))
    assert_same_end(folder, run)


def test_the_command_says_how_far_it_came_and_ends_well(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    smoke = str(TRAINING / "recipes" / "smoke.yaml")
    assert cli.main(["all", "--recipe", smoke, "--run", str(tmp_path / "run"), "--stretch", "0"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("Stopped pretrain at 0.00 of 0.03 M tokens")
    assert not (tmp_path / "run" / "tune").exists()
    (entry,) = map(json.loads, (tmp_path / "ledger.jsonl").read_text(encoding="utf-8").splitlines())
    assert (entry["run"], entry["step"], entry["scored"]) == ("run", "pretrain", {"stopped": True})


def test_an_estimate_says_what_it_measured(smoke: Recipe) -> None:
    assert pretrain.estimate(smoke, toy.stream, None, 60_000).endswith("minutes, measured on the CPU")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_machine_is_what_is_there() -> None:
    assert machine() == machine("cpu") == CPU
    with pytest.raises(RunError, match="sees no GPU"):
        machine("cuda")


def test_a_gpu_computes_more_at_once() -> None:
    gpu = Machine(torch.device("cuda"))
    assert (CPU.micro(1536), gpu.micro(1536), gpu.micro(50_000)) == (1536, GPU_MICRO_TOKENS, 50_000)
    assert Machine(torch.device("cuda"), micro_tokens=99).micro(1536) == 99


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_run_goes_on_on_another_device(smoke: Recipe, half: Folder, run: Folder, tmp_path: Path) -> None:
    folder = Folder(tmp_path / "run")
    shutil.copytree(half.path, folder.path)
    pretrain.pretrain(smoke, folder, toy.stream, stop_after=2, compiled=True, machine=machine("cuda", workers=2))
    pretrain.pretrain(smoke, folder, toy.stream)
    assert abs(state(folder.pretrain).loss - state(run.pretrain).loss) < 0.05
    tune.tune(smoke, folder, toy.stream, machine=machine("cuda"))
    tune.merge(smoke, folder)


def test_a_run_from_pieces_ends_like_one_that_stayed(smoke: Recipe, run: Folder, pieces: Path, tmp_path: Path) -> None:
    sizes = [file.stat().st_size for file in sorted(pieces.iterdir()) if file.name != SUMS]
    assert len(sizes) > 2
    assert max(sizes) == 200_000
    folder = Folder(tmp_path / "other" / "run")
    unpack(pieces, folder)
    pretrain.pretrain(smoke, folder, toy.stream)
    assert_same_end(folder, run)


def test_pieces_are_what_plain_tools_read(half: Folder, pieces: Path, tmp_path: Path) -> None:
    subprocess.run(["sha256sum", "--check", "--quiet", SUMS], cwd=pieces, check=True)
    unpack(pieces, Folder(tmp_path / "run"))
    with (tmp_path / "whole").open("wb") as whole:
        subprocess.run("cat run.tar.xz.*", shell=True, cwd=pieces, stdout=whole, check=True)
    (tmp_path / "tar").mkdir()
    subprocess.run(["tar", "xJf", tmp_path / "whole"], cwd=tmp_path / "tar", check=True)
    for folder in (tmp_path / "run", tmp_path / "tar"):
        same = Path("pretrain", loop.CHECKPOINT, loop.RESUME)
        assert (folder / same).read_bytes() == (half.path / same).read_bytes()


@pytest.mark.parametrize("keep", [Keep.HALF, Keep.WEIGHTS])
def test_a_rounded_run_goes_on_and_writes_its_model_again(
    keep: Keep, smoke: Recipe, run: Folder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = sum(file.stat().st_size for file in pack(run, tmp_path / "whole", 10**8, 2))
    small = sum(file.stat().st_size for file in pack(run, tmp_path / "pieces", 10**8, 2, keep))
    assert small < whole / 2
    folder = Folder(tmp_path / "run")
    unpack(tmp_path / "pieces", folder)
    with pytest.raises(RunError, match="morphy-train pretrain"):
        tune.tune(smoke, folder, toy.stream)
    with pytest.raises(RunError, match="morphy-train tune"):
        tune.merge(smoke, folder)
    pretrain.pretrain(smoke, folder, toy.stream)
    tune.tune(smoke, folder, toy.stream)
    tune.merge(smoke, folder)
    assert ("begin anew" in capsys.readouterr().out) is (keep is Keep.WEIGHTS)
    expected = weights(run)
    for name, tensor in weights(folder).items():
        torch.testing.assert_close(tensor, expected[name], rtol=2**-8, atol=0)


def test_too_many_pieces_are_refused_and_earlier_ones_stay(half: Folder, pieces: Path) -> None:
    before = {file.name: file.read_bytes() for file in pieces.iterdir()}
    with pytest.raises(PackError, match=r"more than 2 pieces of 0\.19\d* MiB"):
        pack(half, pieces, 200_000, 3)
    assert {file.name: file.read_bytes() for file in pieces.iterdir()} == before
    assert {file.name for file in pack(half, pieces, 10**8, 2)} == {"run.tar.xz.01-of-01", SUMS}
    assert len(list(pieces.iterdir())) == 2


def test_damaged_pieces_are_refused(pieces: Path, tmp_path: Path) -> None:
    first, second = itertools.islice(sorted(pieces.glob("run.*")), 2)
    folder = Folder(tmp_path / "run")
    content = bytearray(second.read_bytes())
    content[1000] ^= 1
    second.write_bytes(content)
    with pytest.raises(PackError, match=f"damaged: {second.name}"):
        unpack(pieces, folder)
    first.unlink()
    with pytest.raises(PackError, match=f"missing in .*: {first.name}"):
        unpack(pieces, folder)
    lines = (pieces / SUMS).read_text().splitlines(keepends=True)
    (pieces / SUMS).write_text("".join(lines[1:]))
    with pytest.raises(PackError, match="does not name every piece"):
        unpack(pieces, folder)
    (pieces / SUMS).unlink()
    with pytest.raises(PackError, match="There is no SHA256SUMS"):
        unpack(pieces, folder)
    assert not folder.path.exists()


def test_pieces_of_two_runs_are_not_mixed(pieces: Path, tmp_path: Path) -> None:
    (pieces / "run.tar.xz.01-of-99").write_bytes(b"x")
    with pytest.raises(PackError, match=r"another run: run\.tar\.xz\.01-of-99"):
        unpack(pieces, Folder(tmp_path / "run"))


def test_a_run_that_is_there_is_not_overwritten(half: Folder, pieces: Path) -> None:
    with pytest.raises(PackError, match="is there already"):
        unpack(pieces, half)


def test_the_borrowed_machine_goes_on_with_what_it_gave_back(tmp_path: Path) -> None:
    environment = os.environ | {"PYTHON": sys.executable, "DEVICE": "cpu", "COMPILE": "", "MINUTES": "0"}
    smoke = TRAINING / "recipes" / "smoke.yaml"
    steps = []
    for number in range(2):
        given, taken, run = tmp_path / f"{number}", tmp_path / f"{number + 1}", tmp_path / f"run{number}"
        places = {"OUT": str(taken), "RUN": str(run)}
        subprocess.run([TRAINING / "gpu_stretch", given, smoke], env=environment | places, check=True)
        steps.append(state(Folder(run).pretrain).step)
        assert {file.name for file in taken.iterdir()} == {"run.tar.xz.01-of-01", SUMS}
    assert steps == [1, 2]


def test_the_large_model_fits_the_integration() -> None:
    large = recipes.load(TRAINING / "recipes" / "morphy-gpu.yaml")
    with torch.device("meta"):
        total, _ = model.parameters(model.build(large.model, large.tokenizer.vocab_size + 2, large.seed))
    megabytes = total * 34 / 32 / 1e6  # Q8_0 has 34 bytes for 32 weights
    assert 34 < total / 1e6 < 36
    assert megabytes + 1 < 40  # with its vocabulary
