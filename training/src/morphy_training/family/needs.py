"""What a fine-tuning takes of each GPU, of the disk and of the clock: by count, before anything is fetched or loaded.

Weights are counted on a model without any (torch's `meta` device), with peft's own adapters in it. What is trained is
held in 32 bits, as `sft` does it, with a gradient and AdamW's two means; activations are an upper bound, see `_kept`.
Nothing of this was measured on a GPU; a test compares it with what the same training takes on a CPU.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import torch
from peft import get_peft_model
from torch import nn
from transformers import PreTrainedModel

from ..dialect import find_dialect
from ..embeddings import is_tied
from ..errors import RecipeError
from ..recipe import Recipe, SftRecipe
from . import base as bases
from .blend_plan import read
from .sft import disk_needed, files_needed, lora_config

GPUS = (12, 16, 24, 40, 48, 80, 141)
"""Memory of graphics cards that one can have, in GB."""

_NF4 = 0.5 + 1 / 64 + 4 / (64 * 256)
"""Bytes a weight takes in NF4: its 4 bits, a scale of 8 bits for every 64, one of 32 bits for every 256 of those."""

_CUDA = 1_500_000_000
"""What CUDA itself, its libraries and the gaps between tensors take. Assumed."""


@dataclass(frozen=True, slots=True)
class Part:
    """One kind of memory: bytes in all, and on each GPU."""

    name: str
    whole: float
    each: float


@dataclass(frozen=True, slots=True)
class Needs:
    """What a recipe needs: bytes, floating-point operations for each token, and how many tokens it reads at most.

    `most` is 0 where that is not known: where a recipe takes all that a file or a dataset has.
    """

    recipe: str
    weights: int
    trained: int
    gpus: int
    parts: tuple[Part, ...]
    disk: float
    fetched: float
    memory: float
    per_token: float
    most: float

    @property
    def each(self) -> float:
        """Bytes on each GPU."""
        return sum(part.each for part in self.parts)

    @property
    def smallest(self) -> int | None:
        """The smallest of GPUS that it fits into, in GB; None when there is none, or when none is needed."""
        return next((size for size in GPUS if self.each <= size * 1e9), None) if self.parts else None

    def hours(self, tokens: float, tflops: float) -> float:
        """Hours for so many tokens at so many TFLOPS that each GPU really does."""
        return tokens * self.per_token / (tflops * 1e12 * self.gpus) / 3600

    def row(self, tflops: float) -> str:
        """A line of a table in Markdown."""
        memory = f"{self.each / 1e9:.0f} GB" if self.parts else "none"
        time = f"{self.hours(1e7, tflops):.1f}" if self.parts else ""
        most = f"{self.hours(self.most, tflops):.0f}" if self.most else ""
        disk = f"{self.disk / 1e9:.0f} + {self.fetched / 1e9:.0f} GB"
        return f"| {self.recipe} | {memory} | {disk} | {self.memory / 1e9:.0f} GB | {time} | {most} |"

    def text(self, tflops: float) -> str:
        """The arithmetic, a line for each kind of memory."""
        lines = [f"{self.recipe}: {self.weights / 1e6:,.0f} million weights, {self.trained / 1e6:,.0f} million trained"]
        if self.parts:
            lines.append(
                f"  {'GB of GPU memory':52}{'in all':>8}{f'on each of {self.gpus}' if self.gpus > 1 else '':>14}"
            )
            lines += [f"  {part.name:52}{part.whole / 1e9:8.2f}{self._each(part.each)}" for part in self.parts]
            fits = f"fits into {self.smallest} GB" if self.smallest else f"fits into none of {max(GPUS)} GB"
            whole = sum(part.whole for part in self.parts)
            lines.append(f"  {'together':52}{whole / 1e9:8.2f}{self._each(self.each)}  {fits}")
        lines.append(f"  disk {self.disk / 1e9:.0f} GB, and {self.fetched / 1e9:.0f} GB for what is fetched")
        lines.append(f"  main memory {self.memory / 1e9:.0f} GB, to compare the GGUF file with transformers")
        if self.parts:
            most = f"; at most {self.hours(self.most, tflops):.0f} in all" if self.most else ""
            lines.append(f"  {self.hours(1e7, tflops):.1f} hours for 10 million tokens at {tflops:g} TFLOPS{most}")
        return "\n".join(lines)

    def _each(self, value: float) -> str:
        return f"{value / 1e9:14.2f}" if self.gpus > 1 else ""


def report(recipes: dict[str, Recipe], gpus: int = 1, tflops: float = 25) -> str:
    """The arithmetic of each recipe, by its title, and a table of them all when there are several."""
    counted = [replace(needs(recipe, gpus), recipe=title) for title, recipe in recipes.items()]
    texts = [one.text(tflops) for one in counted]
    if len(counted) > 1:
        head = "| recipe | each GPU | disk, fetched | main memory | hours for 10 M tokens | hours at most |"
        texts.append("\n".join([head, "|---|---|---|---|---|---|", *(one.row(tflops) for one in counted)]))
    return "\n\n".join(texts)


def needs(recipe: Recipe, gpus: int = 1) -> Needs:
    """Count what a recipe with a base model or a blend needs on so many GPUs; with several, FSDP shares it out."""
    if recipe.from_nothing:
        raise RecipeError(
            f"{recipe.name} is trained from nothing: `morphy-train pretrain --estimate` measures its time"
        )
    model = bases.outline(bases.shape(recipe))
    weights = model.num_parameters()
    if recipe.sft is None:
        merges, half = len(read(recipe.blend)), 2 * weights
        disk = half * merges + files_needed(weights, recipe)
        return Needs(recipe.name, weights, 0, 0, (), disk, half * (merges + 1), 4 * weights, 0, 0)
    new = _new_tokens(recipe) * model.get_input_embeddings().weight.shape[1]
    disk = disk_needed(model, recipe)
    parts, per_token = _parts(recipe, recipe.sft, model, gpus)
    trained = sum(one.numel() for one in model.parameters() if one.requires_grad)
    return Needs(
        recipe.name,
        weights + new,
        trained,
        gpus,
        parts,
        disk,
        2 * weights,
        4 * weights,
        per_token,
        _most(recipe, recipe.sft),
    )


def _parts(recipe: Recipe, part: SftRecipe, model: PreTrainedModel, gpus: int) -> tuple[tuple[Part, ...], float]:
    """The kinds of memory, and the operations for each token; puts adapters into the model where they are trained."""
    layer_kinds = tuple(model._no_split_modules or ())
    base = bases.of(recipe)
    if part.method == "lora":
        # In place: `model` is what is counted in the end. Without memory, peft would not tie what is tied.
        get_peft_model(model, lora_config(model, part), low_cpu_mem_usage=not is_tied(model))
    layers = [module for module in model.modules() if type(module).__name__ in layer_kinds]
    trained = _count(one for one in model.parameters() if one.requires_grad)
    packed = _count(_packed(model)) if base.quantise == "nf4" else 0
    frozen = _count(one for one in model.parameters() if not one.requires_grad) - packed
    # peft holds in 32 bits what is not packed; see prepare_model_for_kbit_training.
    held = frozen * (4 if packed or base.dtype == "float32" else 2) + packed * _NF4
    tokens = part.micro_batch * part.length
    width = model.config.get_text_config().hidden_size
    kinds = [
        ("weights that stay as they are", held / gpus, held),
        ("weights that are trained, 32 bits", 4 * trained / gpus, 4 * trained),
        ("their gradients, 32 bits", 4 * trained / gpus, 4 * trained),
        (f"their optimiser ({part.optimiser})", _optimiser(part, model) / gpus, _optimiser(part, model)),
    ]
    kinds.append(("copies of them in 16 bits, for computing", *_copies(layers, model, trained, gpus)))
    often = 1 if part.checkpointing else len(layers)
    between = len(layers) * tokens * width * 4
    inside = max(map(_kept, layers)) * tokens * often
    kinds.append((f"what {tokens} tokens leave between {len(layers)} layers", between, between * gpus))
    kinds.append((f"and within {'the one that is computed again' if often == 1 else 'them'}", inside, inside * gpus))
    kinds.append(("CUDA and gaps (assumed)", _CUDA, _CUDA * gpus))
    parts = tuple(Part(name, whole, each) for name, each, whole in kinds)
    return parts, _operations(model, part)


def _copies(layers: list[nn.Module], model: nn.Module, trained: int, gpus: int) -> tuple[float, float]:
    """Bytes of copies in 16 bits, on each GPU and in all.

    On one GPU autocast makes one of each trained weight. FSDP gathers, on each, two layers at a time (the next comes
    while one is computed) and all that is in no layer, and holds the gradients of one layer until they are shared out.
    """
    if gpus == 1:
        return 2 * trained, 2 * trained
    largest = max(layers, key=lambda layer: _count(layer.parameters()))
    inside = {id(one) for layer in layers for one in layer.parameters()}
    outside = _count(one for one in model.parameters() if id(one) not in inside)
    gradients = _count(one for one in largest.parameters() if one.requires_grad)
    each = 2 * (2 * _count(largest.parameters()) + outside) + 4 * gradients
    return each, each * gpus


def _kept(layer: nn.Module) -> float:
    """Bytes that a layer keeps for its backward pass of each token, at most.

    Each linear layer keeps what goes in, and what follows it keeps what comes out, in 16 bits; an adapter keeps what
    goes into it once more, before and behind its dropout, in 32 bits. Norms and products are among what comes out.
    """
    kept = 0.0
    for name, module in layer.named_modules():
        if isinstance(module, nn.Linear) and "lora_" not in name:
            kept += 2 * (module.in_features + 2 * module.out_features)
        elif isinstance(module, nn.Linear) and "lora_A" in name:
            kept += 2 * 4 * module.in_features
    return kept


def _operations(model: nn.Module, part: SftRecipe) -> float:
    """Operations for each token: two for each weight of a matrix, forwards, again where layers are computed twice, and
    backwards for the activations; and once more for those that are trained. Those of attention itself are left out.
    """
    linear = [
        one for name, one in model.named_modules() if isinstance(one, nn.Linear) and "original_module" not in name
    ]
    matrices = [one.weight for one in linear]
    whole, learnt = _count(matrices), _count(one for one in matrices if one.requires_grad)
    return 2 * (whole * (3 if part.checkpointing else 2) + learnt)


def _optimiser(part: SftRecipe, model: nn.Module) -> float:
    """Bytes of AdamW's two means; in 8 bits but for embeddings where the optimiser says so."""
    trained = _count(one for one in model.parameters() if one.requires_grad)
    if "8bit" not in part.optimiser:
        return 8 * trained
    tables = [one for one in model.modules() if isinstance(one, nn.Embedding)]
    whole = _count(one.weight for one in tables if one.weight.requires_grad)
    return 8 * whole + 2 * (trained - whole)


def _packed(model: nn.Module) -> list[torch.Tensor]:
    """What bitsandbytes packs into 4 bits: the matrices of the layers, without adapters and without the head."""
    head = model.get_output_embeddings()  # type: ignore[operator]
    names = [(name, one) for name, one in model.named_modules() if isinstance(one, nn.Linear) and "lora_" not in name]
    inside = {id(module) for module in head.modules()} | {id(head)}
    return [one.weight for _, one in names if id(one) not in inside]


def _most(recipe: Recipe, part: SftRecipe) -> float:
    """Tokens that are read at most: so many conversations that each source was seen whole, all as long as may be."""
    if part.steps:
        return part.steps * part.batch * part.length
    total = sum(entry.weight for entry in recipe.data)
    seen = [entry.count * total / entry.weight for entry in recipe.data]
    return max(seen) * part.epochs * part.length if all(seen) else 0


def _new_tokens(recipe: Recipe) -> int:
    assert recipe.sft is not None
    chatml = len(find_dialect(recipe.dialect).special_tokens) if bases.CHATML in recipe.sft.add_tokens else 0
    return chatml + sum(token != bases.CHATML for token in recipe.sft.add_tokens)


def _count(parameters: Iterable[torch.Tensor]) -> int:
    return sum(one.numel() for one in {id(one): one for one in parameters}.values())
