"""Where a model runs: one interface for a worker process on this machine and for a server.

A backend knows no home and no dialect: it continues a prompt.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Final

from ..errors import BackendError, EmptyAnswerError
from .allowance import Allowance
from .breaker import Breaker
from .usage import Statistics, Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """A request to continue a prompt.

    `prompt` is text in which a dialect's special tokens stand as such. The text ends before the first of `stop`, which
    is not part of it. `grammar` is GBNF (llama.cpp, grammars/README.md) with the start symbol `root`; a backend that
    cannot honour it ignores it. `temperature` 0 is greedy decoding. `caller` is who asks, a conversation say: while
    many wait, callers take turns.

    `family` is whose prompt it is, an agent's say: of each family the last prompt is kept as it was read, and the next
    one is read from where it leaves that.

    `special` are the special tokens that the prompt holds, ChatML's where it does not say; all else is plain text.

    `messages` are the same prompt as a chat, a role and a text each, for a server that has the model's chat template,
    and have to be there where a backend chats only; messages with calls or results, and `tools`, are as OpenAI's
    interface has them. Calls come as text then, as JSON in
    `<tool_call>` tags. `schema` is the JSON schema that `grammar` was made from, for a server that can hold a chat to
    that alone.
    """

    prompt: str
    stop: tuple[str, ...] = ()
    grammar: str | None = None
    max_tokens: int = 256
    temperature: float = 0.0
    caller: str = ""
    family: str = ""
    special: tuple[str, ...] = ()
    messages: tuple[tuple[str, str] | Mapping[str, Any], ...] = ()
    tools: tuple[Mapping[str, Any], ...] = ()
    schema: Mapping[str, Any] | None = None


class Doubtful(str):
    """A piece of an answer which, with all that stands before it, the model found less likely than it ought to be."""

    __slots__ = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendInfo:
    """What a backend tells about itself.

    `model` is the name or file name of the model, `context_length` its window in tokens (None where a server does not
    say), `chat_template` the template in its metadata, `grammar` whether a GBNF grammar is honoured, `languages` the
    codes of those it was trained on (None where nobody says), `dialect` the name of the one it says it was trained for,
    `chats_only` whether it takes messages alone and continues no prompt.
    """

    model: str
    context_length: int | None = None
    chat_template: str | None = None
    grammar: bool = False
    languages: tuple[str, ...] | None = None
    dialect: str | None = None
    chats_only: bool = False


GREETING: Final = "Hello"
"""What a model is asked to see whether it answers."""


class Backend(ABC):
    """Continues prompts. Requests queue; each can be cancelled between two tokens by closing its generator."""

    info: BackendInfo | None = None
    """What it is, as `start` has found out."""
    reads_ahead: ClassVar[bool] = False
    """Whether it may be kept busy while nobody speaks; a server may have others to serve."""
    on_trouble: Callable[[BackendError | None], None] = staticmethod(lambda _: None)
    """Told the reason when the model's process dies again and again, and None when it works again."""

    @property
    def chats_only(self) -> bool:
        """Whether it takes messages alone, as far as it is known."""
        return self.info is not None and self.info.chats_only

    @cached_property
    def statistics(self) -> Statistics:
        """What its completions took."""
        return Statistics()

    @cached_property
    def allowance(self) -> Allowance:
        """How much it may read ahead while nobody speaks."""
        return Allowance()

    @property
    def usage(self) -> Usage | None:
        """What the last completion took; to be set with each that ends."""
        return self.statistics.last

    @usage.setter
    def usage(self, usage: Usage) -> None:
        self.statistics.add(usage)

    @cached_property
    def breaker(self) -> Breaker:
        """Whether the backend had better be left alone for now."""
        return Breaker(self._probe)

    async def _probe(self) -> None:
        """Start, and ask for a token; raise a BackendError when that fails."""
        await self.start()
        request = Completion(prompt=GREETING, messages=(("user", GREETING),) if self.chats_only else (), max_tokens=1)
        try:
            async with aclosing(self.complete(request)) as pieces:
                async for _ in pieces:
                    pass
        except EmptyAnswerError:
            pass  # it works, and has nothing to say to that

    @abstractmethod
    async def start(self) -> BackendInfo:
        """Load the model or reach the server; raise a BackendError when that fails."""

    @abstractmethod
    def complete(self, request: Completion) -> AsyncGenerator[str]:
        """Yield the continuation piece by piece as it is written; raise a BackendError when it breaks off."""

    @abstractmethod
    async def prefill(
        self, prompt: str, *, family: str = "", special: Sequence[str] = (), urgent: bool = False
    ) -> bool:
        """Read a prompt ahead of time, so that a completion that starts with it starts sooner; never raises.

        `family` and `special` are those of the completion; `urgent` is what someone is about to ask, which goes before
        what may be asked one day. Returns False when the model was wanted for something else.
        """

    @abstractmethod
    async def count_tokens(self, text: str) -> int | None:
        """Return how many tokens the text has for this model, or None where the server cannot tell."""

    @abstractmethod
    async def close(self) -> None:
        """Free the model; end the process or the connections. May be called twice."""
