"""Several models merged into one by mergekit, as its own YAML says; or merges of merges, in a chain.

mergekit does the merging. What stands here is what is checked before, that a killed chain goes on with what it has
made, and what the export needs of the result.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from mergekit.common import ModelPath
from mergekit.merge import run_merge
from mergekit.options import MergeOptions
from safetensors import SafetensorError
from transformers import AutoTokenizer

from ..errors import BaseModelError
from ..recipe import Recipe
from ..runs import Folder
from . import base as bases, converter
from .blend_plan import LAST, Merge, first_line, plan, references
from .sft import check_disk

_PARTS = "blend"
"""Where the merges of a chain lie in the run folder until the last one is made."""


def blend(recipe: Recipe, folder: Folder) -> Path:
    """Make the merges of the recipe one after another; the last becomes the run's merged model. Returns its folder.

    RecipeError for a configuration that mergekit cannot follow, BaseModelError for models that do not fit together,
    RunError when the disk has no room. A merge that a killed run has finished is not made again.
    """
    parts = folder.path / _PARTS
    merges = plan(recipe.blend, recipe.architecture, parts)
    converter.check(_class_name(merges[0]))
    folder.begin(recipe)
    left = [one for one in merges if not (parts / one.name).exists()]
    check_disk(folder.path, sum(one.size for one in left) + merges[-1].size)
    for one in left:
        _merge(one, parts, recipe.seed)
    _finish(parts / LAST, references(merges[-1].configuration)[0].model)
    shutil.rmtree(folder.merged, ignore_errors=True)
    (parts / LAST).rename(folder.merged)
    shutil.rmtree(parts)
    return folder.merged


def _class_name(one: Merge) -> str:
    return str(references(one.configuration)[0].config().architectures[0])


def _merge(one: Merge, parts: Path, seed: int) -> None:
    """Run mergekit; the merge has its name only once it is whole."""
    unfinished = parts / f"{one.name}.unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    options = MergeOptions(random_seed=seed, lora_merge_cache=str(parts / "adapters"), write_model_card=False)
    try:
        run_merge(one.configuration, str(unfinished), options)
    except (RuntimeError, ValueError, KeyError, OSError, SafetensorError) as error:
        raise BaseModelError(f"mergekit could not make {one.name}: {first_line(error)}") from error
    unfinished.rename(parts / one.name)


def _finish(merged: Path, base: ModelPath) -> None:
    """Leave the tokenizer as llama.cpp's converter and the export expect it; `base` is the model that it is of."""
    try:
        tokenizer = AutoTokenizer.from_pretrained(merged)
    except (OSError, ValueError, KeyError) as error:
        raise BaseModelError(f"The merged model has no tokenizer that can be loaded: {first_line(error)}") from error
    bases.prefix_nothing(tokenizer)
    tokenizer.save_pretrained(merged)
    if file := bases.sentencepiece_file(base.path, base.revision):
        shutil.copyfile(file, merged / file.name)
    bases.note_for_llama_cpp(tokenizer, merged)
