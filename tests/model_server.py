"""A model server with OpenAI's interface on 127.0.0.1 that can go wrong in every way a real one does."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable

from aiohttp import web
from aiohttp.test_utils import TestServer

type Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class ModelServer:
    """Lists `models` and answers with `words`; `listing` and `completion` take the place of either when set."""

    def __init__(self) -> None:
        """Be well."""
        self.models = ["home-3b", "morphy-7b"]
        self.words = ["Hi", " there"]
        self.key: str | None = None
        self.listing: Handler | None = None
        self.completion: Handler | None = None
        self.asked: list[dict[str, object]] = []
        app = web.Application(middlewares=[self._check_key])
        app.router.add_get("/v1/models", self._list)
        app.router.add_post("/v1/completions", self._complete)
        self._server = TestServer(app, skip_url_asserts=True)

    async def start(self) -> str:
        """Return the address."""
        await self._server.start_server()
        return f"http://127.0.0.1:{self._server.port}"

    async def stop(self) -> None:
        """Hang up."""
        await self._server.close()

    @web.middleware
    async def _check_key(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if self.key and request.headers.get("Authorization") != f"Bearer {self.key}":
            return web.json_response({"error": {"message": "Invalid key"}}, status=401)
        return await handler(request)

    async def _list(self, request: web.Request) -> web.StreamResponse:
        if self.listing:
            return await self.listing(request)
        return web.json_response({"object": "list", "data": [{"id": name, "object": "model"} for name in self.models]})

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(await request.json())
        if self.completion:
            return await self.completion(request)
        response = await stream(request)
        for word in self.words:
            await write(response, word)
        await write(response, "", "stop")
        await response.write(b"data: [DONE]\n\n")
        return response


async def stream(request: web.Request) -> web.StreamResponse:
    """Begin to answer."""
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    return response


async def write(response: web.StreamResponse, text: str, finish_reason: str | None = None) -> None:
    """Send an event."""
    event = {"choices": [{"index": 0, "text": text, "finish_reason": finish_reason}]}
    await response.write(f"data: {json.dumps(event)}\n\n".encode())


def says(status: int = 200, *, json_body: object = None, html: str | None = None) -> Handler:
    """Answer with this status and body."""

    async def handler(_request: web.Request) -> web.StreamResponse:
        if html is not None:
            return web.Response(status=status, text=html, content_type="text/html")
        return web.json_response(json_body, status=status)

    return handler


async def hangs(_request: web.Request) -> web.StreamResponse:
    """Never answer."""
    await asyncio.sleep(3600)
    raise AssertionError


async def breaks_off(request: web.Request) -> web.StreamResponse:
    """Begin to answer, then close the connection."""
    response = await stream(request)
    assert request.transport
    request.transport.abort()
    return response
