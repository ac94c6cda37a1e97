"""From an empty configuration folder to a house in which Morphy is the voice assistant, as a user would set it up."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from .client import Client, Json, connect
from .server import ROOT, DemoError, free_port, locked, prepare, running

CONFIG = ROOT / ".demo"
USER = {"name": "Demo", "username": "demo", "password": "demo-house", "language": "en"}
MORPHY_CHOICES = {"user": "local", "local_model": "bundled"}
"""What is chosen in the menus of Morphy's dialog: the model on this machine that comes with Morphy."""


@dataclass(frozen=True)
class Demo:
    """The running house."""

    url: str
    client: Client
    agent: str
    """The entity id of the conversation agent."""


class Clock:
    """Prints what was done, and the seconds since the start."""

    def __init__(self) -> None:
        """Start it."""
        self._began = time.monotonic()

    def __call__(self, what: str) -> None:
        """Print a line."""
        print(f"[{time.monotonic() - self._began:5.1f} s] {what}", flush=True)


@contextlib.asynccontextmanager
async def open_demo(
    config: Path = CONFIG, *, fresh: bool = False, report: Callable[[str], None] = lambda _: None
) -> AsyncIterator[Demo]:
    """Run the house; ``report`` is told of each step.

    :raises DemoError: when it cannot be set up.
    """
    with locked(config):
        port = free_port()
        prepare(config, port, fresh=fresh)
        report("Starting Home Assistant")
        async with running(config, port) as url:
            report("Home Assistant answers")
            async with connect(url, await _log_in(url)) as client:
                await client.wait_until_running()
                report("Home Assistant runs")
                yield Demo(url, client, await _set_up(client, report))
            report("Ending Home Assistant")
        report("Home Assistant has ended")


async def _log_in(url: str) -> str:
    """Make the user at the first start, in the onboarding; log in as this user; return the code for a token."""
    origin = f"{url}/"
    async with aiohttp.ClientSession() as session:
        async with session.post(f"{url}/api/onboarding/users", json={**USER, "client_id": origin}) as response:
            if response.ok:
                return str((await response.json())["auth_code"])
        start = {"client_id": origin, "handler": ["homeassistant", None], "redirect_uri": origin}
        async with session.post(f"{url}/auth/login_flow", json=start) as response:
            flow = (await response.json())["flow_id"]
        login = {"client_id": origin, "username": USER["username"], "password": USER["password"]}
        async with session.post(f"{url}/auth/login_flow/{flow}", json=login) as response:
            answer: Json = await response.json()
    if answer.get("type") != "create_entry":
        raise DemoError("the demo's user cannot log in; start with --fresh")
    return str(answer["result"])


async def _set_up(client: Client, report: Callable[[str], None]) -> str:
    """Add the house and Morphy unless they are there, and choose the agent in the preferred pipeline; return its id."""
    present = {entry["domain"] for entry in await client.call("config_entries/get")}
    if "demo_house" not in present:
        # The wizard's last word; without it the frontend greets somebody who comes from an older release.
        version = (await client.rest("GET", "/api/config"))["version"]
        await client.call("frontend/set_system_data", key="core", value={"onboarded_version": version})
        await client.add_integration("demo_house")
        report("The house stands")
    if "morphy" not in present:
        report("Setting Morphy up, with the bundled model")
        await client.add_integration("morphy", MORPHY_CHOICES)
    agent = await _find_agent(client)
    await _choose_agent(client, agent)
    report(f"Morphy listens, as {agent}")
    return agent


async def _find_agent(client: Client) -> str:
    """Return the id of Morphy's conversation entity."""
    for entity in await client.call("config/entity_registry/list"):
        if entity["platform"] == "morphy" and entity["entity_id"].startswith("conversation."):
            return str(entity["entity_id"])
    raise DemoError("Morphy is set up but has no conversation agent")


async def _choose_agent(client: Client, agent: str) -> None:
    """Make the agent the one that the preferred pipeline talks to."""
    pipelines = await client.call("assist_pipeline/pipeline/list")
    preferred = next(item for item in pipelines["pipelines"] if item["id"] == pipelines["preferred_pipeline"])
    if preferred["conversation_engine"] == agent:
        return
    changed = {key: value for key, value in preferred.items() if key != "id"} | {"conversation_engine": agent}
    await client.call("assist_pipeline/pipeline/update", pipeline_id=preferred["id"], **changed)
