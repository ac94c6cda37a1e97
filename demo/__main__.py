"""The command line of ``scripts/demo``."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from pathlib import Path

from .home import CONFIG, Clock, Demo, open_demo
from .say import say
from .server import DemoError


def main() -> int:
    """Run the demo until Ctrl-C, or until everything that was to be said is said."""
    parser = argparse.ArgumentParser(
        prog="scripts/demo", description="Real Home Assistant with a house to talk to, and Morphy set up in it."
    )
    parser.add_argument(
        "--say", metavar="TEXT", action="append", help="ask this and end, without a browser; may be given several times"
    )
    parser.add_argument("--fresh", action="store_true", help="begin with an empty configuration folder")
    parser.add_argument("--config", type=Path, default=CONFIG, help="the configuration folder (default: .demo)")
    arguments = parser.parse_args()
    try:
        return asyncio.run(_run(arguments.config.resolve(), arguments.fresh, arguments.say or []))
    except DemoError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


async def _run(config: Path, fresh: bool, requests: list[str]) -> int:
    """Open the house; ask what is to be asked, or wait."""
    report = Clock()
    end = asyncio.Event()
    task = asyncio.current_task()
    assert task is not None
    # While it starts, a signal breaks off; once it runs, it ends the wait. Home Assistant is ended either way.
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    try:
        async with open_demo(config, fresh=fresh, report=report) as demo:
            if requests:
                return await _ask(demo, requests)
            for number in (signal.SIGINT, signal.SIGTERM):
                asyncio.get_running_loop().add_signal_handler(number, end.set)
            print(f"\n  {demo.url}\n\nOpen it in a browser on this machine: you are logged in. Press A for Assist.")
            print("Ctrl-C ends it.", flush=True)
            await end.wait()
            print(flush=True)
            return 0
    except asyncio.CancelledError:
        return 130


async def _ask(demo: Demo, requests: list[str]) -> int:
    """Ask one thing after the other; 0 when all were fulfilled."""
    replies = []
    for text in requests:
        replies.append(await say(demo.client, text))
        print(f"\n{replies[-1]}", flush=True)
    print(flush=True)
    return 0 if all(reply.fulfilled for reply in replies) else 1


if __name__ == "__main__":
    sys.exit(main())
