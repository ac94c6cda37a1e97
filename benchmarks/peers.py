"""What others run a model with: llama-cpp-python as its own documentation has it, and llama.cpp's server.

Both are given the very prompt that Morphy's agent has sent to its own backend, and keep what caches they have.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Final

from custom_components.morphy.backends import Completion
from custom_components.morphy.dialect.chatml import END, START
from tests.servers import LLAMA_SERVER, free_port

from .household import Turn
from .random_models import silence_llama_cpp

READY_SECONDS: Final = 120
CONTEXT_LENGTH: Final = 4096


def messages_of(prompt: str) -> list[dict[str, str]]:
    """Return the messages of a ChatML prompt, without the answer that it begins."""
    turns = [turn.partition(END)[0].partition("\n") for turn in prompt.split(START)[1:-1]]
    return [{"role": role, "content": content} for role, _, content in turns]


class Plain:
    """llama-cpp-python's `create_chat_completion`, with its defaults but for temperature, context and threads."""

    def __init__(self, model: Path, threads: int) -> None:
        """Load the model."""
        import llama_cpp

        silence_llama_cpp()
        self._llama: Any = llama_cpp.Llama(
            str(model),
            n_ctx=CONTEXT_LENGTH,
            n_threads=threads,
            n_threads_batch=threads,
            n_gpu_layers=-1,
            verbose=False,
        )

    def say(self, completion: Completion) -> Turn:
        """Answer the prompt."""
        began = time.perf_counter()
        first, tokens = None, 0
        for chunk in self._llama.create_chat_completion(
            messages_of(completion.prompt),
            stop=list(completion.stop),
            max_tokens=completion.max_tokens,
            temperature=completion.temperature,
            stream=True,
        ):
            if chunk["choices"][0]["delta"].get("content"):
                first, tokens = first or time.perf_counter(), tokens + 1
        prompt_tokens = len(self._llama.tokenize(completion.prompt.encode(), add_bos=False, special=True))
        return Turn(
            last_word_ms=(time.perf_counter() - began) * 1000,
            first_token_ms=first and (first - began) * 1000,
            prompt_tokens=prompt_tokens,
            completion_tokens=tokens,
        )

    def forget(self) -> None:
        """Know nothing of earlier prompts any more."""
        self._llama.reset()
        self._llama._ctx.kv_cache_clear()


@asynccontextmanager
async def plain(model: Path, threads: int) -> AsyncIterator[Plain]:
    """Load a model into llama-cpp-python; for a process of its own."""
    yield await asyncio.to_thread(Plain, model, threads)


class Server:
    """A running llama.cpp server."""

    def __init__(self, url: str, pid: int) -> None:
        """Take the address of a server that answers."""
        self.url = url
        self.pid = pid

    def say(self, completion: Completion, *, cached: bool = True) -> Turn:
        """Answer the prompt; the server looks in its cache for how much of it was read before, unless told not to."""
        body = {
            "prompt": completion.prompt,
            "n_predict": completion.max_tokens,
            "stop": list(completion.stop),
            "temperature": completion.temperature,
            "cache_prompt": cached,
            "stream": True,
        }
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.url}/completion", json.dumps(body).encode(), headers)
        began = time.perf_counter()
        first, last = None, dict[str, Any]()
        with urllib.request.urlopen(request) as response:
            for line in response:
                if line.startswith(b"data: "):
                    last = json.loads(line.removeprefix(b"data: "))
                    if last.get("content") and first is None:
                        first = time.perf_counter()
        ended, times = time.perf_counter(), last["timings"]
        return Turn(
            last_word_ms=(ended - began) * 1000,
            first_token_ms=first and (first - began) * 1000,
            prompt_tokens=last["tokens_evaluated"],
            cached_tokens=last["tokens_evaluated"] - times["prompt_n"],
            completion_tokens=last["tokens_predicted"],
            prefill_ms=times["prompt_ms"],
            decode_ms=times["predicted_ms"],
        )


@contextmanager
def server(model: Path, threads: int, *, slots: int = 1, program: Path = LLAMA_SERVER) -> Iterator[Server]:
    """Run llama.cpp's server with so many slots, each with a context as Morphy's."""
    port = free_port()
    command = [str(program), "-ngl", "999", "-m", str(model), "-c", str(CONTEXT_LENGTH * slots), "-np", str(slots)]
    command += ["-t", str(threads), "-tb", str(threads), "--no-webui", "--host", "127.0.0.1", "--port", str(port)]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        try:
            _wait(process, f"http://127.0.0.1:{port}/health")
            yield Server(f"http://127.0.0.1:{port}", process.pid)
        finally:
            process.kill()
            process.wait()


def _wait(process: subprocess.Popen[bytes], url: str) -> None:
    """Wait until the server has loaded its model."""
    for _ in range(READY_SECONDS * 10):
        if process.poll() is not None:
            raise RuntimeError(f"llama.cpp's server ended with status {process.returncode}")
        with contextlib.suppress(OSError, urllib.error.URLError), urllib.request.urlopen(url):
            return
        time.sleep(0.1)
    raise RuntimeError("llama.cpp's server does not answer")


def default_threads() -> int:
    """Return how many threads Morphy's worker takes when nobody says: all cores but one."""
    return max(1, len(os.sched_getaffinity(0)) - 1)
