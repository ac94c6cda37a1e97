"""The model that a recipe begins with: its tokenizer, its weights (in 4 bits for QLoRA), and room for new tokens.

All that can be known to be wrong without the weights is found out first: they may be many gigabytes.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from tokenizers.pre_tokenizers import Metaspace
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    BitsAndBytesConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import cached_file

from ..dialect import find_dialect
from ..errors import BaseModelError, RecipeError
from ..recipe import BaseRecipe, Recipe
from ..tokenizer import CHAT_TEMPLATE

CHATML = "chatml"
"""What stands in a recipe's `add_tokens` for ChatML's tokens, the end of its answers and its template."""

FAILED = (OSError, ValueError, KeyError, RuntimeError, SafetensorError)
"""What transformers and peft raise for files that are not there, cut, or not what they should be."""


def of(recipe: Recipe) -> BaseRecipe:
    """The recipe's base model; RecipeError when it has none."""
    if recipe.base is None:
        raise RecipeError("This step needs a recipe with a base model (base, data, sft)")
    return recipe.base


def load_config(recipe: Recipe) -> Any:
    """The base model's config; BaseModelError when it cannot be had or is of another architecture."""
    base = of(recipe)
    try:
        config = AutoConfig.from_pretrained(base.model, revision=base.revision)
    except FAILED as error:
        raise BaseModelError(f"The base model {base.model} cannot be loaded: {_first_line(error)}") from error
    if config.model_type != recipe.architecture:
        raise BaseModelError(f"{base.model} is of the architecture {config.model_type}, not {recipe.architecture}")
    return config


def shape(recipe: Recipe) -> Any:
    """The config of the recipe's model: made from its `shape`, or, where it tells none, the base model's own."""
    if not recipe.shape:
        return load_config(recipe)
    try:
        return AutoConfig.for_model(recipe.architecture, **recipe.shape)
    except (ValueError, TypeError, StrictDataclassError) as error:
        why = str(error).replace("\n", " ")
        raise RecipeError(f"shape does not make a model of the architecture {recipe.architecture}: {why}") from error


def outline(config: Any) -> PreTrainedModel:
    """A model of this config without its weights: all is there to be counted, and takes no memory."""
    with torch.device("meta"):
        model: PreTrainedModel = AutoModelForCausalLM.from_config(config)
    return model


def check_shape(recipe: Recipe, config: Any) -> None:
    """BaseModelError when the base model is of another size than the recipe's `shape`, by which memory was counted."""
    if recipe.shape:
        has, told = (outline(one).num_parameters() for one in (config, shape(recipe)))
        if abs(has - told) > told / 100:
            raise BaseModelError(
                f"{of(recipe).model} has {has / 1e6:.0f} million weights, and the recipe's shape comes to "
                f"{told / 1e6:.0f}: mend the shape, or leave it out"
            )


def load_tokenizer(recipe: Recipe) -> PreTrainedTokenizerBase:
    """The base model's tokenizer, with the tokens that the recipe adds."""
    base = of(recipe)
    try:
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(base.model, revision=base.revision)
    except FAILED as error:
        raise BaseModelError(f"The tokenizer of {base.model} cannot be loaded: {_first_line(error)}") from error
    assert recipe.sft is not None
    wanted = [token for token in recipe.sft.add_tokens if token != CHATML]
    dialect = find_dialect(recipe.dialect)
    if chatml := CHATML in recipe.sft.add_tokens:
        wanted += dialect.special_tokens
    tokenizer.add_special_tokens({"extra_special_tokens": wanted})
    if dialect.stop[0] in wanted:
        tokenizer.eos_token = dialect.stop[0]
    if chatml:
        tokenizer.chat_template = CHAT_TEMPLATE
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.unk_token or tokenizer.eos_token
    prefix_nothing(tokenizer)
    return tokenizer


def load_model(recipe: Recipe, tokenizer: PreTrainedTokenizerBase) -> PreTrainedModel:
    """The base model with a row for every token of the tokenizer."""
    base, config = of(recipe), load_config(recipe)
    options: dict[str, Any] = {"dtype": getattr(torch, base.dtype)}
    if base.quantise == "nf4":
        options["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=options["dtype"],
            bnb_4bit_quant_storage=options["dtype"],  # Packed as numbers that FSDP can shard.
        )
    try:
        model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(
            base.model, revision=base.revision, config=config, **options
        )
    except FAILED as error:
        raise BaseModelError(f"The base model {base.model} cannot be loaded: {_first_line(error)}") from error
    _keep_packed_alike(model)
    rows: int = model.get_input_embeddings().weight.shape[0]
    if len(tokenizer) > rows:
        _check_room(recipe, len(tokenizer) - rows)
        torch.manual_seed(recipe.seed)
        model.resize_token_embeddings(len(tokenizer))
    model.config.eos_token_id = tokenizer.eos_token_id
    if model.generation_config is not None:
        model.generation_config.eos_token_id = tokenizer.eos_token_id
    return model


def _keep_packed_alike(model: PreTrainedModel) -> None:
    """Keep bitsandbytes from packing 4 bits anew, and rounding, once a model is evaluated, as it does on some CPUs.

    A run that goes on from a checkpoint would part from one that was not stopped.
    """
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False


def load_dequantised(recipe: Recipe, tokenizer: PreTrainedTokenizerBase) -> PreTrainedModel:
    """The base model as adapters saw it: where they were trained on 4 bits, what those stand for, in `dtype`."""
    model = load_model(recipe, tokenizer)
    if of(recipe).quantise == "none":
        return model
    whole: PreTrainedModel = model.dequantize()
    return whole


def sentencepiece_file(model: str, revision: str | None = None) -> Path | None:
    """A model's `tokenizer.model`, which llama.cpp's converter reads where there is one."""
    found = cached_file(model, "tokenizer.model", revision=revision, _raise_exceptions_for_missing_entries=False)
    return Path(found) if found else None


def note_for_llama_cpp(tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Tell llama.cpp's converter, in the settings saved in a folder, what it does not read in `tokenizer.json`.

    These are the tokens beside sentencepiece's own, and whether a space is put in front of a text.
    """
    path = folder / "tokenizer_config.json"
    settings = json.loads(path.read_text(encoding="utf-8"))
    settings["added_tokens_decoder"] = {
        str(number): {"content": token.content, "special": token.special}
        for number, token in tokenizer.added_tokens_decoder.items()
    }
    if isinstance(_splitter(tokenizer), Metaspace):
        # As it was saved: a class of its own would put the space back.
        settings |= {"add_prefix_space": False, "tokenizer_class": "PreTrainedTokenizerFast"}
    path.write_text(json.dumps(settings, indent=1, ensure_ascii=False), encoding="utf-8")


def prefix_nothing(tokenizer: PreTrainedTokenizerBase) -> None:
    """Leave out the space that newer tokenizers of sentencepiece's kind put in front of a text, and only there.

    llama.cpp puts one behind every special token or nowhere. Chats begin with such a token, so nothing changes in them.
    """
    way = _splitter(tokenizer)
    if isinstance(way, Metaspace) and way.prepend_scheme == "first":
        way.prepend_scheme = "never"
        tokenizer.backend_tokenizer.pre_tokenizer = way


def _splitter(tokenizer: PreTrainedTokenizerBase) -> Any:
    return tokenizer.backend_tokenizer.pre_tokenizer


def _check_room(recipe: Recipe, new: int) -> None:
    assert recipe.sft is not None
    if recipe.sft.method == "lora" and not recipe.sft.embeddings:
        raise RecipeError(f"sft: {new} tokens are new to the base model and have to be learnt: set embeddings to true")


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
