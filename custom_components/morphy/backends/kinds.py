"""The kinds of server there are: how each is recognised, asked to continue a prompt, and read.

Tried here: llama.cpp's own server and `llama_cpp.server`. Written from their documentation and untried: vLLM, Ollama,
and others that only share OpenAI's interface, such as LM Studio.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final, override

from ..errors import ServerBadAnswerError, ServerStatusError
from . import Completion
from .connection import Connection
from .sse import EventReader, LineReader, StreamReader
from .usage import Usage

MAX_CALLS: Final = 2**20
"""Characters that the calls of an answer may come in: they are kept until its end."""


@dataclass(frozen=True, slots=True)
class Piece:
    """What one event of a stream says: more text, whether it was the last, and what the answer took if it tells."""

    text: str = ""
    finished: bool = False
    usage: Usage | None = None


class ServerKind:
    """A server with OpenAI's interface, of which nothing else is known."""

    name: ClassVar[str] = "openai"
    path: ClassVar[str] = "v1/completions"
    reader: ClassVar[type[StreamReader]] = EventReader
    concurrent: ClassVar[bool] = True
    """Whether requests may run side by side; if not, a second one would break off the first."""
    grammar: bool = False
    """Whether a GBNF grammar is honoured."""

    def body(self, request: Completion, model: str | None) -> dict[str, Any]:
        """Return the request's body."""
        body: dict[str, Any] = {
            "prompt": request.prompt,
            "max_tokens": request.max_tokens,
            "temperature": request.temperature,
            "stream": True,
        }
        if model:
            body["model"] = model
        if request.stop:
            body["stop"] = list(request.stop)
        if request.grammar:
            body |= self.held_to(request.grammar)
        return body

    def held_to(self, grammar: str) -> dict[str, Any]:
        """Return what a request's body says of a grammar."""
        return {"grammar": grammar}

    def prefill_body(self, prompt: str, model: str | None) -> dict[str, Any]:
        """Return the body of a request that only has the prompt read."""
        return self.body(Completion(prompt=prompt, max_tokens=1), model)

    def read(self, event: Mapping[str, Any]) -> Piece:
        """Return what an event says. Raises LookupError, TypeError or AttributeError when it says nothing known."""
        if not event["choices"]:
            return Piece()
        choice = event["choices"][0]
        return Piece(str(choice.get("text") or ""), choice.get("finish_reason") is not None)

    def rest(self) -> str:
        """Return text that a stream which has ended leaves behind."""
        return ""

    async def count(self, connection: Connection, model: str | None, text: str) -> int | None:
        """Return how many tokens the text has, or None where the server cannot tell."""
        return None

    async def describe(self, connection: Connection, model: str | None) -> tuple[int | None, str | None]:
        """Return the context length in tokens and the chat template, each None where the server does not say."""
        return None, None


class LlamaServer(ServerKind):
    """llama.cpp's own server: its native interface, which keeps the prompt's prefix and has everything we need."""

    name = "llama.cpp"
    path = "completion"
    grammar = True

    @override
    def body(self, request: Completion, model: str | None) -> dict[str, Any]:
        body = super().body(request, model)
        body["n_predict"] = body.pop("max_tokens")
        body["cache_prompt"] = True
        # So that a stop string which is a special token of the model shows up as text.
        body["preserved_tokens"] = list(dict.fromkeys((*request.stop, *request.special)))
        return body

    @override
    def prefill_body(self, prompt: str, model: str | None) -> dict[str, Any]:
        return self.body(Completion(prompt=prompt, max_tokens=0), model)

    @override
    def read(self, event: Mapping[str, Any]) -> Piece:
        return Piece(str(event["content"] or ""), event.get("stop") is True, _timings(event.get("timings")))

    @override
    async def count(self, connection: Connection, model: str | None, text: str) -> int | None:
        body = {"content": text, "add_special": True, "parse_special": True}
        return len((await connection.post("tokenize", body | ({"model": model} if model else {})))["tokens"])

    @override
    async def describe(self, connection: Connection, model: str | None) -> tuple[int | None, str | None]:
        props = await connection.get("props")
        return _number(props["default_generation_settings"].get("n_ctx")), props.get("chat_template")


class LlamaCppPython(ServerKind):
    """`python -m llama_cpp.server`: OpenAI's interface with a grammar, one request at a time.

    It does not tell its context length, and a prompt that is longer only makes it end the stream.
    """

    name = "llama-cpp-python"
    concurrent = False
    grammar = True

    @override
    async def count(self, connection: Connection, model: str | None, text: str) -> int | None:
        return int((await connection.post("extras/tokenize/count", {"input": text}))["count"])


class Vllm(ServerKind):
    """vLLM; xgrammar, its default, reads GBNF. Untried here.

    The field for a grammar was `guided_grammar` up to 0.11 and is `structured_outputs` since 0.12 (its page
    "Structured Outputs").
    """

    name = "vllm"
    grammar = True

    def __init__(self, version: str) -> None:
        """Serve this version, such as 0.12.0."""
        match = re.match(r"(\d+)\.(\d+)", version)
        self._old = match is not None and (int(match[1]), int(match[2])) < (0, 12)

    @override
    def body(self, request: Completion, model: str | None) -> dict[str, Any]:
        body = super().body(request, model)
        body["skip_special_tokens"] = False  # else a stop string that is a special token is never seen
        return body

    @override
    def held_to(self, grammar: str) -> dict[str, Any]:
        return {"guided_grammar": grammar} if self._old else {"structured_outputs": {"grammar": grammar}}

    @override
    async def count(self, connection: Connection, model: str | None, text: str) -> int | None:
        return int((await connection.post("tokenize", {"model": model, "prompt": text}))["count"])

    @override
    async def describe(self, connection: Connection, model: str | None) -> tuple[int | None, str | None]:
        for entry in (await connection.get("v1/models"))["data"]:
            if entry["id"] == model:
                return _number(entry.get("max_model_len")), None
        return None, None


class Ollama(ServerKind):
    """Ollama: raw generation, past its template; it has no grammars. Untried here."""

    name = "ollama"
    path = "api/generate"
    reader = LineReader

    @override
    def body(self, request: Completion, model: str | None) -> dict[str, Any]:
        options = {"num_predict": request.max_tokens, "temperature": request.temperature, "stop": list(request.stop)}
        return {"model": model, "prompt": request.prompt, "raw": True, "stream": True, "options": options}

    @override
    def read(self, event: Mapping[str, Any]) -> Piece:
        if not event["done"]:
            return Piece(str(event["response"]))
        usage = Usage(
            prompt_tokens=int(event.get("prompt_eval_count") or 0),
            completion_tokens=int(event.get("eval_count") or 0),
            prefill_s=int(event.get("prompt_eval_duration") or 0) / 1e9,
            decode_s=int(event.get("eval_duration") or 0) / 1e9,
        )
        return Piece(str(event.get("response") or ""), True, usage)


class Chat(ServerKind):
    """The chat endpoint of a server, for messages that its own template frames; OpenAI's interface on all of them.

    Where there is no GBNF, a JSON schema is sent as OpenAI has it; Ollama and LM Studio read that too.
    """

    path = "v1/chat/completions"

    def __init__(self, server: ServerKind) -> None:
        """Be the chat of a server of this kind, for one answer."""
        self._server = server
        self._calls: dict[int, dict[str, str]] = {}
        self._kept = 0

    @override
    def body(self, request: Completion, model: str | None) -> dict[str, Any]:
        body: dict[str, Any] = {
            "messages": [
                message if isinstance(message, Mapping) else {"role": message[0], "content": message[1]}
                for message in request.messages
            ],
            "max_tokens": request.max_tokens,
            "temperature": request.temperature,
            "stream": True,
        }
        if model:
            body["model"] = model
        if request.tools:
            body |= {"tools": list(request.tools), "tool_choice": "auto"}
        elif request.grammar:
            body |= self._server.held_to(request.grammar)
        elif request.schema is not None:
            schema = {"name": "answer", "schema": request.schema}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        return body

    @override
    def read(self, event: Mapping[str, Any]) -> Piece:
        if not event["choices"]:
            return Piece()
        choice = event["choices"][0]
        delta = choice["delta"]
        for part in delta.get("tool_calls") or ():
            self._add(part)
        finished = choice.get("finish_reason") is not None
        text = str(delta.get("content") or "") + (self.rest() if finished else "")
        return Piece(text, finished, _timings(event.get("timings")))

    def _add(self, part: Mapping[str, Any]) -> None:
        """Put a fragment to its call: the name comes once, the arguments piece by piece. Raises ValueError."""
        self._kept += len(json.dumps(part))
        if self._kept > MAX_CALLS:
            raise ValueError("its calls of tools are too long")
        index = part.get("index")
        call = self._calls.setdefault(
            index if isinstance(index, int) else len(self._calls), {"id": "", "name": "", "arguments": ""}
        )
        function = part.get("function") or {}
        call["id"] = call["id"] or str(part.get("id") or "")
        call["name"] = call["name"] or str(function.get("name") or "")
        arguments = function.get("arguments") or ""
        call["arguments"] += arguments if isinstance(arguments, str) else json.dumps(arguments)

    @override
    def rest(self) -> str:
        """Return the calls that were made, as text: each as JSON in tags."""
        calls, self._calls = self._calls, {}
        return "".join(
            f"\n<tool_call>\n{json.dumps(call, ensure_ascii=False)}\n</tool_call>" for call in calls.values()
        )


async def probe_kind(connection: Connection) -> ServerKind:
    """Return the server's kind. Raises BackendError when it cannot be reached, or is no such server at all."""
    props = await _try(connection, "props")
    if "default_generation_settings" in props:
        return LlamaServer()
    if isinstance((await _try(connection, "api/version")).get("version"), str):
        return Ollama()
    if isinstance(version := (await _try(connection, "version")).get("version"), str):
        return Vllm(version)
    if "count" in await _try(connection, "extras/tokenize/count", {"input": ""}):
        return LlamaCppPython()
    await connection.get("v1/models")
    return ServerKind()


async def list_models(connection: Connection) -> list[str]:
    """Return the names of the models that the server offers. Raises BackendError."""
    answer = await connection.get("v1/models")
    try:
        return [str(entry["id"]) for entry in answer["data"]]
    except LookupError, TypeError:
        raise connection.bad_answer("it lists no models") from None


async def _try(connection: Connection, path: str, body: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
    """Return the JSON object at a path, or an empty one where the server has nothing of the kind there."""
    try:
        found = await (connection.get(path) if body is None else connection.post(path, body))
    except ServerStatusError, ServerBadAnswerError:
        return {}
    return found if isinstance(found, dict) else {}


def _number(value: Any) -> int | None:
    return value if isinstance(value, int) and value > 0 else None


def _timings(timings: Any) -> Usage | None:
    """Return llama.cpp's own measurements: tokens read anew, taken from the cache, and written; milliseconds."""
    if not isinstance(timings, dict):
        return None
    cached = int(timings.get("cache_n") or 0)
    return Usage(
        prompt_tokens=cached + int(timings.get("prompt_n") or 0),
        cached_tokens=cached,
        completion_tokens=int(timings.get("predicted_n") or 0),
        prefill_s=float(timings.get("prompt_ms") or 0) / 1000,
        decode_s=float(timings.get("predicted_ms") or 0) / 1000,
    )
