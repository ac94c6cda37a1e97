"""Fine-tuning a base model: what the run folder holds, resume after a kill, the best checkpoint, merge, GGUF."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import toy
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from morphy_training import cli, embeddings
from morphy_training.errors import BaseModelError, ExportError, RunError, Stopped
from morphy_training.family import base, charts, export, merge, sft, tiny
from morphy_training.machine import CPU, Machine
from morphy_training.recipe import Recipe, dump, parse
from morphy_training.runs import Folder

SFT = {"rank": 4, "alpha": 8, "embeddings": True, "add_tokens": ["chatml"], "length": 4096, "dropout": 0.1, "lr": 0.003}
SFT |= {"batch": 2, "steps": 6, "evaluations": 3, "held_out": 0.2, "warmup": 0.2}


def recipe(model: Path, architecture: str = "mistral", quantise: str = "none", **given: Any) -> Recipe:
    content = {"architecture": architecture, "dialect": "lines", "base": {"model": str(model), "quantise": quantise}}
    content["data"] = [{"source": "home", "format": "home", "count": 12}]
    return parse({**content, "export": {"quantisations": ["F16", "Q8_0"]}, "sft": {**SFT, **given}})


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Recipe:
    """A recipe that begins with a tiny Mistral."""
    return recipe(tiny.make("mistral", tmp_path_factory.mktemp("model")))


@pytest.fixture(scope="module")
def tuned(asked: Recipe, tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """A run folder with its adapter and the merged model."""
    folder = Folder(tmp_path_factory.mktemp("run"))
    sft.tune(asked, folder, toy.stream)
    merge.merge(asked, folder)
    return folder


def test_the_loss_falls_and_the_best_checkpoint_is_kept(tuned: Folder) -> None:
    entries = [json.loads(line) for line in (tuned.tune / "log.jsonl").read_text().splitlines()]
    figures = json.loads((tuned.path / "metrics.json").read_text())
    held_out = {entry["step"]: entry["eval_loss"] for entry in entries if "eval_loss" in entry}
    assert list(held_out) == [2, 4, 6]
    assert held_out[6] < held_out[2]
    assert figures["best_evaluation_loss"] == min(held_out.values())
    best = tuned.tune / f"checkpoint-{figures['best_step']}" / "adapter_model.safetensors"
    kept, expected = load_file(tuned.tune / "checkpoint" / "adapter_model.safetensors"), load_file(best)
    assert all(torch.equal(kept[name], expected[name]) for name in expected)


def test_the_run_folder_tells_what_it_was_made_from(asked: Recipe, tuned: Folder) -> None:
    assert tuned.recipe() == asked
    assert json.loads((tuned.path / "versions.json").read_text())["trl"]
    for picture in ("loss", "learning_rate", "eval_loss"):
        assert (tuned.path / "report" / f"{picture}.png").read_bytes().startswith(b"\x89PNG")
    assert len(charts.draw_run(tuned)) == 3


def test_embeddings_and_head_are_saved_with_the_adapter(tuned: Folder) -> None:
    saved = load_file(tuned.tune / "checkpoint" / "adapter_model.safetensors")
    assert {"base_model.model.lm_head.weight", "base_model.model.model.embed_tokens.weight"} <= set(saved)
    config = json.loads((tuned.tune / "checkpoint" / "adapter_config.json").read_text())
    assert {name.rpartition(".")[2] for name in config["target_modules"]} >= {"q_proj", "o_proj", "down_proj"}
    assert not {"lm_head", "embed_tokens"} & {name.rpartition(".")[2] for name in config["target_modules"]}


def test_a_run_that_was_killed_before_its_result_was_saved_trains_no_more(
    asked: Recipe, tuned: Folder, tmp_path: Path
) -> None:
    folder = Folder(shutil.copytree(tuned.path, tmp_path / "run"))
    shutil.rmtree(folder.tune / "checkpoint")
    (folder.tune / "checkpoint.new").mkdir()
    figures = sft.tune(asked, folder, toy.stream)
    assert figures["steps"] == 6
    assert losses(folder) == losses(tuned)
    ours, theirs = (load_file(one.tune / "checkpoint" / "adapter_model.safetensors") for one in (folder, tuned))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert not (folder.tune / "checkpoint.new").exists()


class Terminated(Machine):
    """A machine on which SIGTERM comes while a step is made."""

    @property
    def time_is_up(self) -> bool:
        signal.raise_signal(signal.SIGTERM)
        return False


def test_a_run_that_was_killed_ends_like_one_that_was_not(asked: Recipe, tuned: Folder, tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    with pytest.raises(Stopped, match="Stopped tune at step 1 of 6"):
        sft.tune(asked, folder, toy.stream, machine=replace(CPU, deadline=0.0))
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Stopped, match="Stopped tune at step 3 of 6"):
        sft.tune(asked, folder, toy.stream, machine=Terminated(CPU.device))
    assert signal.getsignal(signal.SIGTERM) is before
    assert sft.tune(asked, folder, toy.stream, stop_after=2) == {}
    assert not (folder.tune / "checkpoint").exists()
    for number in (98, 99):  # Kills while checkpoints were written.
        (folder.tune / f"checkpoint-{number}").mkdir()
    (folder.tune / "checkpoint-98" / "trainer_state.json").write_text('{"global_step": 98')
    figures = sft.tune(asked, folder, toy.stream)
    assert figures["loss"] == json.loads((tuned.path / "metrics.json").read_text())["loss"]
    ours, theirs = (load_file(one.tune / "checkpoint" / "adapter_model.safetensors") for one in (folder, tuned))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_a_process_that_was_killed_is_gone_on_with(
    asked: Recipe, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "recipe.yaml"
    assert asked.sft is not None
    file.write_text(dump(replace(asked, sft=replace(asked.sft, steps=4, evaluations=2))), encoding="utf-8")
    killed, whole = Folder(tmp_path / "killed"), Folder(tmp_path / "whole")

    def command(folder: Folder) -> list[str]:
        return ["tune", "--recipe", str(file), "--run", str(folder.path)]

    with (
        (tmp_path / "output").open("wb") as output,
        subprocess.Popen(
            [sys.executable, "-m", "morphy_training.cli", *command(killed)], stdout=output, stderr=output
        ) as process,
    ):
        while not (killed.tune / "checkpoint-2" / "trainer_state.json").exists():
            assert process.poll() is None, (tmp_path / "output").read_text()
            time.sleep(0.01)
        process.kill()
    assert process.returncode == -signal.SIGKILL
    assert not (killed.tune / "checkpoint").exists()
    for folder in (killed, whole):
        assert cli.main(command(folder)) == 0
    ours, theirs = (load_file(one.tune / "checkpoint" / "adapter_model.safetensors") for one in (killed, whole))
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert losses(killed) == losses(whole)
    entries = [json.loads(line) for line in (tmp_path / "ledger.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [(one["run"], one["step"], one["scored"]["steps"]) for one in entries] == [
        ("killed", "tune", 4),
        ("whole", "tune", 4),
    ]
    assert cli.main(["report", "--all", "--run", str(whole.path)]) == 0
    rows = capsys.readouterr().out.splitlines()[-2:]
    assert all(
        f"| {folder.path.name} | tune | the CPU (" in row for folder, row in zip((killed, whole), rows, strict=True)
    )


def losses(folder: Folder) -> list[tuple[int, float | None, float | None]]:
    """The steps of a run, with the losses that it noted."""
    entries = map(json.loads, (folder.tune / "log.jsonl").read_text(encoding="utf-8").splitlines())
    return [(entry["step"], entry.get("loss"), entry.get("eval_loss")) for entry in entries]


def test_the_merged_model_is_the_base_with_its_adapter(asked: Recipe, tuned: Folder) -> None:
    tokenizer = base.load_tokenizer(asked)
    adapted = PeftModel.from_pretrained(base.load_model(asked, tokenizer), tuned.tune / "checkpoint").eval().float()
    merged = AutoModelForCausalLM.from_pretrained(tuned.merged, dtype=torch.float32).eval()
    ids = torch.tensor([tokenizer.encode("<|im_start|>user\nturn on the old lamp<|im_end|>\n")])
    with torch.inference_mode():
        torch.testing.assert_close(adapted(ids).logits, merged(ids).logits, atol=0.02, rtol=0.02)


def test_llama_cpp_reads_the_merged_model_as_transformers_does(asked: Recipe, tuned: Folder) -> None:
    whole, small = export.export(asked, tuned, toy.stream)
    assert whole.same.tokens == whole.same.texts == 8
    assert whole.same.logits < 0.05 * whole.same.spread
    assert small.size < whole.size
    rows = json.loads((tuned.path / "gguf.json").read_text())
    assert [row["path"] for row in rows] == ["morphy-F16.gguf", "morphy-Q8_0.gguf"]
    assert rows[0]["right"] > 0
    assert AutoTokenizer.from_pretrained(tuned.merged).eos_token == "<|im_end|>"


def test_an_adapter_for_another_base_is_refused(asked: Recipe, tuned: Folder, tmp_path: Path) -> None:
    other = recipe(tiny.make("mistral", tmp_path / "other", hidden_size=32))
    with pytest.raises(BaseModelError, match="was made for"):
        merge.merge(other, Folder(tmp_path / "run"), tuned.tune / "checkpoint")
    copy = shutil.copytree(tuned.tune / "checkpoint", tmp_path / "adapter")
    config = json.loads((copy / "adapter_config.json").read_text())
    assert other.base is not None
    (copy / "adapter_config.json").write_text(json.dumps(config | {"base_model_name_or_path": other.base.model}))
    with pytest.raises(BaseModelError, match="does not fit"):
        merge.merge(other, Folder(tmp_path / "run"), copy)


@pytest.mark.parametrize(
    ("file", "content", "reason"),
    [
        ("adapter_config.json", None, "holds no adapter"),
        ("adapter_config.json", b"{", "does not tell what the adapter was made for"),
        ("adapter_config.json", b"{}", "does not tell what the adapter was made for"),
        ("adapter_model.safetensors", None, "holds no weights"),
        ("adapter_model.safetensors", b"cut", "does not fit"),
    ],
)
def test_a_broken_adapter_is_told(
    asked: Recipe, tuned: Folder, tmp_path: Path, file: str, content: bytes | None, reason: str
) -> None:
    adapter = Path(shutil.copytree(tuned.tune / "checkpoint", tmp_path / "adapter"))
    (adapter / file).unlink()
    if content is not None:
        (adapter / file).write_bytes(content)
    with pytest.raises(BaseModelError, match=reason):
        merge.merge(asked, Folder(tmp_path / "run"), adapter)


@pytest.mark.parametrize(
    ("content", "reason"), [(None, "holds no weights; run `morphy-train merge` again"), (b"cut", "cannot be read")]
)
def test_a_merged_model_that_is_broken_is_told(
    asked: Recipe, tuned: Folder, tmp_path: Path, content: bytes | None, reason: str
) -> None:
    folder = Folder(tmp_path)
    weights = Path(shutil.copytree(tuned.merged, folder.merged)) / "model.safetensors"
    weights.unlink()
    if content is not None:
        weights.write_bytes(content)
    with pytest.raises(ExportError, match=reason):
        export.export(asked, folder, toy.stream)


def test_a_disk_that_is_full_is_told_before_training(
    asked: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(100, 99, 1))  # type: ignore[attr-defined]
    with pytest.raises(RunError, match="GB of free disk space, and this recipe needs about"):
        sft.tune(asked, Folder(tmp_path), toy.stream)
    assert not (tmp_path / "tune").exists()


def test_a_full_disk_leaves_the_model_that_was_merged_before(
    asked: Recipe, tuned: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(100, 99, 1))  # type: ignore[attr-defined]
    with pytest.raises(RunError, match="GB of free disk space, and this recipe needs about"):
        merge.merge(asked, tuned)
    assert (tuned.merged / "model.safetensors").exists()


def test_a_full_disk_leaves_the_files_that_were_exported_before(
    asked: Recipe, tuned: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Folder(tmp_path)
    shutil.copytree(tuned.merged, folder.merged)
    folder.gguf.mkdir()
    (folder.gguf / "morphy-F16.gguf").write_bytes(b"whole")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(100, 99, 1))  # type: ignore[attr-defined]
    with pytest.raises(RunError, match="GB of free disk space, and this recipe needs about"):
        export.export(asked, folder, toy.stream)
    assert (folder.gguf / "morphy-F16.gguf").read_bytes() == b"whole"


def test_disk_is_counted_from_weights_adapters_and_embeddings(asked: Recipe) -> None:
    tokenizer = base.load_tokenizer(asked)
    model = base.load_model(asked, tokenizer)
    needed = sft.disk_needed(model, asked)
    assert needed > 3 * 12 * 2 * model.get_input_embeddings().weight.numel()
    files = sft.files_needed(model.num_parameters(), asked)
    assert files == round(model.num_parameters() / 8 * (16 + 16 + 8.5))
    assert needed > files


def test_adapters_on_four_bits_are_merged_into_what_those_stand_for(asked: Recipe, tmp_path: Path) -> None:
    assert asked.base is not None
    small = recipe(Path(asked.base.model), quantise="nf4", steps=2, evaluations=1)
    folder = Folder(tmp_path)
    sft.tune(small, folder, toy.stream)
    merge.merge(small, folder)
    merged = AutoModelForCausalLM.from_pretrained(folder.merged)
    assert type(merged.model.layers[0].self_attn.q_proj) is torch.nn.Linear
    assert merged.dtype == torch.bfloat16
    assert not hasattr(merged.config, "quantization_config")
    tokenizer = base.load_tokenizer(small)
    packed = base.load_model(small, tokenizer)
    adapted = PeftModel.from_pretrained(packed, folder.tune / "checkpoint").eval()
    ids = torch.tensor([tokenizer.encode("<|im_start|>user\nturn on the old lamp<|im_end|>\n")])
    with torch.inference_mode():
        torch.testing.assert_close(adapted(ids).logits.float(), merged(ids).logits.float(), atol=0.02, rtol=0.02)


@pytest.mark.parametrize(
    ("architecture", "quantise", "given"),
    [("mistral", "nf4", {}), ("qwen3", "none", {"method": "full"})],
    ids=["4 bits", "all weights"],
)
def test_every_kind_of_run_goes_on_alike(
    architecture: str, quantise: str, given: dict[str, Any], tmp_path: Path
) -> None:
    asked = recipe(tiny.make(architecture, tmp_path / "base"), architecture, quantise, steps=4, evaluations=2, **given)
    stopped, whole = Folder(tmp_path / "stopped"), Folder(tmp_path / "whole")
    sft.tune(asked, stopped, toy.stream, stop_after=3)
    for folder in (stopped, whole):
        sft.tune(asked, folder, toy.stream)
    assert losses(stopped) == losses(whole)
    ours, theirs = (saved(one.tune / "checkpoint") for one in (stopped, whole))
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def saved(folder: Path) -> dict[str, torch.Tensor]:
    """The tensors of a saved adapter or model."""
    return {name: value for file in folder.glob("*.safetensors") for name, value in load_file(file).items()}


def test_all_weights_can_be_tuned(tmp_path: Path) -> None:
    model = tiny.make("qwen3", tmp_path / "base")
    whole = recipe(model, "qwen3", method="full", steps=2, evaluations=1)
    folder = Folder(tmp_path / "run")
    sft.tune(whole, folder, toy.stream)
    merge.merge(whole, folder)
    merged = AutoModelForCausalLM.from_pretrained(folder.merged)
    before = AutoModelForCausalLM.from_pretrained(model)
    assert embeddings.is_tied(merged)
    assert merged.dtype == torch.bfloat16
    assert not torch.equal(merged.model.norm.weight.float(), before.model.norm.weight.float())
