"""A model that is evaluated: where it runs, and the dialect it is spoken to in.

It is named as `[NAME=]WHERE[@DIALECT]`: a GGUF file (llama.cpp), a folder (transformers), or the address of a server
with OpenAI's interface, `http://host:8000/v1`, with `#MODEL` behind it where it has several. Without a dialect it is
chosen as in Home Assistant, from what the file or the server says.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import xgrammar
from transformers import AutoModelForCausalLM, AutoTokenizer, StoppingCriteria, StoppingCriteriaList

from ..backends import Backend, LlamaCpp, before
from ..dialect import DIALECTS, TOOL_DIALECTS, Dialect, Speech, Tool, ToolCall, ToolDialect, find_dialect
from ..dialect.detect import detect
from ..dialect.reader import Malformed
from ..dialect.tool_reader import Called
from ..dialect.tools import Message, chat_messages, tool_json
from ..errors import EvaluationError, TooLongError
from ..recipe import one_of
from ..server import Server, read_server

CONTEXT = 8192
"""Tokens that a GGUF file is given at most: tools take room."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a model is, and how it is spoken to; `dialect` is empty where that is to be found out."""

    name: str
    where: str
    dialect: str = ""


def read_place(text: str) -> Place:
    """Read `[NAME=]WHERE[@DIALECT]`; EvaluationError for a model that is not named, RecipeError for no such dialect."""
    name, equals, where = text.partition("=")
    if not equals or "/" in name:
        name, where = "", text
    place, at, dialect = where.rpartition("@")
    user = "://" in place and not {"/", "#"} & {*place.partition("://")[2]}  # http://user@host
    if at and not user and "/" not in dialect and not Path(where).exists():
        one_of(f"--model {text}", dialect, [*DIALECTS, *TOOL_DIALECTS])
        where = place
    else:
        dialect = ""
    if not where:
        raise EvaluationError(f"{text!r} names no model: it is [NAME=]WHERE[@DIALECT]")
    return Place(name or _short(where), where, dialect)


def _short(where: str) -> str:
    if where.startswith(("http://", "https://")):
        return where.partition("#")[2] or where.partition("://")[2]
    return Path(where).name


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply as it was read: the calls, what is said, whether something was meant as a call and is none."""

    calls: tuple[ToolCall, ...]
    speech: str
    unreadable: bool
    raw: str


class Model:
    """A model of one name, ready to be asked."""

    def __init__(self, place: Place, threads: int = 1, *, free: bool = False) -> None:
        """Load it, or find its server; EvaluationError when it is not there. `free` sets no bounds by grammar."""
        self.name, self.free = place.name, free
        self.backend: Backend
        if place.where.startswith(("http://", "https://")):
            self.backend = ServerBackend(read_server(place.where))
            said: tuple[list[str], str | None, str | None] = ([self.backend.server.model], None, None)
        elif place.where.endswith(".gguf"):
            self.backend, said = _gguf(Path(place.where), threads)
        else:
            self.backend = Transformers(Path(place.where))
            said = ([place.where], self.backend.template, None)
        self.dialect: Dialect | ToolDialect = find_dialect(place.dialect or detect(*said))
        framed = isinstance(self.dialect, ToolDialect) and self.dialect.chat
        self.held = self.backend.grammar and not free and not framed
        """Whether what it writes is held to our grammar; a server that frames tools itself may have one of its own."""
        if framed and not isinstance(self.backend, ServerBackend):
            raise EvaluationError(f"{place.name}: the dialect {self.dialect.name} needs a server; name another with @")

    def reply(self, tools: Sequence[Tool], system: str, messages: Sequence[Message], max_tokens: int) -> Answer:
        """What a model that is told of tools says and calls next; TooLongError when that is too long for it."""
        way = self.dialect
        assert isinstance(way, ToolDialect)
        if way.chat:
            assert isinstance(self.backend, ServerBackend)
            return self.backend.chat(tools, system, messages, max_tokens)
        grammar = way.grammar(tools) if self.held else None
        text = self.backend.complete(way.prompt(tools, system, messages), way, grammar, max_tokens)
        return _read(way, text)


def _read(way: ToolDialect, text: str) -> Answer:
    reader = way.reader()
    events = [*reader.feed(text), *reader.close()]
    calls = tuple(event.call for event in events if isinstance(event, Called))
    said = "".join(event.text for event in events if isinstance(event, Speech)).strip()
    return Answer(calls, said, any(isinstance(event, Malformed) for event in events), text)


def _gguf(path: Path, threads: int) -> tuple[LlamaCpp, tuple[list[str], str | None, str | None]]:
    if not path.is_file():
        raise EvaluationError(f"{path} is not there")
    backend = LlamaCpp(path, threads, CONTEXT)
    said = backend.metadata
    names = [said.get("general.name", ""), path.name]
    return backend, (names, said.get("tokenizer.chat_template"), said.get("morphy.dialect"))


class ServerBackend(Backend):
    """A model on a server with OpenAI's interface: it goes on with prompts, or answers messages with tools."""

    def __init__(self, server: Server) -> None:
        """Ask the server whether it holds to a grammar."""
        self.server = server
        self.grammar = server.holds_grammar

    def complete(self, prompt: str, way: Dialect | ToolDialect, grammar: str | None, max_tokens: int) -> str:
        """See the base class. What special tokens a server hides is the server's affair."""
        return before(self.server.complete(prompt, way.stop, way.special_tokens, grammar, max_tokens), way.stop)

    def chat(self, tools: Sequence[Tool], system: str, messages: Sequence[Message], max_tokens: int) -> Answer:
        """Send messages and tools, which the server frames itself."""
        told = [dict(message) for message in chat_messages(system, messages)]
        said = self.server.chat(told, max_tokens, tools=[tool_json(tool) for tool in tools])
        calls, unreadable = [], False
        for call in said.tool_calls or []:
            function: Any = getattr(call, "function", None)
            try:
                arguments = json.loads(function.arguments or "{}")
                calls.append(ToolCall(function.name, dict(arguments), call.id or ""))
            except (AttributeError, ValueError, TypeError):
                unreadable = True
        raw = json.dumps(said.model_dump(exclude_none=True), ensure_ascii=False)
        return Answer(tuple(calls), (said.content or "").strip(), unreadable, raw)


class Transformers(Backend):
    """A saved model in transformers, on a GPU where there is one; xgrammar holds it to the grammar."""

    def __init__(self, folder: Path) -> None:
        """Load the folder; EvaluationError when there is no model in it."""
        if not (folder / "config.json").is_file():
            raise EvaluationError(f"{folder} is no GGUF file, no address of a server, and no folder of a saved model")
        device = "cuda" if torch.cuda.is_available() else "cpu"
        self._model = AutoModelForCausalLM.from_pretrained(folder, dtype="auto").to(device).train(False)
        self._tokenizer = AutoTokenizer.from_pretrained(folder)
        size = self._model.config.get_text_config().vocab_size
        about = xgrammar.TokenizerInfo.from_huggingface(self._tokenizer, vocab_size=size)
        self._compiler = xgrammar.GrammarCompiler(about)

    @property
    def template(self) -> str | None:
        """The chat template."""
        template: Any = self._tokenizer.chat_template
        return template if isinstance(template, str) else None

    @torch.inference_mode()
    def complete(self, prompt: str, way: Dialect | ToolDialect, grammar: str | None, max_tokens: int) -> str:
        """See the base class."""
        begun = str(self._tokenizer.bos_token) if self._tokenizer.bos_token else "\0"
        ids = self._tokenizer(prompt, return_tensors="pt", add_special_tokens=not prompt.startswith(begun))
        ids = ids.to(self._model.device)
        read = ids["input_ids"].shape[1]
        longest = self._model.config.get_text_config().max_position_embeddings
        if read + max_tokens > longest:
            raise TooLongError(f"{read} tokens, and {max_tokens} for the answer, do not fit into its context")
        ending = _Ending(self._tokenizer, way.stop, read)
        rules = (
            [] if grammar is None else [xgrammar.contrib.hf.LogitsProcessor(self._compiler.compile_grammar(grammar))]
        )
        written = self._model.generate(
            **ids,
            do_sample=False,
            max_new_tokens=max_tokens,
            logits_processor=rules,
            stopping_criteria=StoppingCriteriaList([ending]),
            pad_token_id=self._tokenizer.pad_token_id or self._tokenizer.eos_token_id,
        )
        return before(ending.text(written[0]), way.stop)


class _Ending(StoppingCriteria):
    """Ends an answer at the first string that ends it, special tokens among them."""

    def __init__(self, tokenizer: Any, stop: Sequence[str], read: int) -> None:
        self._tokenizer, self._stop, self._read = tokenizer, stop, read

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor, **_: Any) -> torch.BoolTensor:
        text = self.text(input_ids[0])
        return torch.tensor([any(end in text for end in self._stop)], device=input_ids.device)  # type: ignore[return-value]

    def text(self, ids: Any) -> str:
        """What was written so far, without the token that ends every text."""
        text: str = self._tokenizer.decode(ids[self._read :], skip_special_tokens=False)
        return text.removesuffix(str(self._tokenizer.eos_token)) if self._tokenizer.eos_token else text
