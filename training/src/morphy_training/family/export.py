"""From a merged model to GGUF through llama.cpp's converter: compared with transformers, quantised, scored.

Every file is told in one table: its size, how it compares with the model it was made from, and how many of the tokens
that held-out answers are made of it finds likeliest, each after the right ones before it.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import llama_cpp
import numpy as np
from safetensors import safe_open
from transformers import AutoConfig, AutoTokenizer, PreTrainedTokenizerBase

from ..data import HELD_OUT, Example, Source, generator
from ..errors import ExportError
from ..export import Parity, compare, quantise, reference, written_whole
from ..recipe import DataRecipe, Recipe
from ..runs import Folder
from . import base as bases, converter
from .conversation import Segment
from .data import IGNORED, conversations, encode
from .sft import check_disk, gguf_needed

WHOLE = ("F16", "BF16", "F32")
"""What a model may be written as before it is quantised."""

FIGURES = "gguf.json"

_TEXTS = 8
"""Conversations that a file is compared and scored on."""


@dataclass(frozen=True, slots=True)
class Exported:
    """A GGUF file: bytes, how it compares with transformers, and right tokens of so many in held-out answers."""

    path: Path
    size: int
    same: Parity
    right: int
    tokens: int

    def row(self) -> str:
        """A line of the table."""
        score = self.right / self.tokens
        return f"{self.path.name:22} {self.size / 1e6:9.2f} MB  right tokens {score:6.1%}  {self.same}"


def export(recipe: Recipe, folder: Folder, source: Source | None = None) -> list[Exported]:
    """Write the run's merged model in each of the recipe's quantisations, the whole one first, and note the figures.

    ExportError when llama.cpp cannot read the model, or answers otherwise than transformers does; RunError when the
    disk has no room.
    """
    merged = folder.need(folder.merged, "merge")
    if not any(merged.glob("*.safetensors")):
        raise ExportError(f"{merged} holds no weights; run `morphy-train merge` again")
    folder.gguf.mkdir(exist_ok=True)
    names = recipe.export.quantisations
    kind = next((name for name in names if name in WHOLE), WHOLE[0])
    whole = folder.gguf / f"morphy-{kind}.gguf"
    metadata: dict[str, str | float] = {
        "general.name": recipe.name,
        "morphy.dialect": recipe.dialect,
        "morphy.languages": ",".join(recipe.languages),
    }
    weights = bases.outline(_config(merged)).num_parameters()
    check_disk(folder.path, gguf_needed(weights, recipe) - sum(file.stat().st_size for file in folder.gguf.iterdir()))
    with written_whole(whole) as unfinished:
        converter.convert(merged, unfinished, metadata, kind)
    tokenizer = AutoTokenizer.from_pretrained(merged)
    texts = _texts(recipe, source)
    prompts, begun = _prompts(tokenizer, texts)
    expected = reference(merged, prompts, begun=begun)
    samples = [encode(tokenizer, text) for text in texts]
    found: list[Exported] = []
    for name in (kind, *(name for name in names if name != kind)):
        path = folder.gguf / f"morphy-{name}.gguf"
        if path != whole:
            quantise(whole, path, name)
        found.append(Exported(path, path.stat().st_size, compare(expected, path), *_right(path, samples)))
        print(found[-1].row(), flush=True)
        if path == whole:
            found[-1].same.check()
    rows = [asdict(one) | {"path": one.path.name} for one in found]
    (folder.path / FIGURES).write_text(json.dumps(rows, indent=1), encoding="utf-8")
    return found


def _config(merged: Path) -> Any:
    """The config of a saved model; ExportError when it or the weights beside it cannot be read."""
    try:
        for file in merged.glob("*.safetensors"):
            with safe_open(file, "numpy"):
                pass
        return AutoConfig.from_pretrained(merged)
    except bases.FAILED as error:
        raise ExportError(f"The merged model cannot be read: {error}; run `morphy-train merge` again") from error


def _texts(recipe: Recipe, source: Source | None) -> list[list[Segment]]:
    """Conversations of every source: homes that nothing was trained on, and the first lines of files."""
    homes = partial(_held_out, source or generator(recipe.languages))
    entries = recipe.data or (DataRecipe("home", "home", count=_TEXTS),)
    each = max(1, _TEXTS // len(entries))
    return [text for entry in entries for text in itertools.islice(conversations(entry, recipe, homes), each)]


def _held_out(source: Source, seed: int, **given: Any) -> Iterator[Example]:
    return source(HELD_OUT + seed, **given)


def _prompts(tokenizer: PreTrainedTokenizerBase, texts: list[list[Segment]]) -> tuple[list[str], bool]:
    """What stands before the first answer of each text, and whether that begins with the token texts begin with."""
    prompts = ["".join(piece.text for piece in itertools.takewhile(lambda one: not one.learn, text)) for text in texts]
    return prompts, bool(tokenizer.bos_token) and all(text.startswith(str(tokenizer.bos_token)) for text in prompts)


def _right(path: Path, samples: list[tuple[list[int], list[int]]]) -> tuple[int, int]:
    """How many of the samples' learnt tokens the file finds likeliest, and of how many."""
    longest = max(len(ids) for ids, _ in samples)
    llama: Any = llama_cpp.Llama(str(path), n_ctx=longest, n_batch=min(longest, 512), logits_all=True, verbose=False)
    right = tokens = 0
    for ids, labels in samples:
        llama.reset()
        llama.eval(ids)
        expected = np.array(labels[1:])
        guessed = llama.scores[: len(ids) - 1].argmax(axis=1)
        learnt = expected != IGNORED
        right += int((guessed == expected)[learnt].sum())
        tokens += int(learnt.sum())
    llama.close()
    return right, tokens
