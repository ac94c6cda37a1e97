"""A model's file on its way from a hub to this machine: resumed, checked, and never half there.

What has come so far is kept as `<name>.part` when the connection breaks or the dialog is closed, and the next download
of the same file goes on from there. Only a file that is whole and has the SHA-256 of the listing gets its name, with
that digest in a file beside it, which the worker looks at whenever it loads the model.

The files lie in Home Assistant's cache, which is no part of a backup, each in a folder named by its digest.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from errno import EDQUOT, EFBIG, ENOSPC
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import aiohttp
from homeassistant.core import HomeAssistant
from homeassistant.util.hass_dict import HassKey

from .const import DOMAIN
from .errors import DiskFullError, DownloadBrokeOffError, DownloadDamagedError, HubStatusError, HubUnreachableError
from .hub import Hub, HubFile, Listing

_LOGGER = logging.getLogger(__name__)

CHUNK: Final = 4 * 2**20
"""Bytes that are written to the disk at once."""
RESERVE: Final = 512 * 2**20
"""Bytes that stay free on the disk: Home Assistant's database has to go on growing."""
ATTEMPTS: Final = 5
"""Broken connections in a row, with nothing gained between them, after which a download gives up."""
PAUSE: Final = 1.0
"""Seconds before the second attempt; each further pause is twice as long."""

_LOCKS: Final[HassKey[dict[Path, asyncio.Lock]]] = HassKey(f"{DOMAIN}_downloads")

type Report = Callable[[int], None]


def folder(hass: HomeAssistant) -> Path:
    """Return where downloaded models are."""
    return Path(hass.config.cache_path(DOMAIN, "models"))


def target(hass: HomeAssistant, repository: str, file: HubFile) -> Path:
    """Return where a file of a repository is, or will be."""
    return folder(hass) / repository.replace("/", "--") / file.sha256[:12] / file.name


def size(count: int) -> str:
    """Return a number of bytes in words."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"


async def async_download(hass: HomeAssistant, hub: Hub, listing: Listing, file: HubFile, report: Report) -> Path:
    """Fetch a file unless it is here; return its path. `report` is told how many bytes are here, now and then.

    Raises DownloadError: DiskFullError before anything is fetched, or when others fill the disk meanwhile (then what
    has come is deleted), DownloadDamagedError (then too), DownloadBrokeOffError, and what the hub raises.
    """
    path = target(hass, listing.repository, file)
    # Of two dialogs that want the same file, the second waits and finds it here.
    async with hass.data.setdefault(_LOCKS, {}).setdefault(path, asyncio.Lock()):
        part = _Part(path, file)
        if await hass.async_add_executor_job(part.is_whole):
            report(file.size)
            return path
        await _Download(hass, hub, listing, part, report).run()
    return path


async def async_forget(hass: HomeAssistant, path: Path) -> None:
    """Delete a file that was downloaded; files that lie elsewhere are left alone."""
    await hass.async_add_executor_job(_forget, folder(hass), path)


def _forget(root: Path, path: Path) -> None:
    if path.is_relative_to(root):
        shutil.rmtree(path.parent, ignore_errors=True)
        with suppress(OSError):  # other files of the same repository
            path.parent.parent.rmdir()


async def async_remove(hass: HomeAssistant) -> None:
    """Delete all that was downloaded, also in part."""
    await hass.async_add_executor_job(lambda: shutil.rmtree(folder(hass), ignore_errors=True))


class _Part:
    """The part of a file that is here. Everything in it blocks."""

    def __init__(self, path: Path, file: HubFile) -> None:
        """Bring a file of the hub to `path`."""
        self.file = file
        self.size = 0
        self._path = path
        self._part = path.with_name(f"{path.name}.part")
        self._beside = path.with_name(f"{path.name}.sha256")
        self._digest = hashlib.sha256()
        self._open: Any = None

    def is_whole(self) -> bool:
        """Return whether the file is here. That it is the right one, the worker sees when it loads it."""
        try:
            return self._path.stat().st_size == self.file.size and self._beside.is_file()
        except OSError:
            return False

    def open(self) -> None:
        """Go on with what is here. Raises DiskFullError when the rest will not fit."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._open = self._part.open("ab+", buffering=0)
        self._open.seek(0)
        while piece := self._open.read(CHUNK):
            self._digest.update(piece)
            self.size += len(piece)
        if self.size > self.file.size:
            self.restart()
        needed = self.file.size - self.size + RESERVE
        free = shutil.disk_usage(self._path.parent).free
        if free < needed:
            raise DiskFullError(needed=size(needed), free=size(free))

    def write(self, data: bytes) -> None:
        """Add bytes. Raises DiskFullError."""
        view = memoryview(data)
        try:
            while view:
                written = self._open.write(view)
                self._digest.update(view[:written])
                self.size += written
                view = view[written:]
        except OSError as error:
            if error.errno not in (ENOSPC, EDQUOT, EFBIG):
                raise
            self.discard()
            free = shutil.disk_usage(self._path.parent).free
            raise DiskFullError(needed=size(self.file.size + RESERVE), free=size(free)) from error

    def restart(self) -> None:
        """Begin anew."""
        self._open.truncate(0)
        self._digest = hashlib.sha256()
        self.size = 0

    def finish(self) -> None:
        """Give the file its name. Raises DownloadDamagedError when it is not what it should be."""
        if self._digest.hexdigest() != self.file.sha256:
            self.discard()
            raise DownloadDamagedError(file=self.file.name)
        os.fsync(self._open.fileno())
        self._beside.write_text(f"{self.file.sha256}  {self.file.name}\n", encoding="utf-8")
        self._part.replace(self._path)

    def discard(self) -> None:
        """Keep nothing."""
        self._part.unlink(missing_ok=True)

    def close(self) -> None:
        """Keep what is here for the next time."""
        if self._open:
            self._open.close()


class _Download:
    """One download, through as many connections as it takes."""

    def __init__(self, hass: HomeAssistant, hub: Hub, listing: Listing, part: _Part, report: Report) -> None:
        """Fetch what is missing of `part`."""
        self._hass = hass
        self._hub = hub
        self._listing = listing
        self._part = part
        self._report = report

    async def run(self) -> None:
        """Fetch it all."""
        part = self._part
        try:
            await self._do(part.open)
            failures = 0
            while part.size < part.file.size:
                before = part.size
                try:
                    await self._fetch()
                except (HubUnreachableError, HubStatusError) as error:
                    _LOGGER.debug("The download of %s broke off at %s: %s", part.file.name, part.size, error)
                failures = 0 if part.size > before else failures + 1
                if failures == ATTEMPTS:
                    raise DownloadBrokeOffError(done=size(part.size), total=size(part.file.size))
                if part.size < part.file.size:
                    await asyncio.sleep(PAUSE * 2 ** max(0, failures - 1))
            await self._do(part.finish)
        finally:
            await self._do(part.close)

    async def _fetch(self) -> None:
        """Fetch what is missing until the connection ends, for whatever reason."""
        part = self._part
        async with self._hub.fetch(self._listing, part.file, part.size) as response:
            goes_on = response.status == HTTPStatus.PARTIAL_CONTENT and _offset(response) == part.size
            if part.size and not goes_on:
                await self._do(part.restart)
            if response.status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                return
            held = bytearray()
            try:
                async for piece in response.content.iter_any():
                    held += piece
                    self._report(part.size + len(held))
                    if part.size + len(held) > part.file.size:
                        held.clear()
                        await self._do(part.discard)
                        raise DownloadDamagedError(file=part.file.name)
                    if len(held) >= CHUNK:
                        await self._keep(held)
            finally:
                await self._keep(held)

    async def _keep(self, held: bytearray) -> None:
        data = bytes(held)
        held.clear()
        await self._do(self._part.write, data)

    async def _do(self, work: Callable[..., None], *arguments: Any) -> None:
        """Do what blocks, and wait until it is done even when cancelled: nobody else may touch the file meanwhile."""
        job = asyncio.ensure_future(self._hass.async_add_executor_job(work, *arguments))
        try:
            await asyncio.shield(job)
        except asyncio.CancelledError:
            await asyncio.wait([job])
            raise


def _offset(response: aiohttp.ClientResponse) -> int | None:
    """Return the place of an answer's first byte in the file."""
    start = response.headers.get("Content-Range", "").removeprefix("bytes ").partition("-")[0]
    return int(start) if start.isdigit() else None
