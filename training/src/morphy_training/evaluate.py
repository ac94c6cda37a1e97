"""How a finished GGUF file answers: greedy, through llama.cpp, with each home's grammar, as the integration runs it.

Homes are generated and were never trained on. Other people's sentences are judged elsewhere, through Home Assistant.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .data import HELD_OUT, Example, Exchange, Source
from .dialect import Action, Call, Dialect, Speech
from .export import _llama_cpp
from .measure import family

MAX_TOKENS = 320


@dataclass(slots=True)
class Report:
    """By category: how many requests, how many with exactly the right actions, how many with the right sentence too."""

    counts: dict[str, list[int]] = field(default_factory=lambda: defaultdict(lambda: [0, 0, 0]))
    misses: list[dict[str, Any]] = field(default_factory=list)

    def add(self, name: str, actions: bool, speech: bool) -> None:
        """Count one request, under its category and under `all`."""
        for key in ("all", name):
            for place, right in enumerate((True, actions, actions and speech)):
                self.counts[key][place] += right

    def table(self) -> str:
        """The report as text, with Wilson's 95 % interval around the share of right actions."""
        lines = [f"  {'':20} count actions   95 %        sentence"]
        for name, (count, actions, speech) in sorted(self.counts.items(), key=lambda item: -item[1][0]):
            low, high = wilson(actions, count)
            lines.append(
                f"  {name:20} {count:5d}  {actions / count:6.3f} {low:6.3f}-{high:.3f}   {speech / count:6.3f}"
            )
        return "\n".join(lines)


def wilson(right: int, count: int, z: float = 1.96) -> tuple[float, float]:
    """Wilson's interval around `right` of `count`; 95 % with the default z."""
    share, square = right / count, z * z / count
    middle = (share + square / 2) / (1 + square)
    reach = z / (1 + square) * math.sqrt(share * (1 - share) / count + square / count / 4)
    return max(0.0, middle - reach), min(1.0, middle + reach)


def evaluate(path: Path, dialect: Dialect, source: Source, requests: int = 200, threads: int = 1) -> Report:
    """Ask a GGUF file `requests` requests, one of each home, and compare what it does and says."""
    llama_cpp = _llama_cpp()
    llama = llama_cpp.Llama(str(path), n_ctx=0, n_threads=threads, n_batch=512, flash_attn=True, verbose=False)
    report = Report()
    for example in source(HELD_OUT + 1):
        if report.counts["all"][0] == requests:
            break
        exchange = example.turns[0]
        text = answer(llama, llama_cpp, dialect, example, exchange)
        if text is None:
            continue
        actions, speech = read(dialect, example, text)
        right = _same_actions(actions, exchange.answer.actions)
        said = speech == exchange.answer.speech
        report.add(family(exchange.category), right, said)
        if not (right and said):
            expected = dialect.write(exchange.answer, example.home)
            report.misses.append({"request": exchange.request, "expected": expected, "got": text})
    llama.close()
    return report


def answer(llama: Any, llama_cpp: Any, dialect: Dialect, example: Example, exchange: Exchange) -> str | None:
    """What the model writes, greedily and within the home's grammar; None when the home does not fit the context."""
    prompt = dialect.prompt(example.home, dialect.default_instructions, exchange.request)
    ids = llama.tokenize(prompt.encode(), add_bos=False, special=True)
    if len(ids) + MAX_TOKENS > llama.n_ctx():
        return None
    grammar = llama_cpp.LlamaGrammar.from_string(dialect.grammar(example.home), verbose=False)
    done = llama.create_completion(
        ids, max_tokens=MAX_TOKENS, temperature=0.0, repeat_penalty=1.0, stop=list(dialect.stop), grammar=grammar
    )
    text: str = done["choices"][0]["text"]
    return text


def read(dialect: Dialect, example: Example, text: str) -> tuple[list[Action], str]:
    """The actions and the speech in a raw answer."""
    reader = dialect.reader(example.home)
    events = [*reader.feed(text), *reader.close()]
    actions = [event.action for event in events if isinstance(event, Call)]
    return actions, "".join(event.text for event in events if isinstance(event, Speech)).strip()


def _same_actions(got: list[Action], expected: tuple[Action, ...]) -> bool:
    def key(action: Action) -> tuple[Any, ...]:
        return action.service, tuple(sorted(action.targets)), tuple(sorted(map(str, action.data.items())))

    return sorted(map(key, got)) == sorted(map(key, expected))
