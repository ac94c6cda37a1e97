"""llama-cpp-python, which runs models on this machine: installed when someone wants that, and not before.

It is no requirement in the manifest: the public index has only its source, which takes a compiler and many minutes, and
Home Assistant OS has no compiler. Its own project publishes wheels.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from typing import Final

from homeassistant.core import HomeAssistant
from homeassistant.requirements import pip_kwargs

from .errors import RuntimeInstallError

REQUIREMENT: Final = "llama-cpp-python==0.3.36"
DEFAULT_INDEX: Final = "https://abetlen.github.io/llama-cpp-python/whl/cpu"
"""The index of wheels that llama-cpp-python's project publishes: manylinux and musllinux, for the oldest common CPU."""
INSTALL_TIMEOUT: Final = 600
"""Seconds an installation may take; a wheel has some megabytes."""
REASON_LENGTH: Final = 400
"""Characters of the installer's last words that are shown."""


async def async_install_runtime(
    hass: HomeAssistant, index: str = DEFAULT_INDEX, interpreter: str = sys.executable
) -> None:
    """Install llama-cpp-python from wheels only, those at `index` first, within Home Assistant's own version limits.

    `interpreter` is the Python it is for, `index` a URL or folder as uv takes it. Raises RuntimeInstallError with the
    installer's last words. Cancelling ends the installer.
    """
    process = await asyncio.create_subprocess_exec(
        *_command(hass, index, interpreter),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(INSTALL_TIMEOUT):
            output, _ = await process.communicate()
    except TimeoutError:
        raise RuntimeInstallError(reason=f"no result after {INSTALL_TIMEOUT} s") from None
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    if process.returncode != 0:
        words = " ".join(output.decode(errors="replace").split())
        raise RuntimeInstallError(reason=words[-REASON_LENGTH:] or f"exit status {process.returncode}")


def _command(hass: HomeAssistant, index: str, interpreter: str) -> list[str]:
    """Return the command; where packages go is decided as Home Assistant does for its own requirements."""
    where = pip_kwargs(hass.config.config_dir)
    command = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--only-binary", ":all:"]
    command += ["--index", index, "--index-strategy", "unsafe-first-match"]
    command += ["--constraint", where["constraints"]]
    if target := where.get("target"):
        command += ["--target", target]
    return [*command, "--python", interpreter, REQUIREMENT]
