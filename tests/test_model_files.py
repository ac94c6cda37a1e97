"""Model files: broken ones that this test makes, byte by byte, and good ones that are no longer what they were."""

from __future__ import annotations

import hashlib
import os
import random
import struct
from collections.abc import AsyncGenerator, Callable, Sequence
from pathlib import Path

import gguf
import pytest
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component

from custom_components.morphy import BUNDLED_MODEL
from custom_components.morphy.backends import Completion, model_file
from custom_components.morphy.backends.local import LocalBackend
from custom_components.morphy.backends.model_file import Fingerprint, ModelFileError, examine
from custom_components.morphy.const import DOMAIN
from custom_components.morphy.errors import (
    ModelChangedError,
    ModelChecksumError,
    ModelDamagedError,
    ModelInvalidError,
    ModelNotGgufError,
    ModelTruncatedError,
    ModelVersionError,
)

from .flows import Person, english, state_of
from .test_conversation import add_agent
from .tiny_model import write_tiny_model


@pytest.fixture(name="content", scope="module")
def content_fixture(model: Path) -> bytes:
    """Return a model that answers, as bytes."""
    return model.read_bytes()


type Make = Callable[..., LocalBackend]

UINT8, UINT32, STRING, ARRAY, BOOL = 0, 4, 8, 9, 7
F32, Q8_0, NEWER = 0, 8, 63


def number(value: int) -> bytes:
    return struct.pack("<I", value)


def long(value: int) -> bytes:
    return struct.pack("<Q", value)


def text(value: str) -> bytes:
    return long(len(value.encode())) + value.encode()


def key(name: str, kind: int, value: bytes) -> bytes:
    return text(name) + number(kind) + value


def array(kind: int, count: int, values: bytes = b"") -> bytes:
    return number(kind) + long(count) + values


def tensor(name: str = "a", shape: Sequence[int] = (8,), kind: int = F32, offset: int = 0) -> bytes:
    return text(name) + number(len(shape)) + b"".join(map(long, shape)) + number(kind) + long(offset)


ARCHITECTURE = key("general.architecture", STRING, text("llama"))


def whole(
    *keys: bytes,
    tensors: Sequence[bytes] = (tensor(),),
    data: int = 32,
    magic: bytes = b"GGUF",
    version: bytes = number(3),
    counts: tuple[int, int] | None = None,
) -> bytes:
    """Return a file: with `keys` besides the architecture, `data` bytes behind the header, other counts if given."""
    given = (ARCHITECTURE, *keys)
    count = counts or (len(tensors), len(given))
    header = magic + version + long(count[0]) + long(count[1]) + b"".join(given) + b"".join(tensors)
    return header + b"\0" * (-len(header) % 32 + data)


GOOD = {
    "plain": whole(),
    "version 2": whole(version=number(2)),
    "no tensors": whole(tensors=()),
    "every kind of value": whole(
        key("u8", UINT8, b"\1"),
        key("bool", BOOL, b"\1"),
        key("text", STRING, text("é")),
        key("numbers", ARRAY, array(UINT32, 2, number(1) * 2)),
        key("texts", ARRAY, array(STRING, 2, text("a") * 2)),
        key("none", ARRAY, array(STRING, 0)),
        key("general.alignment", UINT32, number(32)),
    ),
    "blocks": whole(tensors=(tensor(shape=(64, 2), kind=Q8_0),), data=4 * 34),
    "a type newer than ours": whole(tensors=(tensor(kind=NEWER),)),
    "two tensors": whole(tensors=(tensor(), tensor("b", offset=32)), data=64),
}
HUGE = 2**64 - 1
BROKEN: dict[str, tuple[bytes, type[ModelInvalidError]]] = {
    "nothing": (b"", ModelNotGgufError),
    "a byte": (b"G", ModelNotGgufError),
    "another magic": (whole(magic=b"gguf"), ModelNotGgufError),
    "a GGML file": (whole(magic=b"lmgg"), ModelNotGgufError),
    "a web page": (b"<!DOCTYPE html><title>404</title>" * 40, ModelNotGgufError),
    "an archive": (b"PK\3\4" + whole(), ModelNotGgufError),
    "a Git LFS pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", ModelNotGgufError),
    "version 0": (whole(version=number(0)), ModelVersionError),
    "version 1": (whole(version=number(1)), ModelVersionError),
    "version 4": (whole(version=number(4)), ModelVersionError),
    "the other byte order": (whole(version=struct.pack(">I", 3)), ModelVersionError),
    "a magic alone": (b"GGUF", ModelTruncatedError),
    "no counts": (b"GGUF" + number(3), ModelTruncatedError),
    "more tensors than there are": (whole(counts=(2, 1), data=0), ModelTruncatedError),
    "more keys than there are": (whole(counts=(0, 9), tensors=(), data=0), ModelDamagedError),
    "too many tensors": (whole(counts=(2**16 + 1, 1)), ModelDamagedError),
    "very many tensors": (whole(counts=(HUGE, 1)), ModelDamagedError),
    "very many keys": (whole(counts=(1, HUGE)), ModelDamagedError),
    "a key without a name": (whole(key("", UINT8, b"\1")), ModelDamagedError),
    "a key that is there twice": (whole(ARCHITECTURE), ModelDamagedError),
    "a key with a long name": (whole(key("k" * 2**16, UINT8, b"\1")), ModelDamagedError),
    "a key with an endless name": (whole(long(HUGE)), ModelDamagedError),
    "a value of no type": (whole(key("k", 13, b"\1")), ModelDamagedError),
    "a value of a negative type": (whole(key("k", 2**32 - 1, b"\1")), ModelDamagedError),
    "a text without an end": (whole(key("k", STRING, long(2**40))), ModelDamagedError),
    "a text beyond the end": (whole(key("k", STRING, long(2**20))), ModelTruncatedError),
    "an array of arrays": (whole(key("k", ARRAY, array(ARRAY, 1, array(UINT8, 1, b"\1")))), ModelDamagedError),
    "an array of no type": (whole(key("k", ARRAY, array(99, 1))), ModelDamagedError),
    "an array of very many numbers": (whole(key("k", ARRAY, array(UINT32, HUGE))), ModelDamagedError),
    "an array of very many texts": (whole(key("k", ARRAY, array(STRING, HUGE))), ModelDamagedError),
    "arrays of too many texts together": (
        whole(key("a", ARRAY, array(STRING, 1, text("a"))), key("b", ARRAY, array(STRING, 2**22))),
        ModelDamagedError,
    ),
    "an array beyond the end": (whole(key("k", ARRAY, array(UINT32, 2**20))), ModelTruncatedError),
    "an array with an endless text": (whole(key("k", ARRAY, array(STRING, 1, long(HUGE)))), ModelDamagedError),
    "no architecture": (whole(counts=(0, 0), tensors=()), ModelDamagedError),
    "an empty architecture": (
        b"GGUF" + number(3) + long(0) + long(1) + key("general.architecture", STRING, text("")),
        ModelDamagedError,
    ),
    "an architecture that is a number": (
        b"GGUF" + number(3) + long(0) + long(1) + key("general.architecture", UINT32, number(1)),
        ModelDamagedError,
    ),
    "an alignment of 0": (whole(key("general.alignment", UINT32, number(0))), ModelDamagedError),
    "an alignment of 48": (whole(key("general.alignment", UINT32, number(48))), ModelDamagedError),
    "an alignment of 2 GiB": (whole(key("general.alignment", UINT32, number(2**31))), ModelDamagedError),
    "an alignment that is a text": (whole(key("general.alignment", STRING, text("32"))), ModelDamagedError),
    "a tensor with a long name": (whole(tensors=(tensor("t" * 64),)), ModelDamagedError),
    "a tensor that is there twice": (whole(tensors=(tensor(), tensor(offset=32)), data=64), ModelDamagedError),
    "a tensor of five dimensions": (whole(tensors=(tensor(shape=(1, 1, 1, 1, 8)),)), ModelDamagedError),
    "a tensor of very many dimensions": (whole(tensors=(text("a") + number(2**32 - 1),)), ModelDamagedError),
    "a tensor that is too large to count": (whole(tensors=(tensor(shape=(2**32, 2**32)),)), ModelDamagedError),
    "a tensor of a negative size": (whole(tensors=(tensor(shape=(HUGE,)),)), ModelDamagedError),
    "half a block": (whole(tensors=(tensor(shape=(16,), kind=Q8_0),)), ModelDamagedError),
    "a tensor that is not aligned": (whole(tensors=(tensor(offset=4),), data=64), ModelDamagedError),
    "a tensor beyond the end": (whole(tensors=(tensor(offset=2**20),)), ModelTruncatedError),
    "a tensor far beyond the end": (whole(tensors=(tensor(offset=2**64 - 32),)), ModelTruncatedError),
    "a tensor that lacks a byte": (whole(data=31), ModelTruncatedError),
    "a tensor larger than the file": (whole(tensors=(tensor(shape=(2**40,)),)), ModelTruncatedError),
}


@pytest.fixture(name="make")
async def make_fixture() -> AsyncGenerator[Make]:
    """Return a way to make backends that are closed when the test ends."""
    made: list[LocalBackend] = []

    def make(path: Path, known: Fingerprint | None = None) -> LocalBackend:
        made.append(LocalBackend(path, context_length=256, threads=1, known=known))
        return made[-1]

    yield make
    for backend in made:
        await backend.close()


async def say(backend: LocalBackend) -> str:
    return "".join([piece async for piece in backend.complete(Completion(prompt="hi\n"))])


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@pytest.fixture(name="home")
async def home_fixture(hass: HomeAssistant, socket_enabled: None) -> HomeAssistant:
    """Return a Home Assistant that Morphy can be added to."""
    assert await async_setup_component(hass, "homeassistant", {})
    return hass


@pytest.mark.parametrize("name", GOOD)
def test_good_file(tmp_path: Path, name: str) -> None:
    path = written(tmp_path / "good.gguf", GOOD[name])
    found = examine(path, None)
    assert found.sha256 == hashlib.sha256(GOOD[name]).hexdigest()
    assert found.size == len(GOOD[name])
    assert examine(path, found) is found


@pytest.mark.parametrize("name", BROKEN)
async def test_broken_file(make: Make, tmp_path: Path, name: str) -> None:
    """It is refused before llama.cpp sees it, in a sentence that says what to do."""
    content, error = BROKEN[name]
    path = written(tmp_path / "broken.gguf", content)
    backend = make(path)
    with pytest.raises(ModelInvalidError) as caught:
        await backend.start()
    assert type(caught.value) is error
    sentence = english()["exceptions"][error.key]["message"]
    assert str(path) in sentence.format(**(caught.value.translation_placeholders or {}))
    assert backend.pid is None


def test_file_cut_off_anywhere(tmp_path: Path) -> None:
    content = GOOD["every kind of value"]
    for length in range(len(content)):
        with pytest.raises(ModelFileError) as caught:
            examine(written(tmp_path / "cut.gguf", content[:length]), None)
        assert caught.value.kind == ("model_truncated" if length >= 4 else "model_not_gguf")


def test_random_damage_is_an_error_or_harmless(tmp_path: Path, model: Path) -> None:
    """Whatever a byte says: an answer comes, and the only exception is ours."""
    chance = random.Random(7)
    path = tmp_path / "flipped.gguf"
    header = model.read_bytes()[:8192]
    refused = 0
    for _ in range(500):
        content = bytearray(header)
        for _ in range(chance.randint(1, 8)):
            content[chance.randrange(4, 3000)] = chance.choice((0, 1, 127, 128, 255, chance.randrange(256)))
        path.write_bytes(content)
        os.truncate(path, model.stat().st_size)
        try:
            examine(path, None)
        except ModelFileError:
            refused += 1
    assert refused > 50


@pytest.mark.parametrize("special", ["fifo", "device", "folder", "link to nothing"])
async def test_what_is_no_file(make: Make, tmp_path: Path, special: str) -> None:
    """None of them may hang whoever opens it."""
    path = tmp_path / "model.gguf"
    match special:
        case "fifo":
            os.mkfifo(path)
        case "device":
            path = Path("/dev/zero")
        case "folder":
            path.mkdir()
        case _:
            path.symlink_to(tmp_path / "nowhere")
    with pytest.raises(ModelFileError) as caught:
        examine(path, None)
    assert caught.value.kind == ("model_missing" if special == "link to nothing" else "model_not_gguf")


def test_sizes_of_tensors_are_those_of_ggml() -> None:
    """But for Q8_1, which no file holds, and for types that are newer than the table."""
    known = {int(kind): size for kind, size in gguf.GGML_QUANT_SIZES.items() if kind.name != "Q8_1"}
    assert model_file._BLOCKS.items() <= known.items()
    assert all(kind > max(model_file._BLOCKS) for kind in known.keys() - model_file._BLOCKS.keys())


def test_a_large_file_gives_signs_of_life(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_file, "CHUNK", 64)
    signs: list[None] = []
    content = GOOD["plain"] + bytes(640)
    assert examine(written(tmp_path / "m.gguf", content), None, lambda: signs.append(None)).size == len(content)
    assert len(signs) == len(content) // 64


# The checksum beside a file


def test_bundled_model_is_the_one_in_the_repository() -> None:
    listed = BUNDLED_MODEL.with_name(f"{BUNDLED_MODEL.name}.sha256").read_text(encoding="ascii").split()
    assert listed == [hashlib.sha256(BUNDLED_MODEL.read_bytes()).hexdigest(), BUNDLED_MODEL.name]
    assert examine(BUNDLED_MODEL, None).sha256 == listed[0]


@pytest.mark.parametrize("beside", ["{} *m.gguf\n", "{}", "{}\r\n", "upper"])
def test_checksum_that_fits(tmp_path: Path, content: bytes, beside: str) -> None:
    digest = hashlib.sha256(content).hexdigest()
    path = written(tmp_path / "m.gguf", content)
    (tmp_path / "m.gguf.sha256").write_text(digest.upper() if beside == "upper" else beside.format(digest))
    old = Fingerprint(1, 1, "0" * 64)
    assert examine(path, old).sha256 == digest, "a new file that comes with its checksum is welcome"


@pytest.mark.parametrize("beside", ["", "0" * 64, "no checksum", "é"])
async def test_checksum_that_does_not_fit(make: Make, tmp_path: Path, content: bytes, beside: str) -> None:
    path = written(tmp_path / "m.gguf", content)
    (tmp_path / "m.gguf.sha256").write_text(beside)
    with pytest.raises(ModelChecksumError):
        await make(path).start()


async def test_bundled_model_with_one_other_bit(
    home: HomeAssistant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = bytearray(BUNDLED_MODEL.read_bytes())
    changed[-1000] ^= 1
    path = written(tmp_path / BUNDLED_MODEL.name, bytes(changed))
    beside = BUNDLED_MODEL.with_name(f"{BUNDLED_MODEL.name}.sha256")
    written(tmp_path / beside.name, beside.read_bytes())
    monkeypatch.setattr("custom_components.morphy.BUNDLED_MODEL", path)
    person = await Person.adds_entry(home, "local", "bundled")
    await person.enters()
    assert "checksum" in person.reads(next(iter(person.errors.values())))


async def test_architecture_that_llama_cpp_does_not_know(make: Make, tmp_path: Path) -> None:
    content = BUNDLED_MODEL.read_bytes()
    key = b"general.architecture"
    at = content.index(key) + len(key) + 4 + 8  # Behind the kind and the length of its value.
    path = written(tmp_path / "odd.gguf", content[:at] + b"oddx" + content[at + 4 :])
    with pytest.raises(ModelInvalidError) as caught:
        await make(path).start()
    assert "unknown model architecture: 'oddx'" in (caught.value.translation_placeholders or {})["reason"]


# A file that is replaced


async def test_file_replaced_under_the_worker(make: Make, tmp_path: Path, content: bytes) -> None:
    path = written(tmp_path / "mine.gguf", content)
    backend = make(path)
    assert await say(backend) == "Ok"
    write_tiny_model(path, chain=b"No")
    for _ in range(2):
        with pytest.raises(ModelChangedError):
            await say(backend)
        assert backend.pid is None
    path.write_bytes(content)
    assert await say(backend) == "Ok"


async def test_same_file_written_again_under_the_worker(make: Make, tmp_path: Path, content: bytes) -> None:
    path = written(tmp_path / "mine.gguf", content)
    backend = make(path)
    assert await say(backend) == "Ok"
    pid = backend.pid
    os.utime(path, ns=(1, 1))
    assert await say(backend) == "Ok"
    assert backend.pid != pid
    assert backend.file
    assert backend.file.modified == 1
    path.unlink()
    assert await say(backend) == "Ok", "who has it open needs it no more"


async def test_file_replaced_by_a_broken_one(make: Make, tmp_path: Path, content: bytes) -> None:
    path = written(tmp_path / "mine.gguf", content)
    backend = make(path)
    assert await say(backend) == "Ok"
    path.write_bytes(content[:5000])
    with pytest.raises(ModelTruncatedError):
        await say(backend)


async def test_another_file_at_the_same_path_has_to_be_accepted(
    home: HomeAssistant, tmp_path: Path, content: bytes
) -> None:
    path = written(tmp_path / "mine.gguf", content)
    entry = await add_agent(home, {"backend": "local", "model_path": str(path), "context_length": 512, "threads": 1})
    remembered = entry.data["model_file"]
    assert remembered["sha256"] == hashlib.sha256(content).hexdigest()

    os.utime(path, ns=(1, 1))
    assert await home.config_entries.async_reload(entry.entry_id)
    assert entry.data["model_file"] == {**remembered, "modified": 1}

    write_tiny_model(path, chain=b"No")
    assert not await home.config_entries.async_reload(entry.entry_id)
    assert state_of(entry) is ConfigEntryState.SETUP_ERROR
    assert entry.error_reason_translation_key == "model_changed"

    person = await Person(home, await entry.start_reconfigure_flow(home)).waits()
    await (await person.picks("file")).enters()
    await home.async_block_till_done()
    assert state_of(entry) is ConfigEntryState.LOADED
    assert entry.data["model_file"]["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert len(home.config_entries.async_entries(DOMAIN)) == 1
    await home.config_entries.async_unload(entry.entry_id)
