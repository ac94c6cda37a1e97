"""The tokenizer: byte-level BPE whose merges never cross a space, a digit, or the border of a word.

It is learnt with spaces and digits isolated, and then shipped with GPT-2's plain pre-tokenizer, which llama.cpp knows.
No merge holds a leading space or two digits, so both split alike: `kitchen` is the same token in `light.kitchen`, in
`"kitchen lamp"` and in speech, which is what lets a small model copy names. It costs about a quarter more tokens.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

END_OF_TEXT = "<|endoftext|>"
"""Ends an answer for the base model, and fills up a batch."""

CHAT_TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' "
    "+ '\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def learn(texts: Iterable[str], vocab_size: int) -> PreTrainedTokenizerFast:
    """Learn a vocabulary of at most `vocab_size` entries; every byte is one of them, so any text can be written."""
    tokenizer = Tokenizer(models.BPE())
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(" ", "isolated"), pre_tokenizers.Digits(individual_digits=True), byte_level]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[END_OF_TEXT],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_cased(texts), trainer)
    tokenizer.pre_tokenizer = byte_level
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=END_OF_TEXT,
        pad_token=END_OF_TEXT,
        clean_up_tokenization_spaces=False,
    )


def load(folder: Path) -> PreTrainedTokenizerFast:
    """The tokenizer that was saved beside a model or into a run folder."""
    tokenizer: PreTrainedTokenizerFast = PreTrainedTokenizerFast.from_pretrained(folder)
    return tokenizer


def add_chatml(tokenizer: PreTrainedTokenizerFast, tokens: Iterable[str], end: str) -> None:
    """Add the tokens of ChatML in place; `end` becomes the token that ends an answer."""
    tokenizer.add_special_tokens({"extra_special_tokens": list(tokens)})
    tokenizer.eos_token = end
    tokenizer.chat_template = CHAT_TEMPLATE


def _cased(texts: Iterable[str]) -> Iterable[str]:
    # People type names in lower case and homes show them in title case: learn both spellings of a word alike.
    for text in texts:
        yield text
        yield text.lower()
        yield text.title()
