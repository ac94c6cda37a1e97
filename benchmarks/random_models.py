"""Models of the size of real ones whose weights are random: they cost what a real one costs, and say nothing sensible.

    .venv/bin/python -m benchmarks.random_models 0.1B 0.5B 1B 7B

They are of the architecture `llama`, made with the gguf package in float16 and quantised to Q4_K_M by llama.cpp itself.
They have the bundled model's tokens, so that a prompt is as long for them, and beside these as many unused ones as make
the vocabulary, and with it the output matrix, as large as that of a small Llama. The bundled model's few tokens make
prompts longer than a large vocabulary would: the figures err on the side of caution. Kept in the user's cache.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import gguf
import numpy as np

from custom_components.morphy import BUNDLED_MODEL

CACHE: Final = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "morphy" / "benchmark-models"
VOCABULARY: Final = 32_000
CONTEXT_LENGTH: Final = 4096
HEAD_WIDTH: Final = 64
SPREAD: Final = 0.02
"""Standard deviation of the weights."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How large a model is: blocks, width, heads for keys and values, width of the feed-forward layer."""

    blocks: int
    width: int
    kv_heads: int
    feed_forward: int
    vocabulary: int = VOCABULARY

    @property
    def heads(self) -> int:
        """How many heads the width is divided into."""
        return self.width // HEAD_WIDTH

    def block(self) -> dict[str, tuple[int, ...]]:
        """Return rows and columns of each tensor of a block."""
        width, keys, wide = self.width, self.kv_heads * HEAD_WIDTH, self.feed_forward
        return {
            "attn_norm": (width,),
            "attn_q": (width, width),
            "attn_k": (keys, width),
            "attn_v": (keys, width),
            "attn_output": (width, width),
            "ffn_norm": (width,),
            "ffn_gate": (wide, width),
            "ffn_up": (wide, width),
            "ffn_down": (width, wide),
        }

    def parameters(self) -> int:
        """Return how many weights there are."""
        of_a_block = sum(int(np.prod(shape)) for shape in self.block().values())
        return self.blocks * of_a_block + self.vocabulary * self.width + self.width


SHAPES: Final = {
    "0.1B": Shape(blocks=12, width=768, kv_heads=4, feed_forward=2560),
    "0.5B": Shape(blocks=30, width=1024, kv_heads=4, feed_forward=4096),
    "1B": Shape(blocks=16, width=2048, kv_heads=8, feed_forward=8192),
    "7B": Shape(blocks=32, width=4096, kv_heads=16, feed_forward=14336),
}


def random_model(name: str, folder: Path = CACHE) -> Path:
    """Return the model of this size, made if it is not there."""
    path = folder / f"random-{name}-Q4_K_M.gguf"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        whole, unfinished = path.with_suffix(".f16"), path.with_suffix(".part")
        write(whole, name, SHAPES[name])
        quantise(whole, unfinished)
        whole.unlink()
        unfinished.rename(path)
    return path


def write(path: Path, name: str, shape: Shape, tokens_of: Path = BUNDLED_MODEL) -> None:
    """Write a model in float16. All blocks have the same weights, which llama.cpp cannot know."""
    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_name(f"Random {name}")
    writer.add_context_length(CONTEXT_LENGTH)
    writer.add_block_count(shape.blocks)
    writer.add_embedding_length(shape.width)
    writer.add_feed_forward_length(shape.feed_forward)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10000.0)
    writer.add_vocab_size(shape.vocabulary)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    known = _copy_tokenizer(writer, tokens_of, shape.vocabulary)
    for tensor, weights in _tensors(shape, known):
        writer.add_tensor(tensor, weights)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _copy_tokenizer(writer: gguf.GGUFWriter, source: Path, vocabulary: int) -> int:
    """Take over the tokens of a model, fill up with unused ones, and return how many are of use."""
    fields = gguf.GGUFReader(source).fields

    def of(key: str) -> Any:
        return fields[key].contents()

    tokens, types = of("tokenizer.ggml.tokens"), of("tokenizer.ggml.token_type")
    unused = [f"[unused {number}]" for number in range(vocabulary - len(tokens))]
    writer.add_tokenizer_model(of("tokenizer.ggml.model"))
    writer.add_tokenizer_pre(of("tokenizer.ggml.pre"))
    writer.add_token_list([*tokens, *unused])
    writer.add_token_types([*types, *(gguf.TokenType.UNUSED for _ in unused)])
    writer.add_token_merges(of("tokenizer.ggml.merges"))
    writer.add_eos_token_id(of("tokenizer.ggml.eos_token_id"))
    writer.add_add_bos_token(False)
    writer.add_chat_template(of("tokenizer.chat_template"))
    return len(tokens)


def _tensors(shape: Shape, known: int) -> Iterator[tuple[str, Any]]:
    """Yield the names and weights; the tokens that are unused are as far from being written as can be."""
    rng = np.random.default_rng(0)

    def weights(size: tuple[int, ...]) -> Any:
        if len(size) == 1:
            return np.ones(size, dtype=np.float32)
        return (rng.standard_normal(size, dtype=np.float32) * SPREAD).astype(np.float16)

    embedding = weights((shape.vocabulary, shape.width))
    embedding[known:] = 0
    yield "token_embd.weight", embedding
    yield "output_norm.weight", weights((shape.width,))
    block = {name: weights(size) for name, size in shape.block().items()}
    for number in range(shape.blocks):
        yield from ((f"blk.{number}.{name}.weight", values) for name, values in block.items())


@cache
def silence_llama_cpp() -> Any:
    """Have llama.cpp say nothing in this process; return what it calls instead, which must stay alive."""
    import llama_cpp

    silent = llama_cpp.llama_log_callback(lambda level, text, data: None)
    llama_cpp.llama_log_set(silent, None)
    return silent


def quantise(source: Path, target: Path) -> None:
    """Write a model anew as Q4_K_M."""
    import llama_cpp

    silence_llama_cpp()
    options = llama_cpp.llama_model_quantize_default_params()
    options.ftype = llama_cpp.LLAMA_FTYPE_MOSTLY_Q4_K_M
    options.nthread = len(os.sched_getaffinity(0))
    if llama_cpp.llama_model_quantize(os.fsencode(source), os.fsencode(target), options):
        raise RuntimeError(f"llama.cpp could not quantise {source}")


if __name__ == "__main__":
    for wanted in sys.argv[1:]:
        made = random_model(wanted)
        size = made.stat().st_size / 2**20
        print(f"{made}: {SHAPES[wanted].parameters() / 1e9:.2f} B parameters, {size:.0f} MB")
