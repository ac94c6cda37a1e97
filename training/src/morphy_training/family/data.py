"""The mix of data that a base model is fine-tuned on: sources by weight, as tokens and labels.

Every line of every source is read and understood before anything is trained: a wrong one is named with its file and
its number. Labels are -100 but for what the assistant says and calls, and the token that ends it.
"""

from __future__ import annotations

import itertools
import json
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset, interleave_datasets, load_dataset
from tqdm.auto import tqdm
from transformers import PreTrainedTokenizerBase

from ..data import Example, Source, generator
from ..dialect import Dialect, Turn, get_dialect
from ..errors import DataError
from ..recipe import DataRecipe, Recipe
from .conversation import Segment
from .formats import parse
from .texts import segments

IGNORED = -100
"""The label of a token that is read and not learnt."""

_HUB = "hub:"
_ASSISTANT = "<|im_start|>assistant\n"


def prepare(
    recipe: Recipe, tokenizer: PreTrainedTokenizerBase, source: Source | None = None
) -> tuple[Dataset, Dataset]:
    """What is trained on and what is held out, both of `input_ids` and `labels`; `source` replaces the generator.

    DataError names the line that cannot be used, or the source that has nothing of use.
    """
    assert recipe.sft is not None
    trained, held_out = [], []
    for entry in recipe.data:
        whole = _tokenized(entry, recipe, tokenizer, source)
        if len(whole) < 2:
            raise DataError(f"{entry.source} has fewer than two conversations of at most {recipe.sft.length} tokens")
        count = min(max(1, round(len(whole) * recipe.sft.held_out)), len(whole) - 1)
        parts = whole.train_test_split(test_size=count, seed=recipe.seed)
        trained.append(parts["train"])
        held_out.append(parts["test"])
    return _mixed(trained, recipe), _mixed(held_out, recipe)


def _mixed(parts: list[Dataset], recipe: Recipe) -> Dataset:
    total = sum(entry.weight for entry in recipe.data)
    shares = [entry.weight / total for entry in recipe.data]
    if len(parts) == 1:
        return parts[0]
    # Until each source was seen whole: those that are drawn more often than they are large begin again.
    return interleave_datasets(parts, shares, seed=recipe.seed, stopping_strategy="all_exhausted")


def _tokenized(entry: DataRecipe, recipe: Recipe, tokenizer: PreTrainedTokenizerBase, source: Source | None) -> Dataset:
    assert recipe.sft is not None
    columns: dict[str, list[np.ndarray[Any, Any]]] = {"input_ids": [], "labels": []}
    read = 0
    for read, pieces in enumerate(tqdm(conversations(entry, recipe, source), entry.source, unit=""), 1):  # noqa: B007
        ids, labels = encode(tokenizer, pieces)
        if len(ids) <= recipe.sft.length and any(label != IGNORED for label in labels):
            columns["input_ids"].append(np.array(ids, np.int32))
            columns["labels"].append(np.array(labels, np.int32))
    if left_out := read - len(columns["labels"]):
        longest = recipe.sft.length
        print(f"{entry.source}: {left_out} of {read} conversations are longer than {longest} tokens: left out")
    return Dataset.from_dict(columns)


def conversations(entry: DataRecipe, recipe: Recipe, source: Source | None = None) -> Iterator[list[Segment]]:
    """The conversations of one source, as text in pieces; DataError names the line that cannot be used."""
    if entry.source == "home":
        dialect = get_dialect(recipe.dialect)
        examples = (source or generator(recipe.languages))(recipe.seed)
        for example in itertools.islice(examples, entry.count):
            yield home_segments(example, dialect)
        return
    wrong: list[str] = []
    for place, record in itertools.islice(records(entry.source, entry.split), entry.count or None):
        try:
            yield segments(parse(entry.format, record), recipe.dialect)
        except DataError as error:
            wrong.append(f"{place}: {error}")
            if not entry.skip_wrong:
                raise DataError(wrong[0]) from error
    if wrong:
        print(f"{entry.source}: {len(wrong)} lines that cannot be understood: left out. The first: {wrong[0]}")


def home_segments(example: Example, dialect: Dialect) -> list[Segment]:
    """A home and all that is asked about it, through the dialect's own code; every answer is learnt."""
    *earlier, last = example.turns
    history = [Turn(one.request, dialect.write(one.answer, example.home)) for one in earlier]
    text = dialect.prompt(example.home, dialect.default_instructions, last.request, history)
    begin = _ASSISTANT if _ASSISTANT in text else ""
    pieces: list[Segment] = []
    for turn in history:
        answer = f"{turn.answer}{dialect.stop[0]}"
        at = text.index(f"{begin}{answer}") + len(begin)
        pieces += [Segment(text[:at], learn=False), Segment(answer, learn=True)]
        text = text[at + len(answer) :]
    answer = dialect.write(last.answer, example.home)
    return [*pieces, Segment(text, learn=False), Segment(f"{answer}{dialect.stop[0]}", learn=True)]


def encode(tokenizer: PreTrainedTokenizerBase, pieces: Iterable[Segment]) -> tuple[list[int], list[int]]:
    """Token ids of a conversation, split as one text, and a label for each: itself where it is learnt, else IGNORED.

    The token that begins a text stands in front where the tokenizer puts it there, as llama.cpp will.
    """
    learnt: list[tuple[int, int]] = []
    text = ""
    for piece in pieces:
        if piece.learn:
            learnt.append((len(text), len(text) + len(piece.text)))
        text += piece.text
    begun = bool(tokenizer.bos_token) and text.startswith(str(tokenizer.bos_token))
    encoding = tokenizer.backend_tokenizer.encode(text, add_special_tokens=not begun)
    ids: list[int] = encoding.ids
    if not begun and ids and ids[-1] == tokenizer.eos_token_id and not text.endswith(str(tokenizer.eos_token)):
        ids = ids[:-1]
    # What stands for no text, as the token that begins it, ends where it starts: at 0.
    ends = [end for _, end in encoding.offsets[: len(ids)]]
    labels = [IGNORED] * len(ids)
    for begin, stop in learnt:
        first, last = bisect_left(ends, begin + 1), bisect_left(ends, stop + 1)
        labels[first:last] = ids[first:last]
    return ids, labels


def records(source: str, split: str = "train") -> Iterator[tuple[str, dict[str, Any]]]:
    """The records of a file of JSON lines or of a dataset of the hub, each with the place it comes from, for errors."""
    if source.startswith(_HUB):
        name = source.removeprefix(_HUB)
        owner, title, *part = name.split("/")
        try:
            rows = load_dataset(f"{owner}/{title}", *part, split=split)
        except Exception as error:  # What a dataset's own code, or the network, raises.
            raise DataError(f"The dataset {name} cannot be had: {error}") from error
        for number, row in enumerate(rows):
            yield f"{name} ({split}), row {number}", dict(row)
        return
    try:
        content = Path(source).open("rb")  # noqa: SIM115 - closed below
    except OSError as error:
        raise DataError(f"{source} cannot be read: {error.strerror}") from error
    with content:
        for number, line in enumerate(content, 1):
            if line.strip():
                yield f"{source}:{number}", _record(line, f"{source}:{number}")


def _record(line: bytes, place: str) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{place}: this is not JSON: {error}") from error
    if not isinstance(record, dict):
        raise DataError(f"{place}: a line must be a JSON object, not {type(record).__name__}")
    return record
