"""Home Assistant's REST and websocket interfaces, as far as the demo uses them, and as the frontend does."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Mapping
from typing import Any

import aiohttp

from .server import DemoError

type Json = dict[str, Any]


class Client:
    """A logged-in session: ``rest`` for the REST interface, ``call`` and ``subscribe`` for the websocket."""

    def __init__(self, session: aiohttp.ClientSession, websocket: aiohttp.ClientWebSocketResponse, url: str) -> None:
        """Take an open session and websocket; ``connect`` makes both."""
        self._session = session
        self._websocket = websocket
        self._url = url
        self._ids = itertools.count(1)
        self._answers: dict[int, asyncio.Future[Json]] = {}
        self._events: dict[int, asyncio.Queue[Json]] = {}
        self.closed = asyncio.Event()
        """Set when Home Assistant is gone."""

    async def rest(self, method: str, path: str, body: Json | None = None) -> Json:
        """Make a REST request; raise DemoError when it is refused."""
        async with self._session.request(method, f"{self._url}{path}", json=body) as response:
            if not response.ok:
                raise DemoError(f"{method} {path} was answered with {response.status}: {(await response.text())[:500]}")
            answer: Json = await response.json()
            return answer

    async def call(self, command: str, **arguments: Any) -> Any:
        """Send a websocket command and return its result."""
        number = next(self._ids)
        return await self._send(number, command, arguments)

    async def subscribe(
        self, command: str, events: asyncio.Queue[Json] | None = None, **arguments: Any
    ) -> asyncio.Queue[Json]:
        """Send a websocket command that has events as its answer; return the queue they come in by."""
        number = next(self._ids)
        queue = self._events[number] = events or asyncio.Queue()
        await self._send(number, command, arguments)
        return queue

    async def unsubscribe(self, events: asyncio.Queue[Json]) -> None:
        """End every subscription whose events come in by this queue."""
        for number in [number for number, queue in self._events.items() if queue is events]:
            del self._events[number]
            await self.call("unsubscribe_events", subscription=number)

    async def _send(self, number: int, command: str, arguments: Mapping[str, Any]) -> Any:
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        await self._websocket.send_json({"id": number, "type": command, **arguments})
        message = await answer
        if message["type"] == "result" and not message["success"]:
            raise DemoError(f"{command} was refused: {message['error']['message']}")
        return message.get("result")

    async def read(self) -> None:
        """Hand out what the websocket brings, until it is closed."""
        async for raw in self._websocket:
            message: Json = raw.json()
            if message["type"] == "event":
                if queue := self._events.get(message["id"]):
                    queue.put_nowait(message["event"])
            elif (answer := self._answers.pop(message["id"], None)) and not answer.done():
                answer.set_result(message)
        self.closed.set()
        for answer in self._answers.values():
            answer.set_exception(DemoError("Home Assistant has gone"))

    async def wait_until_running(self) -> None:
        """Wait for the end of the start: before it, the registries are almost empty."""
        while (await self.rest("GET", "/api/config"))["state"] != "RUNNING":  # noqa: ASYNC110 - told by nobody
            await asyncio.sleep(0.1)

    async def add_integration(self, handler: str, choices: Mapping[str, str] | None = None) -> None:
        """Go through an integration's dialog, leaving every field as it is; ``choices`` are what to take in menus.

        :raises DemoError: when the dialog does not end in an entry.
        """
        path = "/api/config/config_entries/flow"
        result = await self.rest("POST", path, {"handler": handler, "show_advanced_options": False})
        tried: set[str] = set()
        while result["type"] != "create_entry":
            step, flow = result.get("step_id", ""), f"{path}/{result['flow_id']}"
            if result["type"] == "menu":
                if step not in (choices or {}):
                    raise DemoError(f"the dialog of {handler} asks at {step!r} for one of {result['menu_options']}")
                result = await self.rest("POST", flow, {"next_step_id": (choices or {})[step]})
            elif result["type"] == "form" and step not in tried:
                tried.add(step)
                result = await self.rest("POST", flow, defaults(result["data_schema"]))
            elif result["type"] == "progress":
                await asyncio.sleep(0.2)
                result = await self.rest("GET", flow)
            elif result["type"] == "progress_done":
                result = await self.rest("POST", flow, {})
            else:
                raise DemoError(f"the dialog of {handler} cannot be finished: {await self._reason(handler, result)}")

    async def _reason(self, handler: str, result: Json) -> str:
        """Return why a dialog does not go on, in the words it is told in."""
        translated = await self.call(
            "frontend/get_translations", language="en", category="config", integration=[handler]
        )
        if result["type"] == "abort":
            keys = {f"abort.{result.get('reason')}": result.get("reason")}
        else:
            keys = {f"error.{error}": error for error in (result.get("errors") or {}).values()}
        texts = [translated["resources"].get(f"component.{handler}.config.{key}", error) for key, error in keys.items()]
        reason = "; ".join(map(str, texts)) or str(result["type"])
        for name, value in (result.get("description_placeholders") or {}).items():
            reason = reason.replace(f"{{{name}}}", str(value))
        return reason


def defaults(schema: list[Json]) -> Json:
    """Return what a form holds when nobody fills it in: its defaults, also those inside of sections."""
    values: Json = {}
    for field in schema:
        if field.get("type") == "expandable":
            values[field["name"]] = defaults(field["schema"])
        elif "default" in field:
            values[field["name"]] = field["default"]
    return values


@contextlib.asynccontextmanager
async def connect(url: str, code: str) -> AsyncIterator[Client]:
    """Trade a login's code for a token, and connect with it."""
    async with aiohttp.ClientSession() as session:
        login = {"grant_type": "authorization_code", "code": code, "client_id": f"{url}/"}
        async with session.post(f"{url}/auth/token", data=login) as response:
            token = (await response.json())["access_token"]
        session.headers["Authorization"] = f"Bearer {token}"
        async with session.ws_connect(f"{url}/api/websocket", max_msg_size=0) as websocket:
            await websocket.receive_json()
            await websocket.send_json({"type": "auth", "access_token": token})
            if (answer := await websocket.receive_json())["type"] != "auth_ok":
                raise DemoError(f"Home Assistant refuses the login: {answer}")
            client = Client(session, websocket, url)
            reader = asyncio.create_task(client.read())
            try:
                yield client
            finally:
                reader.cancel()
