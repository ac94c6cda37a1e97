"""Which dialect a model was most likely trained for, by what its file or its server says of it."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

_OWN: Final = "morphy"
UNKNOWN: Final = "lines"
"""The dialect of a model that nothing tells of."""

_NAMES: Final[tuple[tuple[str, str], ...]] = (
    (r"home[-_. ]?1b[-_. ]?v3", "homeassistant_json_v3_1b"),
    (r"home[-_. ]?3b[-_. ]?v3|home[-_. ]?llama", "homeassistant_json_v3"),
    (r"home[-_. ]?[13]b[-_. ]?v2", "homeassistant_json"),
    (r"functionary.*v1\b", "functionary_v1"),
    (r"functionary", "functionary_v2"),
    (r"morphyllm|hermes|qwen[-_. ]?[23]", "hermes"),
    (r"glaive", "glaive"),
    (r"mistral.*(instruct[-_. ]?v0\.3|nemo)|mixtral.*v0\.3", "mistral"),
    (r"morphy", _OWN),
)
"""Names of models, the most telling first."""

_MARKERS: Final[tuple[tuple[str, str], ...]] = (
    ("<|recipient|>", "functionary_v2"),
    ("<|START_OF_FUNCTION_CALL|>", "functionary_v1"),
    ("<functioncall>", "glaive"),
    ("[AVAILABLE_TOOLS]", "mistral"),
    ("<tool_call>", "hermes"),
)
"""What stands in the chat template of a model that calls tools."""


def detect(names: Collection[str], template: str | None = None, declared: str | None = None) -> str:
    """Return the name of a dialect.

    `declared` is what a model of ours says itself (`morphy.dialect`) and goes first, then comes its name, then what its
    chat template holds. The oldest Home-LLM's is the dialect of what says nothing.
    """
    if declared:
        return declared
    for pattern, dialect in _NAMES:
        if any(re.search(pattern, name.lower()) for name in names):
            return dialect
    return next((dialect for marker, dialect in _MARKERS if template and marker in template), UNKNOWN)
