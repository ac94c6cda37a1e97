"""The model: transformers' `Lfm2ForCausalLM`, which llama.cpp runs, and the loss where it counts.

Short convolutions beside attention learn to copy from the prompt in a fraction of the tokens attention alone needs.
"""

from __future__ import annotations

from functools import reduce

import torch
import torch._dynamo
from torch import nn
from torch.nn.functional import cross_entropy, pad
from transformers import Lfm2Config, Lfm2ForCausalLM, PreTrainedModel
from transformers.models.lfm2 import modeling_lfm2

from .machine import autocast
from .recipe import ModelRecipe

_LAYER_TYPES = {"conv": "conv", "attention": "full_attention"}


def build(recipe: ModelRecipe, vocab_size: int, seed: int) -> PreTrainedModel:
    """A model of random weights; the embeddings and the head are one matrix."""
    torch.manual_seed(seed)
    config = Lfm2Config(
        vocab_size=vocab_size,
        hidden_size=recipe.hidden_size,
        intermediate_size=recipe.intermediate_size,
        block_auto_adjust_ff_dim=False,
        num_hidden_layers=len(recipe.blocks),
        layer_types=[_LAYER_TYPES[block] for block in recipe.blocks],
        num_attention_heads=recipe.heads,
        num_key_value_heads=recipe.kv_heads,
        conv_L_cache=recipe.conv_kernel,
        max_position_embeddings=recipe.context,
        rope_parameters={"rope_type": "default", "rope_theta": recipe.rope_theta},
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=0,
        pad_token_id=None,
    )
    return Lfm2ForCausalLM(config)


def compile_blocks(model: PreTrainedModel) -> None:
    """Have torch compile each block, for any length: a third faster after some minutes; needs a C++ compiler.

    torch's depthwise convolution would be compiled anew for every length, so the kernel is written out for it.
    """
    modeling_lfm2.causal_conv1d_fn = _causal_convolution
    torch._dynamo.config.recompile_limit = 64  # One block's code serves both kinds, batches of one, and evaluation.
    for block in getattr(model, model.base_model_prefix).layers:
        block.compile(dynamic=True)


def _causal_convolution(
    inputs: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None, **_: object
) -> torch.Tensor:
    """Depthwise causal convolution of [batch, channels, length] with a kernel of [channels, width], tap by tap."""
    width, length = weight.shape[1], inputs.shape[-1]
    padded = pad(inputs, (width - 1, 0))
    taps = [padded[..., tap : tap + length] * weight[:, tap, None] for tap in range(width)]
    return reduce(torch.add, taps if bias is None else [*taps, bias[:, None]])


def parameters(model: nn.Module) -> tuple[int, int]:
    """How many parameters the model has: all of them, and those beside the embeddings."""
    total = sum(parameter.numel() for parameter in model.parameters())
    return total, total - sum(p.numel() for name, p in model.named_parameters() if "embed" in name and p.ndim == 2)


def logits_at(model: PreTrainedModel, ids: torch.Tensor, where: torch.Tensor) -> torch.Tensor:
    """Logits [n, vocabulary] in float32 at the n positions where the mask `where` [batch, length] is set.

    The head is computed nowhere else: it would cost a fifth of the run for nothing.
    """
    with autocast(ids.device):
        body = getattr(model, model.base_model_prefix)
        hidden = body(input_ids=ids, use_cache=False).last_hidden_state
        logits: torch.Tensor = model.get_output_embeddings()(hidden[where])
    return logits.float()


def weighted_loss(model: PreTrainedModel, ids: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """The sum over targets of weight times cross entropy; `ids` and `weights`, on any device, are [batch, length]."""
    ids, weights = ids.to(model.device), weights.to(model.device)
    targets, counts = ids[:, 1:], weights[:, 1:]
    where = counts > 0
    logits = logits_at(model, ids[:, :-1], where)
    return (cross_entropy(logits, targets[where], reduction="none") * counts[where]).sum()
