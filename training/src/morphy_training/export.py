"""From a merged model to GGUF: write it, prove that llama.cpp reads it as transformers does, quantise it.

Written through `gguf` itself: one architecture needs fewer lines here than llama.cpp's converter needs to be found and
talked into a tokenizer that it does not know. The tensors' names come from gguf's own table.
"""

from __future__ import annotations

import ctypes
import hashlib
import itertools
import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
from transformers import AutoModelForCausalLM, PreTrainedModel, PreTrainedTokenizerFast

from . import tokenizer as tokenizers
from .data import HELD_OUT, Source, render
from .dialect import get_dialect
from .errors import ExportError
from .recipe import Recipe
from .runs import Folder

LARGEST_LOGIT_DIFFERENCE = 0.05
"""How far F16 logits may lie from those of transformers, as a share of their spread."""


def export(recipe: Recipe, folder: Folder, least_certainty: float | None = None) -> list[Path]:
    """Write the run's merged model in each of the recipe's quantisations, F16 first; returns the files.

    `least_certainty` is what calibrate.py found, for the integration to heed.
    """
    merged = folder.need(folder.merged, "merge")
    folder.gguf.mkdir(exist_ok=True)
    whole = folder.gguf / "morphy-F16.gguf"
    write(merged, whole, recipe, least_certainty)
    files = [whole]
    for name in recipe.export.quantisations:
        if name != "F16":
            files.append(folder.gguf / f"morphy-{name}.gguf")
            quantise(whole, files[-1], name)
    return files


def bundle(recipe: Recipe, folder: Folder, target: Path) -> Path:
    """Copy the quantisation that the recipe bundles to `target`, where the integration finds it, and note its hash.

    The file beside it is in the format of sha256sum; the integration refuses a model that does not match.
    """
    file = folder.need(folder.gguf / f"morphy-{recipe.export.bundle}.gguf", "export")
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(file, target)
    checksum = hashlib.sha256(target.read_bytes()).hexdigest()
    target.with_name(f"{target.name}.sha256").write_text(f"{checksum}  {target.name}\n", encoding="ascii")
    return target


def write(model_folder: Path, path: Path, recipe: Recipe, least_certainty: float | None = None) -> None:
    """Write an `Lfm2ForCausalLM` and its tokenizer as GGUF, matrices in F16 and the rest in F32."""
    model = AutoModelForCausalLM.from_pretrained(model_folder, dtype=torch.float32)
    if model.config.model_type != "lfm2":
        raise ExportError(f"Only lfm2 models can be written here, not {model.config.model_type}")
    with written_whole(path) as unfinished:
        writer = gguf.GGUFWriter(unfinished, gguf.MODEL_ARCH_NAMES[gguf.MODEL_ARCH.LFM2])
        _write_about(writer, recipe)
        if least_certainty is not None:
            writer.add_float32("morphy.least_certainty", least_certainty)
        _write_shape(writer, model)
        _write_tokenizer(writer, tokenizers.load(model_folder), model.config.vocab_size)
        _write_tensors(writer, model)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()


@contextmanager
def written_whole(target: Path) -> Iterator[Path]:
    """Where to write what has its name, `target`, only once all of it is there; until then an earlier file stays."""
    unfinished = target.with_name(f"{target.name}.unfinished")
    try:
        yield unfinished
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)


def _write_about(writer: gguf.GGUFWriter, recipe: Recipe) -> None:
    writer.add_name(recipe.name)
    writer.add_description(recipe.description)
    writer.add_license(recipe.license)
    writer.add_string("morphy.dialect", recipe.dialect)
    writer.add_string("morphy.languages", ",".join(recipe.languages))
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)


def _write_shape(writer: gguf.GGUFWriter, model: PreTrainedModel) -> None:
    config = model.config
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    # llama.cpp tells a convolution block by its having no key/value heads.
    writer.add_head_count_kv([0 if kind == "conv" else config.num_key_value_heads for kind in config.layer_types])
    writer.add_layer_norm_rms_eps(config.norm_eps)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_shortconv_l_cache(config.conv_L_cache)
    writer.add_vocab_size(config.vocab_size)


def _write_tokenizer(writer: gguf.GGUFWriter, tokenizer: PreTrainedTokenizerFast, vocab_size: int) -> None:
    content: dict[str, Any] = json.loads(tokenizer.backend_tokenizer.to_str())
    vocabulary: dict[str, int] = tokenizer.get_vocab()
    special = {entry["id"] for entry in content["added_tokens"] if entry["special"]}
    tokens = [f"[unused{number}]" for number in range(vocab_size)]
    types = [gguf.TokenType.UNUSED] * vocab_size
    for token, number in vocabulary.items():
        tokens[number] = token
        types[number] = gguf.TokenType.CONTROL if number in special else gguf.TokenType.NORMAL
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_token_merges([" ".join(pair) for pair in content["model"]["merges"]])
    writer.add_eos_token_id(tokenizer.eos_token_id)
    writer.add_pad_token_id(tokenizer.pad_token_id)
    writer.add_add_bos_token(False)
    writer.add_chat_template(tokenizer.chat_template)


def _write_tensors(writer: gguf.GGUFWriter, model: PreTrainedModel) -> None:
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LFM2, model.config.num_hidden_layers)
    tied = model.config.tie_word_embeddings
    for name, tensor in model.state_dict().items():
        if tied and name == "lm_head.weight":
            continue  # llama.cpp takes the embeddings when there is no head
        new_name = names.get_name(name, try_suffixes=(".weight",))
        if new_name is None:
            raise ExportError(f"llama.cpp has no place for the tensor {name}")
        # A convolution's kernel comes as [channels, 1, width]; llama.cpp wants it flat and in F32, as it wants norms.
        kernel = tensor.ndim == 3
        values: np.ndarray[Any, Any] = (tensor.squeeze(1) if kernel else tensor).float().numpy()
        writer.add_tensor(new_name, values if kernel or values.ndim == 1 else values.astype(np.float16))


def quantise(source: Path, target: Path, name: str) -> None:
    """Quantise a GGUF file with llama.cpp; `name` is one of its types, such as `Q8_0` or `Q4_K_M`."""
    llama_cpp = _llama_cpp()
    file_type = getattr(llama_cpp, f"LLAMA_FTYPE_MOSTLY_{name}", None)
    if file_type is None:
        raise ExportError(f"llama.cpp knows no quantisation {name}")
    parameters = llama_cpp.llama_model_quantize_default_params()
    parameters.ftype = file_type
    parameters.nthread = 1
    with written_whole(target) as unfinished:
        paths = str(source).encode(), str(unfinished).encode()
        code = llama_cpp.llama_model_quantize(*paths, ctypes.byref(parameters))
        if code != 0:
            raise ExportError(f"llama.cpp could not quantise {source} to {name} (code {code})")


@dataclass(frozen=True, slots=True)
class Parity:
    """How a GGUF file compares to transformers, over `texts` texts.

    `logits` is the largest difference of a logit, `spread` the logits' standard deviation; `greedy` counts the texts
    that are continued alike, token by token.
    """

    texts: int
    tokens: int
    greedy: int
    logits: float
    spread: float

    def check(self) -> None:
        """ExportError when tokens differ, or logits by more than rounding explains."""
        if self.tokens != self.texts:
            raise ExportError(f"llama.cpp splits {self.texts - self.tokens} of {self.texts} texts into other tokens")
        if self.logits > LARGEST_LOGIT_DIFFERENCE * self.spread:
            raise ExportError(f"Logits differ by {self.logits:.4f} at a spread of {self.spread:.4f}")

    def __str__(self) -> str:
        return (
            f"tokens equal {self.tokens}/{self.texts}, greedy equal {self.greedy}/{self.texts}, "
            f"largest logit difference {self.logits:.4f} (spread {self.spread:.3f})"
        )


@dataclass(frozen=True, slots=True)
class Reference:
    """What transformers makes of texts: their tokens, the logits after each, the likeliest tokens that follow."""

    texts: tuple[str, ...]
    ids: tuple[list[int], ...]
    logits: tuple[np.ndarray[Any, Any], ...]
    followed: tuple[list[int], ...]
    begun: bool
    """Whether the texts begin as the model is to see them; otherwise tokenizers put their own token in front."""


def reference(model_folder: Path, texts: list[str], new_tokens: int = 24, *, begun: bool = True) -> Reference:
    """Ask the saved model, in 32 bits, once for all files that are compared with it."""
    model = AutoModelForCausalLM.from_pretrained(model_folder, dtype=torch.float32).train(False)
    tokenizer = tokenizers.load(model_folder)
    ids = tuple(tokenizer.encode(text, add_special_tokens=not begun) for text in texts)
    answers = [_continue(model, one, new_tokens) for one in ids]
    logits, followed = tuple(first for _, first in answers), tuple(written for written, _ in answers)
    return Reference(tuple(texts), ids, logits, followed, begun)


def prove(recipe: Recipe, folder: Folder, files: Sequence[Path], source: Source) -> Parity:
    """Compare files with the run's merged model on what is asked about eight held-out homes, with a line for each.

    ExportError when the first of them, the whole one, does not agree; returns how that one compares.
    """
    dialect, begin = get_dialect(recipe.dialect), "<|im_start|>assistant\n"
    texts = [render(example, dialect, 1) for example in itertools.islice(source(HELD_OUT + 2), 8)]
    expected = reference(folder.merged, [text[: text.rindex(begin) + len(begin)] for text in texts])
    found = []
    for file in files:
        found.append(compare(expected, file))
        print(f"{file.name:22} {file.stat().st_size / 1e6:6.2f} MB  {found[-1]}", flush=True)
        found[0].check()
    return found[0]


def compare(expected: Reference, path: Path) -> Parity:
    """Compare a GGUF file with what transformers made of texts."""
    llama_cpp = _llama_cpp()
    longest = max(map(len, expected.ids)) + max(map(len, expected.followed))
    llama = llama_cpp.Llama(str(path), n_ctx=longest, n_threads=1, verbose=False)
    tokens = greedy = 0
    largest, spread = 0.0, 0.0
    for text, ids, logits, followed in zip(
        expected.texts, expected.ids, expected.logits, expected.followed, strict=True
    ):
        tokens += llama.tokenize(text.encode(), add_bos=not expected.begun, special=True) == ids
        theirs, first = _continue_llama(llama, ids, len(followed))
        greedy += theirs == followed
        largest = max(largest, float(np.abs(first - logits).max()))
        spread = max(spread, float(logits.std()))
    llama.close()
    return Parity(len(expected.texts), tokens, greedy, largest, spread)


@torch.inference_mode()
def _continue(model: PreTrainedModel, ids: list[int], count: int) -> tuple[list[int], np.ndarray[Any, Any]]:
    """The likeliest `count` tokens after `ids`, and the logits of the first."""
    written: list[int] = []
    output = model(input_ids=torch.tensor([ids]), use_cache=True)
    first = output.logits[0, -1].numpy()
    for _ in range(count):
        written.append(int(output.logits[0, -1].argmax()))
        output = model(input_ids=torch.tensor([written[-1:]]), past_key_values=output.past_key_values, use_cache=True)
    return written, first


def _continue_llama(llama: Any, ids: list[int], count: int) -> tuple[list[int], np.ndarray[Any, Any]]:
    llama_cpp = _llama_cpp()
    size = llama.n_vocab()

    def logits() -> np.ndarray[Any, Any]:
        return np.ctypeslib.as_array(llama_cpp.llama_get_logits_ith(llama.ctx, -1), (size,)).copy()

    llama.reset()
    llama.eval(ids)
    first = logits()
    written = [int(first.argmax())]
    while len(written) < count:
        llama.eval(written[-1:])
        written.append(int(logits().argmax()))
    return written, first


def _llama_cpp() -> Any:
    try:
        import llama_cpp
    except ImportError as error:
        raise ExportError("This step needs llama-cpp-python: pip install 'morphy-training[export]'") from error
    return llama_cpp
