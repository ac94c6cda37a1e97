"""Base models: embeddings and head are found in the model itself, tokens are added, what is wrong is told at once."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch import nn
from transformers import AutoModelForCausalLM

from morphy_training import embeddings
from morphy_training.errors import BaseModelError, ExportError, RecipeError
from morphy_training.family import base, converter, sft, tiny
from morphy_training.recipe import Recipe, parse

TIED = {"lfm2", "qwen3", "gemma3_text"}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny model of each architecture."""
    folder = tmp_path_factory.mktemp("models")
    for architecture in tiny.ARCHITECTURES:
        tiny.make(architecture, folder / architecture)
    return folder


def recipe(model: Path | str, architecture: str, **sft: object) -> Recipe:
    content = {"source": "home", "format": "home", "count": 4}
    given = {"architecture": architecture, "base": {"model": str(model)}, "data": [content], "sft": sft}
    return parse({"dialect": "lines", **given})


class Head(nn.Module):
    def __init__(self, width: int, words: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, words)


class Old(nn.Module):
    """The names of an old code: `wte` and `lm_head.linear`."""

    def __init__(self) -> None:
        super().__init__()
        self.wte, self.body, self.lm_head = nn.Embedding(8, 4), nn.Linear(4, 4), Head(4, 8)

    def get_input_embeddings(self) -> nn.Module:
        return self.wte

    def get_output_embeddings(self) -> nn.Module:
        return self.lm_head.linear


@pytest.mark.parametrize("architecture", tiny.ARCHITECTURES)
def test_embeddings_and_head_are_found_and_trained(models: Path, architecture: str) -> None:
    model = AutoModelForCausalLM.from_pretrained(models / architecture)
    names = embeddings.embedding_names(model)
    assert embeddings.is_tied(model) is (architecture in TIED)
    assert len(names) == (1 if architecture in TIED else 2)
    config = LoraConfig(
        r=4, target_modules="all-linear", modules_to_save=names, ensure_weight_tying=architecture in TIED
    )
    adapted = get_peft_model(model, config)
    trained = {name for name, one in adapted.named_parameters() if one.requires_grad and "lora_" not in name}
    assert len({name for name in trained if name.endswith("weight")}) == len(names)
    assert all(any(name in one for one in trained) for name in names)


def test_old_names_are_found() -> None:
    model = Old()
    assert embeddings.embedding_names(model) == ["wte", "lm_head.linear"]
    config = LoraConfig(r=2, target_modules=["body"], modules_to_save=embeddings.embedding_names(model))
    trained = [name for name, one in get_peft_model(model, config).named_parameters() if one.requires_grad]
    assert any("wte.modules_to_save" in name for name in trained)
    assert any("lm_head.linear.modules_to_save" in name for name in trained)


@pytest.mark.parametrize("missing", ["get_input_embeddings", "get_output_embeddings"])
def test_a_model_without_them_fails_clearly(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Old, missing, lambda _: None)
    with pytest.raises(BaseModelError, match="Old names no embeddings and head"):
        embeddings.embedding_names(Old())


def test_untied_embeddings_are_two_matrices(models: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(models / "qwen3")
    embeddings.untie(model)
    assert not embeddings.is_tied(model)
    assert len(embeddings.embedding_names(model)) == 2


@pytest.mark.parametrize("architecture", ["mistral", "gemma3_text", "lfm2"])
def test_chatml_is_added_once(models: Path, architecture: str, tmp_path: Path) -> None:
    asked = recipe(models / architecture, architecture, add_tokens=["chatml"], embeddings=True)
    tokenizer = base.load_tokenizer(asked)
    assert tokenizer.eos_token == "<|im_end|>"
    assert len(tokenizer.encode("<|im_start|>", add_special_tokens=False)) == 1
    model = base.load_model(asked, tokenizer)
    assert model.get_input_embeddings().weight.shape[0] == len(tokenizer)
    assert model.config.eos_token_id == tokenizer.eos_token_id
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    again = base.load_tokenizer(recipe(tmp_path, architecture, add_tokens=["chatml"]))
    assert len(again) == len(tokenizer)


def test_new_tokens_that_could_not_be_learnt_are_refused(models: Path) -> None:
    asked = recipe(models / "mistral", "mistral", add_tokens=["chatml"])
    with pytest.raises(RecipeError, match="set embeddings to true"):
        base.load_model(asked, base.load_tokenizer(asked))


def test_four_bits_are_nf4_twice(models: Path) -> None:
    given = {"model": str(models / "mistral"), "quantise": "nf4"}
    entry = {"source": "home", "format": "home", "count": 4}
    asked = parse({"architecture": "mistral", "dialect": "lines", "base": given, "data": [entry], "sft": {}})
    tokenizer = base.load_tokenizer(asked)
    model = base.load_model(asked, tokenizer)
    layer = model.model.layers[0].self_attn.q_proj
    assert type(layer).__name__ == "Linear4bit"
    assert layer.weight.quant_type == "nf4"
    assert layer.weight.quant_state.nested
    whole = base.load_dequantised(asked, tokenizer)
    ids = torch.arange(30)[None]
    assert type(whole.model.layers[0].self_attn.q_proj) is nn.Linear
    assert whole.model.layers[0].self_attn.q_proj.weight.dtype == torch.bfloat16
    original = AutoModelForCausalLM.from_pretrained(models / "mistral", dtype=torch.bfloat16)
    with torch.inference_mode():
        packed = base.load_model(asked, tokenizer)(ids).logits
        torch.testing.assert_close(whole(ids).logits, packed, atol=0.005, rtol=0.02)
        assert (original(ids).logits - packed).abs().max() > 0.02


def test_a_base_of_another_architecture_is_named(models: Path) -> None:
    with pytest.raises(BaseModelError, match="is of the architecture lfm2, not mistral"):
        base.load_config(recipe(models / "lfm2", "mistral"))


def test_a_base_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BaseModelError, match=r"nothing cannot be loaded"):
        base.load_config(recipe(tmp_path / "nothing", "mistral"))


def test_weights_that_are_cut_are_told(models: Path, tmp_path: Path) -> None:
    cut = Path(shutil.copytree(models / "qwen3", tmp_path / "cut"))
    weights = cut / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    asked = recipe(cut, "qwen3")
    with pytest.raises(BaseModelError, match=r"cut cannot be loaded"):
        base.load_model(asked, base.load_tokenizer(asked))


def test_a_class_that_llama_cpp_cannot_read_is_named() -> None:
    converter.check("MistralForCausalLM")
    with pytest.raises(ExportError, match="no models of the class OddForCausalLM"):
        converter.check("OddForCausalLM")


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        (".*wqkv", r"\.\*wqkv matches no module of MistralForCausalLM.* are down_proj, gate_proj"),
        ("*q_proj", "is no regular expression"),
    ],
)
def test_targets_that_the_base_has_not_are_named(models: Path, targets: str, message: str) -> None:
    model = AutoModelForCausalLM.from_pretrained(models / "mistral")
    part = recipe(models / "mistral", "mistral", targets=targets).sft
    assert part is not None
    with pytest.raises(RecipeError, match=message):
        sft.lora_config(model, part)


def test_an_architecture_without_a_tiny_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="'rnn'"):
        tiny.make("rnn", tmp_path)
