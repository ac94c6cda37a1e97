"""A model hub on 127.0.0.1 with Hugging Face's interface, and the other host that it redirects downloads to."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

COMMIT = "0123456789abcdef0123456789abcdef01234567"

type Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class HubServer:
    """Has one repository with the content of `files`; what is in `listed` is only said to be there."""

    def __init__(self) -> None:
        """Be well, and ask for no token."""
        self.repository = "home/models"
        self.files: dict[str, bytes] = {}
        self.listed: dict[str, int] = {}
        self.digests: dict[str, str] = {}
        """SHA-256 that the listing gives instead of the right ones."""
        self.token: str | None = None
        self.error_code = "GatedRepo"
        """What a request without the token is refused with."""
        self.listing: Handler | None = None
        self.content: Handler | None = None
        self.cuts: list[int] = []
        """After how many bytes each of the next connections breaks."""
        self.ranges = True
        self.gate: asyncio.Event | None = None
        """What a connection waits for before it breaks or ends."""
        self.asked: list[str] = []
        """The ranges that were asked for."""
        self.seen: list[str | None] = []
        """The tokens that the other host was shown."""
        app = web.Application()
        app.router.add_get("/api/models/{repository:[^/]+/[^/]+}/revision/{revision}", self._list)
        app.router.add_get("/{repository:[^/]+/[^/]+}/resolve/{commit}/{path:.+}", self._resolve)
        self._hub = TestServer(app, skip_url_asserts=True)
        other = web.Application()
        other.router.add_get("/{path:.+}", self._send)
        self._other = TestServer(other, skip_url_asserts=True)

    async def start(self) -> None:
        """Begin to serve."""
        await self._hub.start_server()
        await self._other.start_server()

    async def stop(self) -> None:
        """Hang up."""
        if self.gate:
            self.gate.set()
        await self._hub.close()
        await self._other.close()

    @property
    def url(self) -> str:
        """The hub's address."""
        return f"http://127.0.0.1:{self._hub.port}"

    def _check(self, request: web.Request) -> None:
        if self.token and request.headers.get("Authorization") != f"Bearer {self.token}":
            raise web.HTTPUnauthorized(headers={"X-Error-Code": self.error_code} if self.error_code else {})

    async def _list(self, request: web.Request) -> web.StreamResponse:
        if self.listing:
            return await self.listing(request)
        if request.match_info["repository"] != self.repository or request.match_info["revision"] not in ("main", "v2"):
            raise web.HTTPNotFound(headers={"X-Error-Code": "RepoNotFound"})
        assert request.query["blobs"] == "true"
        sizes = {**{path: len(content) for path, content in self.files.items()}, **self.listed}
        siblings: list[dict[str, Any]] = [{"rfilename": "README.md", "size": 12, "blobId": "5e"}]
        for path, size in sizes.items():
            digest = self.digests.get(path) or sha256(self.files.get(path, b"")).hexdigest()
            lfs = {"sha256": digest, "size": size, "pointerSize": 134}
            siblings.append({"rfilename": path, "size": size, "blobId": "b10b", "lfs": lfs})
        return web.json_response(
            {"id": self.repository, "sha": COMMIT, "gated": bool(self.token), "siblings": siblings}
        )

    async def _resolve(self, request: web.Request) -> web.StreamResponse:
        self._check(request)
        assert request.match_info["commit"] == COMMIT
        path = request.match_info["path"]
        raise web.HTTPFound(
            f"http://127.0.0.1:{self._other.port}/{path}?signature=1", headers={"X-Repo-Commit": COMMIT}
        )

    async def _send(self, request: web.Request) -> web.StreamResponse:
        asked = request.headers.get("Range", "")
        self.asked.append(asked)
        self.seen.append(request.headers.get("Authorization"))
        if self.content:
            return await self.content(request)
        whole = self.files[request.match_info["path"]]
        start = int(asked.removeprefix("bytes=").partition("-")[0]) if asked and self.ranges else 0
        headers = {"ETag": f'"{sha256(whole).hexdigest()}"', "Content-Length": str(len(whole) - start)}
        if start >= len(whole):
            raise web.HTTPRequestRangeNotSatisfiable(headers={"Content-Range": f"bytes */{len(whole)}"})
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(whole) - 1}/{len(whole)}"
        response = web.StreamResponse(status=206 if start else 200, headers=headers)
        await response.prepare(request)
        cut = self.cuts.pop(0) if self.cuts else None
        await response.write(whole[start:][:cut])
        if self.gate:
            await self.gate.wait()
        if cut is not None and request.transport:
            await asyncio.sleep(0.05)
            request.transport.abort()
        return response
