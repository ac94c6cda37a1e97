"""The base model, from nothing: learn a tokenizer, build a model of random weights, train it on generated homes."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from . import tokenizer as tokenizers
from .data import Encoder, Source, Weights, micro_batches, plain, render, step_seed
from .dialect import Dialect, get_dialect
from .loop import CHECKPOINT, DEFAULT_PACE, Pace, Run, Schedule, Steps
from .machine import CPU, Machine
from .measure import Score
from .model import build, compile_blocks, parameters, weighted_loss
from .recipe import PretrainRecipe, Recipe
from .runs import Folder


def pretrain(
    recipe: Recipe,
    folder: Folder,
    source: Source,
    *,
    minutes: float | None = None,
    tokens: int | None = None,
    pace: Pace = DEFAULT_PACE,
    stop_after: int | None = None,
    compiled: bool = False,
    machine: Machine = CPU,
) -> Score:
    """Train the base model, or go on where it stopped; returns the last evaluation.

    `minutes` or `tokens` set the length of the run instead of the recipe. A run that goes on keeps the length it began
    with, since the learning rate depends on it, unless `tokens` names another. `stop_after` ends this call after
    so many steps. `compiled` has torch compile the model's blocks first.
    """
    folder.begin(recipe)
    dialect = get_dialect(recipe.dialect)
    tokenizer = learn_tokenizer(recipe, folder, source, dialect)
    model = build(recipe.model, len(tokenizer), recipe.seed).to(machine.device)
    encoder = _encoder(recipe, tokenizer, dialect)

    def save(path: Path) -> None:
        model.save_pretrained(path)
        tokenizer.save_pretrained(path)

    run = Run(folder.pretrain, model, optimizers(model, recipe.pretrain), save)
    if run.restore():
        tokens = tokens or run.state.budget
    elif minutes is not None:
        tokens = int(minutes * 60 * speed(recipe, source, encoder, len(tokenizer), machine))
    if compiled:
        compile_blocks(model)
    total, body = parameters(model)
    schedule = _schedule(recipe.pretrain, tokens, machine)
    print(f"{total / 1e6:.2f} M parameters, {body / 1e6:.2f} M beside the embeddings")
    return run.train(source, encoder, schedule, recipe.seed, pace, stop_after, machine)


def estimate(recipe: Recipe, source: Source, minutes: float | None, tokens: int | None, machine: Machine = CPU) -> str:
    """What a run would cost, in a sentence: tokens and minutes, measured on a few steps of a model of this shape."""
    dialect = get_dialect(recipe.dialect)
    few = recipe.tokenizer.examples // 10
    tokenizer = tokenizers.learn(_texts(source, recipe.seed, few, dialect), recipe.tokenizer.vocab_size)
    rate = speed(recipe, source, _encoder(recipe, tokenizer, dialect), len(tokenizer), machine)
    count = int(minutes * 60 * rate) if minutes is not None else tokens or recipe.pretrain.tokens
    steps = count // recipe.pretrain.batch_tokens
    return (
        f"{count / 1e6:.2f} M tokens in {steps} steps at {rate:.0f} tokens/s: {count / rate / 60:.0f} minutes, "
        f"measured on {machine.name}"
    )


def learn_tokenizer(recipe: Recipe, folder: Folder, source: Source, dialect: Dialect) -> PreTrainedTokenizerFast:
    """The run's tokenizer: read from its folder, or learnt from generated text and saved there."""
    if not folder.tokenizer.exists():
        texts = _texts(source, recipe.seed, recipe.tokenizer.examples, dialect)
        tokenizers.learn(texts, recipe.tokenizer.vocab_size).save_pretrained(folder.tokenizer)
    return tokenizers.load(folder.tokenizer)


def optimizers(model: PreTrainedModel, recipe: PretrainRecipe) -> list[torch.optim.Optimizer]:
    """Muon for the matrices inside the blocks, AdamW for the embeddings, norms and convolution kernels."""
    matrices: list[torch.nn.Parameter] = []
    rest: list[torch.nn.Parameter] = []
    embeddings = model.get_input_embeddings().weight
    for parameter in model.parameters():
        inside = parameter.ndim == 2 and parameter is not embeddings
        (matrices if inside else rest).append(parameter)
    muon = torch.optim.Muon(
        matrices, lr=recipe.muon_lr, weight_decay=recipe.weight_decay, adjust_lr_fn="match_rms_adamw"
    )
    return [muon, torch.optim.AdamW(rest, lr=recipe.adam_lr, betas=(0.9, 0.95), weight_decay=0.0, fused=True)]


def speed(recipe: Recipe, source: Source, encoder: Encoder, vocab_size: int, machine: Machine = CPU) -> float:
    """Tokens per second of a model of this shape, data included, over a few steps after a warm-up.

    The steps are short ones on a CPU, where those of a larger recipe would take minutes.
    """
    model = build(recipe.model, vocab_size, recipe.seed).to(machine.device)
    used = optimizers(model, recipe.pretrain)
    size = recipe.pretrain.batch_tokens if machine.device.type == "cuda" else min(recipe.pretrain.batch_tokens, 4096)
    schedule = replace(_schedule(recipe.pretrain, None, machine), batch_tokens=size, curriculum=0.0)
    # Generated ahead, data are there at once for the first steps: those do not count either.
    warm_up, counted = 2 + 3 * machine.workers, 3 + machine.workers
    batches = Steps(source, encoder, schedule, step_seed(recipe.seed, -1)).batches(0, machine.workers)
    begun, tokens = time.perf_counter(), 0
    for step, batch in enumerate(itertools.islice(batches, warm_up + counted)):
        if step == warm_up:
            begun, tokens = time.perf_counter(), 0
        for ids, weights in micro_batches(batch, schedule.micro_tokens):
            weighted_loss(model, ids, weights).backward()  # type: ignore[no-untyped-call]
        for optimizer in used:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        machine.finish()
        tokens += sum(len(sample.ids) for sample in batch)
    return tokens / (time.perf_counter() - begun)


def _encoder(recipe: Recipe, tokenizer: PreTrainedTokenizerFast, dialect: Dialect) -> Encoder:
    part = recipe.pretrain
    weights = Weights(part.answer_weight, part.copy_weight, part.rest_weight)
    return Encoder(tokenizer, dialect, weights, recipe.model.context)


def _schedule(recipe: PretrainRecipe, tokens: int | None, machine: Machine) -> Schedule:
    return Schedule(
        tokens=tokens or recipe.tokens,
        batch_tokens=recipe.batch_tokens,
        micro_tokens=machine.micro(recipe.micro_tokens),
        warmup=recipe.warmup,
        decay=recipe.decay,
        curriculum=recipe.curriculum,
    )


def _texts(source: Source, seed: int, examples: int, dialect: Dialect) -> Iterator[str]:
    for example in itertools.islice(source(step_seed(seed, -1)), examples):
        yield plain(render(example, dialect))


def base_checkpoint(folder: Folder) -> Path:
    """Where the base model of a run is; RunError when it has not been trained."""
    return folder.need(folder.pretrain / CHECKPOINT / "model.safetensors", "pretrain").parent
