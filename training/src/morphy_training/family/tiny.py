"""Tiny random models of the architectures that recipes begin with, tokenizer and all: what tests and `smoke` train.

A tokenizer is of the kind that its architecture comes with: sentencepiece with its `tokenizer.model` (Mistral, Llama,
Gemma), or byte-level BPE.
"""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import sentencepiece
import torch
from tokenizers import processors
from transformers import (
    AutoModelForCausalLM,
    Gemma3TextConfig,
    GemmaTokenizer,
    Lfm2Config,
    LlamaConfig,
    LlamaTokenizer,
    MistralConfig,
    PhiConfig,
    PreTrainedTokenizerBase,
    Qwen3Config,
)

from .. import tokenizer as tokenizers
from ..data import generator, render
from ..dialect import get_dialect
from ..errors import RecipeError

_VOCABULARY = 640
_WIDTH = {"hidden_size": 64, "intermediate_size": 128, "num_attention_heads": 4, "max_position_embeddings": 4096}
_GROUPED: dict[str, Any] = {**_WIDTH, "num_key_value_heads": 2}

_CONFIGS: dict[str, Callable[..., Any]] = {
    "mistral": lambda **given: MistralConfig(**{**_GROUPED, "sliding_window": None, **given}),
    "llama": lambda **given: LlamaConfig(**{**_GROUPED, **given}),
    "phi": lambda **given: PhiConfig(**{**_WIDTH, "intermediate_size": 256, "partial_rotary_factor": 0.5, **given}),
    "qwen3": lambda **given: Qwen3Config(**{**_GROUPED, "head_dim": 16, "tie_word_embeddings": True, **given}),
    "gemma3_text": lambda **given: Gemma3TextConfig(
        **{**_GROUPED, "head_dim": 16, "query_pre_attn_scalar": 16, "sliding_window": 512, **given}
    ),
    "lfm2": lambda **given: Lfm2Config(
        **{
            **_GROUPED,
            "block_auto_adjust_ff_dim": False,
            "layer_types": ["conv", "full_attention"] * (given["num_hidden_layers"] // 2),
            "rope_parameters": {"rope_type": "default", "rope_theta": 1e6},
            **given,
        }
    ),
}
_SENTENCEPIECE = {"mistral": LlamaTokenizer, "llama": LlamaTokenizer, "gemma3_text": GemmaTokenizer}

_GEMMA_IDS: dict[str, Any] = {"pad_id": 0, "eos_id": 1, "bos_id": 2, "unk_id": 3}
_GEMMA_IDS |= {"pad_piece": "<pad>", "eos_piece": "<eos>", "bos_piece": "<bos>"}

ARCHITECTURES = tuple(_CONFIGS)
"""What tiny models can be made of, as transformers calls them (`model_type`)."""


def make(architecture: str, folder: Path, *, layers: int = 2, seed: int = 1, **shape: Any) -> Path:
    """Save a random model of so many layers (for lfm2: an even number) and its tokenizer; returns the folder.

    `shape` are further values of its config. RecipeError for an architecture that is not among ARCHITECTURES.
    """
    if architecture not in _CONFIGS:
        raise RecipeError(f"No tiny model of {architecture!r} can be made; there are {', '.join(ARCHITECTURES)}")
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = _tokenizer(architecture, folder)
    config = _CONFIGS[architecture](
        vocab_size=len(tokenizer),
        num_hidden_layers=layers,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        **shape,
    )
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _tokenizer(architecture: str, folder: Path) -> PreTrainedTokenizerBase:
    if kind := _SENTENCEPIECE.get(architecture):
        (folder / "tokenizer.model").write_bytes(_sentencepiece(gemma=kind is GemmaTokenizer))
        tokenizer: PreTrainedTokenizerBase = kind.from_pretrained(folder)
        # As their published tokenizers do: every text begins with the token for that.
        bos, number = tokenizer.bos_token, tokenizer.bos_token_id
        single = f"{bos} $A"
        tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
            single=single, pair=f"{single} $B", special_tokens=[(bos, number)]
        )
        return tokenizer
    return tokenizers.learn(_texts(), _VOCABULARY)


@cache
def _sentencepiece(gemma: bool) -> bytes:
    """A vocabulary as a sentencepiece file: BPE with bytes for what it does not know, as Mistral's or Gemma's is."""
    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=(line for text in _texts() for line in text.splitlines()),
        model_writer=written,
        model_type="bpe",
        vocab_size=_VOCABULARY,
        byte_fallback=True,
        split_digits=True,
        add_dummy_prefix=not gemma,
        remove_extra_whitespaces=False,
        normalization_rule_name="identity",
        allow_whitespace_only_pieces=True,
        minloglevel=2,
        **(_GEMMA_IDS if gemma else {}),
    )
    return written.getvalue()


@cache
def _texts() -> tuple[str, ...]:
    dialect = get_dialect("lines")
    return tuple(render(example, dialect) for example in itertools.islice(generator()(7, difficulty=0.0), 40))
