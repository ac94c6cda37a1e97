"""Runs llama.cpp's converter on one model. A script of its own: nothing but the converter's own packages are imported.

Its one argument is JSON: `model` (folder), `target` (file), `kind` (F16, BF16 or F32), `metadata` (text and numbers).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import conversion
import gguf

_FILE_TYPES = {"F16": "MOSTLY_F16", "BF16": "MOSTLY_BF16", "F32": "ALL_F32"}


class Recognising:
    """What a converter lacks for tokenizers of our own: it knows published pre-tokenizers by a hash, and no others."""

    dir_model: Path

    def get_vocab_base_pre(self, tokenizer: Any) -> str:
        """The name that llama.cpp has for the way in which the tokenizer splits text."""
        try:
            known: str = super().get_vocab_base_pre(tokenizer)  # type: ignore[misc]
        except NotImplementedError:
            content = json.loads((self.dir_model / "tokenizer.json").read_text(encoding="utf-8"))
            way = content["pre_tokenizer"] or {}
            if way.get("type") != "ByteLevel" or way.get("add_prefix_space") or not way.get("use_regex", True):
                raise NotImplementedError("llama.cpp does not know how this tokenizer splits text") from None
            return "gpt-2"
        return known


def main(model: str, target: str, kind: str, metadata: dict[str, str | float]) -> None:
    """Convert one model."""
    settings = conversion.ModelBase.load_hparams(Path(model), False)
    architecture = conversion.get_model_architecture(settings, conversion.ModelType.TEXT)
    kind_of_model = conversion.get_model_class(architecture)
    converter: Any = type("Converter", (Recognising, kind_of_model), {"model_arch": kind_of_model.model_arch})
    name = metadata.pop("general.name")
    job = converter(Path(model), gguf.LlamaFileType[_FILE_TYPES[kind]], Path(target), model_name=name)
    for key, value in metadata.items():
        (job.gguf_writer.add_float32 if isinstance(value, float) else job.gguf_writer.add_string)(key, value)
    job.write()


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
