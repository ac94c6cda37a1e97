"""llama-cpp-python, which runs models on this machine: installed when someone wants that, and not before.

It is no requirement in the manifest: the public index has only its source, which takes a compiler and many minutes, and
Home Assistant OS has no compiler. Its own project publishes wheels.

It goes into a folder of its own in Home Assistant's cache, and only the worker process has that folder on its path: no
version in there can get in the way of Home Assistant's own packages. Of what the wheel names as its dependencies, only
what its C API imports comes along; numpy, Jinja2 and diskcache are for parts of it that are not used here. So nothing
in the folder is made for one version of Python. Where Home Assistant's own environment has llama_cpp, because someone
installed it there or the container came with it, that one is used and nothing is installed.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
import sys
import sysconfig
from contextlib import aclosing
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Final, TypedDict

from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.storage import Store
from homeassistant.util.hass_dict import HassKey

from .backends import Completion
from .backends.local import LocalBackend
from .const import BACKEND_LOCAL, CONF_BACKEND, DOMAIN
from .errors import (
    BackendError,
    EmptyAnswerError,
    ModelInvalidError,
    RuntimeBrokenError,
    RuntimeInstallError,
    RuntimeMissingError,
    RuntimeNoWheelError,
    WorkerDiedError,
    WorkerSilentError,
)

_LOGGER = logging.getLogger(__name__)

VERSION: Final = "0.3.36"
REQUIREMENTS: Final = (f"llama-cpp-python=={VERSION}", "typing-extensions")
DEFAULT_INDEX: Final = "https://abetlen.github.io/llama-cpp-python/whl/cpu"
"""The index of wheels that llama-cpp-python's project publishes: manylinux and musllinux, for the oldest common CPU."""
INSTALL_TIMEOUT: Final = 600
"""Seconds an installation may take; a wheel has some megabytes."""
REASON_LENGTH: Final = 400
"""Characters of the installer's last words that are shown."""
NO_WHEEL: Final = "No solution found"
"""What uv says when an index has nothing that could be installed."""
TRIAL_MODEL: Final = Path(__file__).parent / "models" / "morphy.gguf"
TRIAL: Final = Completion(prompt="Hello", max_tokens=16)

_RENEWING: Final[HassKey[asyncio.Task[None]]] = HassKey(f"{DOMAIN}_renewing_package")


class _Stored(TypedDict):
    """What is kept about an installation: the index it came from, in order to come from there again."""

    index: str


def _store(hass: HomeAssistant) -> Store[_Stored]:
    return Store(hass, 1, f"{DOMAIN}.package")


def _root(hass: HomeAssistant) -> Path:
    """Return where installations are, each in a folder that has the version's name."""
    return Path(hass.config.cache_path(DOMAIN, "llama-cpp-python"))


async def async_locate(hass: HomeAssistant) -> Path | None:
    """Return the folder from which a worker takes llama_cpp: None means Home Assistant's own packages.

    The folder does not exist where llama_cpp is nowhere.
    """
    return await hass.async_add_executor_job(_locate, _root(hass))


def _locate(root: Path) -> Path | None:
    current = root / VERSION
    if current.is_dir():
        return current
    if older := _versions(root):
        return older[-1]
    return None if preinstalled() else current


def _versions(root: Path) -> list[Path]:
    """Return the folders of installations, the one that was made last at the end."""
    if not root.is_dir():
        return []
    return sorted((path for path in root.iterdir() if path.is_dir() and path.suffix != ".new"), key=_age)


def _age(path: Path) -> float:
    return path.stat().st_mtime


def preinstalled() -> bool:
    """Return whether Home Assistant's own environment has llama_cpp. It is not imported."""
    return PathFinder.find_spec("llama_cpp") is not None


async def async_check(hass: HomeAssistant, packages: Path | None) -> float | None:
    """Run the bundled model in a worker with llama_cpp from `packages`; return the bytes a second that a core computes.

    None where the model wrote too little to tell. Raises RuntimeMissingError when it is not there, and
    RuntimeBrokenError with the worker's last words when it does not run here: a processor that lacks an instruction, a
    C library of another kind, a wheel that is broken.
    """
    if packages is not None and not await hass.async_add_executor_job(packages.is_dir):
        raise RuntimeMissingError(reason="it is not installed")
    backend = LocalBackend(TRIAL_MODEL, context_length=512, threads=1, packages=packages)
    try:
        with contextlib.suppress(EmptyAnswerError):
            await backend.start()
            async with aclosing(backend.complete(TRIAL)) as pieces:
                async for _ in pieces:
                    pass
    except (RuntimeMissingError, WorkerDiedError, WorkerSilentError) as error:
        raise RuntimeBrokenError(reason=_reason(error)) from error
    except ModelInvalidError as error:
        _LOGGER.warning("The bundled model could not be used to try llama-cpp-python: %s", error)
    finally:
        await backend.close()
    speed = backend.usage.tokens_per_second if backend.usage else None
    return speed * backend.file.size if speed and backend.file else None


def _reason(error: BackendError) -> str:
    return (error.translation_placeholders or {}).get("reason") or str(error)


async def async_explain(hass: HomeAssistant, error: BackendError, packages: Path | None) -> BackendError:
    """Return why a worker died: because of llama_cpp, if that does not even run the bundled model, else as it was.

    A worker that the kernel killed for want of memory says nothing about llama_cpp.
    """
    if isinstance(error, WorkerDiedError):
        try:
            await async_check(hass, packages)
        except RuntimeMissingError as found:
            return error if _reason(found).startswith("SIGKILL") else found
    return error


async def async_install(hass: HomeAssistant, index: str) -> None:
    """Install llama-cpp-python from wheels only, those at `index` first, and try it; then it takes the place of others.

    `index` is a URL as uv takes it. Raises RuntimeNoWheelError, RuntimeInstallError with the installer's last words, or
    RuntimeBrokenError with the worker's; then nothing has changed. Cancelling ends the installer.
    """
    root = _root(hass)
    new = root / f"{VERSION}.new"
    try:
        await hass.async_add_executor_job(_empty, new)
        await _run(index, new)
        await async_check(hass, new)
        await hass.async_add_executor_job(_replace, root, new)
    finally:
        await hass.async_add_executor_job(_remove, new)
    await _store(hass).async_save({"index": index})


async def _run(index: str, target: Path) -> None:
    """Run the installer."""
    process = await asyncio.create_subprocess_exec(
        *_command(index, target),
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
    if process.returncode == 0:
        return
    words = " ".join(output.decode(errors="replace").partition("\nhint:")[0].split())
    reason = words[-REASON_LENGTH:] or f"exit status {process.returncode}"
    if NO_WHEEL in words:
        raise RuntimeNoWheelError(platform=sysconfig.get_platform(), reason=reason)
    raise RuntimeInstallError(reason=reason)


def _command(index: str, target: Path) -> list[str]:
    command = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--no-config", "--only-binary", ":all:"]
    command += ["--no-deps", "--index", index, "--python", sys.executable, "--target", str(target)]
    return [*command, *REQUIREMENTS]


def _empty(folder: Path) -> None:
    _remove(folder)
    folder.mkdir(parents=True)


def _replace(root: Path, new: Path) -> None:
    """Have an installation take the place of all others. Workers that run keep what they have loaded."""
    for old in _versions(root):
        _remove(old)
    new.rename(root / VERSION)


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


async def async_remove(hass: HomeAssistant) -> None:
    """Delete what was installed."""
    if renewing := hass.data.get(_RENEWING):
        renewing.cancel()
        await asyncio.wait([renewing])
    await hass.async_add_executor_job(_remove, _root(hass))
    await _store(hass).async_remove()


@callback
def async_renew(hass: HomeAssistant, packages: Path | None) -> None:
    """Install the version of today in the background where Morphy had installed another one, or one that is gone.

    That is so after an update of Morphy, and after a backup was restored, which does not hold the cache. Until it is
    there, models run with what is found in `packages`; then all that run on this machine are loaded anew.
    """
    if packages is not None and _RENEWING not in hass.data:
        hass.data[_RENEWING] = hass.async_create_background_task(
            _async_renew(hass), f"{DOMAIN} renew package", eager_start=False
        )


async def _async_renew(hass: HomeAssistant) -> None:
    try:
        stored = await _store(hass).async_load()
        if stored is None or await hass.async_add_executor_job((_root(hass) / VERSION).is_dir):
            return
        await async_install(hass, stored["index"])
    except BackendError as error:
        _LOGGER.warning("llama-cpp-python %s could not be installed; the next start tries again: %s", VERSION, error)
        return
    finally:
        hass.data.pop(_RENEWING, None)
    for entry in hass.config_entries.async_entries(DOMAIN, include_disabled=False, include_ignore=False):
        if entry.data[CONF_BACKEND] == BACKEND_LOCAL:
            hass.config_entries.async_schedule_reload(entry.entry_id)
