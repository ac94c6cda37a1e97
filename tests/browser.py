"""A headless Chromium for tests and pictures: the system's, with a profile of its own, and this machine to look at."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.async_api import Locator, Page

PATIENCE = 60
"""Seconds for the slowest step, on a slow machine that does other things too."""
CHROMIUM = os.environ.get("MORPHY_CHROMIUM") or next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"))), None
)


@contextlib.asynccontextmanager
async def new_page(profile: Path, *, width: int = 1280, height: int = 860) -> AsyncIterator[Page]:
    """Open a headless Chromium that has never been here before."""
    from playwright.async_api import async_playwright  # not there without `scripts/setup browser`

    async with async_playwright() as driver:
        context = await driver.chromium.launch_persistent_context(
            profile,
            executable_path=CHROMIUM,
            headless=True,
            viewport={"width": width, "height": height},
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


async def settled(page: Page) -> None:
    """Wait for the frontend to be there, after an address was opened."""
    await page.locator("home-assistant-main ha-sidebar").wait_for()
    await page.locator("#ha-launch-screen").wait_for(state="detached")


async def open_assist(page: Page) -> Locator:
    """Open the Assist dialog by its key; return its field."""
    await settled(page)
    await page.keyboard.press("a")
    field = page.locator("ha-voice-command-dialog ha-assist-chat input").first
    await field.wait_for()
    return field


async def answer(page: Page) -> str:
    """Return what the chat shows as the answer, once it is there: the first message is the dialog's own."""
    message = page.locator("ha-assist-chat .message.hass ha-markdown-element").nth(1)
    await message.wait_for()
    await page.wait_for_timeout(500)  # it moves into its place
    return (await message.text_content() or "").strip()
