"""A model that is not sure of a call of its own: nothing is done, and that is said."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from homeassistant.components import conversation
from homeassistant.components.conversation.chat_log import AssistantContentDeltaDict
from homeassistant.core import Context, HomeAssistant
from homeassistant.helpers import llm

from custom_components.morphy.answer import AnswerStream
from custom_components.morphy.backends import Completion, Doubtful
from custom_components.morphy.backends.local import LocalBackend
from custom_components.morphy.control import MorphyAPI
from custom_components.morphy.dialect import get_dialect
from custom_components.morphy.errors import NotUnderstoodError
from custom_components.morphy.home import snapshot
from custom_components.morphy.risk import Caution

from .house import House
from .tiny_model import write_tiny_model

CALL = "light.turn_off(light.ceiling)\n"


@pytest.mark.parametrize(
    ("least", "grammar", "doubtful"),
    [
        (1.0, "root ::= [a-h]{8}", "all"),
        (-5.0, "root ::= [a-h]{8}", "some"),
        (-1e9, "root ::= [a-h]{8}", "none"),
        (None, "root ::= [a-h]{8}", "none"),
        (-0.01, 'root ::= "abcdefgh"', "none"),
    ],
)
async def test_the_worker_tells_doubtful_text(
    tmp_path: Path, socket_enabled: None, least: float | None, grammar: str, doubtful: str
) -> None:
    """Random weights find none of eight letters likely; where the grammar leaves no choice there is no doubt."""
    model = write_tiny_model(tmp_path / "model.gguf", least_certainty=least)
    backend = LocalBackend(model, context_length=512, threads=1)
    pieces = [piece async for piece in backend.complete(Completion(prompt="hello", grammar=grammar))]
    await backend.close()
    assert len("".join(pieces)) == 8
    marks = [isinstance(piece, Doubtful) for piece in pieces]
    assert marks == sorted(marks)
    assert (all(marks), any(marks)) == {"all": (True, True), "some": (False, True), "none": (False, False)}[doubtful]


@pytest.mark.parametrize(
    ("pieces", "state", "understood"),
    [
        ([CALL, "Turned it off."], "off", True),
        ([Doubtful(CALL), Doubtful("Turned it off.")], "on", False),
        ([Doubtful(f"{CALL}Turned it off.")], "on", False),
        ([CALL, Doubtful("Turned it off.")], "off", True),
        ([CALL, Doubtful("light.turn_off(light.desk)\n")], "off", True),
        ([Doubtful("The light is on.")], "on", True),
    ],
)
async def test_a_doubtful_call_is_not_made(
    hass: HomeAssistant, house: House, pieces: list[str], state: str, understood: bool
) -> None:
    api = MorphyAPI(hass, snapshot(hass), Caution(True, frozenset()))
    answer = AnswerStream(hass, api, get_dialect("morphy"), "en")
    chat_log = conversation.ChatLog(hass, "conversation")
    context = llm.LLMContext("morphy", Context(), "en", "conversation", None)
    chat_log.llm_api = await api.async_get_api_instance(context)

    async def written() -> AsyncGenerator[str]:
        for piece in pieces:
            yield piece

    deltas: AsyncGenerator[AssistantContentDeltaDict] = answer.deltas(written())
    content = [item async for item in chat_log.async_add_delta_content_stream("conversation.morphy", deltas)]
    assert house.state("light.ceiling") == state
    assert (answer.error is None) == understood
    if not understood:
        assert isinstance(answer.error, NotUnderstoodError)
        assert not [item for item in content if item.role == "assistant" and item.content]
