"""Makes GGUF files of a few hundred kilobytes that real llama.cpp loads: no training, no download.

The vocabulary is the 256 bytes and the two ChatML tokens. `chain` makes a model that always writes the same text after
a newline; without it the weights are random, and what is written depends on every token before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import gguf
import numpy as np

IM_START = "<|im_start|>"
IM_END = "<|im_end|>"
NEVER_IN_TEXT = (0xC0, 0xC1, *range(0xF5, 0x100))
"""Bytes that UTF-8 does not use: other tokens may have their places."""
IM_START_TOKEN = 256
IM_END_TOKEN = 257
VOCABULARY = 258
WIDTH = 288
HEADS = 4
FFN = 256
TEMPLATE = "{% for message in messages %}{{ message.content }}{% endfor %}"

type Architecture = Literal["llama", "lfm2"]


def write_tiny_model(
    path: Path,
    *,
    name: str = "Tiny",
    architecture: Architecture = "llama",
    chain: bytes | None = None,
    endless: bool = False,
    context_length: int = 2048,
    seed: int = 0,
    special: Sequence[str] = (),
    least_certainty: float | None = None,
    languages: str = "",
    follows: Mapping[int, int] | None = None,
) -> Path:
    """Write a GGUF to `path` and return it.

    A `chain` needs bytes that differ from each other and from the newline: after a newline the model writes them in
    order, then `<|im_end|>`, or when `endless` all of them again and again. It may be empty. `special` are more special
    tokens, 13 at most. `least_certainty` is the logarithm of the probability below which an answer is doubtful.
    `languages` are the codes, with commas between, of those it is said to know. `follows` stands in place of a chain:
    which token comes after which; after any other comes `<|im_end|>`.
    """
    writer = gguf.GGUFWriter(str(path), architecture)
    if least_certainty is not None:
        writer.add_float32("morphy.least_certainty", least_certainty)
    if languages:
        writer.add_string("morphy.languages", languages)
    writer.add_name(name)
    writer.add_context_length(context_length)
    writer.add_embedding_length(WIDTH)
    writer.add_feed_forward_length(FFN)
    writer.add_head_count(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10000.0)
    writer.add_vocab_size(VOCABULARY)
    _add_tokenizer(writer, special)
    if chain is not None:
        order = [ord("\n"), *chain]
        follows = dict(zip(order, [*order[1:], chain[0] if endless else IM_END_TOKEN], strict=True))
    if follows is not None:
        tensors = _following_tensors(writer, follows)
    else:
        tensors = _random_tensors(writer, architecture, seed)
    for name, tensor in tensors.items():
        writer.add_tensor(name, np.ascontiguousarray(tensor, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _add_tokenizer(writer: gguf.GGUFWriter, special: Sequence[str]) -> None:
    characters = byte_characters()
    types = [gguf.TokenType.NORMAL] * 256 + [gguf.TokenType.CONTROL] * 2
    for place, token in zip(NEVER_IN_TEXT, special, strict=False):
        characters[place], types[place] = token, gguf.TokenType.CONTROL
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list([*characters, IM_START, IM_END])
    writer.add_token_types(types)
    writer.add_token_merges([f"{characters[32]} {characters[32]}"])
    writer.add_eos_token_id(IM_END_TOKEN)
    writer.add_add_bos_token(False)
    writer.add_chat_template(TEMPLATE)


def byte_characters() -> list[str]:
    """Return the printable stand-in of each byte, as GPT-2's byte-level vocabulary has them."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    spare = iter(range(0x100, 0x200))
    return [chr(byte) if byte in printable else chr(next(spare)) for byte in range(256)]


def _following_tensors(writer: gguf.GGUFWriter, follows: Mapping[int, int]) -> dict[str, Any]:
    """Return weights of one block that adds nothing, between one-hot embeddings and a table of what follows what."""
    head = np.zeros((VOCABULARY, WIDTH))
    for token in range(VOCABULARY):
        head[follows.get(token, IM_END_TOKEN), token] = 1.0
    writer.add_block_count(1)
    writer.add_head_count_kv(HEADS)
    zeros = np.zeros((WIDTH, WIDTH))
    return {
        "token_embd.weight": np.eye(VOCABULARY, WIDTH),
        "output_norm.weight": np.ones(WIDTH),
        "output.weight": head,
        "blk.0.attn_norm.weight": np.ones(WIDTH),
        "blk.0.attn_q.weight": zeros,
        "blk.0.attn_k.weight": zeros,
        "blk.0.attn_v.weight": zeros,
        "blk.0.attn_output.weight": zeros,
        "blk.0.ffn_norm.weight": np.ones(WIDTH),
        "blk.0.ffn_gate.weight": np.zeros((FFN, WIDTH)),
        "blk.0.ffn_up.weight": np.zeros((FFN, WIDTH)),
        "blk.0.ffn_down.weight": np.zeros((WIDTH, FFN)),
    }


def _random_tensors(writer: gguf.GGUFWriter, architecture: Architecture, seed: int) -> dict[str, Any]:
    """Return random weights: two attention blocks, or for LFM2 a short convolution before and after one."""
    rng = np.random.default_rng(seed)
    attention = (False, True, False) if architecture == "lfm2" else (True, True)

    def matrix(rows: int, columns: int) -> Any:
        return rng.normal(0, 2.0 / columns**0.5, (rows, columns))

    norm = "token_embd_norm" if architecture == "lfm2" else "output_norm"
    tensors = {"token_embd.weight": rng.normal(0, 0.5, (VOCABULARY, WIDTH)), f"{norm}.weight": np.ones(WIDTH)}
    tensors["output.weight"] = matrix(VOCABULARY, WIDTH)
    for layer, attends in enumerate(attention):
        block = f"blk.{layer}"
        tensors |= {f"{block}.attn_norm.weight": np.ones(WIDTH), f"{block}.ffn_norm.weight": np.ones(WIDTH)}
        tensors |= {f"{block}.ffn_{name}.weight": matrix(FFN, WIDTH) for name in ("gate", "up")}
        tensors[f"{block}.ffn_down.weight"] = matrix(WIDTH, FFN)
        if attends:
            tensors |= {f"{block}.attn_{name}.weight": matrix(WIDTH, WIDTH) for name in ("q", "k", "v", "output")}
            if architecture == "lfm2":
                tensors |= {f"{block}.attn_{name}_norm.weight": np.ones(WIDTH // HEADS) for name in ("q", "k")}
        else:
            tensors[f"{block}.shortconv.conv.weight"] = rng.normal(0, 0.5, (WIDTH, 3))
            tensors[f"{block}.shortconv.in_proj.weight"] = matrix(3 * WIDTH, WIDTH)
            tensors[f"{block}.shortconv.out_proj.weight"] = matrix(WIDTH, WIDTH)
    writer.add_block_count(len(attention))
    writer.add_head_count_kv([HEADS if attends else 0 for attends in attention])
    if architecture == "lfm2":
        writer.add_shortconv_l_cache(3)
    return tensors
