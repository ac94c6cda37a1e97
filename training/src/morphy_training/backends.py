"""Where a model that is evaluated runs: it goes on with a prompt, greedily, within a grammar.

Here is llama.cpp; servers and transformers are in calling/models.py, for they need more packages.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .dialect import Dialect, ToolDialect
from .errors import EvaluationError, TooLongError
from .export import _llama_cpp


class Backend(ABC):
    """A model that writes."""

    grammar: bool = True
    """Whether it can be held to a grammar."""

    @abstractmethod
    def complete(self, prompt: str, way: Dialect | ToolDialect, grammar: str | None, max_tokens: int) -> str:
        """What the model writes after a dialect's prompt, special tokens as text, up to what ends an answer there.

        `grammar` is GBNF; None sets no bounds. TooLongError when prompt and answer do not fit into its context.
        """

    def close(self) -> None:  # noqa: B027 - some hold nothing
        """Free what it holds."""


class LlamaCpp(Backend):
    """A GGUF file in llama.cpp."""

    def __init__(self, path: Path, threads: int = 1, context: int = 0) -> None:
        """Load the file; `context` in tokens at most, 0 for what it was trained with.

        ExportError without llama.cpp, EvaluationError when it cannot read the file.
        """
        self._library = _llama_cpp()
        try:
            self._llama: Any = self._library.Llama(
                str(path), n_ctx=context, n_threads=threads, n_batch=512, flash_attn=True, verbose=False
            )
        except ValueError as error:
            raise EvaluationError(
                f"llama.cpp cannot read {path}: it is cut, or no GGUF file, or of an architecture that is newer"
            ) from error
        self._context = min(self._llama.n_ctx(), self._llama._model.n_ctx_train())

    @property
    def metadata(self) -> dict[str, str]:
        """What the file says of itself."""
        metadata: dict[str, str] = self._llama.metadata
        return metadata

    def complete(self, prompt: str, way: Dialect | ToolDialect, grammar: str | None, max_tokens: int) -> str:
        """See the base class. The token that begins a text stands in front where the file asks for it."""
        ids = self._llama.tokenize(prompt.encode(), add_bos=True, special=True)
        if len(ids) + max_tokens > self._context:
            raise TooLongError(f"{len(ids)} tokens, and {max_tokens} for the answer, do not fit into its context")
        rules = None if grammar is None else self._library.LlamaGrammar.from_string(grammar, verbose=False)
        written, vocabulary = b"", self._llama._model.vocab
        # Not `create_completion`, which hides special tokens, and with them the markers of calls.
        for count, token in enumerate(self._llama.generate(ids, temp=0.0, repeat_penalty=1.0, grammar=rules), 1):
            if self._library.llama_vocab_is_eog(vocabulary, token):
                break
            written += self._llama.detokenize([token], special=True)
            if count == max_tokens or any(end.encode() in written for end in way.stop):
                break
        return before(written.decode(errors="replace"), way.stop)

    def close(self) -> None:
        """Free its memory."""
        self._llama.close()


def before(text: str, stop: Sequence[str]) -> str:
    """The text up to the first of the strings that end it."""
    return text[: min((text.index(end) for end in stop if end in text), default=len(text))]
