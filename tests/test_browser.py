"""Somebody opens Home Assistant in a browser, types into Assist, and the lights go on.

Nothing is simulated: Home Assistant with the house of ``scripts/demo``, Morphy with its bundled model, Chromium.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from demo.client import Client, Json
from demo.home import open_demo

if TYPE_CHECKING:
    from playwright.async_api import Locator, Page

playwright = pytest.importorskip("playwright.async_api", reason="run scripts/setup browser")

REQUEST = "turn on the kitchen lights"
KITCHEN_LIGHTS = {"light.kitchen_ceiling", "light.kitchen_pendants", "light.kitchen_worktop"}
PATIENCE = 30
"""Seconds for the slowest step, on a slow machine that does other things too."""
CHROMIUM = os.environ.get("MORPHY_CHROMIUM") or next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"))), None
)


@contextlib.asynccontextmanager
async def new_page(profile: Path) -> AsyncIterator[Page]:
    """Open a headless Chromium that has never been here before."""
    async with playwright.async_playwright() as driver:
        context = await driver.chromium.launch_persistent_context(
            profile,
            executable_path=CHROMIUM,
            headless=True,
            viewport={"width": 1280, "height": 860},
            locale="en-GB",
            # Without a sandbox because containers have no place for one, and it sees this machine only.
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"],
        )
        try:
            page = context.pages[0] if context.pages else await context.new_page()
            page.set_default_timeout(PATIENCE * 1000)
            yield page
        finally:
            await context.close()


async def open_assist(page: Page) -> Locator:
    """Open the Assist dialog by its key, once the frontend has settled; return its field."""
    await page.locator("home-assistant-main ha-sidebar").wait_for()
    await page.locator("#ha-launch-screen").wait_for(state="detached")
    await page.keyboard.press("a")
    field = page.locator("ha-voice-command-dialog ha-assist-chat input").first
    await field.wait_for()
    return field


async def wait_for_lights(events: asyncio.Queue[Json]) -> None:
    """Wait until the websocket has told that each of the kitchen's lights is on."""
    dark = set(KITCHEN_LIGHTS)
    async with asyncio.timeout(PATIENCE):
        while dark:
            data = (await events.get())["data"]
            if data["new_state"]["state"] == "on":
                dark.discard(data["entity_id"])


async def answer(page: Page) -> str:
    """Return what the chat shows as the answer, once it is there: the first message is the dialog's own."""
    message = page.locator("ha-assist-chat .message.hass ha-markdown-element").nth(1)
    await message.wait_for()
    await page.wait_for_timeout(500)  # it moves into its place
    return (await message.text_content() or "").strip()


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
