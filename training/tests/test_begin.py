"""A run that goes on from a finished file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import toy
from transformers import AutoModelForCausalLM

from morphy_training import pretrain, tokenizer as tokenizers
from morphy_training.begin import begin
from morphy_training.dialect import get_dialect
from morphy_training.errors import RunError
from morphy_training.loop import CHECKPOINT
from morphy_training.recipe import Recipe, parse
from morphy_training.runs import Folder

SPENT = 1000


def _weights(folder: Path) -> dict[str, torch.Tensor]:
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).state_dict()


def test_the_base_is_the_file_without_chatml(smoke: Recipe, run: Folder, files: list[Path], tmp_path: Path) -> None:
    checkpoint = begin(smoke, Folder(tmp_path), files[0], SPENT)
    ours, merged = _weights(checkpoint), _weights(run.merged)
    assert ours.keys() == merged.keys()
    for name, weights in ours.items():
        torch.testing.assert_close(weights, merged[name][: len(weights)].half().float(), atol=1e-3, rtol=1e-3)
    tokenizer, original = tokenizers.load(checkpoint), tokenizers.load(run.tokenizer)
    assert tokenizer.get_vocab() == original.get_vocab()
    text = 'light.old_lamp "Küche 12" isn\'t on\n<|endoftext|>  x'
    assert tokenizer.encode(text) == original.encode(text)
    assert not set(get_dialect("morphy").special_tokens) & set(tokenizer.get_vocab())


def test_it_is_trained_further(smoke: Recipe, files: list[Path], tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    checkpoint = begin(smoke, folder, files[0], SPENT)
    before = _weights(checkpoint)
    pretrain.pretrain(smoke, folder, toy.stream, stop_after=2, tokens=smoke.pretrain.tokens)
    assert json.loads((folder.pretrain / CHECKPOINT / "state.json").read_text())["tokens"] > SPENT
    assert any(not torch.equal(before[name], weights) for name, weights in _weights(checkpoint).items())


def test_a_base_model_is_not_overwritten(smoke: Recipe, run: Folder, files: list[Path]) -> None:
    with pytest.raises(RunError, match="already"):
        begin(smoke, run, files[0], SPENT)


def test_another_shape_is_named(files: list[Path], tmp_path: Path) -> None:
    with pytest.raises(RunError, match="embed_tokens"):
        begin(parse({"model": {"hidden_size": 512}}), Folder(tmp_path), files[0], SPENT)
    assert not list(tmp_path.iterdir())


def test_no_gguf(smoke: Recipe, tmp_path: Path) -> None:
    file = tmp_path / "text.gguf"
    file.write_text("no model at all, only some words")
    with pytest.raises(RunError, match="GGUF"):
        begin(smoke, Folder(tmp_path / "run"), file, SPENT)
