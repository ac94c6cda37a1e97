"""What is trained on: rendering, weights, batches, and that a step's data depends on nothing but its number."""

from __future__ import annotations

import itertools

import pytest
import toy
from transformers import PreTrainedTokenizerFast

from morphy_training import tokenizer as tokenizers
from morphy_training.data import Encoder, Sample, Weights, draw, micro_batches, plain, render, samples, step_seed
from morphy_training.dialect import get_dialect

DIALECT = get_dialect("morphy")
TEXTS = [
    'Kitchen "Old Lamp" light.old_lamp = on; brightness 40%',
    " 's  two  spaces, tabs\t and\n\nlines 2026-11-02 21.5°C",
    "Ünïcode 厨房 🛋️ isn't 'quoted' naïve\x00\x7f",
]


@pytest.fixture(scope="module")
def base() -> PreTrainedTokenizerFast:
    return tokenizers.learn((plain(render(one, DIALECT)) for one in itertools.islice(toy.stream(1), 60)), 512)


@pytest.fixture(scope="module")
def chat(base: PreTrainedTokenizerFast, tmp_path_factory: pytest.TempPathFactory) -> PreTrainedTokenizerFast:
    folder = tmp_path_factory.mktemp("tokenizer")
    base.save_pretrained(folder)
    copy = tokenizers.load(folder)
    tokenizers.add_chatml(copy, DIALECT.special_tokens, DIALECT.stop[0])
    return copy


@pytest.mark.parametrize("text", TEXTS)
def test_any_text_survives_the_tokenizer(base: PreTrainedTokenizerFast, text: str) -> None:
    assert base.decode(base.encode(text)) == text


def test_no_token_holds_a_space_beside_something_or_two_digits(base: PreTrainedTokenizerFast) -> None:
    for token in base.get_vocab():
        assert token in ("Ġ", "<|endoftext|>") or "Ġ" not in token
        assert sum(character.isdigit() for character in token) < 2


def test_a_word_is_the_same_token_in_an_id_and_in_speech(base: PreTrainedTokenizerFast) -> None:
    assert set(base.encode("lamp")) <= set(base.encode("the lamp")) & set(base.encode("light.old_lamp"))


def test_the_base_has_no_chatml_and_the_chat_tokenizer_adds_two(
    base: PreTrainedTokenizerFast, chat: PreTrainedTokenizerFast
) -> None:
    assert len(base.encode("<|im_start|>")) > 1
    assert len(chat) == len(base) + 2
    assert chat.encode("<|im_end|>") == [chat.eos_token_id]


def _labelled(sample: Sample, tokenizer: PreTrainedTokenizerFast, weight: float) -> str:
    return "".join(
        tokenizer.decode([id_]) if given == weight else "\0"
        for id_, given in zip(sample.ids, sample.weights, strict=True)
    )


@pytest.mark.parametrize("kind", ["base", "chat"])
def test_the_loss_is_on_what_the_assistant_writes_with_its_end(kind: str, request: pytest.FixtureRequest) -> None:
    tokenizer = request.getfixturevalue(kind)
    example = next(toy.stream(5))
    sample = Encoder(tokenizer, DIALECT, Weights(answer=1.0), 2048)(example)
    assert sample is not None
    written = [part for part in _labelled(sample, tokenizer, 1.0).split("\0") if part]
    end = tokenizer.eos_token
    assert written == [DIALECT.write(turn.answer, example.home) + end for turn in example.turns]
    for span, turn in zip(sample.spans, example.turns, strict=True):
        calls = [tokenizer.decode(sample.ids[start:stop]) for start, stop in span.calls]
        _, line, *_ = DIALECT.write(turn.answer, example.home).split("\n")
        assert calls == [line if turn.answer.actions else tokenizer.decode(tokenizer.encode(line)[:1])]


def test_ids_in_the_listing_count_as_copies(base: PreTrainedTokenizerFast) -> None:
    example = next(toy.stream(5))
    sample = Encoder(base, DIALECT, Weights(answer=3.0, copy=1.0), 2048)(example)
    assert sample is not None
    copied = [part for part in _labelled(sample, base, 1.0).split("\0") if part]
    ids = [f"area.{area.id}" for area in example.home.areas] + [device.id for device in example.home.devices]
    assert copied == [id_.partition(".")[2] for id_ in ids]


def test_what_does_not_fit_the_context_loses_its_last_exchanges(base: PreTrainedTokenizerFast) -> None:
    example = next(one for one in toy.stream(1) if len(one.turns) == 8)
    whole = Encoder(base, DIALECT, Weights(1.0), 4096)(example)
    assert whole is not None
    cut = Encoder(base, DIALECT, Weights(1.0), len(whole.ids) - 1)(example)
    assert cut is not None
    assert len(cut.spans) == 7
    assert Encoder(base, DIALECT, Weights(1.0), 16)(example) is None


def test_micro_batches_hold_every_sample_once_within_the_limit(base: PreTrainedTokenizerFast) -> None:
    encoder = Encoder(base, DIALECT, Weights(1.0), 2048)
    batch = draw(samples(toy.stream, encoder, step_seed(1, 0)), 4000)
    parts = list(micro_batches(batch, 1500))
    assert sum(ids.shape[0] for ids, _ in parts) == len(batch)
    assert all(ids.numel() <= 1500 or ids.shape[0] == 1 for ids, _ in parts)
    assert sum(float(weights.sum()) for _, weights in parts) == sum(sum(sample.weights) for sample in batch)


def test_a_step_draws_the_same_data_every_time(base: PreTrainedTokenizerFast) -> None:
    encoder = Encoder(base, DIALECT, Weights(1.0), 2048)
    first, again = (draw(samples(toy.stream, encoder, step_seed(7, 3)), 2000) for _ in range(2))
    assert first == again
    assert first != draw(samples(toy.stream, encoder, step_seed(7, 4)), 2000)
