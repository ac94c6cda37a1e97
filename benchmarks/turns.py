"""How long a turn takes in the demo home, and how much memory the worker has.

    .venv/bin/python -m benchmarks.turns [--turns 50] [--json out/turns.json]

Real Home Assistant, the bundled model in its worker, requests through the preferred pipeline over the websocket, as the
chat panel sends them, each in a conversation of its own. Cold turns come first after the worker was started anew; warm
turns follow one another, and find what their prompts share already read.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from demo.home import Demo, open_demo
from demo.say import Reply, say

REQUESTS = (
    "turn on the kitchen lights",
    "turn off the kitchen lights",
    "is the front door locked",
    "turn on the coffee machine",
    "turn off the coffee machine",
    "what is the temperature in the living room",
    "set the bedroom lamp to 40 percent",
    "turn off all the lights",
    "lock the front door",
    "which windows are open",
)


async def measure(demo: Demo, turns: int) -> dict[str, Any]:
    """Return milliseconds of cold and of warm turns, the worker's memory in MB and its start-up time in seconds."""
    requests = itertools.cycle(REQUESTS)
    cold, starts = [], []
    for _ in range(turns):
        starts.append(await restart_worker(demo))
        cold.append(await say(demo.client, next(requests)))
    warm = [await say(demo.client, next(requests)) for _ in range(turns)]
    return {
        "turns": turns,
        "cold": summary(cold),
        "warm": summary(warm),
        "start_up_s": round(statistics.median(starts), 2),
        "worker_rss_mb": [round(kilobytes / 1024) for kilobytes in worker_memory()],
        "exposed_entities": len((await demo.client.call("homeassistant/expose_entity/list"))["exposed_entities"]),
    }


async def restart_worker(demo: Demo) -> float:
    """Reload Morphy's entry, which ends the worker and starts another; return how many seconds that took."""
    [entry] = await demo.client.call("config_entries/get", domain="morphy")
    began = time.perf_counter()
    await demo.client.rest("POST", f"/api/config/config_entries/entry/{entry['entry_id']}/reload")
    return time.perf_counter() - began


def worker_memory() -> Iterator[int]:
    """Yield the resident memory of every running worker, in kB."""
    for folder in Path("/proc").iterdir():
        try:
            command = (folder / "cmdline").read_bytes()
            if b"morphy/backends/worker.py" in command:
                status = (folder / "status").read_text(encoding="utf-8")
                yield next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
        except OSError, StopIteration:
            continue


def summary(replies: Sequence[Reply]) -> dict[str, Any]:
    """Return median and 95th percentile of the time to the first action and to the end of the answer."""
    actions = [reply.first_call_ms for reply in replies if reply.first_call_ms is not None]
    return {
        "first_action_ms": spread(actions),
        "answer_ms": spread([reply.total_ms for reply in replies]),
        "fulfilled": sum(reply.fulfilled for reply in replies),
    }


def spread(values: Sequence[float]) -> dict[str, float]:
    """Return median and 95th percentile."""
    if len(values) < 2:
        return {}
    return {
        "median": round(statistics.median(values), 1),
        "p95": round(statistics.quantiles(values, n=20, method="inclusive")[-1], 1),
    }


def table(result: dict[str, Any]) -> str:
    """Return the result as a Markdown table."""
    lines = ["| | first action, median / p95 | answer, median / p95 | fulfilled |", "|---|--:|--:|--:|"]
    for kind in ("cold", "warm"):
        row = result[kind]
        times = (f"{row[key]['median']:.0f} / {row[key]['p95']:.0f} ms" for key in ("first_action_ms", "answer_ms"))
        lines.append(f"| {kind} | {' | '.join(times)} | {row['fulfilled']} of {result['turns']} |")
    memory = ", ".join(map(str, result["worker_rss_mb"]))
    lines.append(
        f"\nWorker {memory} MB resident; entry reloaded in {result['start_up_s']} s; "
        f"{result['exposed_entities']} exposed entities; {os.cpu_count()} cores."
    )
    return "\n".join(lines)


async def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=50, help="cold turns, and warm turns (default 50 each)")
    parser.add_argument("--json", type=Path, help="where to write the figures too")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="morphy-turns-") as config:
        async with open_demo(Path(config)) as demo:
            result = await measure(demo, arguments.turns)
    print(table(result))
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(result, indent=1), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
