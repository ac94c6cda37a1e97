"""A proxy on 127.0.0.1 that stands between Morphy and a server, and does to a request what networks and servers do.

It takes one request a connection. While `fault` is None it passes the request on and the answer back, and closes the
connection; otherwise it lets the fault have it. Faults are named in `FAULTS`.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Final

PIECE: Final = 64
"""Bytes in which a slow body comes."""
FOREVER: Final = 3600.0


@dataclass
class Request:
    """A request on its way: where its answer goes to, and how to get that."""

    head: bytes
    body: bytes
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    upstream: tuple[str, int]

    async def answer(self) -> bytes:
        """Return what the server answers, whole."""
        reader, writer = await asyncio.open_connection(*self.upstream)
        try:
            await self._send(writer)
            return await reader.read()
        finally:
            writer.close()

    async def pass_on(self) -> None:
        """Pass the request on, and the answer back piece by piece; leave the server when the client has left."""
        reader, writer = await asyncio.open_connection(*self.upstream)
        try:
            await self._send(writer)
            while data := await reader.read(2**16):
                await self.send(data)
        finally:
            writer.close()

    async def _send(self, writer: asyncio.StreamWriter) -> None:
        line, *headers = self.head.removesuffix(b"\r\n\r\n").split(b"\r\n")
        kept = [header for header in headers if not header.lower().startswith((b"connection:", b"host:"))]
        host = "{}:{}".format(*self.upstream).encode()
        writer.write(b"\r\n".join([line, b"Host: " + host, *kept, b"Connection: close", b"", self.body]))
        await writer.drain()

    async def send(self, data: bytes) -> None:
        """Send to the client."""
        self.writer.write(data)
        await self.writer.drain()

    def reset(self) -> None:
        """Break the connection off as a machine does that lost its power, with a reset instead of an end."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


type Fault = Callable[[Request], Awaitable[None]]


def _status(line: str, *headers: str, body: bytes = b'{"error": {"message": "no luck"}}') -> Fault:
    async def fault(request: Request) -> None:
        head = "\r\n".join([f"HTTP/1.1 {line}", *headers, "Connection: close", f"Content-Length: {len(body)}", "", ""])
        await request.send(head.encode() + body)

    return fault


def _says(data: bytes) -> Fault:
    async def fault(request: Request) -> None:
        await request.send(data)

    return fault


async def _reset(request: Request) -> None:
    request.reset()


async def _hang_up(request: Request) -> None:
    request.writer.close()


async def _reset_in_head(request: Request) -> None:
    await request.send((await request.answer())[:20])
    await asyncio.sleep(0.05)
    request.reset()


async def _reset_in_body(request: Request) -> None:
    head, end, body = (await request.answer()).partition(b"\r\n\r\n")
    await request.send(head + end + body[: len(body) // 3])
    await asyncio.sleep(0.05)
    request.reset()


async def _cut_short(request: Request) -> None:
    answer = await request.answer()
    await request.send(answer[: len(answer) * 2 // 3])


async def _silent(request: Request) -> None:
    await asyncio.sleep(FOREVER)


async def _slow_head(request: Request) -> None:
    """Send the head a byte at a time: each of them a sign of life, and never enough."""
    for byte in b"HTTP/1.1 200 OK\r\nX-Padding: " + b"a" * 10_000:
        await request.send(bytes([byte]))
        await asyncio.sleep(0.1)


async def _slow_body(request: Request) -> None:
    head, end, body = (await request.answer()).partition(b"\r\n\r\n")
    await request.send(head + end)
    for start in range(0, len(body), PIECE):
        await asyncio.sleep(0.05)
        await request.send(body[start : start + PIECE])


async def _stalled_after_head(request: Request) -> None:
    head, end, _ = (await request.answer()).partition(b"\r\n\r\n")
    await request.send(head + end)
    await asyncio.sleep(FOREVER)


async def _stalled(request: Request) -> None:
    """Send everything but the last third of the body, then nothing."""
    head, end, body = (await request.answer()).partition(b"\r\n\r\n")
    await request.send(head + end + body[: len(body) * 2 // 3])
    await asyncio.sleep(FOREVER)


async def _huge_json(request: Request) -> None:
    await request.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n[")
    while True:
        await request.send(b"0," * 2**15)


async def _huge_event(request: Request) -> None:
    await request.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: ")
    while True:
        await request.send(b"a" * 2**16)


async def _endless_comments(request: Request) -> None:
    """Be alive and say nothing: a stream of comments, as servers send while they read a prompt."""
    await request.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
    while True:
        await request.send(b": still here\n\n")
        await asyncio.sleep(0.1)


def _bomb() -> bytes:
    body = gzip.compress(bytes(64 * 2**20))
    head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\nConnection: close\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


FAULTS: Final[dict[str, Fault]] = {
    "reset": _reset,
    "hangs up": _hang_up,
    "reset in the head": _reset_in_head,
    "silent": _silent,
    "slow head": _slow_head,
    "stalled after the head": _stalled_after_head,
    "endless comments": _endless_comments,
    "garbage": _says(bytes(range(256)) * 8),
    "another protocol": _says(b"220 mail.example ESMTP\r\n"),
    "a status of letters": _says(b"HTTP/1.1 abc OK\r\n\r\n"),
    "an endless header": _says(b"HTTP/1.1 200 OK\r\nX-Padding: " + b"a" * 2**20),
    "a web page": _status("200 OK", "Content-Type: text/html", body=b"<!DOCTYPE html><title>Router</title>"),
    "binary": _status("200 OK", "Content-Type: application/octet-stream", body=bytes(range(256)) * 8),
    "not gzip": _status("200 OK", "Content-Type: application/json", "Content-Encoding: gzip", body=b"not gzip"),
    "a gzip bomb": _says(_bomb()),
    "huge json": _huge_json,
    "a huge event": _huge_event,
    "a redirect": _status("302 Found", "Location: http://127.0.0.1:9/elsewhere"),
    "a redirect to itself": _status("308 Permanent Redirect", "Location: /v1/completions"),
    "400": _status("400 Bad Request"),
    "401": _status("401 Unauthorized", 'WWW-Authenticate: Bearer realm="models"'),
    "404": _status("404 Not Found"),
    "429": _status("429 Too Many Requests", "Retry-After: 2"),
    "429 until a date": _status(
        "429 Too Many Requests", f"Retry-After: {format_datetime(datetime.now(UTC) + timedelta(hours=2), usegmt=True)}"
    ),
    "500": _status("500 Internal Server Error"),
    "502": _status("502 Bad Gateway", "Content-Type: text/html", body=b"<html>nginx</html>"),
    "503": _status("503 Service Unavailable", "Retry-After: soon"),
    "504": _status("504 Gateway Timeout"),
    "599": _status("599 Unheard Of"),
}
"""What can happen before the first word."""

LATE_FAULTS: Final[dict[str, Fault]] = {
    "reset in the body": _reset_in_body,
    "cut short": _cut_short,
    "stalled": _stalled,
}
"""What can happen after it."""

SLOW_BODY: Final = _slow_body


@dataclass
class FaultProxy:
    """Listens on a port of its own, in front of the server at `upstream` (host, port)."""

    upstream: tuple[str, int]
    fault: Fault | None = None
    requests: list[bytes] = field(default_factory=list)
    """The first line of every request that came."""

    async def start(self, tls: ssl.SSLContext | None = None) -> str:
        """Return the address."""
        self._connections: set[asyncio.Task[None]] = set()
        self._server = await asyncio.start_server(self._take, "127.0.0.1", 0, ssl=tls)
        port = self._server.sockets[0].getsockname()[1]
        return f"http{'s' if tls else ''}://127.0.0.1:{port}"

    async def stop(self) -> None:
        """Listen no more, and drop every connection: from now on it is refused."""
        self._server.close()
        for connection in list(self._connections):
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def count(self, path: str) -> int:
        """Return how many requests there were for a path."""
        return sum(f" {path} ".encode() in line for line in self.requests)

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = asyncio.current_task()
        assert connection
        self._connections.add(connection)
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                await self._serve(reader, writer)
        finally:
            self._connections.discard(connection)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.requests.append(head.partition(b"\r\n")[0])
        lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        body = await reader.readexactly(int(lengths[0].partition(b":")[2])) if lengths else b""
        request = Request(head, body, reader, writer, self.upstream)
        # A client that leaves ends the fault, too.
        work = asyncio.ensure_future(self.fault(request) if self.fault else request.pass_on())
        left = asyncio.ensure_future(reader.read(1))
        await asyncio.wait({work, left}, return_when=asyncio.FIRST_COMPLETED)
        for task in (work, left):
            task.cancel()
        await asyncio.gather(work, left, return_exceptions=True)
