"""A server with OpenAI's chat endpoint on 127.0.0.1, and without a way to continue a raw prompt."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from .model_server import Handler, stream
from .servers import serving


class ChatServer:
    """Answers each request with the next of `replies`, a text or calls, and the last one again and again."""

    def __init__(self) -> None:
        """Have one model, and no other endpoint."""
        self.replies: list[str | Sequence[tuple[str, dict[str, Any]]]] = ["Hi there"]
        self.raw: Handler | None = None
        """What answers a raw prompt; status 404 where it is None."""
        self.asked: list[dict[str, Any]] = []
        self.model = "general-7b"
        self.thoughts = 0
        """Tokens that the model thinks before it says anything; those are not shown."""

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[str]:
        """Serve, and yield the address."""
        models = {"object": "list", "data": [{"id": self.model, "object": "model"}]}
        routes: dict[str, Any] = {"/v1/models": models, "/v1/chat/completions": self._chat}
        if self.raw:
            routes["/v1/completions"] = self.raw
        async with serving(routes) as url:
            yield url

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(await request.json())
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        response = await stream(request)
        if self.asked[-1]["max_tokens"] <= self.thoughts:
            deltas: list[dict[str, Any]] = []
        elif isinstance(reply, str):
            deltas = [{"content": reply[n : n + 5]} for n in range(0, len(reply), 5)]
        else:
            deltas = [{"tool_calls": [_call(n, name, arguments)]} for n, (name, arguments) in enumerate(reply)]
        for delta in deltas:
            await response.write(_event(delta))
        await response.write(_event({}, "stop" if isinstance(reply, str) else "tool_calls"))
        await response.write(b"data: [DONE]\n\n")
        return response


def _call(index: int, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    function = {"name": name, "arguments": json.dumps(arguments)}
    return {"index": index, "id": f"call_{index}", "type": "function", "function": function}


def _event(delta: dict[str, Any], reason: str | None = None) -> bytes:
    return b"data: " + json.dumps({"choices": [{"delta": delta, "finish_reason": reason}]}).encode() + b"\n\n"
