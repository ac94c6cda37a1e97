"""A run that goes on from a finished file: for when a model is to learn more and its checkpoints are gone.

The opposite of export.py: tokenizer and weights are read back out of a GGUF, without the tokens of ChatML, which the
LoRA adds anew, and become a checkpoint of the base model. Its optimisers begin anew; the rounding of a quantised file
stays.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from .dialect import get_dialect
from .errors import RunError
from .loop import CHECKPOINT, RESUME, State
from .model import build
from .recipe import Recipe
from .runs import Folder
from .tokenizer import END_OF_TEXT


def begin(recipe: Recipe, folder: Folder, file: Path, tokens: int) -> Path:
    """Make the run's tokenizer and base checkpoint of a GGUF that `export` wrote; returns the checkpoint.

    `tokens` is how many the model was trained on, so that learning rate and size of homes go on where they would be.
    RunError when the folder has a base model already, or the file is not one of the recipe's shape.
    """
    checkpoint = folder.pretrain / CHECKPOINT
    if checkpoint.exists():
        raise RunError(f"{checkpoint} is there already; choose another run folder or delete it")
    try:
        reader = gguf.GGUFReader(file)
    except (OSError, ValueError) as error:
        raise RunError(f"{file} cannot be read as GGUF: {error}") from error
    tokenizer = _tokenizer(reader, get_dialect(recipe.dialect).special_tokens)
    model = build(recipe.model, len(tokenizer), recipe.seed)
    _load(model, reader, file)
    folder.begin(recipe)
    for target in (folder.tokenizer, checkpoint):
        tokenizer.save_pretrained(target)
    model.save_pretrained(checkpoint)
    torch.save({"weights": dict(model.named_parameters()), "optimizers": []}, checkpoint / RESUME)
    state = State(tokens=tokens, step=tokens // recipe.pretrain.batch_tokens)
    (checkpoint / "state.json").write_text(json.dumps(asdict(state), indent=1))
    return checkpoint


def _tokenizer(reader: gguf.GGUFReader, chatml: tuple[str, ...]) -> PreTrainedTokenizerFast:
    tokens = [token for token in _value(reader, gguf.Keys.Tokenizer.LIST) if token not in chatml]
    merges = [tuple(merge.split(" ")) for merge in _value(reader, gguf.Keys.Tokenizer.MERGES)]
    tokenizer = Tokenizer(models.BPE({token: number for number, token in enumerate(tokens)}, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(END_OF_TEXT, special=True)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=END_OF_TEXT,
        pad_token=END_OF_TEXT,
        clean_up_tokenization_spaces=False,
    )


def _load(model: PreTrainedModel, reader: gguf.GGUFReader, file: Path) -> None:
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LFM2, model.config.num_hidden_layers)
    found = {tensor.name: tensor for tensor in reader.tensors}
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            tensor = found.pop(names.get_name(name, try_suffixes=(".weight",)) or "", None)
            values = None if tensor is None else _values(tensor, parameter)
            if values is None:
                raise RunError(f"{file} has no {name} of shape {tuple(parameter.shape)}: it is of another recipe")
            parameter.copy_(values)
    if found:
        raise RunError(f"{file} holds {sorted(found)[0]}, which a model of this recipe has not")


def _values(tensor: gguf.ReaderTensor, parameter: torch.nn.Parameter) -> torch.Tensor | None:
    """The tensor in float32 as the parameter has it, without the rows of tokens that were dropped at the end."""
    values = np.array(gguf.dequantize(tensor.data, tensor.tensor_type), dtype=np.float32)
    wanted = parameter.shape[0], parameter[0].numel()
    rows = values.reshape(len(values), -1)[: wanted[0]]
    return torch.from_numpy(rows).reshape(parameter.shape) if rows.shape == wanted else None


def _value(reader: gguf.GGUFReader, key: str) -> Any:
    field = reader.get_field(key)
    if field is None:
        raise RunError(f"The file has no {key}: it is not one that `morphy-train export` wrote")
    return field.contents()
