"""Every text in every language: complete, with all that English fills in or names, and ready to be shown and spoken."""

from __future__ import annotations

import json
import re
from collections import Counter
from string import Formatter
from typing import Final

import pytest
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import ServiceNotFound
from homeassistant.helpers.translation import async_get_translations

from custom_components.morphy.errors import BusyError
from custom_components.morphy.languages import LANGUAGES, TRANSLATED, answer_in, nearest
from custom_components.morphy.speech import async_error_sentence
from scripts.translations import COPIES, copied

from .flows import INTEGRATION, Strings, english

ALL_FILES: Final = {path.stem: path for path in sorted((INTEGRATION / "translations").glob("*.json"))}
FILES: Final = {language: path for language, path in ALL_FILES.items() if language not in COPIES}
OTHERS: Final = [language for language in FILES if language != "en"]
UNTRANSLATED: Final = {"llama-cpp-python"}
"""Texts that are the same in every language."""
COGNATES: Final = {
    "de": {"Agent", "Hub", "Name", "Repository", "Revision", "Threads", "URL"},
    "es": {"Hub", "Scripts", "URL", "tokens", "tokens/s"},
    "fr": {"Agent", "Instructions", "Scripts", "URL"},
    "it": {"Hub", "Repository", "URL"},
    "nl": {"Agent", "Dialect", "Hub", "Model", "Repository", "Scripts", "Threads", "URL", "tokens", "tokens/s"},
    "pl": {"Agent", "Hub", "Model", "URL"},
    "pt": {"Hub", "Scripts", "Threads", "URL", "tokens", "tokens/s"},
    "pt-BR": {"Hub", "Scripts", "Threads", "URL", "tokens", "tokens/s"},
    "sv": {"Agent", "Revision", "URL"},
    "zh-Hans": set[str](),
    "zh-Hant": set[str](),
}
"""Words that a language shares with English, and no others: a text that is left in English is none of them."""
NAMES: Final = re.compile(
    r"Morphy|Home Assistant|Assist\b|llama-cpp-python|llama\.cpp|vLLM|LM Studio|Ollama|Hugging Face|GGUF|JSON|TLS|HTTP"
    r"|TypeScript|TinyLlama|`[^`]*`|https?://\S*\d|owner/name|\w+\.\w+_\w+|\bv?\d+\b|\||\n|⚠"
)
"""What stands in every language as it does in English: names, code, numbers, and the lines of a table."""
READ_AS_QUOTE: Final = re.compile(r"'[{}<>]")
"""An apostrophe that the message format of the frontend takes for the beginning of plain text."""


def flat(strings: Strings, prefix: str = "") -> dict[str, str]:
    """Return the texts by where they stand, in the order of the file."""
    texts: dict[str, str] = {}
    for key, value in strings.items():
        texts |= flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return texts


def texts_in(language: str) -> dict[str, str]:
    """Return the texts of a language by where they stand."""
    return flat(json.loads(FILES[language].read_text(encoding="utf-8")))


def filled_in(text: str) -> Counter[str]:
    """Return the placeholders of a text, with how often it has each."""
    return Counter(name for _, name, _, _ in Formatter().parse(text) if name is not None)


ENGLISH: Final = flat(english())


def test_the_languages_are_those_in_which_a_person_can_agree() -> None:
    assert sorted({language.partition("-")[0] for language in FILES}) == sorted(LANGUAGES)


def test_languages_of_other_regions_have_the_texts_of_the_nearest() -> None:
    assert sorted(ALL_FILES) == sorted(TRANSLATED)
    for copy in COPIES:
        assert ALL_FILES[copy].read_text(encoding="utf-8") == copied(copy), "run scripts/lint --fix"


@pytest.mark.parametrize(
    ("language", "strangers"),
    [
        ("pt", r"\b(?:arquivos?|usuários?|tela|baix[ae]\w*|excluí\w+|conexão|configurações|continua \w+ndo)\b"),
        ("zh-Hant", r"[们这个说时为会开关设请机务网络应给对话无选择让没连]|服务器|文件|内存|软件|默认"),
    ],
)
def test_a_region_has_its_own_words(language: str, strangers: str) -> None:
    """Those of Brazil or of simplified characters would be understood, and be foreign all the same."""
    found = {key: text for key, text in texts_in(language).items() if re.search(strangers, text, re.IGNORECASE)}
    assert not found


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        ("de-CH", "de"),
        ("de_AT", "de"),
        ("en-GB", "en"),
        ("pt-PT", "pt"),
        ("pt-br", "pt-BR"),
        ("es-MX", "es"),
        ("zh-CN", "zh-Hans"),
        ("zh", "zh-Hans"),
        ("zh-TW", "zh-Hant"),
        ("zh-HK", "zh-Hant"),
        ("zh-Hant", "zh-Hant"),
        ("sv-FI", "sv"),
        ("cs", "en"),
        ("*", "en"),
        ("", "en"),
    ],
)
async def test_the_nearest_language_is_spoken(hass: HomeAssistant, language: str, expected: str) -> None:
    assert nearest(language) == expected
    texts = flat(json.loads(ALL_FILES[expected].read_text(encoding="utf-8")))
    spoken = await async_error_sentence(hass, language, BusyError(waiting="3"))
    assert spoken == texts["exceptions.busy.message"].format(waiting="3")


async def test_home_assistants_own_errors_are_told_in_the_nearest_language_too(hass: HomeAssistant) -> None:
    error = ServiceNotFound("light", "explode")
    german = await async_error_sentence(hass, "de", error)
    assert german != str(error)
    assert await async_error_sentence(hass, "de-CH", error) == german


def test_a_model_is_told_the_language_by_its_name_and_nothing_that_is_none() -> None:
    assert answer_in("de-CH") == "Answer in Deutsch (de-CH)."
    assert answer_in("cs") == "Answer in the language cs."
    assert answer_in("*") == answer_in("{{ states }}") == answer_in("de\nObey") == ""


@pytest.mark.parametrize("language", FILES)
def test_a_file_is_written_in_one_way(language: str) -> None:
    """Indented by two, letters as they are, and no key twice, of which a reader would drop one in silence."""
    content = FILES[language].read_text(encoding="utf-8")
    assert content == json.dumps(json.loads(content), indent=2, ensure_ascii=False) + "\n"


@pytest.mark.parametrize("language", OTHERS)
def test_a_language_is_complete(language: str) -> None:
    """It has the keys of English, all of them and no others, in the same order."""
    texts = texts_in(language)
    assert len(texts) == len(ENGLISH)
    assert list(texts) == list(ENGLISH)


@pytest.mark.parametrize("language", OTHERS)
def test_the_same_is_filled_in(language: str) -> None:
    """Home Assistant drops a translation with other placeholders than English and shows English instead."""
    wrong = {key: text for key, text in texts_in(language).items() if filled_in(text) != filled_in(ENGLISH[key])}
    assert not wrong


@pytest.mark.parametrize("language", OTHERS)
def test_names_numbers_and_code_stay_as_they_are(language: str) -> None:
    def named(text: str) -> Counter[str]:
        return Counter(NAMES.findall(text))

    wrong = {key: text for key, text in texts_in(language).items() if named(text) != named(ENGLISH[key])}
    assert not wrong


@pytest.mark.parametrize("language", OTHERS)
def test_nothing_is_left_in_english(language: str) -> None:
    same = {text for key, text in texts_in(language).items() if text == ENGLISH[key]}
    assert same == UNTRANSLATED | COGNATES[language]


@pytest.mark.parametrize("language", FILES)
def test_what_a_person_reads_is_tidy(language: str) -> None:
    for key, text in texts_in(language).items():
        assert text.strip() == text != "", key
        assert "  " not in text, key
        assert not READ_AS_QUOTE.search(text), key


@pytest.mark.parametrize("language", FILES)
def test_a_question_is_one_for_home_assistant_too(language: str) -> None:
    """It goes on listening for the answer where the last character is a question mark."""
    asked = {key: text for key, text in texts_in(language).items() if re.search(r"s\.(?:confirm|ambiguous)_", key)}
    assert len(asked) == 5
    assert all(text.endswith(("?", "？")) for text in asked.values())


async def test_home_assistant_takes_and_speaks_every_language(hass: HomeAssistant) -> None:
    for language in FILES:
        texts = texts_in(language)
        for category in english():
            taken = await async_get_translations(hass, language, category, ["morphy"])
            there = {f"component.morphy.{key}": text for key, text in texts.items() if key.startswith(f"{category}.")}
            assert taken == there, language
        spoken = await async_error_sentence(hass, language, BusyError(waiting="3"))
        assert spoken == texts["exceptions.busy.message"].format(waiting="3")
