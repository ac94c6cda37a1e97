"""What a turn costs before the model is asked: the snapshot of the home, the choice of devices, prompt and grammar.

    .venv/bin/python -m benchmarks.snapshot [--json out/snapshot.json]

Homes of 30 to 5,000 exposed lights and sensors in real Home Assistant; milliseconds of processor time, median of 20.
`rebuilt` is the whole home read anew, `kept` the same from what events have kept up to date, after one change and after
a hundred.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from homeassistant.components.homeassistant.exposed_entities import async_expose_entity
from homeassistant.core import HomeAssistant
from homeassistant.helpers import area_registry as ar, entity_registry as er
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import async_test_home_assistant

from custom_components.morphy.dialect import get_dialect
from custom_components.morphy.dialect.choice import choose
from custom_components.morphy.home import async_keep, async_snapshot, snapshot

SIZES = (30, 100, 300, 1000, 5000)
REPEATS = 20
REQUEST = "turn on the ceiling lamp in room seven"
ROOMS = 20
MANY = 100
"""States that change at once."""


def fill(hass: HomeAssistant, size: int) -> None:
    """Put lights and sensors into the registries and the state machine, all exposed, until there are `size`."""
    areas = [ar.async_get(hass).async_get_or_create(f"Room {n}").id for n in range(ROOMS)]
    for n in range(len(hass.states.async_entity_ids()), size):
        domain = "light" if n % 2 else "sensor"
        entry = er.async_get(hass).async_get_or_create(domain, "bench", str(n), suggested_object_id=f"thing_{n}")
        er.async_get(hass).async_update_entity(entry.entity_id, name=f"Ceiling Lamp {n}", area_id=areas[n % ROOMS])
        async_expose_entity(hass, "conversation", entry.entity_id, True)
        show(hass, entry.entity_id, "on" if n % 2 else "21.5")


def show(hass: HomeAssistant, entity_id: str, state: str) -> None:
    """Set a state."""
    name = f"Ceiling Lamp {entity_id.rpartition('_')[2]}"
    hass.states.async_set(entity_id, state, {"friendly_name": name}, force_update=True)


def median_ms(work: Callable[[], object], prepare: Callable[[], object] = lambda: None) -> float:
    """Return the median time of the work, without that of what has to come before it."""
    times = []
    for _ in range(REPEATS):
        prepare()
        began = time.process_time()
        work()
        times.append((time.process_time() - began) * 1000)
    return statistics.median(times)


async def measure(hass: HomeAssistant, size: int) -> dict[str, float]:
    """Return the milliseconds of each step in a home of this size."""
    fill(hass, size)
    ids = hass.states.async_entity_ids()
    rebuilt = median_ms(lambda: snapshot(hass))
    release = async_keep(hass)
    home = await async_snapshot(hass)
    told, dialect = choose(home, REQUEST), get_dialect("morphy")

    def change(count: int) -> None:
        for entity_id in ids[:count]:
            show(hass, entity_id, "off" if entity_id.startswith("light") else "19")

    times = {
        "entities": len(home.devices),
        "rebuilt": rebuilt,
        "kept": median_ms(lambda: snapshot(hass), lambda: change(1)),
        f"kept_after_{MANY}": median_ms(lambda: snapshot(hass), lambda: change(MANY)),
        "choice": median_ms(lambda: choose(home, REQUEST)),
        "prompt": median_ms(lambda: dialect.prompt(told, "", REQUEST)),
        "grammar": median_ms(lambda: dialect.grammar(told)),
    }
    release()
    return times


async def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="where to write the figures too")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        async with async_test_home_assistant(config_dir=folder) as hass:
            await async_setup_component(hass, "homeassistant", {})
            rows = [await measure(hass, size) for size in SIZES]
            await hass.async_stop(force=True)
    print(f"| {' | '.join(key.replace('_', ' ') for key in rows[0])} |\n|{'--:|' * len(rows[0])}")
    for entities, *times in (row.values() for row in rows):
        print(f"| {entities:.0f} | {' | '.join(f'{ms:.2f} ms' for ms in times)} |")
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(rows, indent=1), encoding="utf-8")


if __name__ == "__main__":
    asyncio.run(main())
