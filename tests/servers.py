"""Servers for the tests of the remote backend: two real ones with a model of ours, and bad ones made on the spot."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

ROOT = Path(__file__).parent.parent
SERVER_PYTHON = ROOT / ".venv-server" / "bin" / "python"
LLAMA_SERVER = (
    Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "morphy" / "llama-server" / "llama-server"
)
READY_SECONDS = 60

type Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class ServerPool:
    """Real servers, each started once and ended together."""

    def __init__(self, folder: Path) -> None:
        """Keep the servers' logs in `folder`."""
        self._folder = folder
        self._running: dict[tuple[str, Path], tuple[subprocess.Popen[bytes], str]] = {}

    async def url(self, kind: str, model: Path, *options: str) -> str:
        """Return the address of a running server with this model; skip the test where that kind is not installed."""
        if (kind, model) not in self._running:
            port = free_port()
            self._running[kind, model] = (self._start(_command(kind, model, port, options)), f"http://127.0.0.1:{port}")
        process, url = self._running[kind, model]
        await _ready(process, f"{url}/v1/models")
        return url

    def _start(self, command: list[str]) -> subprocess.Popen[bytes]:
        with (self._folder / f"{len(self._running)}.log").open("wb") as log:
            return subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def stop(self) -> None:
        """End all servers."""
        for process, _ in self._running.values():
            process.kill()
            process.wait()


def _command(kind: str, model: Path, port: int, options: tuple[str, ...]) -> list[str]:
    if kind == "llama.cpp":
        program: list[str] = [str(LLAMA_SERVER), "-m", str(model), "-c", "4096", "-t", "1", "-np", "1", "--no-webui"]
    else:
        program = [str(SERVER_PYTHON), "-m", "llama_cpp.server", "--model", str(model), "--n_ctx", "4096"]
        program += ["--n_threads", "1"]
    if not Path(program[0]).exists():
        pytest.skip(f"{Path(program[0]).name} is not installed: run scripts/setup servers")
    return [*program, "--host", "127.0.0.1", "--port", str(port), *options]


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on."""
    import socket

    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


async def _ready(process: subprocess.Popen[bytes], url: str) -> None:
    """Wait until a server answers."""
    async with aiohttp.ClientSession() as session, asyncio.timeout(READY_SECONDS):
        while process.poll() is None:
            with contextlib.suppress(aiohttp.ClientError):
                async with session.get(url) as response:
                    if response.status in (200, 401):
                        return
            await asyncio.sleep(0.1)
    pytest.fail(f"the server ended with status {process.returncode}")


@contextlib.asynccontextmanager
async def serving(routes: Mapping[str, Handler | Any]) -> AsyncGenerator[str]:
    """Serve paths on a free port and yield the address; a value that is no function is sent as JSON."""

    async def handle(request: web.Request) -> web.StreamResponse:
        route = routes.get(request.path, routes.get("*"))
        if route is None:
            raise web.HTTPNotFound
        return await route(request) if callable(route) else web.json_response(route)

    app = web.Application(client_max_size=2**24)
    app.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def streaming(*pieces: bytes | float, content_type: str = "text/event-stream", cut: bool = False) -> Handler:
    """Return a handler that sends pieces as they are (a number is a pause in seconds); `cut` drops the connection."""

    async def handle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": content_type})
        await response.prepare(request)
        for piece in pieces:
            if isinstance(piece, bytes):
                await response.write(piece)
            else:
                await asyncio.sleep(piece)
        if cut and request.transport:
            await asyncio.sleep(0.05)
            request.transport.abort()
        return response

    return handle


def repeating(piece: bytes, pause: float = 0.0, content_type: str = "text/event-stream") -> Handler:
    """Return a handler that sends the same piece without end."""

    async def handle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": content_type})
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):
            while True:
                await response.write(piece)
                await asyncio.sleep(pause)
        return response

    return handle
