"""A model on a server with OpenAI's interface, asked through OpenAI's own client.

Whether a server holds to a GBNF grammar is tried: it is asked to write what no model would write by itself.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from openai import APIConnectionError, APIError, APIStatusError, OpenAI
from openai.types.chat import ChatCompletionMessage

from .errors import ServerError, TooLongError

_TRIAL = "q7#Zv"
_TRIAL_GRAMMAR = f'root ::= "{_TRIAL}"\n'
_FORMS = ("grammar", "structured_outputs", "guided_grammar")
"""What servers call a grammar: llama.cpp's and llama_cpp.server; vLLM since 0.12; vLLM before."""


def read_server(address: str) -> Server:
    """The server of an address, with `#MODEL` behind it where it has several models. ServerError when it is not there.

    Its key is taken from OPENAI_API_KEY.
    """
    url, _, model = address.partition("#")
    return Server(url, model)


class Server:
    """A model on a server."""

    def __init__(self, url: str, model: str = "", timeout: float = 600) -> None:
        """Find the model, by default the first that the server lists; `timeout` in seconds. ServerError without one."""
        self.url = url.rstrip("/")
        key = os.environ.get("OPENAI_API_KEY") or "none"
        self._client = OpenAI(base_url=self.url, api_key=key, timeout=timeout, max_retries=4)
        offered = [one.id for one in self._asked(self._client.with_options(max_retries=0).models.list)]
        if not offered and not model:
            raise ServerError(f"{self.url} offers no model; name one with #")
        if model and offered and model not in offered:
            raise ServerError(f"{self.url} has no model {model}; it offers {', '.join(offered)}")
        self.model = model or offered[0]

    @property
    def holds_grammar(self) -> bool:
        """Whether it writes within a grammar."""
        return self._form is not None

    @cached_property
    def _form(self) -> str | None:
        for form in _FORMS:
            try:
                done = self._client.completions.create(
                    model=self.model, prompt="Hello", max_tokens=16, extra_body=_held_to(form, _TRIAL_GRAMMAR)
                )
            except APIConnectionError as error:
                raise ServerError(f"{self.url} cannot be reached: {error}") from error
            except APIError:
                continue  # it knows no such field, or continues no prompt
            if done.choices and done.choices[0].text.strip() == _TRIAL:
                return form
        return None

    def complete(
        self, prompt: str, stop: Sequence[str], special: Sequence[str], grammar: str | None, max_tokens: int
    ) -> str:
        """What it writes after a prompt, greedily; `grammar` is GBNF. ServerError, or TooLongError.

        `special` are the special tokens that are to be seen in the answer, where the server can be told so.
        """
        # As llama.cpp's server and vLLM are told; others overlook it, or have said no to every form of a grammar.
        more: dict[str, Any] = (
            {"preserved_tokens": [*stop, *special], "skip_special_tokens": False} if self._form else {}
        )
        if grammar is not None and self._form:
            more |= _held_to(self._form, grammar)
        done = self._asked(
            self._client.completions.create,
            model=self.model,
            prompt=prompt,
            max_tokens=max_tokens,
            temperature=0,
            stop=list(stop),
            extra_body=more,
        )
        return str(done.choices[0].text or "") if done.choices else ""

    def chat(
        self,
        messages: list[dict[str, Any]],
        max_tokens: int,
        *,
        tools: Sequence[dict[str, Any]] = (),
        grammar: str | None = None,
        temperature: float = 0,
        seed: int | None = None,
    ) -> ChatCompletionMessage:
        """What it answers to messages. A grammar is sent only where it is held. ServerError, or TooLongError."""
        asked: dict[str, Any] = {"messages": messages, "max_tokens": max_tokens, "temperature": temperature}
        if tools:
            asked["tools"] = list(tools)
        if seed is not None:
            asked["seed"] = seed
        if grammar is not None and self._form:
            asked["extra_body"] = _held_to(self._form, grammar)
        done = self._asked(self._client.chat.completions.create, model=self.model, **asked)
        if not done.choices:
            raise ServerError(f"{self.url} sent an answer without a choice")
        message: ChatCompletionMessage = done.choices[0].message
        return message

    def _asked(self, ask: Any, **given: Any) -> Any:
        try:
            return ask(**given)
        except APIConnectionError as error:
            raise ServerError(f"{self.url} cannot be reached: {error}") from error
        except APIStatusError as error:
            if "context" in error.message and error.status_code in (400, 413, 500):
                raise TooLongError(f"{self.url}: {error.message}") from error
            raise ServerError(f"{self.url} answered with status {error.status_code}: {error.message}") from error
        except APIError as error:
            raise ServerError(f"{self.url} sent what is no answer: {error}") from error


def _held_to(form: str, grammar: str) -> dict[str, Any]:
    return {form: {"grammar": grammar} if form == "structured_outputs" else grammar}
