"""HTTP to one server: address, key, time limits, bounded answers, and every failure as a named error.

Neither the key nor a user name and password in the URL appear in an error or a log line.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import ssl
from collections.abc import AsyncGenerator, Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, Final

import aiohttp
from yarl import URL

from ..errors import (
    ServerAuthError,
    ServerBadAnswerError,
    ServerBrokeOffError,
    ServerCertificateError,
    ServerStatusError,
    ServerTimeoutError,
    ServerUnreachableError,
)

CONNECT_TIMEOUT: Final = 5.0
"""Seconds."""
TOTAL_TIMEOUTS: Final = 10
"""How many times the time limit an answer may take as a whole."""
MAX_BODY: Final = 4 * 2**20
"""Bytes an answer may have that is not streamed."""
MAX_REASON: Final = 200
"""Characters of a server's own words that are passed on."""
MAX_RETRY_AFTER: Final = 3600.0
"""Seconds for which a server is left alone at most when it asks for that."""
_API_PATH: Final = re.compile(r"/+(v1(/models|/(chat/)?completions)?/*)?$")


class RefusalError(ServerStatusError):
    """An HTTP status other than success, with what else the server said."""

    def __init__(
        self, url: str, status: int, details: Mapping[str, Any], message: str, retry_after: float = 0.0
    ) -> None:
        """Keep the status and the server's own words (its JSON `details`, and the `message` therein)."""
        self.status = status
        self.details = details
        self.message = message
        self.retry_after = retry_after
        try:
            phrase = HTTPStatus(status).phrase
        except ValueError:
            phrase = ""
        super().__init__(url=url, status=str(status), reason=message or phrase)


class Connection:
    """A server's address and key, and requests to it."""

    def __init__(self, session: aiohttp.ClientSession, url: str, api_key: str | None, timeout: float) -> None:
        """Talk to the server at `url`, with or without `/v1` or a scheme; `timeout` is in seconds between chunks."""
        self._session = session
        self._timeout = timeout
        self._base, authorization, self._secrets = _parse(url, (api_key or "").strip())
        self._headers = {"Authorization": authorization} if authorization else {}
        self._live: set[aiohttp.ClientResponse] = set()
        self._waiting: set[asyncio.Future[aiohttp.ClientResponse]] = set()
        self.url = str(self._base.with_query(None).with_fragment(None)) if self._base else _shown(url)

    async def get(self, path: str) -> Any:
        """Return the JSON at `path`. Raises BackendError."""
        return await self._json("GET", path, None)

    async def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """Return the JSON that answers a JSON body. Raises BackendError."""
        return await self._json("POST", path, body)

    async def _json(self, method: str, path: str, body: Mapping[str, Any] | None) -> Any:
        with self._named_errors():
            async with asyncio.timeout(self._timeout):
                response = await self._send(method, path, body)
                try:
                    await self._check(response)
                    return self._parse_json(response, await self._read(response))
                finally:
                    response.release()

    async def stream(self, path: str, body: Mapping[str, Any]) -> AsyncGenerator[bytes]:
        """Yield what answers a JSON body as it comes; closing the generator closes the connection."""
        with self._named_errors():
            # Not kept: a connection on which an answer failed may look fit for the next, and is about to be closed.
            response = await self._send("POST", path, body, {"Connection": "close"})
            self._live.add(response)
            try:
                await self._check(response)
                if response.content_type in ("text/html", "application/json"):
                    self._parse_json(response, await self._read(response))
                    raise self.bad_answer("it does not stream")
                async for data in response.content.iter_any():
                    yield data
            finally:
                self._live.discard(response)
                response.close()

    async def _send(
        self, method: str, path: str, body: Mapping[str, Any] | None, headers: Mapping[str, str] | None = None
    ) -> aiohttp.ClientResponse:
        if self._base is None:
            raise ServerUnreachableError(url=self.url)
        for last in (False, True):
            try:
                return await self._request(method, self._base.joinpath(*path.split("/")), body, headers or {})
            except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
                # A kept connection from before the server was restarted looks like this: it deserves a fresh one.
                if last or isinstance(error, aiohttp.ClientConnectorError):
                    raise
        raise AssertionError

    async def _request(
        self, method: str, url: URL, body: Mapping[str, Any] | None, headers: Mapping[str, str]
    ) -> aiohttp.ClientResponse:
        """Wait for the head of an answer, until `close` at the latest."""
        waiting = asyncio.ensure_future(self._head(method, url, body, headers))
        self._waiting.add(waiting)
        try:
            async with asyncio.timeout(self._timeout + CONNECT_TIMEOUT):  # the other limits are met by a byte at times
                return await waiting
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            raise ServerBrokeOffError(url=self.url) from None  # it was `close` that cancelled it
        finally:
            self._waiting.discard(waiting)

    async def _head(
        self, method: str, url: URL, body: Mapping[str, Any] | None, headers: Mapping[str, str]
    ) -> aiohttp.ClientResponse:
        timeout = aiohttp.ClientTimeout(
            total=self._timeout * TOTAL_TIMEOUTS,
            connect=2 * CONNECT_TIMEOUT,
            sock_connect=CONNECT_TIMEOUT,
            sock_read=self._timeout,
        )
        # The error of aiohttp ends here, unnamed even as a cause: it holds the headers, and the key with them.
        with contextlib.suppress(aiohttp.ClientResponseError):
            return await self._session.request(
                method, url, json=body, headers={**self._headers, **headers}, allow_redirects=False, timeout=timeout
            )
        raise self.bad_answer("it does not speak HTTP")

    @contextlib.contextmanager
    def _named_errors(self) -> Iterator[None]:
        """Turn what aiohttp raises into our errors."""
        try:
            yield
        except (aiohttp.ClientSSLError, ssl.SSLError) as error:
            raise ServerCertificateError(url=self.url) from error
        except (aiohttp.ConnectionTimeoutError, aiohttp.ClientConnectorError) as error:
            raise ServerUnreachableError(url=self.url) from error
        except TimeoutError as error:
            raise ServerTimeoutError(url=self.url, seconds=f"{self._timeout:g}") from error
        except aiohttp.InvalidURL as error:
            raise ServerUnreachableError(url=self.url) from error
        except (aiohttp.ClientError, OSError) as error:  # the connection was there, and is no more
            raise ServerBrokeOffError(url=self.url) from error

    async def _check(self, response: aiohttp.ClientResponse) -> None:
        """Raise the error that the response's status stands for."""
        if response.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            raise ServerAuthError(url=self.url)
        if response.status < HTTPStatus.MULTIPLE_CHOICES:
            return
        details: Mapping[str, Any] = {}
        with contextlib.suppress(ValueError, ServerBadAnswerError):
            found = json.loads(self._without_secrets((await self._read(response)).decode("utf-8", "replace")))
            details = found if isinstance(found, dict) else {}
        if isinstance(details.get("error"), dict):
            details = details["error"]
        words = next((details[key] for key in ("message", "error", "detail") if isinstance(details.get(key), str)), "")
        retry_after = _seconds(response.headers.get("Retry-After", ""))
        raise RefusalError(self.url, response.status, details, self.clean(words), retry_after)

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        body = bytearray()
        async for data in response.content.iter_any():
            body += data
            if len(body) > MAX_BODY:
                raise self.bad_answer("its answer is too long")
        return bytes(body)

    def _parse_json(self, response: aiohttp.ClientResponse, body: bytes) -> Any:
        try:
            return json.loads(body)
        except ValueError:
            html = response.content_type == "text/html" or body.lstrip()[:1] == b"<"
            raise self.bad_answer("it sent a web page" if html else "its answer is not JSON") from None

    def bad_answer(self, reason: str) -> ServerBadAnswerError:
        """Return the error for an answer that is not what such a server sends."""
        return ServerBadAnswerError(url=self.url, reason=self.clean(reason))

    def clean(self, words: str) -> str:
        """Return a server's words as they may be shown: short, in a line, without the key that some servers repeat."""
        return "".join(filter(str.isprintable, " ".join(self._without_secrets(words).split())))[:MAX_REASON]

    def _without_secrets(self, words: str) -> str:
        for secret in self._secrets:
            words = words.replace(secret, "***")
        return words

    async def close(self) -> None:
        """Break off what is still being streamed or waited for."""
        for waiting in list(self._waiting):
            waiting.cancel()
        for response in list(self._live):
            response.close()
        await asyncio.sleep(0)


def _parse(url: str, api_key: str) -> tuple[URL | None, str, list[str]]:
    """Return the base address without user name and password, the header that stands for them, and what it keeps."""
    url = url.strip()
    if "://" not in url:
        url = f"http://{url}"
    try:
        parsed = URL(url)
        base = parsed.with_user(None).with_query(None).with_fragment(None).with_path(_API_PATH.sub("", parsed.path))
    except ValueError:
        return None, "", []
    if parsed.scheme not in ("http", "https") or not parsed.host or not api_key.isprintable():
        return None, "", []
    if api_key:
        return base, f"Bearer {api_key}", [api_key]
    if parsed.user:
        basic = aiohttp.encode_basic_auth(parsed.user, parsed.password or "")
        return base, basic, [basic.partition(" ")[2], *filter(None, [parsed.password])]
    return base, "", []


def _shown(url: str) -> str:
    """Return an address that is none, without what may be secret in it."""
    return url.rpartition("@")[2].partition("?")[0]


def _seconds(retry_after: str) -> float:
    """Return the seconds that a header `Retry-After` asks for (RFC 9110, 10.2.3): a number or a date; 0 for neither."""
    if retry_after.isdecimal():
        return min(float(retry_after), MAX_RETRY_AFTER)
    try:
        seconds = (parsedate_to_datetime(retry_after) - datetime.now(UTC)).total_seconds()
    except ValueError, TypeError:
        return 0.0
    return min(max(seconds, 0.0), MAX_RETRY_AFTER)
