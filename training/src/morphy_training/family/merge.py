"""From adapter and base model to one model: the adapter folded into the weights that it was trained on.

Adapters that were trained on a base model in 4 bits are folded into what those 4 bits stand for, written out in 16: the
merged model then answers as the trained one did, which it would not on the weights as they were before quantisation.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

from ..embeddings import is_tied
from ..errors import BaseModelError, RunError
from ..loop import CHECKPOINT
from ..recipe import Recipe
from ..runs import Folder
from . import base as bases
from .sft import check_disk, files_needed

_ADAPTER = "adapter_config.json"


def merge(recipe: Recipe, folder: Folder, adapter: Path | None = None) -> Path:
    """Save the whole model, tokenizer and all, as the run's merged model; returns its folder.

    `adapter` is another adapter than that of the run. BaseModelError when it was made for another base model, RunError
    when the disk has no room. The folder has its name only once all is in it.
    """
    tuned = adapter or folder.need(folder.tune / CHECKPOINT, "tune")
    if adapter and not (adapter / _ADAPTER).exists():
        raise BaseModelError(f"{adapter} holds no adapter: there is no {_ADAPTER}")
    folder.path.mkdir(parents=True, exist_ok=True)
    tokenizer = bases.load_tokenizer(recipe)
    if (tuned / _ADAPTER).exists():
        _check_base(tuned, bases.of(recipe).model)
        model = bases.load_dequantised(recipe, tokenizer)
        tied = is_tied(model)
        try:
            model = PeftModel.from_pretrained(model, tuned).merge_and_unload()
        except (*bases.FAILED, TypeError) as error:
            raise BaseModelError(f"The adapter in {tuned} does not fit {bases.of(recipe).model}: {error}") from error
        if is_tied(model) != tied:
            raise RunError("Embeddings and head of the merged model are not tied as they were trained")
    else:
        model = AutoModelForCausalLM.from_pretrained(tuned, dtype=getattr(torch, bases.of(recipe).dtype))
    check_disk(folder.path, files_needed(model.num_parameters(), recipe))
    unfinished = folder.merged.with_name(f"{folder.merged.name}.unfinished")
    for old in (unfinished, folder.merged):
        shutil.rmtree(old, ignore_errors=True)
    model.save_pretrained(unfinished)
    tokenizer.save_pretrained(unfinished)
    if file := bases.sentencepiece_file(bases.of(recipe).model, bases.of(recipe).revision):
        shutil.copyfile(file, unfinished / file.name)
    bases.note_for_llama_cpp(tokenizer, unfinished)
    unfinished.rename(folder.merged)
    return folder.merged


def _check_base(adapter: Path, base: str) -> None:
    try:
        made_for = json.loads((adapter / _ADAPTER).read_text(encoding="utf-8"))["base_model_name_or_path"]
    except (ValueError, KeyError, TypeError) as error:
        raise BaseModelError(f"{adapter / _ADAPTER} does not tell what the adapter was made for") from error
    if not any(adapter.glob("adapter_model.*")):
        raise BaseModelError(f"{adapter} holds no weights: there is no adapter_model.safetensors")
    if made_for != base:
        raise BaseModelError(f"The adapter in {adapter} was made for {made_for}, not for {base}")
