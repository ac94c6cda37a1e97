"""An index of wheels on 127.0.0.1, as llama-cpp-python's project publishes one, with wheels made on the spot.

The pages are those of PEP 503: `/whl/` has llama-cpp-python and nothing else, `/pypi/` is the index of all the rest.
"""

from __future__ import annotations

import asyncio
import sysconfig
import zipfile
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

from aiohttp import web
from aiohttp.test_utils import TestServer

PACKAGES = Path(sysconfig.get_path("purelib"))
VERSION = "0.3.36"

LEADS_HERE = f"""
import importlib.util, sys
here = {str(PACKAGES / "llama_cpp")!r}
sys.modules["llama_cpp"].__path__[:] = [here]
spec = importlib.util.spec_from_file_location(__name__, here + "/llama_cpp.py")
module = sys.modules[__name__] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
"""
"""A llama_cpp that leads to the one of this environment, whose libraries have tens of megabytes."""
LACKS_AN_INSTRUCTION = "import os, signal\nos.kill(os.getpid(), signal.SIGILL)\n"
OF_ANOTHER_SYSTEM = "import ctypes\nctypes.CDLL('libc.of-another-system.so.1')\n"
WANTS_NUMPY = "import numpy\n"


class PackageIndex:
    """Serves the files of a folder; `hints` are the digests that the page gives for them, instead of none."""

    def __init__(self, folder: Path) -> None:
        """Serve the files in `folder`, at first only what llama-cpp-python needs."""
        self.folder = folder
        self.hints: dict[str, str] = {}
        self.asked: list[str] = []
        self.gate: asyncio.Event | None = None
        """What a page waits for."""
        text = (PACKAGES / "typing_extensions.py").read_text(encoding="utf-8")
        self.add("typing_extensions", {"typing_extensions.py": text}, version="4.15.0")
        app = web.Application()
        app.router.add_get("/{index}/{project}/", self._page)
        app.router.add_static("/files", folder)
        self._server = TestServer(app, skip_url_asserts=True)

    async def start(self) -> None:
        """Begin to serve."""
        await self._server.start_server()

    async def stop(self) -> None:
        """Hang up."""
        await self._server.close()

    @property
    def url(self) -> str:
        """The index of llama-cpp-python's project."""
        return f"http://127.0.0.1:{self._server.port}/whl"

    @property
    def default_url(self) -> str:
        """The index of all the rest."""
        return f"http://127.0.0.1:{self._server.port}/pypi"

    async def _page(self, request: web.Request) -> web.Response:
        index, project = request.match_info["index"], request.match_info["project"]
        self.asked.append(f"{index}/{project}")
        if self.gate:
            await self.gate.wait()
        if (project == "llama-cpp-python") != (index == "whl"):
            raise web.HTTPNotFound
        files = [file.name for file in self.folder.iterdir() if file.name.startswith(project.replace("-", "_"))]
        links = (f'<a href="/files/{name}{self.hints.get(name, "")}">{name}</a>' for name in files)
        return web.Response(text=f"<!DOCTYPE html><html><body>{''.join(links)}</body></html>", content_type="text/html")

    def offer(self, code: str = LEADS_HERE, *, tag: str = "py3-none-any", version: str = VERSION) -> Path:
        """Have one wheel of llama-cpp-python, which runs `code` when its C API is imported."""
        self.withdraw()
        return self.add("llama_cpp_python", llama_cpp(code), tag=tag, version=version)

    def withdraw(self) -> None:
        """Have no llama-cpp-python."""
        for file in self.folder.glob("llama_cpp_python-*"):
            file.unlink()

    def add(self, name: str, files: Mapping[str, str], *, version: str, tag: str = "py3-none-any") -> Path:
        """Write a wheel."""
        info = f"{name}-{version}.dist-info"
        content = {
            **files,
            f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
            f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: {tag}\n",
        }
        record = [f"{path},sha256={_digest(text)},{len(text.encode())}" for path, text in content.items()]
        content[f"{info}/RECORD"] = "\n".join([*record, f"{info}/RECORD,,"]) + "\n"
        path = self.folder / f"{name}-{version}-{tag}.whl"
        with zipfile.ZipFile(path, "w") as wheel:
            for name_, text in content.items():
                wheel.writestr(name_, text)
        return path


def llama_cpp(code: str) -> dict[str, str]:
    """Return the files of a llama_cpp whose C API is this code."""
    return {
        "llama_cpp/__init__.py": "raise AssertionError('not wanted')\n",
        "llama_cpp/llama_cpp.py": code,
    }


def _digest(text: str) -> str:
    return urlsafe_b64encode(sha256(text.encode()).digest()).rstrip(b"=").decode()
