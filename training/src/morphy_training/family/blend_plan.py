"""What a recipe's `blend` asks mergekit for, read and checked before any weights are: names, shapes, layers, sizes."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import yaml
from mergekit import merge_methods
from mergekit.common import ModelReference
from mergekit.config import (
    InputModelDefinition,
    InputSliceDefinition,
    MergeConfiguration,
    OutputSliceDefinition,
)
from mergekit.scripts.multimerge import load_config
from pydantic import BaseModel, ValidationError
from transformers import AutoModelForCausalLM

from ..errors import BaseModelError, RecipeError

LAST = "last"
"""The folder of the chain's last merge, which is what the recipe makes."""

_LISTS: dict[str, type[BaseModel]] = {
    "slices": OutputSliceDefinition,
    "sources": InputSliceDefinition,
    "models": InputModelDefinition,
}
_SHAPE = ("hidden_size", "intermediate_size", "num_attention_heads", "num_key_value_heads", "tie_word_embeddings")
_HALVES = ("float16", "bfloat16")


@dataclass(slots=True)
class Merge:
    """One merge of a chain: its folder's name, mergekit's configuration, and the bytes of the weights it makes."""

    name: str
    configuration: MergeConfiguration
    size: int = 0


@dataclass(frozen=True, slots=True)
class _Model:
    """What is known of a model before its weights: its config, and its layers, which a merge may change."""

    config: Any
    layers: int


@dataclass(slots=True)
class _Check:
    """Follows a chain as its merges would be made; the models it has seen so far, and those made, by their paths."""

    architecture: str
    models: dict[str, _Model] = field(default_factory=dict)

    def merge(self, one: Merge, made_as: Path) -> None:
        """Check one merge and note what it makes, and its size."""
        configuration = one.configuration
        known = {str(model): self._model(model) for model in references(configuration)}
        _check_shapes(known, with_words=not (configuration.tokenizer_source or configuration.tokenizer))
        layers = sum(_slices(configuration, one.name, known)) or max(model.layers for model in known.values())
        config = next(iter(known.values())).config
        made = _Model(config, layers)
        self.models[str(made_as)] = made
        one.size = _weights(made) * (2 if (configuration.out_dtype or configuration.dtype) in _HALVES else 4)

    def _model(self, model: ModelReference) -> _Model:
        path = str(model.model)
        if path not in self.models:
            try:
                config = model.config()
            except (OSError, ValueError, KeyError) as error:
                raise BaseModelError(f"The model {path} cannot be loaded: {first_line(error)}") from error
            if config.model_type != self.architecture:
                raise BaseModelError(f"{path} is of the architecture {config.model_type}, not {self.architecture}")
            self.models[path] = _Model(config, config.num_hidden_layers)
        return self.models[path]


def read(blend: Any) -> list[dict[str, Any]]:
    """The chain of mergekit configurations that stands in a recipe: inline, as the path of a file, or a list of either.

    A file may hold several as documents, as those of mergekit-multi do.
    """
    if isinstance(blend, list):
        return [configuration for one in blend for configuration in read(one)]
    contents = _documents(Path(blend)) if isinstance(blend, str) else [blend]
    for content in contents:
        if not isinstance(content, dict):
            raise RecipeError(f"blend must be mergekit's YAML, not {content!r}")
    return contents


def plan(blend: Any, architecture: str, parts: Path) -> list[Merge]:
    """The merges of a chain in their order, each into its folder of `parts`; the last one's is LAST.

    RecipeError or BaseModelError when something is wrong that can be known from the models' configs.
    """
    chain = read(blend)
    for number, content in enumerate(chain):
        _check_keys(MergeConfiguration, content, f"blend[{number}]." if len(chain) > 1 else "blend.")
    if unnamed := [number for number, content in enumerate(chain[:-1]) if "name" not in content]:
        raise RecipeError(f"blend[{unnamed[0]}] needs a name, by which a later one asks for what it makes")
    chain[-1] = {**chain[-1], "name": LAST}
    try:
        configurations, needed = load_config(yaml.safe_dump_all(chain), str(parts))
    except ValidationError as error:
        first = error.errors()[0]
        raise RecipeError(f"blend: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    except (RuntimeError, ValueError) as error:
        raise RecipeError(f"blend: {first_line(error)}") from error
    check, merges = _Check(architecture), list[Merge]()
    for name, configuration in configurations.items():
        if late := needed[name] - {one.name for one in merges}:
            raise RecipeError(f"blend: {name} needs {min(late)}, which is not made before it")
        merges.append(Merge(name, configuration))
        check.merge(merges[-1], parts / name)
    return merges


def references(configuration: MergeConfiguration) -> list[ModelReference]:
    """The models of a merge, the one whose tokenizer and config it takes first."""
    models = sorted(configuration.referenced_models(), key=str)
    return sorted(models, key=lambda model: model != configuration.base_model)


def first_line(error: Exception) -> str:
    """The first line of what an error says."""
    return str(error).strip().partition("\n")[0] or type(error).__name__


def _documents(path: Path) -> list[Any]:
    try:
        return list(yaml.safe_load_all(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise RecipeError(f"The configuration {path} cannot be read: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise RecipeError(f"The configuration {path} is not YAML: {error}") from error


def _check_keys(kind: type[BaseModel], content: Any, where: str) -> None:
    """RecipeError for a key that mergekit would pass over in silence."""
    known = [*kind.model_fields, *(["name"] if kind is MergeConfiguration else [])]
    for key, value in content.items() if isinstance(content, dict) else ():
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1, cutoff=0.0)
            raise RecipeError(f"Unknown key {where}{key}; did you mean {where}{near[0]}?")
        if key in _LISTS and isinstance(value, list):
            for number, item in enumerate(value):
                _check_keys(_LISTS[key], item, f"{where}{key}[{number}].")


def _check_shapes(models: dict[str, _Model], with_words: bool) -> None:
    names = [*_SHAPE, *(["vocab_size"] if with_words else [])]
    (first, one), *others = models.items()
    for path, other in others:
        for name in names:
            left, right = getattr(one.config, name, None), getattr(other.config, name, None)
            if left != right:
                more = "; a `tokenizer:` in the configuration joins vocabularies" if name == "vocab_size" else ""
                raise BaseModelError(f"{first} and {path} do not fit: {name} is {left} and {right}{more}")


def _slices(configuration: MergeConfiguration, name: str, models: dict[str, _Model]) -> Iterator[int]:
    """The number of layers of each slice, when all can be merged; none for a merge of whole models."""
    try:
        method = merge_methods.get(configuration.merge_method)
        for part in configuration.slices or ():
            method.validate_inputs(
                [source.model for source in part.sources], part.base_model or configuration.base_model, group_name=name
            )
    except (RuntimeError, ValueError) as error:
        raise RecipeError(f"blend: {first_line(error)}") from error
    for part in configuration.slices or ():
        for source in part.sources:
            (begin, end), layers = source.layer_range, models[str(source.model)].layers
            if not 0 <= begin < end <= layers:
                raise RecipeError(f"blend: layer_range [{begin}, {end}] of {source.model}, which has {layers} layers")
        lengths = {end - begin for begin, end in (source.layer_range for source in part.sources)}
        if len(lengths) > 1:
            ranges = " and ".join(str(list(source.layer_range)) for source in part.sources)
            raise RecipeError(f"blend: the layer ranges {ranges} of a slice are not equally long")
        yield lengths.pop()


def _weights(model: _Model) -> int:
    """How many weights a model has; more layers than its config names are counted as if all of it grew with them."""
    with torch.device("meta"):
        whole: int = AutoModelForCausalLM.from_config(model.config).num_parameters()
    layers: int = model.config.num_hidden_layers
    return whole * model.layers // layers
