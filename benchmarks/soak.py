"""Whether memory stays flat over thousands of turns: that of Home Assistant and that of the worker.

    .venv/bin/python -m benchmarks.soak --turns 10000 --png docs/soak.png [--model FILE]

Real Home Assistant with lamps, one of which changes now and then; the real worker, with a tiny model unless --model
names another, whose prompt cache stays warm. A conversation has ten turns. Time is accelerated in one point: Home
Assistant forgets a conversation after seconds instead of five minutes, or else it would still hold thousands of them.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from homeassistant.components import conversation
from homeassistant.core import Context, HomeAssistant
from homeassistant.helpers import chat_session
from homeassistant.setup import async_setup_component
from homeassistant.util.ulid import ulid_now
from PIL import Image, ImageDraw
from pytest_homeassistant_custom_component.common import MockConfigEntry, async_test_home_assistant

from custom_components.morphy.agent_flow import default_agent
from demo.server import listen_on
from tests.servers import free_port
from tests.tiny_model import write_tiny_model

from .household import async_add_morphy, local, resident
from .snapshot import fill

SAMPLES = 200
LAMPS = 10
TURNS_OF_A_CONVERSATION = 10
WARM_UP = 0.2
"""The part of the turns after which memory is expected to be flat: pools, caches and the allocator have filled."""
FORGET_AFTER = timedelta(seconds=5)
WIDTH, HEIGHT, MARGIN = 720, 300, 48


@dataclass(frozen=True, slots=True)
class Sample:
    """Resident memory after so many turns, in megabytes."""

    turn: int
    home_assistant: float
    worker: float


async def set_up(hass: HomeAssistant, model: Path) -> tuple[MockConfigEntry, str]:
    """Return an entry with this model and the id of its agent."""
    await async_setup_component(hass, "homeassistant", {})
    fill(hass, LAMPS)
    entry, [agent] = await async_add_morphy(hass, local(model, threads=1), [default_agent("morphy")])
    return entry, agent


async def soak(hass: HomeAssistant, model: Path, turns: int) -> tuple[list[Sample], int]:
    """Return the samples, and how many turns failed."""
    entry, agent = await set_up(hass, model)
    samples, failures, conversation_id = [], 0, ""
    lamps = hass.states.async_entity_ids("light")
    for turn in range(turns + 1):
        if turn % max(1, turns // SAMPLES) == 0:
            gc.collect()
            samples.append(Sample(turn, resident(os.getpid()), resident(entry.runtime_data.pid)))
        if turn % TURNS_OF_A_CONVERSATION == 0:
            conversation_id = f"soak {ulid_now()}"
            hass.states.async_set(lamps[-1], "on" if hass.states.is_state(lamps[-1], "off") else "off")
        text = f"lamp {turn % 97}"
        result = await conversation.async_converse(hass, text, conversation_id, Context(), "en", agent)
        failures += result.response.response_type.value == "error"
    await hass.config_entries.async_unload(entry.entry_id)
    return samples, failures


def growth(values: Sequence[float]) -> float:
    """Return by how many megabytes memory grew after the warm-up: the mean of the last tenth less that of the first."""
    flat = values[int(len(values) * WARM_UP) :]
    tenth = max(1, len(flat) // 10)
    return sum(flat[-tenth:]) / tenth - sum(flat[:tenth]) / tenth


def draw(samples: Sequence[Sample], path: Path) -> None:
    """Write the graph as a PNG."""
    image = Image.new("RGB", (WIDTH, HEIGHT), "white")
    pen = ImageDraw.Draw(image)
    most = max(max(sample.home_assistant, sample.worker) for sample in samples) * 1.15
    turns = samples[-1].turn

    def at(turn: float, megabytes: float) -> tuple[float, float]:
        across = (WIDTH - 2 * MARGIN) * turn / turns
        return MARGIN + across, HEIGHT - MARGIN - (HEIGHT - 2 * MARGIN) * megabytes / most

    pen.line([at(0, most), at(0, 0), at(turns, 0)], fill="black")
    for part in range(5):
        pen.text(at(turns * part / 4, 0), f"{turns * part // 4}", fill="black", anchor="ma")
        pen.text(at(0, most * part / 4), f"{most * part / 4:.0f} ", fill="black", anchor="rm")
    pen.text((WIDTH / 2, HEIGHT - MARGIN / 2), "turns", fill="black", anchor="ma")
    pen.text((MARGIN, MARGIN / 2), "resident memory, MB", fill="black")
    for name, colour in (("home_assistant", "#18bcf2"), ("worker", "#d9541e")):
        pen.line([at(sample.turn, getattr(sample, name)) for sample in samples], fill=colour, width=2)
        last = samples[-1]
        words = f"{name.replace('_', ' ')} {getattr(last, name):.0f} MB"
        x, y = at(last.turn, getattr(last, name))
        pen.text((x, y - 6), words, fill=colour, anchor="rb")
    path.parent.mkdir(parents=True, exist_ok=True)
    image.quantize(16).save(path, optimize=True)


async def main() -> int:
    """Run the turns, print a table, draw the graph; 1 when a turn failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=1000, help="how many turns (default 1000)")
    parser.add_argument("--model", type=Path, help="a GGUF file (default: a tiny one made for this)")
    parser.add_argument("--png", type=Path, help="where to draw the graph")
    arguments = parser.parse_args()
    chat_session.CONVERSATION_TIMEOUT = FORGET_AFTER
    with tempfile.TemporaryDirectory(prefix="morphy-soak-") as folder:
        model = arguments.model or write_tiny_model(Path(folder) / "tiny.gguf", chain=b"Ok", context_length=4096)
        components = Path(folder) / "config"
        listen_on(components, free_port())
        async with async_test_home_assistant(config_dir=str(components)) as hass:
            hass.loop.set_debug(False)
            began = time.perf_counter()
            samples, failures = await soak(hass, model.absolute(), arguments.turns)
            seconds = time.perf_counter() - began
            await hass.async_stop(force=True)
    print("| resident memory, MB | at the start | after the warm-up | at the end | growth after the warm-up |")
    print("|---|--:|--:|--:|--:|")
    for name in ("home_assistant", "worker"):
        values = [getattr(sample, name) for sample in samples]
        warm = values[int(len(values) * WARM_UP)]
        told = " | ".join(f"{value:.1f}" for value in (values[0], warm, values[-1], growth(values)))
        print(f"| {name.replace('_', ' ')} | {told} |")
    print(f"\n{arguments.turns} turns in {seconds:.0f} s, {failures} failed.")
    if arguments.png:
        draw(samples, arguments.png)
    return int(failures > 0)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
