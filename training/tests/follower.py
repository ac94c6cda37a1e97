"""A tiny Llama that writes what it is told to prefer: no attention, only which token comes after which.

Without a grammar it ends at once or follows its chain. Within one it writes the shortest thing that is allowed, so that
a test knows what comes, alike in llama.cpp, on a server and in transformers.
"""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerBase

from morphy_training.family import converter, tiny

_WIDTH = 704
"""More than there are tokens: one direction for each, and one that all share."""


def make(folder: Path, prefer: str, follows: dict[str, str] | None = None) -> Path:
    """Save the model; of the characters in `prefer` the first are liked best, and `follows` goes before them."""
    tiny.make("llama", folder, layers=1, hidden_size=_WIDTH, intermediate_size=64)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder)
    size = model.config.vocab_size
    liking = torch.zeros(size)
    # All differ, so that no two backends break a tie in their own way.
    liking += torch.arange(size, 0, -1) / size
    for place, character in enumerate(prefer):
        liking[_id(tokenizer, character)] = 4.0 + len(prefer) - place
    liking[tokenizer.eos_token_id] = 60.0
    with torch.no_grad():
        embedded = torch.zeros(size, _WIDTH)
        embedded[:, :size] = torch.eye(size)
        embedded[:, -1] = 1.0
        head = torch.zeros(size, _WIDTH)
        head[:, -1] = liking
        for before, after in (follows or {}).items():
            head[_id(tokenizer, after), _id(tokenizer, before)] = 100.0
        model.get_input_embeddings().weight.copy_(embedded)
        model.get_output_embeddings().weight.copy_(head)
        layer = model.model.layers[0]
        layer.self_attn.o_proj.weight.zero_()
        layer.mlp.down_proj.weight.zero_()
        model.model.norm.weight.fill_(1.0)
    model.save_pretrained(folder)
    return folder


def to_gguf(folder: Path, target: Path) -> Path:
    """The same as a GGUF file."""
    converter.convert(folder, target, {"general.name": "Follower", "morphy.dialect": "hermes"}, "F32")
    return target


def _id(tokenizer: PreTrainedTokenizerBase, character: str) -> int:
    known = tokenizer.convert_tokens_to_ids(character)
    if known == tokenizer.unk_token_id:
        known = tokenizer.convert_tokens_to_ids(f"<0x{ord(character):02X}>")
    return int(known)  # type: ignore[arg-type]
