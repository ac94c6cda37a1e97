"""A server with OpenAI's interface on 127.0.0.1, whose answers a function of the test makes; and llama_cpp.server."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

SERVER_PYTHON = Path(__file__).parents[2] / ".venv-server" / "bin" / "python"
READY_SECONDS = 60

Answer = str | dict[str, Any] | tuple[int, str]
"""Text, a whole message, or a status with an error's text."""


@contextlib.contextmanager
def serving(answer: Callable[[str, dict[str, Any]], Answer]) -> Iterator[str]:
    """Serve; `answer` is given the path's last word (`completions` or `chat`) and the body. Yields the address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._send(200, {"object": "list", "data": [{"id": "scripted", "object": "model"}]})

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            chat = self.path.endswith("/chat/completions")
            said = answer("chat" if chat else "completions", body)
            if isinstance(said, tuple):
                self._send(said[0], {"error": {"message": said[1]}})
                return
            message = said if isinstance(said, dict) else {"role": "assistant", "content": said}
            choice = {"message": message} if chat else {"text": said}
            self._send(200, {"id": "1", "choices": [{"index": 0, "finish_reason": "stop", **choice}]})

        def _send(self, status: int, content: dict[str, Any]) -> None:
            data = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        server.server_close()


@contextlib.contextmanager
def llama_cpp_server(model: Path, log: Path, *options: str) -> Iterator[str]:
    """Run `llama_cpp.server` with a GGUF file; skips the test where it is not installed. Yields the address."""
    if not SERVER_PYTHON.exists():
        pytest.skip("llama_cpp.server is not installed: run scripts/setup servers")
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    command = [str(SERVER_PYTHON), "-m", "llama_cpp.server", "--model", str(model), "--host", "127.0.0.1"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, "--port", str(port), "--n_ctx", "4096", "--n_threads", "1", *options],
            stdout=output, stderr=output, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    try:
        _wait(process, f"http://127.0.0.1:{port}/v1/models", log)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.kill()
        process.wait()


def _wait(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=5):
            return
        time.sleep(0.1)
    pytest.fail(f"llama_cpp.server does not answer: {log.read_text(errors='replace')[-1000:]}")
