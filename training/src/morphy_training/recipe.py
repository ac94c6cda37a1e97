"""A recipe: everything that decides what a model becomes, read from a YAML file in `training/recipes/`.

A model begins in one of three ways: from nothing (`tokenizer`, `model`, `pretrain`, `tune`), from a base model that
others have trained (`base`, `data`, `sft`), or from models that are merged into one (`blend`). A recipe and a seed give
the same model again on the same machine. An unknown key is an error that names the nearest known one, so that a typo
never costs hours.
"""

from __future__ import annotations

import dataclasses
import difflib
import types
import typing
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import yaml

from .dialect import DIALECTS, OPENAI, TOOL_DIALECTS
from .errors import RecipeError

T = TypeVar("T")

BLOCKS = ("conv", "attention")
"""The kinds of block a model may be built of: LFM2's gated short convolution, and attention."""

FORMATS = ("home", "messages", "hermes", "glaive", "functionary")
"""What a line of data may look like; `home` is what the generator makes, the others are read by family/formats.py."""

CASE_FORMATS = ("home", "general", "nexus", *(name for name in FORMATS if name != "home"))
"""What a case of an evaluation may look like; beside those of data, which calling/cases.py reads too."""

BITS = {"F32": 32, "F16": 16, "BF16": 16, "Q8_0": 8.5, "Q6_K": 6.6, "Q5_K_M": 5.7, "Q4_K_M": 4.9, "Q3_K_L": 4.3}
"""What a GGUF file may be written as, with the bits that a weight takes in it.

An average over the kinds of tensor of a model of 7 billion weights.
"""

_TRAINED_IN = (*DIALECTS, *(name for name in TOOL_DIALECTS if name != OPENAI.name))
"""The dialects of models; what a server makes of messages is none of them."""

_FROM_NOTHING = ("tokenizer", "model", "pretrain", "tune")
"""The sections of a model that is trained from nothing."""


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

    def __post_init__(self) -> None:
        _above_zero("pretrain", self, "tokens", "batch_tokens", "micro_tokens", "muon_lr", "adam_lr")
        _shares("pretrain", self, "warmup", "decay", "curriculum")


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
        _above_zero("tune", self, "tokens", "batch_tokens", "micro_tokens", "rank", "alpha", "lr")
        _shares("tune", self, "dropout", "warmup", "decay")
        if not (self.tied or self.embeddings):
            raise RecipeError("tune: a head of its own (tied: false) has to be trained (embeddings: true)")


@dataclass(frozen=True, slots=True)
class ExportRecipe:
    """Which GGUF files are written, and which of them the integration bundles.

    `sure_calls` is the share of right calls that the model must be sure enough of to make them; 1 for no such bound.
    """

    quantisations: tuple[str, ...] = ("F16", "Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "Q3_K_L")
    bundle: str = "Q8_0"
    sure_calls: float = 0.998

    def __post_init__(self) -> None:
        for name in self.quantisations:
            one_of("export.quantisations", name, BITS)
        one_of("export.bundle", self.bundle, self.quantisations)
        _shares("export", self, "sure_calls")


@dataclass(frozen=True, slots=True)
class BaseRecipe:
    """A base model that others have trained: a folder or a hub id, with its revision there.

    `dtype` is what its weights are loaded in; `quantise: nf4` holds them in 4 bits while adapters are trained (QLoRA).
    """

    model: str = ""
    revision: str | None = None
    dtype: str = "bfloat16"
    quantise: str = "none"

    def __post_init__(self) -> None:
        if not self.model:
            raise RecipeError("base.model must name a folder or a model of the hub")
        one_of("base.dtype", self.dtype, ("bfloat16", "float32"))
        one_of("base.quantise", self.quantise, ("none", "nf4"))


@dataclass(frozen=True, slots=True)
class DataRecipe:
    """One source of conversations: `home` (the generator), a file of JSON lines, or `hub:<owner>/<name>[/<subset>]`.

    `weight` is how often it is drawn beside the others. `count` is how many conversations are made or taken at most; 0
    takes all, which the generator, without an end, has not. `split` is that of a dataset of the hub.
    `skip_wrong` leaves out and counts what cannot be understood, for data of others; without it that is an error.
    """

    source: str = ""
    format: str = "messages"
    weight: float = 1.0
    count: int = 0
    split: str = "train"
    skip_wrong: bool = False

    def __post_init__(self) -> None:
        if not self.source:
            raise RecipeError("data: every entry needs a source: home, a file, or hub:<owner>/<name>")
        if self.source.startswith("hub:") and self.source.count("/") not in (1, 2):
            raise RecipeError(f"data.source: {self.source} is not hub:<owner>/<name> or hub:<owner>/<name>/<subset>")
        one_of("data.format", self.format, FORMATS)
        if (self.source == "home") != (self.format == "home"):
            raise RecipeError("data: the source home has the format home, and nothing else has")
        if self.source == "home" and not self.count:
            raise RecipeError("data: the generator never ends, so the source home needs a count")
        if self.weight <= 0 or self.count < 0:
            raise RecipeError("data: weight must be above 0, and count not below")


@dataclass(frozen=True, slots=True)
class SftRecipe:
    """Supervised fine-tuning of a base model: with adapters (`lora`) or of all weights (`full`).

    `targets` is peft's: `all-linear` is every linear layer but the head. `embeddings` trains and saves embeddings and
    head whole beside the adapters, as new tokens need it. `add_tokens` are such tokens; `chatml` among them stands for
    those of ChatML, with its end of an answer and its template. `length` is in tokens, and longer conversations are
    left out; `batch` is one step of the optimiser, and `micro_batch` what is computed at once, in conversations.
    `epochs` counts passes over the data; `steps` above 0 ends the run there instead. `warmup` is a share of the steps,
    `held_out` of the data; the run is evaluated `evaluations` times on what is held out, and `keep_best` keeps
    the checkpoint with the lowest loss there. `checkpointing` computes activations twice to save memory.
    """

    method: str = "lora"
    rank: int = 256
    alpha: int = 512
    dropout: float = 0.0
    targets: str = "all-linear"
    embeddings: bool = False
    add_tokens: tuple[str, ...] = ()
    length: int = 2048
    batch: int = 32
    micro_batch: int = 1
    lr: float = 1e-4
    scheduler: str = "cosine"
    optimiser: str = "adamw_torch"
    epochs: float = 1.0
    steps: int = 0
    weight_decay: float = 0.0
    warmup: float = 0.03
    checkpointing: bool = True
    held_out: float = 0.02
    evaluations: int = 10
    keep_best: bool = True

    def __post_init__(self) -> None:
        one_of("sft.method", self.method, ("lora", "full"))
        _above_zero("sft", self, "rank", "alpha", "length", "batch", "micro_batch", "lr", "epochs")
        _shares("sft", self, "dropout", "warmup")
        if self.steps < 0 or self.weight_decay < 0:
            raise RecipeError("sft: steps and weight_decay must not be below 0")
        if self.batch % self.micro_batch:
            raise RecipeError("sft: batch must divide by micro_batch")
        if not 0 < self.held_out < 1:
            raise RecipeError("sft.held_out is a share of the data, above 0 and below 1")
        if self.evaluations < 1:
            raise RecipeError("sft.evaluations must be 1 or more")


@dataclass(frozen=True, slots=True)
class CaseRecipe:
    """One source of what the finished model is evaluated on: homes, plain questions, or calls of functions.

    `home` is made by the generator; `general` without a source are our own questions. `source` and `split` are as in
    `data`. `count` is how many cases are taken at most; 0 takes all, of homes 200. `functions` names a file or dataset
    that defines what rows of NexusRaven's datasets (`nexus`) only name.
    """

    format: str = ""
    source: str = ""
    count: int = 0
    split: str = "train"
    functions: str = ""

    def __post_init__(self) -> None:
        one_of("evaluation.format", self.format, CASE_FORMATS)
        if not self.source and self.format not in ("home", "general"):
            raise RecipeError(f"evaluation: {self.format} needs a source: a file, or hub:<owner>/<name>")
        if self.count < 0:
            raise RecipeError("evaluation: count must not be below 0")


@dataclass(frozen=True, slots=True)
class Recipe:
    """One model, from its beginning to its GGUF; `languages` are folders of `generator/data`, heard equally often.

    `architecture` is what transformers calls the kind of model that `base` or `blend` begins with (`model_type`):
    another one is an error before anything is trained, and `smoke` makes a tiny one of it. `shape` are its sizes as its
    config.json has them: `needs` counts with them before the model is there, and a base of another shape is an error.
    `blend` is mergekit's own YAML: inline, the path of such a file, or a list of either, merged one after another.
    """

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
    architecture: str = ""
    shape: Any = None
    base: BaseRecipe | None = None
    data: tuple[DataRecipe, ...] = ()
    sft: SftRecipe | None = None
    blend: Any = None
    export: ExportRecipe = field(default_factory=ExportRecipe)
    evaluation: tuple[CaseRecipe, ...] = ()

    def __post_init__(self) -> None:
        if not self.from_nothing and not self.architecture:
            raise RecipeError("A recipe with base or blend names its architecture, such as mistral")
        if self.shape is not None and not (isinstance(self.shape, dict) and self.shape):
            raise RecipeError("shape must be a mapping of sizes, as the model's config.json has them")
        one_of("dialect", self.dialect, DIALECTS if self.from_nothing else _TRAINED_IN)
        if self.dialect not in DIALECTS and any(entry.format == "home" for entry in self.data):
            raise RecipeError(f"dialect: {self.dialect} tells of no homes, as data has them; {', '.join(DIALECTS)} do")
        if self.base and self.blend is not None:
            raise RecipeError("A recipe has base or blend, not both")
        if bool(self.base) != bool(self.sft) or bool(self.base) != bool(self.data):
            raise RecipeError("base, data and sft belong together: a recipe has all three or none")
        if self.base and self.base.quantise != "none" and self.sft and self.sft.method == "full":
            raise RecipeError("base.quantise: only adapters can be trained on a quantised model (sft.method: lora)")
        if self.blend is not None and not (isinstance(self.blend, (dict, str, list)) and self.blend):
            raise RecipeError("blend must be mergekit's YAML, the path of a file of it, or a list of either")

    @property
    def from_nothing(self) -> bool:
        """Whether tokenizer and base model are made here."""
        return self.base is None and self.blend is None


def load(path: Path) -> Recipe:
    """Read a recipe from a YAML file; RecipeError when it cannot be read, parsed or followed."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RecipeError(f"The recipe {path} cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RecipeError(f"The recipe {path} is not YAML: {error}") from error
    return parse(content or {})


def parse(content: Any) -> Recipe:
    """Turn a mapping, as YAML gives it, into a Recipe; RecipeError names the key that is wrong."""
    recipe = _build(Recipe, content, "")
    if not recipe.from_nothing and (misplaced := [name for name in _FROM_NOTHING if name in content]):
        raise RecipeError(f"{misplaced[0]} belongs to a model trained from nothing, not beside base or blend")
    return recipe


def dump(recipe: Recipe) -> str:
    """The recipe as YAML, every value written out; `parse` reads it back to an equal Recipe."""
    content = _plain(dataclasses.asdict(recipe))
    left_out = () if recipe.from_nothing else _FROM_NOTHING
    kept = {key: value for key, value in content.items() if key not in left_out and value not in (None, [], "")}
    return str(yaml.safe_dump(kept, sort_keys=False, allow_unicode=True))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (tuple, list)) else value


def one_of(where: str, value: str, known: Collection[str]) -> None:
    """RecipeError when a value is not among the known ones; it names the nearest."""
    if value not in known:
        near = difflib.get_close_matches(value, known, n=1, cutoff=0.0)
        raise RecipeError(f"{where}: {value!r} is none of {', '.join(known)}; did you mean {near[0]}?")


def _above_zero(where: str, part: object, *names: str) -> None:
    for name in names:
        if getattr(part, name) <= 0:
            raise RecipeError(f"{where}.{name} must be above 0")


def _shares(where: str, part: object, *names: str) -> None:
    for name in names:
        if not 0 <= getattr(part, name) <= 1:
            raise RecipeError(f"{where}.{name} is a share, from 0 to 1")


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
    if hint is Any:
        return value
    if isinstance(hint, types.UnionType):  # X | None
        return None if value is None else _value(hint.__args__[0], value, where)
    if dataclasses.is_dataclass(hint):
        return _build(typing.cast("type[Any]", hint), value, f"{where}.")
    if isinstance(hint, types.GenericAlias):
        if not isinstance(value, list):
            raise RecipeError(f"{where} must be a list, not {value!r}")
        return tuple(_value(hint.__args__[0], item, f"{where}[{place}]") for place, item in enumerate(value))
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not hint:
        raise RecipeError(f"{where} must be of type {hint.__name__}, not {value!r}")
    return value
