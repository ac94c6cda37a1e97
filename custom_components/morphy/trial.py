"""What is entered in a dialog is tried before it is accepted: the model has to write something."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import aclosing
from typing import Any, Final

from homeassistant.core import HomeAssistant

from . import async_create_backend
from .agent_flow import suggest_dialect
from .backends import GREETING, BackendInfo, Completion
from .const import BACKEND_LOCAL, CONF_BACKEND, CONF_MODEL_PATH
from .dialect import OPENAI, TOOL_DIALECTS, Home, Request, ToolDialect, find_dialect
from .dialect.detect import UNKNOWN
from .errors import EmptyAnswerError

TRIAL_TOKENS: Final = 8
CHAT_TRIAL_TOKENS: Final = 512
"""A model that chats may think before it answers."""


def dialect_for(info: BackendInfo, data: Mapping[str, Any]) -> str:
    """Return the dialect that the model of an entry with this data was most likely trained for."""
    bundled = data[CONF_BACKEND] == BACKEND_LOCAL and CONF_MODEL_PATH not in data
    if bundled:
        return "morphy"
    names = (info.model, data.get(CONF_MODEL_PATH, ""))
    dialect = suggest_dialect(*names, template=info.chat_template, declared=info.dialect)
    # Of a server that takes messages alone nothing but its form of tools is known, unless the name says otherwise.
    return OPENAI.name if info.chats_only and (dialect in TOOL_DIALECTS or dialect == UNKNOWN) else dialect


async def async_try(hass: HomeAssistant, data: Mapping[str, Any]) -> BackendInfo:
    """Start the backend that an entry's data describes and have it write something; raise a BackendError otherwise."""
    backend = await async_create_backend(hass, data)
    try:
        info = await backend.start()
        dialect = find_dialect(dialect_for(info, data))
        instructions = dialect.default_instructions
        if isinstance(dialect, ToolDialect):
            prompt = dialect.prompt((), instructions, [Request(GREETING)])
        else:
            prompt = dialect.prompt(Home(), instructions, GREETING)
        request = Completion(
            prompt=prompt,
            messages=(("system", instructions), ("user", GREETING)) if info.chats_only else (),
            special=dialect.special_tokens,
            max_tokens=CHAT_TRIAL_TOKENS if info.chats_only else TRIAL_TOKENS,
        )
        async with aclosing(backend.complete(request)) as pieces:
            async for piece in pieces:
                if piece.strip():
                    return info
        raise EmptyAnswerError
    finally:
        await backend.close()
