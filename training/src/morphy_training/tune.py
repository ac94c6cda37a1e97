"""The LoRA: teaches the base model ChatML, whose tokens it has never seen, with adapters from peft.

Embeddings and head are trained and saved beside the adapters, as new tokens need it. Their names are looked up in the
model itself. Where the two are one matrix (LFM2, Qwen3, Gemma) they stay one: trained apart they would drift, and the
merged model would be a vocabulary matrix larger for nothing. The recipe can say otherwise, to measure what it costs.
"""

from __future__ import annotations

from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM, PreTrainedModel, PreTrainedTokenizerFast

from . import tokenizer as tokenizers
from .data import Encoder, Source, Weights
from .dialect import get_dialect
from .embeddings import embedding_names, is_tied, untie
from .errors import RunError
from .loop import CHECKPOINT, DEFAULT_PACE, Pace, Run, Schedule
from .machine import CPU, Machine
from .measure import Score
from .pretrain import base_checkpoint
from .recipe import Recipe, TuneRecipe
from .runs import Folder


def tune(
    recipe: Recipe,
    folder: Folder,
    source: Source,
    *,
    tokens: int | None = None,
    pace: Pace = DEFAULT_PACE,
    stop_after: int | None = None,
    machine: Machine = CPU,
) -> Score:
    """Train the adapter on top of the run's base model, or go on where it stopped; returns the last evaluation."""
    dialect = get_dialect(recipe.dialect)
    base, tokenizer = chat_base(base_checkpoint(folder), dialect.special_tokens, dialect.stop[0])
    if not recipe.tune.tied:
        untie(base)
    torch.manual_seed(recipe.seed)
    model = get_peft_model(base, lora_config(base, recipe.tune)).to(machine.device)
    model.print_trainable_parameters()

    def save(path: Path) -> None:
        model.save_pretrained(str(path))
        tokenizer.save_pretrained(path)

    part = recipe.tune
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    adamw = torch.optim.AdamW(trained, lr=part.lr, betas=(0.9, 0.95), weight_decay=0.0, fused=True)
    run = Run(folder.tune, base, [adamw], save)
    if run.restore():
        tokens = tokens or run.state.budget
    schedule = Schedule(
        tokens or part.tokens, part.batch_tokens, machine.micro(part.micro_tokens), part.warmup, part.decay
    )
    weights = Weights(1.0, part.copy_weight, part.rest_weight)
    encoder = Encoder(tokenizer, dialect, weights, recipe.model.context)
    # Other homes than the base model has seen: the seeds of the steps are derived from another number.
    return run.train(source, encoder, schedule, recipe.seed + 1_000_003, pace, stop_after, machine)


def chat_base(
    checkpoint: Path, special_tokens: tuple[str, ...], end: str
) -> tuple[PreTrainedModel, PreTrainedTokenizerFast]:
    """The base model and its tokenizer, with ChatML's tokens added and the embeddings resized for them."""
    tokenizer = tokenizers.load(checkpoint)
    tokenizers.add_chatml(tokenizer, special_tokens, end)
    model = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32)
    torch.manual_seed(0)
    model.resize_token_embeddings(len(tokenizer))
    model.config.eos_token_id = tokenizer.eos_token_id
    return model, tokenizer


def lora_config(model: PreTrainedModel, recipe: TuneRecipe) -> LoraConfig:
    """Adapters on every linear layer of the blocks; embeddings and head trained whole if at all, tied when they are."""
    return LoraConfig(
        task_type="CAUSAL_LM",
        r=recipe.rank,
        lora_alpha=recipe.alpha,
        lora_dropout=recipe.dropout,
        target_modules="all-linear",
        modules_to_save=embedding_names(model) if recipe.embeddings else None,
        ensure_weight_tying=recipe.embeddings and is_tied(model),
    )


def merge(recipe: Recipe, folder: Folder) -> Path:
    """Fold the adapter into the base model and save the whole; returns its folder."""
    adapter = folder.need(folder.tune / CHECKPOINT / "adapter_model.safetensors", "tune").parent
    dialect = get_dialect(recipe.dialect)
    base, tokenizer = chat_base(base_checkpoint(folder), dialect.special_tokens, dialect.stop[0])
    if not recipe.tune.tied:
        untie(base)
    tied = is_tied(base)
    model = PeftModel.from_pretrained(base, adapter).merge_and_unload()
    if is_tied(model) != tied:
        raise RunError("Embeddings and head of the merged model are not tied as they were trained")
    model.save_pretrained(folder.merged)
    tokenizer.save_pretrained(folder.merged)
    return folder.merged
