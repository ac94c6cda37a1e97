"""What diagnostics and system health both ask of this machine."""

from __future__ import annotations

import sys
from importlib import metadata
from pathlib import Path

from homeassistant.core import HomeAssistant

from . import package

_KIB = 1024


def resident_memory(pid: int) -> int | None:
    """Return the bytes of memory that a process holds, its model's file included; None where Linux does not say."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except OSError:
        return None
    sizes = [line.split()[1] for line in status.splitlines() if line.startswith("VmRSS:")]
    return int(sizes[0]) * _KIB if sizes else None


async def async_runtime_version(hass: HomeAssistant) -> str | None:
    """Return the version of llama-cpp-python, or None where it is not installed."""
    packages = await package.async_locate(hass)

    def version() -> str | None:
        path = sys.path if packages is None else [str(packages)]
        return next((found.version for found in metadata.distributions(name="llama-cpp-python", path=path)), None)

    return await hass.async_add_executor_job(version)
