"""Pictures of every screen of Morphy, taken in a real browser of a real Home Assistant: `scripts/screenshots`.

A hub, an index of wheels and a model server on 127.0.0.1 stand for those of the internet. A screen that is not there
ends it with an error, and so does a text that was left untranslated, so it is a test as well.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import os
import re
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web
from PIL import Image

from custom_components.morphy.hub_flow import SUGGESTED
from demo.home import Demo, open_demo

from .browser import answer, new_page, open_assist, settled
from .hub_server import HubServer
from .model_server import ModelServer
from .package_index import LACKS_AN_INSTRUCTION, LEADS_HERE, PACKAGES, VERSION, PackageIndex, llama_cpp
from .tiny_model import write_tiny_model

if TYPE_CHECKING:
    from playwright.async_api import Locator, Page

WIDTH, HEIGHT = 1100, 820
COLOURS: Final = 64
DOCS: Final = Path(__file__).parent.parent / "docs" / "screens"
IN_DOCS: Final = frozenset(
    {
        "setup-where",
        "setup-runtime-missing",
        "setup-which-model",
        "setup-hub-file",
        "setup-download",
        "setup-server",
        "integration",
        "agent",
        "assistant",
        "chat-details",
        "debug",
        "repair",
        "device",
    }
)
"""The pictures that the documentation shows."""
SETTLE: Final = 1200
"""Milliseconds until everything has moved into its place."""
MARGIN: Final = 12
"""Pixels of the page that are shown around a dialog."""
QUANTISATIONS: Final = {
    "Home-1B-v3.q4_k_m.gguf": 668_000_000,
    "Home-1B-v3.q5_k_m.gguf": 782_000_000,
    "Home-1B-v3.q8_0.gguf": 1_170_000_000,
    "Home-1B-v3.f16.gguf": 2_200_000_000,
}
"""What the hub lists, in bytes."""
MODEL: Final = "models/villa-1b.q4_k_m.gguf"
"""Where the stand-in for a downloaded model lies, within the configuration folder."""
TITLE: Final = "Villa 1B"
"""Its name, which comes after that of Morphy's own model in lists."""
KEY: Final = "the right key"
CONFIG: Final = "/config"
"""What the pictures show for the temporary configuration folder: where most people's Home Assistant has it."""
NAMES_CONFIG: Final = """
([folder, shown]) => {
    const rename = (node) => {
        if (node instanceof Text) node.data = node.data.replaceAll(folder, shown);
        if (node instanceof HTMLInputElement) node.value = node.value.replaceAll(folder, shown);
        if (node.shadowRoot) rename(node.shadowRoot);
        node.childNodes.forEach(rename);
    };
    rename(document.body);
}
"""
"""Writes one path for another in all that the page shows."""
CHUNK: Final = 1_000_000
PAUSE: Final = 0.1
"""Seconds between two chunks of a download."""
ARRIVED: Final = 48_000_000
"""Bytes of a download after which nothing more comes."""
RAW_KEY: Final = re.compile(r"\b(?:component\.morphy|ui\.panel|config\.step|state_attributes)\.\S+|\{\w+\}")
"""What a text looks like that has no translation, or was not filled in."""
HIDES_LLAMA_CPP: Final = """
from importlib.machinery import PathFinder
find = PathFinder.find_spec
PathFinder.find_spec = classmethod(
    lambda cls, name, path=None, target=None: None if name == "llama_cpp" else find(name, path, target)
)
"""
"""Has Home Assistant believe that its own environment lacks llama_cpp, as it does for most people."""


@dataclass
class Stage:
    """What there is to take pictures of."""

    demo: Demo
    hub: HubServer
    index: PackageIndex
    server: ModelServer
    server_url: str
    config: Path

    @property
    def packages(self) -> Path:
        """Where llama-cpp-python is installed."""
        return self.config / ".cache" / "morphy" / "llama-cpp-python" / VERSION


@asynccontextmanager
async def staged(folder: Path) -> AsyncIterator[Stage]:
    """Run Home Assistant with the demo's house, Morphy with the bundled model, and what Morphy asks for over HTTP."""
    config, wheels, hidden = folder / "config", folder / "wheels", folder / "hidden"
    for made in (config, wheels, hidden):
        made.mkdir()
    (hidden / "sitecustomize.py").write_text(HIDES_LLAMA_CPP, encoding="utf-8")
    install(config / ".cache" / "morphy" / "llama-cpp-python" / VERSION)
    hub, index, server = HubServer(), PackageIndex(wheels), ModelServer()
    (config / MODEL).parent.mkdir()
    write_tiny_model(config / MODEL, name=TITLE, chain=b"Ok", context_length=4096)
    hub.repository, hub.listed, hub.content = SUGGESTED[0], dict(QUANTISATIONS), begins
    await hub.start()
    await index.start()
    url = await server.start()
    online = {"UV_DEFAULT_INDEX": index.default_url, "UV_HTTP_RETRIES": "0", "UV_CACHE_DIR": str(folder / "uv")}
    try:
        with environment(PYTHONPATH=str(hidden), **online):
            async with open_demo(config, report=print) as demo:
                yield Stage(demo, hub, index, server, url, config)
    finally:
        await hub.stop()
        await index.stop()
        await server.stop()


async def begins(request: web.Request) -> web.StreamResponse:
    """Send the beginning of a model, and then nothing for as long as anyone waits."""
    size = QUANTISATIONS[request.match_info["path"]]
    response = web.StreamResponse(headers={"Content-Length": str(size)})
    await response.prepare(request)
    for _ in range(0, ARRIVED, CHUNK):
        await response.write(bytes(CHUNK))
        await asyncio.sleep(PAUSE)
    await asyncio.sleep(3600)
    return response


def install(folder: Path, code: str = LEADS_HERE) -> None:
    """Have a llama_cpp as if it had been installed on demand."""
    for name, text in llama_cpp(code).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    shutil.copy(PACKAGES / "typing_extensions.py", folder)


@contextmanager
def environment(**variables: str) -> Iterator[None]:
    """Set variables of the environment for a while."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


class Camera:
    """A person with a browser, who goes through screens and takes pictures."""

    def __init__(self, page: Page, stage: Stage, out: Path, language: str = "en") -> None:
        """Look at the stage's Home Assistant, in a language of its frontend; the pictures go to `out`."""
        self.page = page
        self.stage = stage
        self.out = out
        self.language = language
        self.taken: list[Path] = []

    @property
    def front(self) -> Locator:
        """The dialog that is in front of all others."""
        return self.page.locator("dialog[open]").last

    @property
    def dialog(self) -> Locator:
        """The dialog of a flow."""
        return self.page.locator("dialog-data-entry-flow")

    async def opens(self, path: str) -> None:
        """Open a page of the frontend."""
        await self.page.goto(f"{self.stage.demo.url}{path}", wait_until="domcontentloaded")
        await settled(self.page)

    async def speaks(self, language: str) -> None:
        """Have the frontend in another language from the next page on."""
        self.language = language
        await self.page.evaluate(f"localStorage.setItem('selectedLanguage', '\"{language}\"')")

    async def adds_morphy(self) -> None:
        """Begin to add an entry."""
        await self.opens("/config/integrations/dashboard/add?domain=morphy")
        # Not a click: the page changes its address at the same time, and a click waits for that.
        await self.page.locator("dialog-box ha-button[slot=primaryAction]").dispatch_event("click")
        await self.menu()

    async def menu(self) -> None:
        """Wait for a menu."""
        await self.dialog.locator("step-flow-menu").wait_for()

    async def form(self) -> None:
        """Wait for a form."""
        await self.dialog.locator("step-flow-form").wait_for()

    async def picks(self, position: int) -> None:
        """Choose from the menu, by position, which is the same in every language."""
        await self.page.wait_for_timeout(400)
        await self.dialog.locator("step-flow-menu ha-list-item").nth(position).click()

    async def fills(self, *values: str | None) -> None:
        """Enter values into the form's fields, in their order; None leaves one as it is."""
        fields = self.dialog.locator("step-flow-form input:visible")
        for position, value in enumerate(values):
            if value is not None:
                await fields.nth(position).fill(value)

    async def unfolds(self) -> None:
        """Open every section of the form."""
        for section in await self.dialog.locator("ha-form-expandable ha-expansion-panel").all():
            await section.locator("#summary").click()
        await self.page.wait_for_timeout(500)

    async def submits(self) -> None:
        """Send the form."""
        await self.dialog.locator("ha-dialog-footer ha-button, .buttons ha-button").last.click()

    async def closes(self) -> None:
        """Leave the dialog; what ran in it ends."""
        await self.page.keyboard.press("Escape")
        await self.page.wait_for_timeout(500)

    async def shoots(self, name: str, what: Locator | None = None) -> None:
        """Take a picture of a dialog and a margin around it, or of the page where `what` is None."""
        await self.page.wait_for_timeout(SETTLE)
        await self.page.evaluate(NAMES_CONFIG, [str(self.stage.config), CONFIG])
        clip: Any = None
        if what is not None:
            box = await what.bounding_box()
            assert box
            left, top = max(0.0, box["x"] - MARGIN), max(0.0, box["y"] - MARGIN)
            clip = {"x": left, "y": top, "width": box["width"] + 2 * MARGIN, "height": box["height"] + 2 * MARGIN}
        picture = Image.open(io.BytesIO(await self.page.screenshot(clip=clip)))
        path = self.out / f"{name}.png"
        picture.convert("RGB").quantize(COLOURS).save(path, optimize=True)
        self.taken.append(path)
        text = await (what or self.page.locator("body")).inner_text()
        assert not (raw := RAW_KEY.findall(text)), (name, raw)
        print(f"  {path.name}", flush=True)

    async def shoots_flow(self, name: str) -> None:
        """Take a picture of the dialog of a flow."""
        await self.shoots(name, self.dialog.locator("dialog").first)


async def adding(camera: Camera) -> None:
    """Add an entry with a model on this machine, as far as every way goes."""
    stage = camera.stage
    away = stage.config / "away"
    stage.packages.rename(away)
    await camera.adds_morphy()
    await camera.shoots_flow("setup-where")
    await camera.picks(0)
    await camera.menu()
    await camera.dialog.get_by_text("llama-cpp-python is needed").wait_for()
    await camera.shoots_flow("setup-runtime-missing")
    await camera.picks(0)
    await camera.form()
    await camera.shoots_flow("setup-install")
    await camera.fills(f"{stage.index.url}")
    await camera.submits()
    await camera.dialog.get_by_text("There is no build for this machine").wait_for()
    await camera.shoots_flow("setup-no-wheel")
    stage.index.offer(LACKS_AN_INSTRUCTION)
    stage.index.gate = asyncio.Event()
    await camera.picks(0)
    await camera.form()
    await camera.submits()
    await camera.dialog.locator("step-flow-progress").wait_for()
    await camera.shoots_flow("setup-installing")
    stage.index.gate.set()
    await camera.dialog.get_by_text("llama-cpp-python does not run here").wait_for()
    await camera.shoots_flow("setup-runtime-broken")
    away.rename(stage.packages)
    await camera.closes()
    await to_models(camera)
    await camera.shoots_flow("setup-which-model")
    await camera.closes()


async def choosing(camera: Camera) -> None:
    """Choose a model on this machine: the bundled one, one of a hub, a file."""
    await to_models(camera)
    await camera.picks(0)
    await camera.form()
    await camera.unfolds()
    await camera.shoots_flow("setup-bundled")
    await camera.closes()
    await to_models(camera)
    await camera.picks(2)
    await camera.form()
    await camera.shoots_flow("setup-hub")
    await camera.unfolds()
    await camera.fills(None, camera.stage.hub.url)
    await camera.submits()
    await camera.dialog.get_by_text("Which file?").wait_for()
    await camera.shoots_flow("setup-hub-file")
    await camera.submits()
    await camera.dialog.get_by_text("Downloading").first.wait_for()
    await camera.page.wait_for_timeout(4000)
    await camera.shoots_flow("setup-download")
    await camera.closes()
    await to_models(camera)
    await camera.picks(1)
    await camera.form()
    await camera.fills("models/home.gguf")
    await camera.submits()
    await camera.dialog.get_by_text("There is no file").wait_for()
    await camera.shoots_flow("setup-file")
    await camera.fills(MODEL)
    await camera.submits()
    await camera.dialog.locator("step-flow-create-entry").wait_for()
    await camera.shoots_flow("setup-done")
    await camera.closes()


async def to_models(camera: Camera) -> None:
    """Go on to the choice of a model on this machine."""
    await camera.adds_morphy()
    await camera.picks(0)
    await camera.dialog.locator("step-flow-menu ha-list-item").nth(2).wait_for()


async def asking_a_server(camera: Camera) -> None:
    """Add an entry with a model on a server."""
    await camera.adds_morphy()
    await camera.picks(1)
    await camera.form()
    await camera.shoots_flow("setup-server")
    await camera.fills("http://127.0.0.1:9")
    await camera.submits()
    await camera.dialog.get_by_text("No connection to the server").wait_for()
    await camera.shoots_flow("setup-server-unreachable")
    await camera.fills(camera.stage.server_url)
    await camera.submits()
    await camera.dialog.get_by_text("Which model?").wait_for()
    await camera.shoots_flow("setup-server-model")
    await camera.closes()


async def configuring(camera: Camera) -> None:
    """Look at the integration, change the agent, add an AI task."""
    page = camera.page
    await camera.opens("/config/integrations/integration/morphy")
    await page.get_by_text("Add agent").first.wait_for()
    await camera.shoots("integration")
    await page.locator("ha-config-sub-entry-row ha-icon-button[slot=end]").first.click()
    await camera.form()
    await camera.shoots_flow("agent")
    await camera.unfolds()
    await page.set_viewport_size({"width": WIDTH, "height": 2200})
    await camera.shoots_flow("agent-all")
    await page.set_viewport_size({"width": WIDTH, "height": HEIGHT})
    await camera.closes()
    await page.get_by_text("Add AI task").first.click()
    await camera.form()
    await camera.shoots_flow("ai-task-no-writer")
    await camera.submits()
    await camera.dialog.locator("step-flow-form input").first.wait_for()
    await camera.shoots_flow("ai-task")
    await camera.closes()


async def talking(camera: Camera) -> None:
    """Speak in the chat, show the details, and open the pipeline's debug page."""
    page = camera.page
    await camera.opens("/")
    field = await open_assist(page)
    await field.fill("turn on the kitchen lights")
    await field.press("Enter")
    await answer(page)
    await page.locator("ha-assist-chat").get_by_text("Show details").click()
    await camera.shoots("chat-details", page.locator("ha-voice-command-dialog dialog").first)
    pipelines = await camera.stage.demo.client.call("assist_pipeline/pipeline/list")
    await camera.opens(f"/config/voice-assistants/debug/{pipelines['preferred_pipeline']}")
    await page.get_by_text("turn on the kitchen lights").first.wait_for()
    await page.set_viewport_size({"width": WIDTH, "height": 960})
    await camera.shoots("debug")
    await page.set_viewport_size({"width": WIDTH, "height": HEIGHT})


async def choosing_the_agent(camera: Camera) -> None:
    """Make Morphy the agent of a voice assistant."""
    page = camera.page
    await camera.opens("/config/voice-assistants/assistants")
    await page.locator(
        "assist-pref ha-list-item, assist-pref ha-md-list-item, assist-pref ha-list-item-button"
    ).first.click()
    dialog = page.locator("dialog-voice-assistant-pipeline-detail dialog").first
    await dialog.wait_for()
    await camera.shoots("assistant", dialog)
    await camera.closes()


async def mending(camera: Camera) -> None:
    """Look at a repair, the device with diagnostics and sensors, and the system information."""
    page, stage = camera.page, camera.stage
    entries = await stage.demo.client.call("config_entries/get", domain="morphy")
    if gone := next((entry for entry in entries if entry["title"] == TITLE), None):
        (stage.config / MODEL).unlink()
        await stage.demo.client.rest("POST", f"/api/config/config_entries/entry/{gone['entry_id']}/reload", {})
        await camera.opens("/config/repairs/dashboard")
        await page.get_by_text("is gone").first.wait_for()
        await camera.shoots("repairs")
        await page.get_by_text("is gone").first.click()
        dialog = camera.front
        await dialog.wait_for()
        await camera.shoots("repair", dialog)
        await camera.picks(0)
        await camera.dialog.locator("step-flow-menu ha-list-item").nth(2).wait_for()
        await camera.shoots_flow("reconfigure")
        await camera.picks(1)
        await camera.form()
        await camera.shoots_flow("reconfigure-file")
        await camera.closes()
    await enable_sensors(stage)
    devices = await stage.demo.client.call("config/device_registry/list")
    own = next(device for device in devices if device["name"] == "Model Morphy")
    await camera.opens(f"/config/devices/device/{own['id']}")
    await page.get_by_text("Download diagnostics").first.wait_for()
    await camera.shoots("device")
    await camera.opens("/config/repairs/dashboard")
    await page.locator(
        "hass-subpage ha-icon-button[slot=trigger], hass-subpage ha-dropdown ha-icon-button"
    ).first.click()
    await page.get_by_text("System information").first.click()
    await page.get_by_text("Version of Morphy").first.scroll_into_view_if_needed()
    await camera.shoots("system-information", camera.front)
    await camera.closes()


async def renewing_a_key(camera: Camera) -> None:
    """Have a server refuse its key, and enter another."""
    page, stage = camera.page, camera.stage
    stage.server.key = KEY
    await camera.adds_morphy()
    await camera.picks(1)
    await camera.form()
    await camera.fills(stage.server_url, KEY)
    await camera.submits()
    await camera.dialog.get_by_text("Which model?").wait_for()
    await camera.submits()
    await camera.dialog.locator("step-flow-create-entry").wait_for()
    await camera.closes()
    stage.server.key = f"{KEY}, changed"
    entries = await stage.demo.client.call("config_entries/get", domain="morphy")
    [remote] = [entry for entry in entries if entry["title"] == stage.server.models[0]]
    await stage.demo.client.rest("POST", f"/api/config/config_entries/entry/{remote['entry_id']}/reload", {})
    await camera.opens("/config/integrations/dashboard")
    await page.locator("ha-config-flow-card ha-button").first.wait_for()
    await camera.shoots("reauth-wanted")
    await page.locator("ha-config-flow-card ha-button").first.click()
    await camera.form()
    await camera.shoots_flow("reauth")
    await camera.fills("a wrong key")
    await camera.submits()
    await camera.dialog.get_by_text("refused the API key").nth(1).wait_for()
    await camera.shoots_flow("reauth-refused")
    await camera.fills(stage.server.key)
    await camera.submits()
    await camera.dialog.locator("step-flow-abort").wait_for()
    await camera.shoots_flow("reauth-done")
    await camera.closes()


async def enable_sensors(stage: Stage) -> None:
    """Enable the sensors of the bundled model's entry, and have them tell of an answer."""
    client = stage.demo.client
    agent = await client.call("config/entity_registry/get", entity_id=stage.demo.agent)
    for entity in await client.call("config/entity_registry/list"):
        if entity["config_entry_id"] == agent["config_entry_id"] and entity["entity_id"].startswith("sensor."):
            await client.call("config/entity_registry/update", entity_id=entity["entity_id"], disabled_by=None)
    await client.rest("POST", f"/api/config/config_entries/entry/{agent['config_entry_id']}/reload", {})
    for text in ("turn off the kitchen lights", "turn on the kitchen lights"):
        await client.call("conversation/process", text=text, agent_id=stage.demo.agent, language="en")


async def speaking_others(camera: Camera) -> None:
    """Look at the longest forms in languages of other lengths, and of a region."""
    for language in ("de", "fr", "pl", "pt"):
        await camera.speaks(language)
        await to_models(camera)
        await camera.shoots_flow(f"{language}-which-model")
        await camera.picks(2)
        await camera.form()
        await camera.shoots_flow(f"{language}-hub")
        await camera.closes()
        await camera.opens("/config/integrations/integration/morphy")
        await camera.page.locator("ha-config-sub-entry-row ha-icon-button[slot=end]").first.click()
        await camera.form()
        await camera.unfolds()
        await camera.page.set_viewport_size({"width": WIDTH, "height": 2200})
        await camera.shoots_flow(f"{language}-agent")
        await camera.page.set_viewport_size({"width": WIDTH, "height": HEIGHT})
        await camera.closes()
    await camera.speaks("en")


PARTS: Final[dict[str, Callable[[Camera], Awaitable[None]]]] = {
    "adding": adding,
    # With one entry only, or Home Assistant asks which one is meant.
    "configuring": configuring,
    "talking": talking,
    "assistant": choosing_the_agent,
    "choosing": choosing,
    "server": asking_a_server,
    "mending": mending,
    "key": renewing_a_key,
    "languages": speaking_others,
}


async def main(arguments: argparse.Namespace) -> list[Path]:
    """Take the pictures and return them. Raises ExceptionGroup with what went wrong, a part each."""
    with tempfile.TemporaryDirectory(prefix="home-assistant-") as folder:
        async with (
            staged(Path(folder)) as stage,
            new_page(Path(folder) / "profile", width=WIDTH, height=HEIGHT) as page,
        ):
            camera = Camera(page, stage, arguments.out)
            failures: list[Exception] = []
            for name in arguments.parts or PARTS:
                print(name, flush=True)
                try:
                    await PARTS[name](camera)
                except Exception as error:
                    await page.screenshot(path=arguments.out / f"failed-{name}.png")
                    failures.append(error)
    for picture in camera.taken:
        if arguments.docs and picture.stem in IN_DOCS:
            shutil.copy(picture, DOCS)
    if failures:
        raise ExceptionGroup("not every picture could be taken", failures)
    return camera.taken


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all where none is named")
    parser.add_argument("--out", type=Path, default=Path("out/screens"), help="the folder for the pictures")
    parser.add_argument("--docs", action="store_true", help="also renew the pictures of the documentation")
    chosen = parser.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    asyncio.run(main(chosen))
