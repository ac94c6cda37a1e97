"""What is entered in a dialog is tried before it is accepted: the model has to write something."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import aclosing
from typing import Any, Final

from homeassistant.core import HomeAssistant

from . import async_create_backend
from .agent_flow import suggest_dialect
from .backends import BackendInfo, Completion
from .const import BACKEND_LOCAL, CONF_BACKEND, CONF_MODEL_PATH
from .dialect import Home, Request, ToolDialect, find_dialect
from .errors import EmptyAnswerError

TRIAL_TOKENS: Final = 8


def dialect_for(info: BackendInfo, data: Mapping[str, Any]) -> str:
    """Return the dialect that the model of an entry with this data was most likely trained for."""
    bundled = data[CONF_BACKEND] == BACKEND_LOCAL and CONF_MODEL_PATH not in data
    if bundled:
        return "morphy"
    names = (info.model, data.get(CONF_MODEL_PATH, ""))
    return suggest_dialect(*names, template=info.chat_template, declared=info.dialect)


async def async_try(hass: HomeAssistant, data: Mapping[str, Any]) -> BackendInfo:
    """Start the backend that an entry's data describes and have it write something; raise a BackendError otherwise."""
    backend = await async_create_backend(hass, data)
    try:
        info = await backend.start()
        dialect = find_dialect(dialect_for(info, data))
        instructions = dialect.default_instructions
        if isinstance(dialect, ToolDialect):
            prompt = dialect.prompt((), instructions, [Request("Hello")])
        else:
            prompt = dialect.prompt(Home(), instructions, "Hello")
        request = Completion(prompt=prompt, special=dialect.special_tokens, max_tokens=TRIAL_TOKENS)
        async with aclosing(backend.complete(request)) as pieces:
            async for piece in pieces:
                if piece.strip():
                    return info
        raise EmptyAnswerError
    finally:
        await backend.close()
