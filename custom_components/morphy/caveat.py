"""The sentence after an answer that may not tell all, because the home was told to the model in part."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from homeassistant.components.conversation.chat_log import AssistantContentDeltaDict
from homeassistant.core import HomeAssistant

from .answer import AnswerStream
from .speech import async_sentence


async def async_with_caveat(
    hass: HomeAssistant, language: str, answer: AnswerStream, deltas: AsyncGenerator[AssistantContentDeltaDict]
) -> AsyncGenerator[AssistantContentDeltaDict]:
    """Pass an answer on; if it only told something, say that devices which may be meant were not looked at."""
    acted = False
    async with aclosing(deltas):
        async for delta in deltas:
            acted = acted or bool(delta.get("tool_calls"))
            yield delta
    if not acted and answer.error is None:
        yield {"content": f" {await async_sentence(hass, language, 'may_be_incomplete')}"}
