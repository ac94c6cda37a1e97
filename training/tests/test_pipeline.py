"""Every step at toy size: base model, resume, LoRA, merge, GGUF, quantisation, llama.cpp."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest
import torch
import toy
from peft import PeftModel
from transformers import AutoModelForCausalLM

from morphy_training import export, loop, model, pretrain, tokenizer as tokenizers, tune
from morphy_training.data import HELD_OUT, Encoder, Weights, collate, render, samples
from morphy_training.dialect import get_dialect
from morphy_training.errors import ExportError, RunError
from morphy_training.recipe import Recipe, parse
from morphy_training.runs import Folder

DIALECT = get_dialect("morphy")


def _state(folder: Path) -> loop.State:
    return loop.State(**json.loads((folder / loop.CHECKPOINT / "state.json").read_text()))


def test_a_run_that_was_killed_ends_like_one_that_was_not(smoke: Recipe, run: Folder, tmp_path: Path) -> None:
    halved = Folder(tmp_path / "halved")
    pretrain.pretrain(smoke, halved, toy.stream, stop_after=6)
    assert _state(halved.pretrain).step == 6
    pretrain.pretrain(smoke, halved, toy.stream)
    whole, resumed = _state(run.pretrain), _state(halved.pretrain)
    assert (resumed.step, resumed.tokens, resumed.loss) == (whole.step, whole.tokens, whole.loss)
    ours, theirs = (
        AutoModelForCausalLM.from_pretrained(folder.pretrain / loop.CHECKPOINT).state_dict() for folder in (run, halved)
    )
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_the_loss_falls(run: Folder) -> None:
    assert _state(run.pretrain).loss < 6.0  # 6.24 is that of a model which knows nothing, ln 512


def test_a_lora_that_was_killed_goes_on(smoke: Recipe, run: Folder, tmp_path: Path) -> None:
    other = Folder(tmp_path / "other")
    (other.path).mkdir()
    other.pretrain.symlink_to(run.pretrain)
    tune.tune(smoke, other, toy.stream, stop_after=2)
    tune.tune(smoke, other, toy.stream)
    assert _state(other.tune).loss == _state(run.tune).loss


def test_the_merged_model_is_the_base_with_its_adapter(smoke: Recipe, run: Folder) -> None:
    base, tokenizer = tune.chat_base(pretrain.base_checkpoint(run), DIALECT.special_tokens, DIALECT.stop[0])
    adapted = PeftModel.from_pretrained(base, run.tune / loop.CHECKPOINT).eval()
    merged = AutoModelForCausalLM.from_pretrained(run.merged).eval()
    ids = torch.tensor([tokenizer.encode("<|im_start|>user\nturn on the old lamp<|im_end|>\n")])
    with torch.inference_mode():
        torch.testing.assert_close(adapted(ids).logits, merged(ids).logits, atol=1e-4, rtol=1e-4)
    assert tune.is_tied(merged)
    assert merged.get_input_embeddings().weight.shape[0] == len(tokenizer)


def test_the_merged_model_has_the_loss_that_the_adapter_was_trained_to(smoke: Recipe, run: Folder) -> None:
    tokenizer = tokenizers.load(run.merged)
    encoder = Encoder(tokenizer, DIALECT, Weights(1.0), 2048)
    ids, weights = collate(list(itertools.islice(samples(toy.stream, encoder, HELD_OUT), 4)))
    merged = AutoModelForCausalLM.from_pretrained(run.merged)
    untuned, _ = tune.chat_base(pretrain.base_checkpoint(run), DIALECT.special_tokens, DIALECT.stop[0])
    with torch.inference_mode():
        after, before = (float(model.weighted_loss(one, ids, weights) / weights.sum()) for one in (merged, untuned))
    assert after < before


def test_the_lora_adapts_every_linear_layer_and_saves_the_embeddings(smoke: Recipe, run: Folder) -> None:
    config = json.loads((run.tune / loop.CHECKPOINT / "adapter_config.json").read_text())
    layers = {name.rpartition(".")[2] for name in config["target_modules"]}
    assert layers == {"in_proj", "out_proj", "q_proj", "k_proj", "v_proj", "w1", "w2", "w3"}
    assert {name.rpartition(".")[2] for name in config["modules_to_save"]} == {"embed_tokens"}
    assert config["ensure_weight_tying"]
    assert (config["r"], config["lora_alpha"]) == (smoke.tune.rank, smoke.tune.alpha)


def test_llama_cpp_answers_like_transformers(run: Folder, files: list[Path]) -> None:
    mark = "<|im_start|>assistant\n"
    texts = [render(one, DIALECT, 1) for one in itertools.islice(toy.stream(HELD_OUT), 6)]
    prompts = [text[: text.rindex(mark) + len(mark)] for text in texts]
    same = export.compare(export.reference(run.merged, prompts), files[0])
    same.check()
    assert same.greedy == len(prompts)


def test_llama_cpp_splits_any_text_alike(run: Folder, files: list[Path]) -> None:
    import llama_cpp

    odd = [
        "",
        " ",
        "  's 'S isn't",
        "a\r\nb\n\n c\t",
        "厨房 🛋️\u200d",
        "<|im_end|><|im_start|>x<|endoftext|>",
        "１２ ½ 3.5°C",
        "x" * 300,
    ]
    texts = [*odd, *(render(one, DIALECT) for one in itertools.islice(toy.stream(3), 100))]
    tokenizer = tokenizers.load(run.merged)
    llama = llama_cpp.Llama(str(files[0]), vocab_only=True, verbose=False)
    wrong = [
        text
        for text in texts
        if llama.tokenize(text.encode(), add_bos=False, special=True)
        != tokenizer.encode(text, add_special_tokens=False)
    ]
    llama.close()
    assert wrong == []


def test_quantised_files_are_smaller(files: list[Path]) -> None:
    assert files[1].stat().st_size < files[0].stat().st_size


def test_an_unknown_quantisation_is_named(files: list[Path], tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="Q9_Z"):
        export.quantise(files[0], tmp_path / "x.gguf", "Q9_Z")


def test_a_step_without_the_one_before_names_it(smoke: Recipe, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="morphy-train pretrain"):
        tune.tune(smoke, Folder(tmp_path), toy.stream)
    with pytest.raises(RunError, match="morphy-train tune"):
        tune.merge(smoke, Folder(tmp_path))


def test_a_run_folder_is_not_gone_on_with_by_another_recipe(run: Folder) -> None:
    with pytest.raises(RunError, match="another recipe"):
        pretrain.pretrain(parse({"seed": 99}), run, toy.stream)
