"""Somebody opens Home Assistant in a browser, types into Assist, and the lights go on.

Nothing is simulated: Home Assistant with the house of ``scripts/demo``, Morphy with its bundled model, Chromium.
"""

from __future__ import annotations

import asyncio
from argparse import Namespace
from pathlib import Path

import pytest

from demo.client import Client, Json
from demo.home import open_demo

from . import screens
from .browser import CHROMIUM, PATIENCE, answer, new_page, open_assist

pytest.importorskip("playwright.async_api", reason="run scripts/setup browser")

REQUEST = "turn on the kitchen lights"
KITCHEN_LIGHTS = {"light.kitchen_ceiling", "light.kitchen_pendants", "light.kitchen_worktop"}


async def wait_for_lights(events: asyncio.Queue[Json]) -> None:
    """Wait until the websocket has told that each of the kitchen's lights is on."""
    dark = set(KITCHEN_LIGHTS)
    async with asyncio.timeout(PATIENCE):
        while dark:
            data = (await events.get())["data"]
            if data["new_state"]["state"] == "on":
                dark.discard(data["entity_id"])


async def state_of(client: Client, entity_ids: set[str]) -> dict[str, str]:
    """Return the states of some entities."""
    return {
        state["entity_id"]: state["state"]
        for state in await client.call("get_states")
        if state["entity_id"] in entity_ids
    }


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: run scripts/setup browser")
async def test_lights_go_on_from_the_chat(socket_enabled: None, tmp_path: Path, pytestconfig: pytest.Config) -> None:
    """A browser that was never here is logged in, past the onboarding; a request typed into Assist is carried out."""
    picture = pytestconfig.getoption("--screenshot") or pytestconfig.rootpath / "out" / "chat.png"
    async with open_demo(tmp_path / "config") as demo, new_page(tmp_path / "profile") as page:
        assert set((await state_of(demo.client, KITCHEN_LIGHTS)).values()) == {"off"}
        events = await demo.client.subscribe("subscribe_events", event_type="state_changed")

        await page.goto(demo.url, wait_until="domcontentloaded")
        field = await open_assist(page)
        await field.fill(REQUEST)
        await field.press("Enter")
        try:
            await wait_for_lights(events)
            assert await answer(page)
        except TimeoutError:
            pytest.fail(f"the lights stayed off; the answer was {await answer(page)!r}, see {picture}")
        finally:
            picture.parent.mkdir(parents=True, exist_ok=True)
            await page.screenshot(path=picture)


@pytest.mark.browser
@pytest.mark.long
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: run scripts/setup browser")
async def test_every_screen_is_there_and_translated(socket_enabled: None, tmp_path: Path) -> None:
    """All that `scripts/screenshots` goes through; it fails by itself where a text is missing."""
    taken = await screens.main(Namespace(parts=[], out=tmp_path, docs=False))
    assert {picture.stem for picture in taken} >= screens.IN_DOCS
