"""The mix of data: what is learnt, what a wrong line is told, how sources are weighed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import toy
from transformers import PreTrainedTokenizerBase

from morphy_training.dialect import get_dialect
from morphy_training.errors import DataError
from morphy_training.family import base, data, tiny
from morphy_training.family.samples import lines
from morphy_training.recipe import Recipe, parse

HOME = {"source": "home", "format": "home", "count": 20}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Mistral."""
    return tiny.make("mistral", tmp_path_factory.mktemp("model"))


def recipe(model: Path, *entries: dict[str, Any], dialect: str = "lines", **sft: Any) -> Recipe:
    settings = {"add_tokens": ["chatml"], "embeddings": True, "length": 4096, "held_out": 0.1, **sft}
    given = {"architecture": "mistral", "base": {"model": str(model)}, "data": list(entries), "sft": settings}
    return parse({"dialect": dialect, **given})


def learnt(tokenizer: PreTrainedTokenizerBase, labels: list[int]) -> list[str]:
    """The stretches of text that labels are not ignored in."""
    stretches: list[list[int]] = [[]]
    for label in labels:
        if label != data.IGNORED:
            stretches[-1].append(label)
        elif stretches[-1]:
            stretches.append([])
    return [tokenizer.decode(one) for one in stretches if one]


def written(path: Path, records: list[Any]) -> dict[str, Any]:
    path.write_text("".join(f"{json.dumps(one)}\n" for one in records), encoding="utf-8")
    return {"source": str(path), "format": "messages"}


@pytest.mark.parametrize("dialect", ["lines", "morphy"])
def test_the_answers_about_a_home_are_learnt_and_nothing_else(model: Path, dialect: str) -> None:
    asked = recipe(model, HOME, dialect=dialect)
    tokenizer = base.load_tokenizer(asked)
    example = next(toy.stream(1))
    way = get_dialect(dialect)
    ids, labels = data.encode(tokenizer, data.home_segments(example, way))
    expected = [f"{way.write(turn.answer, example.home)}<|im_end|>" for turn in example.turns]
    assert [text.lstrip() for text in learnt(tokenizer, labels)] == expected
    assert ids[0] == tokenizer.bos_token_id
    assert ids.count(tokenizer.bos_token_id) == 1


def test_every_answer_of_a_conversation_is_learnt(model: Path, tmp_path: Path) -> None:
    [record] = lines("messages", 1)
    asked = recipe(model, written(tmp_path / "a.jsonl", [record]))
    tokenizer = base.load_tokenizer(asked)
    [pieces] = data.conversations(asked.data[0], asked)
    _, labels = data.encode(tokenizer, pieces)
    said = [one["content"] for one in record["messages"] if one["role"] == "assistant"]
    assert [text.strip() for text in learnt(tokenizer, labels)] == [f"{one}<|im_end|>" for one in said]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"{not json", "this is not JSON"),
        (b'{"messages": "\xff"}', "this is not JSON"),
        (b"[1]", "must be a JSON object, not list"),
        (b'{"messages": []}', "there is no list of messages"),
        (b'{"messages": [{"role": "king", "content": "x"}]}', "message 1 needs a role"),
        (b'{"messages": [{"role": "user", "content": "x"}]}', "nobody answers"),
    ],
)
def test_a_wrong_line_is_named_before_training(model: Path, tmp_path: Path, line: bytes, reason: str) -> None:
    file = tmp_path / "talk.jsonl"
    entry = written(file, lines("messages", 3))
    file.write_bytes(file.read_bytes() + b"\n" + line + b"\n")
    asked = recipe(model, entry)
    with pytest.raises(DataError, match=f"talk.jsonl:5: .*{reason}"):
        data.prepare(asked, base.load_tokenizer(asked))


def test_a_missing_file_is_named(model: Path) -> None:
    asked = recipe(model, {"source": "nowhere.jsonl", "format": "messages"})
    with pytest.raises(DataError, match=r"nowhere.jsonl cannot be read"):
        data.prepare(asked, base.load_tokenizer(asked))


def test_sources_are_drawn_by_weight(model: Path, tmp_path: Path) -> None:
    entry = written(tmp_path / "a.jsonl", lines("messages", 60))
    asked = recipe(model, {**HOME, "count": 60, "weight": 3.0}, {**entry, "weight": 1.0})
    tokenizer = base.load_tokenizer(asked)
    trained, held_out = data.prepare(asked, tokenizer, toy.stream)
    homes = [tokenizer.decode(ids).count("Devices:") for ids in trained["input_ids"]]
    assert 0.6 < sum(homes) / len(homes) < 0.9
    assert len(held_out) >= 12
    again, _ = data.prepare(asked, tokenizer, toy.stream)
    assert again["input_ids"][:] == trained["input_ids"][:]
    texts = {tuple(ids) for ids in trained["input_ids"]}
    apart = [ids for ids in held_out["input_ids"] if tuple(ids) not in texts]
    assert any("Devices:" in tokenizer.decode(ids) for ids in apart)


def test_what_is_too_long_is_left_out(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = recipe(model, HOME, length=50)
    with pytest.raises(DataError, match="home has fewer than two conversations of at most 50 tokens"):
        data.prepare(asked, base.load_tokenizer(asked), toy.stream)
    assert "20 of 20 conversations are longer than 50 tokens" in capsys.readouterr().out
