"""The grammar in real llama.cpp: a model of random weights writes under it, and cannot leave the Home."""

from __future__ import annotations

import ctypes
import itertools
import string
from collections.abc import Callable
from pathlib import Path

import llama_cpp
import pytest

from custom_components.morphy.dialect import (
    SERVICES,
    Area,
    Call,
    Device,
    Floor,
    Home,
    Speech,
    get_dialect,
    read_calls,
    services_for,
)
from custom_components.morphy.dialect.grammar import call_rules, speech_rules, targets_by_domain
from custom_components.morphy.dialect.morphy import evidence_lines

from .tiny_model import write_tiny_model

DEVICES = (
    Device("light.k1", ("Ceiling", 'The "Big" Lamp \\ one'), "on", {"brightness": "60%"}, "kitchen"),
    Device("light.k10", ("Küchenlicht 🏠",), "off", {}, "kitchen"),
    Device("switch.kettle", ("Kettle",), "off"),
    Device("climate.hall", ("Thermostat",), "heat", {"set": "21°C"}, "hall"),
    Device("media_player.tv", ("TV",), "playing", {"volume": "40%"}, "hall"),
    Device("todo.shopping", ("Shopping",), "2"),
    Device("sensor.hall", ("Hall Temperature",), "19.5°C", {"class": "temperature"}, "hall"),
)
HOME = Home(
    devices=DEVICES,
    areas=(Area("kitchen", ("Kitchen",), "ground"), Area("hall", ("Hall", "Entrance"))),
    floors=(Floor("ground", ("Ground Floor",)),),
    services=services_for(DEVICES),
)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> llama_cpp.Llama:
    """A model of random weights, whose tokens are bytes."""
    path = write_tiny_model(tmp_path_factory.mktemp("model") / "tiny.gguf")
    return llama_cpp.Llama(str(path), n_ctx=1024, n_threads=1, verbose=False)


@pytest.fixture(scope="module")
def write(tiny: llama_cpp.Llama) -> Callable[[str, int], str]:
    """A function that lets the model write under a grammar, with a seed, at a high temperature."""

    def complete(grammar: str, seed: int) -> str:
        compiled = llama_cpp.LlamaGrammar.from_string(grammar, verbose=False)
        answer = tiny.create_completion(
            "hello", grammar=compiled, temperature=3, top_k=0, top_p=1.0, min_p=0.0, seed=seed, max_tokens=400
        )
        return str(answer["choices"][0]["text"]) if answer["choices"][0]["finish_reason"] == "stop" else ""

    return complete


def test_only_calls_of_the_home_can_be_written(write: Callable[[str, int], str]) -> None:
    rules = call_rules(HOME)
    assert rules is not None
    allowed = targets_by_domain(HOME)
    written = [text for seed in range(60) if (text := write(f"root ::= call\n{rules}", seed))]
    assert len({text.partition(".")[0] for text in written}) >= 4
    for text in written:
        [action] = read_calls(text) or []
        service = SERVICES[action.service]
        assert set(action.targets) <= set(allowed[service.domain])
        assert action.targets
        assert set(action.data) <= set(service.arguments)


def test_evidence_can_only_be_copied(write: Callable[[str, int], str]) -> None:
    dialect = get_dialect("morphy")
    rules = dialect.grammar(HOME).splitlines()
    grammar = "\n".join(["root ::= evidence", *(rule for rule in rules if not rule.startswith("root"))])
    known = evidence_lines(HOME)
    written = {text for seed in range(30) if (text := write(grammar, seed))}
    assert len(written) >= 5
    assert written <= known
    assert (
        "".join(
            event.text
            for text in written
            for event in dialect.reader(HOME).feed(text + "\n")
            if isinstance(event, Speech)
        )
        == ""
    )


def test_speech_cannot_be_a_call(write: Callable[[str, int], str]) -> None:
    for seed in range(30):
        reader = get_dialect("morphy").reader(HOME)
        events = reader.feed(write(f"root ::= speech\n{speech_rules()}", seed)) + reader.close()
        assert all(isinstance(event, Speech) for event in events)


def test_a_copy_that_leaves_the_listing_is_no_speech(write: Callable[[str, int], str]) -> None:
    """Speech holds no quote and does not begin as a line of the listing does, so it cannot take over half a copy."""
    rules = get_dialect("morphy").grammar(HOME).splitlines()
    grammar = "\n".join(["root ::= speech", *(rule for rule in rules if not rule.startswith("root"))])
    written = [text for seed in range(40) if (text := write(grammar, seed))]
    assert written
    for text in written:
        assert '"' not in text
        assert text[0] not in string.ascii_lowercase


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        ("Turned on Kettle.", True),
        ("3.5 degrees.", True),
        ("Ja, Küchenlicht 🏠 ist an.", True),
        ("eTRV 2 is at 21.", True),
        ("light is on.", False),
        ("light.turn_on(light.k1)", False),
        ("light.turn_off is on.", True),
        ("light.turn_off(light.k1)", False),
        ('Kitchen light "Ceiling" light.k10 = off', False),
        ("Front door  Door is open.", False),
        ("Front door\u00a0\u2003Door is open.", False),
    ],
)
def test_what_may_be_spoken(tiny: llama_cpp.Llama, text: str, allowed: bool) -> None:
    devices = (*DEVICES, Device("climate.trv", ("eTRV 2", "light.turn_off"), "heat"))
    rules = get_dialect("morphy").grammar(Home(devices=devices)).splitlines()
    grammar = "\n".join(["root ::= speech", *(rule for rule in rules if not rule.startswith("root"))])
    assert accepts(tiny, grammar, text) == allowed


def accepts(model: llama_cpp.Llama, grammar: str, text: str) -> bool:
    """Whether llama.cpp's grammar takes the text, and may end after it."""
    vocab = llama_cpp.llama_model_get_vocab(model.model)
    sampler = llama_cpp.llama_sampler_init_grammar(vocab, grammar.encode(), b"root")

    def allowed(token: int) -> bool:
        one = (llama_cpp.llama_token_data * 1)(llama_cpp.llama_token_data(id=token, logit=1.0, p=0.0))
        candidates = llama_cpp.llama_token_data_array(data=one, size=1, selected=-1, sorted=False)
        llama_cpp.llama_sampler_apply(sampler, ctypes.byref(candidates))
        return float(one[0].logit) > float("-inf")

    try:
        for token in model.tokenize(text.encode(), add_bos=False):
            if not allowed(token):
                return False
            llama_cpp.llama_sampler_accept(sampler, token)
        return allowed(model.token_eos())
    finally:
        llama_cpp.llama_sampler_free(sampler)


@pytest.mark.parametrize("name", ["lines", "morphy"])
@pytest.mark.parametrize("home", [HOME, Home(), Home(devices=DEVICES)], ids=["home", "empty", "nothing to call"])
def test_every_grammar_is_accepted(name: str, home: Home, write: Callable[[str, int], str]) -> None:
    dialect = get_dialect(name)
    for seed in range(5):
        reader = dialect.reader(home)
        for event in reader.feed(write(dialect.grammar(home), seed)) + reader.close():
            assert isinstance(event, Speech | Call)


def test_a_model_that_wants_another_id_cannot_have_it(tmp_path: Path) -> None:
    """The chain model writes one text whatever it is asked; under the grammar that text cannot come out."""
    path = write_tiny_model(tmp_path / "chain.gguf", chain=b"light.zq(")
    model = llama_cpp.Llama(str(path), n_ctx=512, n_threads=1, verbose=False)
    free = model.create_completion("x\n", temperature=0, max_tokens=20)["choices"][0]["text"]
    assert free == "light.zq("
    grammar = llama_cpp.LlamaGrammar.from_string(f"root ::= call\n{call_rules(HOME)}", verbose=False)
    held = model.create_completion("x\n", temperature=0, max_tokens=60, grammar=grammar)["choices"][0]["text"]
    assert "zq" not in held


@pytest.mark.parametrize("count", [30, 300, 1000])
def test_ids_stand_in_a_tree_however_many_there_are(count: int) -> None:
    """A token is checked against the branches of one place: at most one for each character that can come next."""
    names = [
        f"{side}_{n}"
        for n, side in zip(range(count), itertools.cycle(("north", "south", "east", "west")), strict=False)
    ]
    devices = [Device(f"light.{name}", (name.replace("_", " "),), "off") for name in names]
    home = Home(devices=tuple(devices), services=services_for(devices))
    rules = dict(rule.split(" ::= ", 1) for rule in (call_rules(home) or "").splitlines() if " ::= " in rule)
    assert branches(rules["d-light-target"]) <= 11
    assert len(get_dialect("morphy").grammar(home)) < 300 * count


def branches(expression: str) -> int:
    """Return the largest number of alternatives that stand in one pair of brackets; no string here has a bracket."""
    counts, most = [1], 1
    for character in expression:
        if character == "(":
            counts.append(1)
        elif character == "|":
            counts[-1] += 1
        elif character == ")":
            most = max(most, counts.pop())
    return most


def test_every_id_can_be_written_among_a_thousand(write: Callable[[str, int], str]) -> None:
    devices = [Device(f"light.lamp_{n}", (f"Lamp {n}",), "off") for n in range(1000)]
    home = Home(devices=tuple(devices), services=services_for(devices))
    rules = call_rules(home)
    written = {text for seed in range(20) if (text := write(f"root ::= d-light-target\n{rules}", seed))}
    assert len(written) > 10
    assert written <= {device.id for device in devices} | {"all"}
