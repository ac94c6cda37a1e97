"""How sure a model must be of its calls before they are worth making: a number that travels in the GGUF file.

The integration makes no call when the answer up to it is less likely than this, and says that it did not understand.
"""

from __future__ import annotations

import torch
from transformers import AutoModelForCausalLM

from . import tokenizer as tokenizers
from .data import HELD_OUT, Encoder, Source, Weights, samples
from .dialect import get_dialect
from .machine import CPU, Machine
from .measure import judge
from .recipe import Recipe
from .runs import Folder

SEED = HELD_OUT + 3
"""Homes that nothing else is measured on."""


@torch.inference_mode()
def least_certainty(
    recipe: Recipe, folder: Folder, source: Source, exchanges: int = 1500, machine: Machine = CPU
) -> float:
    """Return the natural logarithm of a probability that all but a few of the merged model's right calls exceed.

    The recipe's `export.sure_calls` is the share that does. Measured on about `exchanges` exchanges of held-out homes;
    an answer's probability is that of its tokens up to the end of its calls.
    """
    merged = folder.need(folder.merged, "merge")
    model = AutoModelForCausalLM.from_pretrained(merged, dtype=torch.float32).train(False).to(machine.device)
    encoder = Encoder(
        tokenizers.load(merged), get_dialect(recipe.dialect), Weights(answer=1.0), model.config.max_position_embeddings
    )
    found: list[float] = []
    seen = 0
    for sample in samples(source, encoder, SEED, heldout=True):
        if seen >= exchanges:
            break
        seen += len(sample.spans)
        right, certainty = judge(model, sample)
        acts = (slice(span.start, span.calls[-1][1]) for span in sample.spans if span.acts)
        found += [sum(certainty[act]) for act in acts if all(right[act])]
    found.sort()
    return found[int(len(found) * (1 - recipe.export.sure_calls))] if found else float("-inf")
