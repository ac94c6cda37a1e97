"""The ratios that tell whether a change made Morphy faster or slower: each of two times measured in turn, in one run.

    scripts/bench --quick --json out/quick.json

With the bundled model, in homes of 30 and of 1,000 exposed entities.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from custom_components.morphy import BUNDLED_MODEL

from .apart import Apart
from .figures import Ratio, about, present
from .homes import REQUESTS, STEADY_REQUESTS
from .household import Turn, household, local
from .peers import default_threads, plain
from .rounds import LEAST_ROUNDS, Report, rounds

SMALL: Final = 30
LARGE: Final = 1000
PAUSE: Final = 3.0
"""Seconds between a change of a state and the request, for what is read ahead to be read."""


def measure(seconds: float, report: Report, *, pause: float = PAUSE, model: Path = BUNDLED_MODEL) -> dict[str, Any]:
    """Return the ratios by name, each with its two times in milliseconds; each takes so many seconds of turns."""
    report(f"Starting homes of {SMALL} and {LARGE} entities, and llama-cpp-python alone")
    few, many = (Apart(household, size, local(model)) for size in (SMALL, LARGE))
    with few, many, Apart(plain, model, default_threads()) as peer:
        about_it = {"about": about(model.name)}
        return about_it | {name: ratio.as_json() for name, ratio in ratios(few, many, peer, seconds, report, pause)}


def ratios(
    small: Apart, large: Apart, peer: Apart, seconds: float, report: Report, pause: float
) -> Iterator[tuple[str, Ratio]]:
    """Yield the ratios and their names, of two homes and llama-cpp-python."""
    report("First action in both homes")
    yield f"first_action_{LARGE}_vs_{SMALL}_entities", first_action(large, small, seconds)
    report("A warm turn beside llama-cpp-python")
    yield "warm_turn_vs_plain_llama_cpp_python", beside_plain(small, peer, seconds)
    report("The first token after a change")
    yield from after_change(small, 2 * seconds, pause).items()
    report("The grammar")
    yield from grammar(large, seconds).items()


def first_action(large: Apart, small: Apart, seconds: float) -> Ratio:
    """Return the time to the first action in two homes; each has answered every request once before."""
    for text in REQUESTS:
        for home in (large, small):
            home.call("say", text)
    times: dict[str, list[float]] = {"large_home": [], "small_home": []}
    for _, text in zip(rounds(seconds), itertools.cycle(REQUESTS), strict=False):
        for name, home in zip(times, (large, small), strict=True):
            times[name] += present([home.call("say", text)], "first_action_ms")
    return Ratio("large_home", "small_home", *times.values())


def beside_plain(home: Apart, peer: Apart, seconds: float) -> Ratio:
    """Return a whole turn through Home Assistant, and llama-cpp-python's time for its prompt, both warm."""
    ours, theirs = [], []
    for number, text in zip(rounds(seconds, LEAST_ROUNDS + 2), itertools.cycle(REQUESTS), strict=False):
        turn = home.call("say", text)
        alone = peer.call("say", turn.completion)
        if number >= 2:
            ours.append(turn.last_word_ms)
            theirs.append(alone.last_word_ms)
    return Ratio("morphy", "llama_cpp_python", ours, theirs)


def after_change(home: Apart, seconds: float, pause: float) -> dict[str, Ratio]:
    """Return the time to the first token after a change of one state: once all is read ahead, and at once.

    Before each of them another request is made, which changes nothing, as the measured one does: in an unchanged home
    the prompt differs in the words of the request alone.
    """
    for text in STEADY_REQUESTS:
        home.call("say", text)
    times: dict[str, list[float]] = {"unchanged": [], "changed": [], "at_once": []}
    texts = itertools.cycle(STEADY_REQUESTS)
    for _ in rounds(seconds):
        other, text = next(texts), next(texts)
        for kind in times:
            home.call("say", other)
            if kind == "at_once":
                home.call("settle", pause)
            if kind != "unchanged":
                home.call("change", 1)
            if kind != "at_once":
                home.call("settle", pause)
            times[kind] += present([home.call("say", text)], "first_token_ms")
    return {
        "ttft_after_change_vs_unchanged": Ratio("changed", "unchanged", times["changed"], times["unchanged"]),
        "ttft_at_once_after_change_vs_unchanged": Ratio("changed", "unchanged", times["at_once"], times["unchanged"]),
    }


def grammar(home: Apart, seconds: float) -> dict[str, Ratio]:
    """Return what a grammar with every id of the home costs: milliseconds per written token, and to the first one."""
    completions = [home.call("say", text).completion for text in REQUESTS[:4]]
    whole, _ = home.call("whole_grammar")
    turns: dict[str | None, list[Turn]] = {whole: [], None: []}
    for _, completion in zip(rounds(seconds), itertools.cycle(completions), strict=False):
        home.call("decode", completion, None)  # so that the prompt is read for both
        for rules, made in turns.items():
            made.append(home.call("decode", completion, rules))
    decode = [
        [turn.decode_ms / turn.completion_tokens for turn in made if turn.completion_tokens] for made in turns.values()
    ]
    first = [present(made, "first_token_ms") for made in turns.values()]
    return {
        f"grammar_{LARGE}_ids_decode_slowdown": Ratio("token_with_grammar", "token_without_grammar", *decode),
        f"grammar_{LARGE}_ids_first_token": Ratio("with_grammar", "without_grammar", *first),
    }
