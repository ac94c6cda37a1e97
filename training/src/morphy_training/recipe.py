"""A recipe: everything that decides what a model becomes, read from a YAML file in `training/recipes/`.

A recipe and a seed give the same model again on the same machine. An unknown key is an error that names the nearest
known one, so that a typo never costs hours.
"""

from __future__ import annotations

import dataclasses
import difflib
import types
import typing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import yaml

from .errors import RecipeError

T = TypeVar("T")

BLOCKS = ("conv", "attention")
"""The kinds of block a model may be built of: LFM2's gated short convolution, and attention."""


@dataclass(frozen=True, slots=True)
class TokenizerRecipe:
    """The vocabulary: its size, and how many generated examples it is learnt from."""

    vocab_size: int = 4096
    examples: int = 3000


@dataclass(frozen=True, slots=True)
class ModelRecipe:
    """The shape of the model: an `Lfm2ForCausalLM`. Sizes that are multiples of 256 can be quantised to K-quants."""

    hidden_size: int = 256
    intermediate_size: int = 768
    blocks: tuple[str, ...] = ("conv", "conv", "attention", "conv", "attention", "conv")
    heads: int = 4
    kv_heads: int = 4
    conv_kernel: int = 3
    context: int = 2048
    rope_theta: float = 10000.0

    def __post_init__(self) -> None:
        if unknown := set(self.blocks) - set(BLOCKS):
            raise RecipeError(f"model.blocks: {sorted(unknown)} is none of {', '.join(BLOCKS)}")
        if self.hidden_size % self.heads or self.heads % self.kv_heads:
            raise RecipeError("model: hidden_size must divide by heads, and heads by kv_heads")


@dataclass(frozen=True, slots=True)
class PretrainRecipe:
    """How the base model is trained from nothing.

    `tokens` is the whole run, `batch_tokens` one step of the optimiser, `micro_tokens` what is computed at once.
    `warmup`, `decay` and `curriculum` are shares of the run. The weights say how much a token counts in the loss: of an
    answer, of an id that stands in the listing after the name it is made from, and of everything else.
    """

    tokens: int = 12_000_000
    batch_tokens: int = 4096
    micro_tokens: int = 1536
    muon_lr: float = 2e-3
    adam_lr: float = 3e-3
    weight_decay: float = 0.05
    warmup: float = 0.02
    decay: float = 0.45
    curriculum: float = 0.15
    answer_weight: float = 3.0
    copy_weight: float = 1.0
    rest_weight: float = 0.0


@dataclass(frozen=True, slots=True)
class TuneRecipe:
    """The LoRA that teaches ChatML: rank, alpha, and how long.

    `embeddings` trains and saves embeddings and head whole beside the adapters. `tied` leaves the two one matrix where
    the base model has one; otherwise the head becomes a matrix of its own. The weights say how much a token counts in
    the loss: of an answer 1, of an id that stands in the listing after the name it is made from, of everything else.
    """

    tokens: int = 1_000_000
    batch_tokens: int = 4096
    micro_tokens: int = 1536
    rank: int = 256
    alpha: int = 512
    dropout: float = 0.0
    embeddings: bool = True
    tied: bool = True
    copy_weight: float = 0.0
    rest_weight: float = 0.0
    lr: float = 5e-4
    warmup: float = 0.05
    decay: float = 0.8

    def __post_init__(self) -> None:
        if not (self.tied or self.embeddings):
            raise RecipeError("tune: a head of its own (tied: false) has to be trained (embeddings: true)")


@dataclass(frozen=True, slots=True)
class ExportRecipe:
    """Which GGUF files are written, and which of them the integration bundles.

    `sure_calls` is the share of right calls that the model must be sure enough of to make them; 1 for no such bound.
    """

    quantisations: tuple[str, ...] = ("F16", "Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "Q3_K_L")
    bundle: str = "Q8_0"
    sure_calls: float = 0.99


@dataclass(frozen=True, slots=True)
class Recipe:
    """One model, from its tokenizer to its GGUF; `languages` are folders of `generator/data`, heard equally often."""

    name: str = "Morphy"
    description: str = "Controls a home through Home Assistant."
    license: str = "apache-2.0"
    dialect: str = "morphy"
    seed: int = 1
    languages: tuple[str, ...] = ("en",)
    tokenizer: TokenizerRecipe = field(default_factory=TokenizerRecipe)
    model: ModelRecipe = field(default_factory=ModelRecipe)
    pretrain: PretrainRecipe = field(default_factory=PretrainRecipe)
    tune: TuneRecipe = field(default_factory=TuneRecipe)
    export: ExportRecipe = field(default_factory=ExportRecipe)


def load(path: Path) -> Recipe:
    """Read a recipe from a YAML file; RecipeError when it cannot be read, parsed or followed."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RecipeError(f"The recipe {path} cannot be read: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise RecipeError(f"The recipe {path} is not YAML: {error}") from error
    return parse(content or {})


def parse(content: Any) -> Recipe:
    """Turn a mapping, as YAML gives it, into a Recipe; RecipeError names the key that is wrong."""
    return _build(Recipe, content, "")


def dump(recipe: Recipe) -> str:
    """The recipe as YAML, every value written out; `parse` reads it back to an equal Recipe."""
    return yaml.safe_dump(_plain(dataclasses.asdict(recipe)), sort_keys=False, allow_unicode=True)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return list(value) if isinstance(value, tuple) else value


def _build(kind: type[T], content: Any, where: str) -> T:
    if not isinstance(content, dict):
        raise RecipeError(f"{where or 'The recipe'} must be a mapping, not {content!r}")
    hints = typing.get_type_hints(kind)
    for key in content:
        if key not in hints:
            near = difflib.get_close_matches(str(key), hints, n=1, cutoff=0.0)
            raise RecipeError(f"Unknown key {where}{key}; did you mean {where}{near[0]}?")
    return kind(**{key: _value(hints[key], value, f"{where}{key}") for key, value in content.items()})


def _value(hint: Any, value: Any, where: str) -> Any:
    if dataclasses.is_dataclass(hint):
        return _build(typing.cast("type[Any]", hint), value, f"{where}.")
    if isinstance(hint, types.GenericAlias):
        if not isinstance(value, list):
            raise RecipeError(f"{where} must be a list, not {value!r}")
        return tuple(_value(hint.__args__[0], item, where) for item in value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not hint:
        raise RecipeError(f"{where} must be of type {hint.__name__}, not {value!r}")
    return value
