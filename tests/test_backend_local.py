"""The local backend: a real model file, real llama.cpp, in the real worker process."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from pathlib import Path

import pytest

from custom_components.morphy.backends import Completion, local, process
from custom_components.morphy.backends.local import LocalBackend
from custom_components.morphy.errors import (
    BackendError,
    EmptyAnswerError,
    GrammarInvalidError,
    ModelInvalidError,
    ModelMissingError,
    ModelNotGgufError,
    ModelTruncatedError,
    ModelVersionError,
    PromptTooLongError,
    RuntimeMissingError,
    WorkerDiedError,
    WorkerSilentError,
)

from .tiny_model import TEMPLATE, Architecture, write_tiny_model

type MakeBackend = Callable[..., LocalBackend]

TEXT = "Lamp€5 ok"
PROMPT = "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n"
HOME = "".join(f'"Lamp {number}" light.l{number} = on\n' for number in range(40))


@pytest.fixture(name="models", scope="session")
def models_fixture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of small models."""
    folder = tmp_path_factory.mktemp("models")
    write_tiny_model(folder / "text.gguf", chain=TEXT.encode())
    write_tiny_model(folder / "empty.gguf", chain=b"")
    write_tiny_model(folder / "endless.gguf", chain=b"abc", endless=True, context_length=60000)
    write_tiny_model(folder / "llama.gguf", context_length=60000)
    write_tiny_model(folder / "lfm2.gguf", architecture="lfm2")
    return folder


@pytest.fixture(name="make")
async def make_fixture(models: Path) -> AsyncGenerator[MakeBackend]:
    """Return a way to make backends that are closed when the test ends."""
    made: list[LocalBackend] = []

    def make(model: str | Path, *, context_length: int = 2048, **options: object) -> LocalBackend:
        path = models / f"{model}.gguf" if isinstance(model, str) else model
        made.append(LocalBackend(path, context_length=context_length, threads=1, **options))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for backend in made:
        await backend.close()


async def say(backend: LocalBackend, prompt: str = PROMPT, **options: object) -> str:
    """Return the whole answer."""
    request = Completion(prompt=prompt, **options)  # type: ignore[arg-type]
    return "".join([piece async for piece in backend.complete(request)])


async def drain(answer: AsyncGenerator[str]) -> None:
    """Read on to the end."""
    async for _ in answer:
        pass


async def until(condition: Callable[[], bool], seconds: float = 5) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what is waited for happens in another process
            await asyncio.sleep(0.02)


def open_files() -> int:
    """Return how many files and pipes this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


def alive(pid: int) -> bool:
    """Return whether a process exists that is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_start_tells_what_the_file_says(make: MakeBackend) -> None:
    info = await make("text").start()
    assert info.model == "Tiny"
    assert info.context_length == 2048
    assert info.chat_template == TEMPLATE
    assert info.grammar


async def test_context_is_at_most_what_the_model_was_trained_for(make: MakeBackend) -> None:
    assert (await make("text", context_length=10**6).start()).context_length == 2048
    assert (await make("text", context_length=512).start()).context_length == 512


async def test_text_comes_in_whole_characters(make: MakeBackend) -> None:
    backend = make("text")
    pieces = [piece async for piece in backend.complete(Completion(prompt=PROMPT))]
    assert pieces == list(TEXT)
    assert backend.usage
    assert backend.usage.prompt_tokens == 21
    assert backend.usage.completion_tokens == len(TEXT.encode())


async def test_a_character_cut_off_by_the_limit_is_left_out(make: MakeBackend) -> None:
    assert await say(make("text"), max_tokens=6) == "Lamp"


@pytest.mark.parametrize(
    ("stop", "text"),
    [
        (("p€5",), "Lam"),
        (("L",), None),
        (("okay", "5 o!"), TEXT),
        (("ok", "€"), "Lamp"),
        (("", "k"), "Lamp€5 o"),
    ],
)
async def test_stop_strings_span_tokens(make: MakeBackend, stop: tuple[str, ...], text: str | None) -> None:
    backend = make("text")
    if text is None:
        with pytest.raises(EmptyAnswerError):
            await say(backend, stop=stop)
    else:
        assert await say(backend, stop=stop) == text


async def test_special_tokens_are_read_as_such_and_no_bos_is_added(make: MakeBackend) -> None:
    backend = make("text")
    assert await backend.count_tokens("<|im_start|>") == 1
    assert await backend.count_tokens("<|im_start|>user\né<|im_end|>") == 9
    assert await backend.count_tokens("") == 0


@pytest.mark.parametrize("temperature", [0.0, 0.9])
async def test_grammar_is_honoured(make: MakeBackend, temperature: float) -> None:
    backend = make("llama")
    grammar = 'root ::= "light." ("kitchen" | "küche") "!"'
    answer = await say(backend, grammar=grammar, temperature=temperature)
    assert answer in ("light.kitchen!", "light.küche!")


async def test_unreadable_grammar_costs_one_request(make: MakeBackend) -> None:
    backend = make("text")
    with pytest.raises(GrammarInvalidError):
        await say(backend, grammar="root ::= (((")
    assert await say(backend) == TEXT


async def test_greedy_is_repeatable_and_sampling_is_not(make: MakeBackend) -> None:
    backend = make("llama")
    assert len({await say(backend, max_tokens=30) for _ in range(3)}) == 1
    assert len({await say(backend, max_tokens=30, temperature=1.5) for _ in range(3)}) > 1


async def test_endless_text_ends_at_max_tokens_and_at_the_context(make: MakeBackend) -> None:
    backend = make("endless", context_length=256)
    assert await say(backend, max_tokens=100) == "abc" * 33 + "a"
    assert await say(backend, max_tokens=10**6) == ("abc" * 100)[: 256 - 21]


async def test_prompt_too_long(make: MakeBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = make("text", context_length=256)
    with pytest.raises(PromptTooLongError) as caught:
        await say(backend, "x" * 256)
    assert caught.value.translation_placeholders == {"tokens": "256", "context_length": "256"}
    monkeypatch.setattr(local, "MAX_PROMPT", 1000)
    with pytest.raises(PromptTooLongError):
        await say(backend, "x" * 1001)
    assert await say(backend) == TEXT


async def test_model_that_says_nothing(make: MakeBackend) -> None:
    with pytest.raises(EmptyAnswerError):
        await say(make("empty"))


@pytest.mark.parametrize("architecture", ["llama", "lfm2"])
async def test_the_common_prefix_is_read_once(make: MakeBackend, architecture: Architecture) -> None:
    """What comes out is what comes out without any cache, also for a model whose state cannot be cut back."""
    backend, plain = make(architecture), make(architecture)
    prompts = [f"{HOME}Now {number}\nhi\n" for number in range(4)]
    prompts += [HOME.replace("light.l20", "light.x"), HOME[:300], prompts[2], prompts[2]]
    cached: list[int] = []
    for prompt in prompts:
        answer = await say(backend, prompt, max_tokens=24)
        assert backend.usage
        cached.append(backend.usage.cached_tokens)
        await say(plain, "?", max_tokens=2)
        assert await say(plain, prompt, max_tokens=24) == answer
        assert plain.usage
        assert plain.usage.cached_tokens == 0
    static = len(HOME) + len("Now ")
    assert cached[0] == 0
    assert cached[1] > static - 512
    assert cached[2] == cached[3] == static
    assert cached[7] == len(prompts[2]) - 1


@pytest.mark.parametrize("architecture", ["llama", "lfm2"])
async def test_agents_do_not_forget_each_others_prompts(make: MakeBackend, architecture: Architecture) -> None:
    backend, plain = make(architecture), make(architecture)
    cached: list[int] = []
    for number in range(9):
        prompt = f"You are {number % 3}.\n{HOME}{number}\n"
        answer = await say(backend, prompt, max_tokens=24, family=str(number % 3))
        assert backend.usage
        cached.append(backend.usage.cached_tokens or 0)
        await say(plain, "?", max_tokens=2)
        assert await say(plain, prompt, max_tokens=24) == answer
    assert max(cached[:3]) < 20
    assert min(cached[3:]) >= len(HOME) - 64
    assert min(cached[6:]) >= len(HOME)


@pytest.mark.parametrize("architecture", ["llama", "lfm2"])
async def test_a_new_agent_begins_with_what_another_has_read(make: MakeBackend, architecture: Architecture) -> None:
    backend = make(architecture)
    await say(backend, f"{HOME}hi\n", max_tokens=2, family="one")
    await say(backend, "something else\n", max_tokens=2, family="two")
    await say(backend, f"{HOME}ho\n", max_tokens=2, family="three")
    assert backend.usage
    assert backend.usage.cached_tokens >= len(HOME) - 64
    await say(backend, f"{HOME}hi\n", max_tokens=2, family="one")
    assert backend.usage.cached_tokens >= len(HOME) - 64


async def test_what_is_guessed_from_the_prompt_does_not_show(make: MakeBackend) -> None:
    """With three letters the same ones often come again, and often something else comes after them.

    An answer of a single token is written without a guess.
    """
    backend = make("llama")
    written = await say(backend, "hi\n", grammar="root ::= [abc]{60}", max_tokens=99)
    assert len(written) == 60
    for length in range(60):
        prompt = f"hi\n{written[:length]}"
        assert await say(backend, prompt, grammar="root ::= [abc]+", max_tokens=1) == written[length]
    sure = make("endless")
    assert await say(sure, "abcaabcabbabcc\n", max_tokens=100) == "abc" * 33 + "a"


async def test_prefill_is_kept(make: MakeBackend) -> None:
    backend = make("lfm2")
    await backend.prefill(HOME)
    await say(backend, f"{HOME}hi\n", max_tokens=4)
    assert backend.usage
    assert backend.usage.cached_tokens >= len(HOME) - 1


async def test_prefill_never_raises(make: MakeBackend, tmp_path: Path) -> None:
    await make(tmp_path / "nothing.gguf").prefill("x")
    await make("text", context_length=256).prefill("x" * 300)


async def test_a_completion_goes_before_a_prefill(make: MakeBackend) -> None:
    backend = make("llama", context_length=60000)
    await backend.start()
    prefill = asyncio.create_task(backend.prefill("x" * 50000))
    await asyncio.sleep(0.2)
    assert await asyncio.wait_for(say(backend, max_tokens=2), 5)
    await asyncio.wait_for(prefill, 1)


async def test_closing_the_generator_stops_the_writing(make: MakeBackend) -> None:
    backend = make("endless", context_length=60000)
    async with aclosing(backend.complete(Completion(prompt=PROMPT, max_tokens=50000))) as answer:
        assert await anext(answer) == "a"
    assert await asyncio.wait_for(say(backend, max_tokens=3), 2) == "abc"


async def test_cancelling_the_task_stops_the_reading(make: MakeBackend) -> None:
    backend = make("llama", context_length=60000)
    await backend.start()
    turn = asyncio.create_task(say(backend, "x" * 50000))
    await asyncio.sleep(0.3)
    turn.cancel()
    with pytest.raises(asyncio.CancelledError):
        await turn
    started = time.perf_counter()
    await say(backend, max_tokens=2)
    assert time.perf_counter() - started < 3


async def test_requests_queue(make: MakeBackend) -> None:
    backend = make("endless")
    answers = await asyncio.gather(*(say(backend, max_tokens=number) for number in range(1, 9)))
    assert [len(answer) for answer in answers] == list(range(1, 9))


async def test_counting_does_not_wait(make: MakeBackend) -> None:
    backend = make("endless", context_length=60000)
    async with aclosing(backend.complete(Completion(prompt=PROMPT, max_tokens=50000))) as answer:
        await anext(answer)
        assert await asyncio.wait_for(backend.count_tokens("abc"), 1) == 3


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
async def test_death_in_mid_turn_costs_this_turn(make: MakeBackend, number: signal.Signals) -> None:
    backend = make("endless", context_length=60000)
    first = await backend.start()
    pid = backend.pid
    assert pid
    answer = backend.complete(Completion(prompt=PROMPT, max_tokens=50000))
    assert await anext(answer) == "a"
    os.kill(pid, number)
    with pytest.raises(WorkerDiedError) as caught:
        await drain(answer)
    assert caught.value.translation_placeholders
    assert caught.value.translation_placeholders["reason"].startswith(number.name)
    assert await say(backend, max_tokens=3) == "abc"
    assert backend.pid != pid
    assert await backend.start() == first


async def test_a_death_costs_no_turn_that_waits(make: MakeBackend) -> None:
    backend = make("endless", context_length=60000)
    await backend.start()
    turns = [asyncio.create_task(say(backend, max_tokens=number)) for number in (50000, 3, 4)]
    await asyncio.sleep(0.1)
    assert backend.pid
    os.kill(backend.pid, signal.SIGKILL)
    dead, *answers = await asyncio.gather(*turns, return_exceptions=True)
    assert isinstance(dead, WorkerDiedError)
    assert answers == ["abc", "abca"]


async def test_dying_again_and_again_leads_to_a_pause(make: MakeBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "BACKOFF_MAX", 0.5)
    backend = make("text")
    for _ in range(2):
        await backend.start()
        assert backend.pid
        os.kill(backend.pid, signal.SIGKILL)
        await until(lambda: backend.pid is None)
    with pytest.raises(WorkerDiedError):
        await say(backend)
    await asyncio.sleep(0.6)
    assert await say(backend) == TEXT


async def test_silent_process_is_killed(make: MakeBackend) -> None:
    backend = make("endless", context_length=60000, silence=0.5)
    await backend.start()
    pid = backend.pid
    assert pid
    await asyncio.sleep(0.7)  # being idle is no silence
    answer = backend.complete(Completion(prompt=PROMPT, max_tokens=50000))
    assert await anext(answer) == "a"
    os.kill(pid, signal.SIGSTOP)
    with pytest.raises(WorkerSilentError) as caught:
        await drain(answer)
    assert caught.value.translation_placeholders == {"seconds": "0.5"}
    await until(lambda: not alive(pid))
    assert await say(backend, max_tokens=3) == "abc"


async def test_missing_file(make: MakeBackend, tmp_path: Path) -> None:
    path = tmp_path / "nothing.gguf"
    with pytest.raises(ModelMissingError) as caught:
        await make(path).start()
    assert caught.value.translation_placeholders == {"path": str(path)}


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (lambda good: b"", ModelNotGgufError),
        (lambda good: b"<!DOCTYPE html>" + good, ModelNotGgufError),
        (lambda good: good[:100], ModelTruncatedError),
        (lambda good: good[: len(good) // 2], ModelTruncatedError),
        (lambda good: b"GGUF" + bytes(range(256)) * 8, ModelVersionError),
    ],
)
async def test_invalid_file(
    make: MakeBackend, models: Path, tmp_path: Path, content: Callable[[bytes], bytes], error: type[ModelInvalidError]
) -> None:
    path = tmp_path / "bad.gguf"
    path.write_bytes(content((models / "text.gguf").read_bytes()))
    backend = make(path)
    with pytest.raises(error) as caught:
        await backend.start()
    placeholders = caught.value.translation_placeholders
    assert placeholders
    assert placeholders["path"] == str(path)
    assert backend.pid is None


async def test_folder_is_no_model(make: MakeBackend, tmp_path: Path) -> None:
    with pytest.raises(ModelInvalidError):
        await make(tmp_path).start()


async def test_file_put_right_later(make: MakeBackend, models: Path, tmp_path: Path) -> None:
    backend = make(tmp_path / "late.gguf")
    with pytest.raises(ModelMissingError):
        await say(backend)
    (tmp_path / "late.gguf").write_bytes((models / "text.gguf").read_bytes())
    assert await say(backend) == TEXT


async def test_python_without_llama_cpp(make: MakeBackend, tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" -I -S "$@"\n')
    python.chmod(0o755)
    with pytest.raises(RuntimeMissingError) as caught:
        await make("text", interpreter=str(python)).start()
    assert caught.value.translation_placeholders
    assert "llama_cpp" in caught.value.translation_placeholders["reason"]
    with pytest.raises(RuntimeMissingError):
        await make("text", interpreter=str(tmp_path / "no python")).start()


async def test_program_that_is_no_worker(make: MakeBackend, tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho no such thing\nread line\necho it broke >&2\nexit 3\n")
    python.chmod(0o755)
    with pytest.raises(WorkerDiedError):
        await make("text", interpreter=str(python)).start()


async def test_close_leaves_nothing(make: MakeBackend) -> None:
    tasks, threads = asyncio.all_tasks(), set(threading.enumerate())
    pipes = open_files()
    backend = make("endless", context_length=60000)
    await backend.start()
    pid = backend.pid
    assert pid
    turn = asyncio.create_task(say(backend, max_tokens=50000))
    await asyncio.sleep(0.1)
    await backend.close()
    await backend.close()
    with pytest.raises(WorkerDiedError):
        await turn
    assert not alive(pid)
    await until(lambda: asyncio.all_tasks() == tasks)
    assert set(threading.enumerate()) == threads
    await until(lambda: open_files() <= pipes)
    with pytest.raises(WorkerDiedError):
        await say(backend)


async def test_close_while_loading(make: MakeBackend) -> None:
    backend = make("text")
    loading = asyncio.create_task(backend.start())
    await until(lambda: backend.pid is not None)
    pid = backend.pid
    assert pid
    await backend.close()
    with pytest.raises(BackendError):
        await loading
    assert not alive(pid)


async def test_cancelled_start_leaves_no_process(make: MakeBackend) -> None:
    backend = make("text")
    loading = asyncio.create_task(backend.start())
    await until(lambda: backend.pid is not None)
    pid = backend.pid
    assert pid
    loading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await loading
    assert not alive(pid)
    assert await say(backend) == TEXT


@pytest.mark.parametrize("prompt", ["", "x" * 50000], ids=["idle", "reading"])
def test_worker_ends_with_its_parent(models: Path, prompt: str) -> None:
    """Also in the midst of a request, and without a word on stdout that is not an answer."""
    worker = subprocess.Popen(
        [sys.executable, "-P", str(process.WORKER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert worker.stdin
    assert worker.stdout
    load = {"id": 1, "op": "load", "path": str(models / "llama.gguf"), "context_length": 60000, "threads": 1}
    worker.stdin.write(json.dumps(load) + "\n")
    worker.stdin.flush()
    assert any("done" in json.loads(line) for line in iter(worker.stdout.readline, ""))
    if prompt:
        worker.stdin.write(json.dumps({"id": 2, "op": "prefill", "prompt": prompt}) + "\n")
        worker.stdin.flush()
        time.sleep(0.2)
    worker.stdin.close()
    assert worker.wait(2) == 0
    for line in worker.stdout:
        assert "read" in json.loads(line)
    with contextlib.suppress(OSError):
        worker.stdout.close()
