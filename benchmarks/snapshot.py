"""What a turn costs before the model is asked: the snapshot of the home, the choice of devices, prompt and grammar.

    .venv/bin/python -m benchmarks.snapshot

Homes of 30 to 1,000 exposed lights and sensors in real Home Assistant; milliseconds, median of 20.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import Callable

from homeassistant.components.homeassistant.exposed_entities import async_expose_entity
from homeassistant.core import HomeAssistant
from homeassistant.helpers import area_registry as ar, entity_registry as er
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import async_test_home_assistant

from custom_components.morphy.dialect import get_dialect
from custom_components.morphy.dialect.choice import choose
from custom_components.morphy.home import snapshot

SIZES = (30, 100, 300, 1000)
REPEATS = 20
REQUEST = "turn on the ceiling lamp in room seven"
ROOMS = 20


def fill(hass: HomeAssistant, size: int) -> None:
    """Put lights and sensors into the registries and the state machine, all exposed, until there are `size`."""
    areas = [ar.async_get(hass).async_get_or_create(f"Room {n}").id for n in range(ROOMS)]
    for n in range(len(hass.states.async_entity_ids()), size):
        domain = "light" if n % 2 else "sensor"
        entry = er.async_get(hass).async_get_or_create(domain, "bench", str(n), suggested_object_id=f"thing_{n}")
        er.async_get(hass).async_update_entity(entry.entity_id, name=f"Ceiling Lamp {n}", area_id=areas[n % ROOMS])
        async_expose_entity(hass, "conversation", entry.entity_id, True)
        hass.states.async_set(entry.entity_id, "on" if n % 2 else "21.5", {"friendly_name": f"Ceiling Lamp {n}"})


def median_ms(work: Callable[[], object]) -> float:
    """Return the median time of the work."""
    times = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        work()
        times.append((time.perf_counter() - began) * 1000)
    return statistics.median(times)


async def main() -> None:
    """Measure and print."""
    dialect = get_dialect("morphy")
    print("| exposed entities | snapshot | choice of 40 | prompt | grammar |\n|--:|--:|--:|--:|--:|")
    with tempfile.TemporaryDirectory() as folder:
        async with async_test_home_assistant(config_dir=folder) as hass:
            await async_setup_component(hass, "homeassistant", {})
            for size in SIZES:
                fill(hass, size)
                home = snapshot(hass)
                told = choose(home, REQUEST)
                times = (
                    median_ms(lambda: snapshot(hass)),
                    median_ms(lambda home=home: choose(home, REQUEST)),  # type: ignore[misc]
                    median_ms(lambda told=told: dialect.prompt(told, "", REQUEST)),  # type: ignore[misc]
                    median_ms(lambda told=told: dialect.grammar(told)),  # type: ignore[misc]
                )
                print(f"| {len(home.devices)} | {' | '.join(f'{ms:.1f} ms' for ms in times)} |")
            await hass.async_stop(force=True)


if __name__ == "__main__":
    asyncio.run(main())
