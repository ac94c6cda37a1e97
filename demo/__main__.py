"""The command line of ``scripts/demo``."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from pathlib import Path

from .home import CONFIG, Clock, Demo, open_demo
from .say import Reply, say
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
            gone = asyncio.create_task(demo.client.closed.wait())
            await asyncio.wait((gone, asyncio.create_task(end.wait())), return_when=asyncio.FIRST_COMPLETED)
            print(flush=True)
            if gone.done():
                raise DemoError("Home Assistant has ended by itself")
            return 0
    except asyncio.CancelledError:
        return 130


async def _ask(demo: Demo, requests: list[str]) -> int:
    """Ask one thing after the other; 0 when all were fulfilled.

    Where the agent asks back, the next request is the answer to that, and is judged in its place.
    """
    missed = False
    reply: Reply | None = None
    for number, text in enumerate(requests, 1):
        reply = await say(demo.client, text, reply.conversation_id if reply and reply.asks_back else None)
        print(f"\n{reply}", flush=True)
        if not (reply.asks_back and number < len(requests)):
            missed |= not reply.fulfilled
    print(flush=True)
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
