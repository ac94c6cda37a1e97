"""A Home Assistant process of its own: its configuration folder, its port, its start and its end."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import shutil
import signal
import socket
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp

ROOT = Path(__file__).resolve().parent.parent
PORT = 8123
START_TIMEOUT = 180
"""Seconds until Home Assistant must answer; a first start on a slow card takes a minute."""
STOP_TIMEOUT = 30
LOCK = ".demo.lock"
INTEGRATIONS = (ROOT / "custom_components" / "morphy", ROOT / "demo" / "custom_components" / "demo_house")


class DemoError(Exception):
    """The demo cannot go on; the message says why."""


@contextlib.contextmanager
def locked(config: Path) -> Iterator[None]:
    """Keep others from using the same configuration folder at the same time."""
    config.mkdir(parents=True, exist_ok=True)
    with (config / LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DemoError(f"another demo uses {config}: end it first, or name another folder with --config") from None
        yield


def free_port(first: int = PORT) -> int:
    """Return the first free port of 127.0.0.1 from this one on."""
    for port in range(first, first + 100):
        with socket.socket() as probe:
            # As Home Assistant's own socket does, so that a port in TIME_WAIT counts as free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                return port
    raise DemoError(f"no port from {first} to {first + 99} is free")


def prepare(config: Path, port: int, *, fresh: bool = False) -> None:
    """Make the configuration folder, or bring an earlier one up to date; ``fresh`` empties it first."""
    if fresh:
        for path in [path for path in config.iterdir() if path.name != LOCK]:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
    components, storage = config / "custom_components", config / ".storage"
    for folder in (components, storage):
        folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(ROOT / "demo" / "configuration.yaml", config / "configuration.yaml")
    for integration in INTEGRATIONS:
        link = components / integration.name
        link.unlink(missing_ok=True)
        link.symlink_to(integration, target_is_directory=True)
    listen_on(config, port)
    if not (storage / "onboarding").exists():
        # All steps but the user's own: the others would set up weather and speech services on the internet.
        _store(storage / "onboarding", 4, 1, {"done": ["core_config", "analytics", "integration"]})


def listen_on(config: Path, port: int) -> None:
    """Have Home Assistant serve on 127.0.0.1 and this port, and on nothing else."""
    storage = config / ".storage"
    storage.mkdir(parents=True, exist_ok=True)
    # `http:` in configuration.yaml would be tried for five minutes, under a dialog that asks to confirm it.
    http = {
        "stable": {
            "server_host": ["127.0.0.1"],
            "server_port": port,
            "cors_allowed_origins": [],
            "login_attempts_threshold": -1,
            "ip_ban_enabled": False,
            "ssl_profile": "modern",
            "use_x_frame_options": True,
            "created_at": "2026-01-01T00:00:00+00:00",
            "error": None,
            "error_message": None,
        },
        "pending": None,
        "yaml_migration_done": True,
    }
    _store(storage / "http", 2, 2, http)


def _store(path: Path, version: int, minor_version: int, data: object) -> None:
    """Write a file of Home Assistant's storage."""
    content = {"version": version, "minor_version": minor_version, "key": path.name, "data": data}
    path.write_text(json.dumps(content), encoding="utf-8")


@contextlib.asynccontextmanager
async def running(config: Path, port: int) -> AsyncIterator[str]:
    """Run Home Assistant on a prepared folder; give its address once it answers, and end it at the end.

    :raises DemoError: when it does not start.
    """
    output = config / "home-assistant.out"
    with output.open("wb") as out:
        # In a session of its own: Ctrl-C in the terminal is for us, and we end it in good order.
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "homeassistant",
            "--config",
            str(config),
            "--skip-pip",
            cwd=config,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    try:
        url = f"http://127.0.0.1:{port}"
        await _answering(process, url, output)
        yield url
    finally:
        await _end(process)


async def _answering(process: Process, url: str, output: Path) -> None:
    """Wait until the server answers."""
    async with aiohttp.ClientSession() as session:
        for _ in range(START_TIMEOUT * 5):
            if process.returncode is not None:
                raise DemoError(f"Home Assistant ended with code {process.returncode}:\n{tail(output)}")
            with contextlib.suppress(aiohttp.ClientError):
                async with session.get(f"{url}/manifest.json") as response:
                    if response.ok:
                        return
            await asyncio.sleep(0.2)
    raise DemoError(f"Home Assistant does not answer after {START_TIMEOUT} s:\n{tail(output)}")


async def _end(process: Process) -> None:
    """Ask Home Assistant to end, and see that it does."""
    if process.returncode is not None:
        return
    process.send_signal(signal.SIGTERM)
    try:
        async with asyncio.timeout(STOP_TIMEOUT):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def tail(path: Path, lines: int = 20) -> str:
    """Return the last lines of a text file."""
    return "\n".join(path.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])
