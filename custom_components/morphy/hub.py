"""Models in a repository of a hub: which GGUF files there are, and how to ask for one.

The interface is Hugging Face's, which mirrors share: `/api/models/{repository}/revision/{revision}?blobs=true` lists
the files of a commit with their sizes and SHA-256, `/{repository}/resolve/{commit}/{path}` redirects to each. These two
requests are made with the HTTP client that Home Assistant has anyway. The package huggingface_hub would bring several
others along, one of them native; it works in threads, which cannot be cancelled, and draws its progress on a terminal.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import PurePosixPath
from typing import Any, Final
from urllib.parse import quote

import aiohttp

from .errors import (
    HubAnswerError,
    HubGatedError,
    HubMissingError,
    HubNoModelError,
    HubPartsError,
    HubRepositoryError,
    HubStatusError,
    HubTokenError,
    HubUnreachableError,
)

DEFAULT_HUB: Final = "https://huggingface.co"
DEFAULT_REVISION: Final = "main"
TIMEOUT: Final = 30.0
"""Seconds to wait for a connection, for an answer, and for each piece of it."""
MAX_LISTING: Final = 16 * 2**20
"""Bytes a listing may have."""

_REPOSITORY: Final = re.compile(r"(?:https?://[^/\s]+/)?(\w[\w.-]*/\w[\w.-]*)(?:/.*)?", re.ASCII)
_QUANTISATION: Final = re.compile(
    r"(?:^|[-_.])((?:i?q|tq)\d(?:_[a-z0-9]+)*|mxfp4|b?fp?16|fp?32)(?=[-.]|$)", re.ASCII | re.IGNORECASE
)
_PART: Final = re.compile(r"-\d{5}-of-\d{5}$", re.ASCII)
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_NO_MODELS: Final = ("mmproj", "imatrix")
"""What stands in the names of GGUF files that go with a model: the eyes of one that can see, and statistics."""


@dataclass(frozen=True, slots=True)
class HubFile:
    """A model in a repository: its path there, its bytes, and their SHA-256 in hexadecimal digits."""

    path: str
    size: int
    sha256: str

    @property
    def name(self) -> str:
        """The file's name."""
        return PurePosixPath(self.path).name

    @property
    def quantisation(self) -> str | None:
        """How its weights are stored, such as Q4_K_M, if its name tells."""
        found = _QUANTISATION.findall(PurePosixPath(self.path).stem)
        return found[-1].upper() if found else None


@dataclass(frozen=True, slots=True)
class Listing:
    """The models of a repository at one commit, the smallest first."""

    repository: str
    commit: str
    files: tuple[HubFile, ...]


def read_repository(text: str) -> str:
    """Return the owner and name of a repository from what was entered, which may be the address of its page.

    Raises HubRepositoryError.
    """
    if match := _REPOSITORY.fullmatch(text.strip()):
        return match[1]
    raise HubRepositoryError


class Hub:
    """A hub at an address, asked with an access token or without one."""

    def __init__(self, session: aiohttp.ClientSession, url: str, token: str | None = None) -> None:
        """Ask the hub at `url`; the session is shared, and not closed here."""
        self.url = url.rstrip("/")
        self._session = session
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    async def list_models(self, repository: str, revision: str) -> Listing:
        """Return what there is. Raises DownloadError, also where there is no model that could be used."""
        path = f"api/models/{repository}/revision/{quote(revision, safe='')}?blobs=true"
        async with self.get(path, repository, revision) as response:
            body = bytearray()
            async for piece in response.content.iter_any():
                body += piece
                if len(body) > MAX_LISTING:
                    raise HubAnswerError(url=self.url)
        try:
            answer = json.loads(body)
            commit, siblings = answer["sha"], answer["siblings"]
            files = tuple(sorted(_models(siblings), key=lambda file: (file.size, file.path)))
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            raise HubAnswerError(url=self.url) from error
        whole = tuple(file for file in files if not _PART.search(PurePosixPath(file.path).stem))
        if not whole:
            raise (HubPartsError if files else HubNoModelError)(repository=repository)
        return Listing(repository, str(commit), whole)

    @asynccontextmanager
    async def fetch(self, listing: Listing, file: HubFile, offset: int = 0) -> AsyncGenerator[aiohttp.ClientResponse]:
        """Ask for a file's bytes from `offset` on, which the answer may or may not heed. Raises DownloadError."""
        path = f"{listing.repository}/resolve/{quote(listing.commit, safe='')}/{quote(file.path)}"
        extra = {"Range": f"bytes={offset}-"} if offset else {}
        async with self.get(path, listing.repository, listing.commit, extra) as response:
            yield response

    @asynccontextmanager
    async def get(
        self, path: str, repository: str, revision: str, extra: Mapping[str, str] | None = None
    ) -> AsyncGenerator[aiohttp.ClientResponse]:
        """Ask for a path; the token goes to the hub alone, not to where it redirects. Raises DownloadError."""
        # As it is on the disk there: a range of a compressed answer would be of no use.
        headers = {"Accept-Encoding": "identity", **self._headers, **(extra or {})}
        timeout = aiohttp.ClientTimeout(total=None, connect=TIMEOUT, sock_connect=TIMEOUT, sock_read=TIMEOUT)
        try:
            async with self._session.get(f"{self.url}/{path}", headers=headers, timeout=timeout) as response:
                self._check(response, repository, revision)
                yield response
        except (aiohttp.ClientError, TimeoutError) as error:
            raise HubUnreachableError(url=self.url) from error

    def _check(self, response: aiohttp.ClientResponse, repository: str, revision: str) -> None:
        """Raise a DownloadError for an answer that is no success."""
        if response.ok or response.status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            return
        code = response.headers.get("X-Error-Code", "")
        refused = response.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
        if code == "GatedRepo":
            raise HubGatedError(url=self.url, repository=repository)
        if response.status == HTTPStatus.NOT_FOUND or (refused and code in ("RepoNotFound", "RevisionNotFound")):
            raise HubMissingError(url=self.url, repository=repository, revision=revision)
        if refused:
            raise HubTokenError(url=self.url)
        raise HubStatusError(url=self.url, status=str(response.status))


def _models(siblings: Any) -> Iterator[HubFile]:
    """Yield the models among the files of a listing. One without a SHA-256 could not be checked: it is left out."""
    for entry in siblings:
        path, stored = entry["rfilename"], entry.get("lfs")
        name = PurePosixPath(path).name
        if not name.lower().endswith(".gguf") or not path.isprintable() or name.startswith("."):
            continue
        if any(word in name.lower() for word in _NO_MODELS) or not stored:
            continue
        if _DIGEST.fullmatch(stored["sha256"]) and stored["size"] > 0:
            yield HubFile(path, int(stored["size"]), stored["sha256"])
