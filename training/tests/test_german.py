"""What a second language promises: German from data files alone, through the code that makes English."""

from __future__ import annotations

import re
from collections import Counter
from functools import partial
from itertools import islice

import pytest

from morphy_training.data import generator
from morphy_training.dialect.catalogue import SERVICES
from morphy_training.errors import RecipeError
from morphy_training.generator import Example, Exchange, mixed, stream
from morphy_training.generator.control import BY_NAME
from morphy_training.generator.forms import Forms
from morphy_training.generator.kinds import KINDS
from morphy_training.generator.language import load_language
from morphy_training.generator.names import plain
from morphy_training.generator.templates import Choice, Node, Row, compile_template
from morphy_training.recipe import parse

ENGLISH = frozenset(
    re.findall(
        r"\w+",
        """
    the turn turned off on and or is are please lights light lamp lamps kitchen bedroom bathroom living room open
    opened closed locked unlocked home away playing paused docked cleaning detected clear low normal wet dry
    running red blue green yellow white purple set to what which how many there no yes percent degrees heat cool
    unavailable unknown connected problem with of here shopping list it them
    """,
    )
)
"""Words that German has not, neither in a request nor in an answer."""


def take(count: int, seed: int = 1, **options: float | bool) -> list[Example]:
    """Return the first examples of the German stream."""
    return list(islice(stream(seed, language="de", **options), count))  # type: ignore[arg-type]


def exchanges(examples: list[Example]) -> list[tuple[Example, Exchange]]:
    """Return every exchange with its example."""
    return [(example, exchange) for example in examples for exchange in example.turns]


def without_names(example: Example, text: str) -> set[str]:
    """Return the words of a text that are in no name, state or attribute of the home."""
    home = example.home
    shown = [name for thing in (*home.devices, *home.areas, *home.floors) for name in thing.names]
    shown += [value for device in home.devices for value in device.attributes.values()]
    return set(plain(text).split()) - {word for name in shown for word in plain(name).split()}


def test_no_english_word_is_said() -> None:
    leaks: Counter[str] = Counter()
    for example, exchange in exchanges(take(1200)):
        leaks.update(without_names(example, exchange.request) & ENGLISH)
        leaks.update(without_names(example, exchange.answer.speech) & ENGLISH)
    assert not leaks


def test_the_stop_list_finds_english() -> None:
    example = next(stream(1))
    said = {word for one in example.turns for word in without_names(example, f"{one.request} {one.answer.speech}")}
    assert said & ENGLISH


def branches(node: Node) -> int:
    """Return the most branches that one choice of a template has."""
    if not isinstance(node, (Choice, Row)):
        return 1
    return max(len(node) if isinstance(node, Choice) else 1, *(branches(child) for child in node))


def test_every_template_expands_in_every_branch() -> None:
    language = load_language("de")
    assert len(language.intents) >= 80
    for name, sections in language.intents.items():
        for section, templates in sections.items():
            assert templates, (name, section)
            for template in templates:
                slots = dict.fromkeys(template.slots, "küche")
                count = branches(template.node)
                for place in range(count):
                    text = template.fill(partial(float, (place + 0.5) / count), slots)
                    assert not set("{<[(|") & set(text), text


def test_a_reference_has_got_its_case_when_it_is_said() -> None:
    for _, exchange in exchanges(take(1200)):
        assert "~" not in exchange.request
        assert "~" not in exchange.answer.speech
        assert "{" not in exchange.request + exchange.answer.speech


@pytest.mark.parametrize(
    ("template", "slots", "said"),
    [
        ("Licht ~im {place}", {"place": "küche"}, "Licht in der küche"),
        ("Licht ~im {place}", {"place": "Gästebad 2"}, "Licht im Gästebad 2"),
        ("Licht ~im {place}", {"place": "Dachterrasse"}, "Licht auf der Dachterrasse"),
        ("Licht ~im {place}", {"place": "Annas Zimmer"}, "Licht in Annas Zimmer"),
        ("Licht ~im {place}", {"place": "Zorba"}, "Licht in Zorba"),
        ("~der {name:acc} aus", {"name": "stehlampe küche"}, "die stehlampe küche aus"),
        ("~der {name:acc} aus", {"name": "ventilator (küche)"}, "den ventilator (küche) aus"),
        (
            "mach {what:acc} an",
            {"what": "~der.m ventilator und ~mein.f lampe"},
            "mach den ventilator und meine lampe an",
        ),
        ("von {what:dat}", {"what": "~alle.p lichter"}, "von allen lichtern"),
        ("ist {what:nom} an", {"what": "~der.n licht ~im.f küche"}, "ist das licht in der küche an"),
        ("~der {place:join}{kind:acc}", {"place": "küche", "kind": "ventilator"}, "den küchenventilator"),
        ("{what:nom} {it:soll} an", {"what": "~der.p lampen", "it": "them"}, "die lampen sollen an"),
    ],
)
def test_words_bend(template: str, slots: dict[str, str], said: str) -> None:
    assert compile_template(template, {}, load_language("de").forms).fill(lambda: 0.0, slots) == said


def test_an_unknown_form_is_an_error() -> None:
    forms = load_language("de").forms
    assert isinstance(forms, Forms)
    for text in ("~dessen {name}", "{name:gen}"):
        with pytest.raises(ValueError, match="unknown form"):
            compile_template(text, {}, forms)
    with pytest.raises(ValueError, match="unknown form"):
        compile_template("{name:acc}", {})


def test_every_noun_and_room_has_a_gender() -> None:
    language = load_language("de")
    assert language.forms is not None
    things = [noun.one[0] for kind, noun in language.nouns.items() if "co2" not in noun.one[0]]
    assert [name for name in things if language.forms.class_of(name) == "x"] == []
    places = [*language.words["rooms"], *language.words["heldout_rooms"], *language.words["zones"]]
    assert [place for place in places if " " not in language.forms.class_of(place)] == []


def test_only_what_the_language_has_is_made() -> None:
    language = load_language("de")
    domains = {KINDS[name].domain for name in language.nouns if name in KINDS}
    seen = set()
    for example, exchange in exchanges(take(800)):
        assert all(device.domain in domains for device in example.home.devices)
        seen.add(exchange.category)
    assert {"light_on", "cover_open", "climate_set", "media_next", "vacuum_start", "todo_add", "everything"} <= seen
    assert {name for name in BY_NAME if name not in language.intents}.isdisjoint(seen)


def test_calls_are_those_of_the_intent() -> None:
    """The rules of the English generator: the intent's service, on things of its kinds, in homes that have them."""
    checked = 0
    for example, exchange in exchanges(take(800)):
        for action in exchange.answer.actions:
            service = SERVICES[action.service]
            reached = {example.home.by_id[one].domain for one in action.targets if one in example.home.by_id}
            assert reached <= {service.domain}
            assert set(action.data) <= set(service.arguments)
        spec = BY_NAME.get(exchange.category)
        if spec and not exchange.category.startswith("todo"):
            checked += 1
            assert {action.service.partition(".")[2] for action in exchange.answer.actions} == {spec.service}
            domains = {KINDS[kind].domain for kind in spec.kinds}
            assert {action.service.partition(".")[0] for action in exchange.answer.actions} <= domains
        if exchange.category == "question_count":
            told = re.match(r"\d+", exchange.answer.speech)
            assert int(told[0] if told else 0) <= len(exchange.answer.evidence)
    assert checked > 1500


def test_numbers_colors_and_homes_are_labelled_as_in_english() -> None:
    english, german = load_language("en"), load_language("de")
    assert set(german.words["colors"]) <= set(german.tables["color_words"])
    assert {name.replace(" ", "") for name in english.words["colors"]} >= set(german.words["colors"])
    assert len(german.numbers) == len(english.numbers)
    for table in ("brightness", "position", "volume", "whites"):
        assert set(german.tables[table]) <= set(english.tables[table]), table
    assert german.tables["binary_states"] == english.tables["binary_states"]
    for _, exchange in exchanges(take(500)):
        percent = re.search(r"\b(\d+) ?(%|prozent)", exchange.request.lower())
        if exchange.category == "light_brightness" and percent:
            assert exchange.answer.actions[0].data["brightness_pct"] == int(percent[1])


def test_same_seed_same_stream_and_no_other_language_in_it() -> None:
    assert take(30, seed=5) == take(30, seed=5)
    assert take(30, seed=5) != take(30, seed=6)
    assert list(islice(mixed(5, languages=("en",)), 20)) == list(islice(stream(5), 20))
    both = list(islice(mixed(5, languages=("en", "de")), 60))
    german, english = take(60, seed=5), list(islice(stream(5), 60))
    assert sum(one in german for one in both) + sum(one in english for one in both) == 60
    assert 15 < sum(one in german for one in both) < 45


def test_a_recipe_names_its_languages() -> None:
    assert parse({}).languages == ("en",)
    assert parse({"languages": ["en", "de"]}).languages == ("en", "de")
    with pytest.raises(RecipeError):
        parse({"languages": "de"})
    assert next(generator(("de",))(3)) == take(1, seed=3)[0]
    with pytest.raises(RecipeError, match="some of de, en, not xx"):
        generator(("xx",))
