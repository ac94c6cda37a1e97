"""A voice for the tests: real speech from espeak-ng, a real recogniser, and both behind a Wyoming server on 127.0.0.1.

The recogniser is told which sentences there may be, as a grammar: it works out which of them was spoken. With a model
for any words at all it gets the flat speech of a synthesiser wrong.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import shutil
import wave
from collections.abc import AsyncGenerator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sentence_stream import SentenceBoundaryDetector
from wyoming.asr import Transcript
from wyoming.audio import AudioChunk, AudioChunkConverter, AudioStart, AudioStop
from wyoming.event import Event
from wyoming.info import AsrModel, AsrProgram, Attribution, Describe, Info, TtsProgram, TtsVoice
from wyoming.server import AsyncEventHandler, AsyncServer
from wyoming.tts import Synthesize, SynthesizeChunk, SynthesizeStart, SynthesizeStop, SynthesizeStopped

from .servers import ROOT, free_port

RECOGNISER = ROOT / ".venv-voice" / "bin" / "python"
RATE = 16000
"""Samples a second that are recognised; each has two bytes."""
VOICE = ("espeak-ng", "-v", "en-us+f3", "-s", "140", "--stdout")


async def _run(*command: str | Path, given: bytes = b"") -> bytes:
    """Return what a command prints."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)
    printed, _ = await process.communicate(given)
    assert process.returncode == 0, command
    return printed


def pcm(audio: bytes) -> bytes:
    """Return the sound of a WAV file as the recogniser takes it."""
    sound = audio[audio.index(b"data") + 8 :]  # its length is in the header, but for a stream, where nobody knows it
    with wave.open(io.BytesIO(audio)) as file:
        chunk = AudioChunk(file.getframerate(), file.getsampwidth(), file.getnchannels(), sound)
    return AudioChunkConverter(rate=RATE, width=2, channels=1).convert(chunk).audio


class Voice:
    """Speaks, and hears one of the sentences it knows; `heard` and `spoken` hold all of them in their order."""

    def __init__(self, sentences: Sequence[str]) -> None:
        """Know these sentences; skips the test where nothing can speak or listen."""
        if not shutil.which(VOICE[0]) or not RECOGNISER.exists():
            pytest.skip("espeak-ng or the recogniser is not installed: run scripts/setup voice")
        self._grammar = f"#JSGF V1.0; grammar sentences; public <sentence> = {' | '.join(sentences)};"
        self.heard: list[str] = []
        self.spoken: list[str] = []
        self.speaking = asyncio.Event()
        """Set once anything was spoken."""

    async def says(self, text: str) -> bytes:
        """Return the text as speech, in a WAV file."""
        return await _run(*VOICE, text)

    async def hears(self, sound: bytes) -> str:
        """Return the sentence that was spoken."""
        return (await _run(RECOGNISER, ROOT / "tests" / "recogniser.py", self._grammar, given=sound)).decode().strip()

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncGenerator[int]:
        """Be a Wyoming server, and yield its port."""
        port = free_port()
        server = AsyncServer.from_uri(f"tcp://127.0.0.1:{port}")
        await server.start(partial(_Connection, self))
        try:
            yield port
        finally:
            await server.stop()


class _Connection(AsyncEventHandler):
    """One request of Home Assistant: what is there, speech to recognise, or text to speak, whole or as it comes."""

    def __init__(self, voice: Voice, *streams: Any) -> None:
        super().__init__(*streams)
        self._voice = voice
        self._sound = b""
        self._sentences: SentenceBoundaryDetector | None = None

    async def handle_event(self, event: Event) -> bool:
        """Act on an event; return whether more may come."""
        match event.type:
            case kind if Describe.is_type(kind):
                await self.write_event(_info().event())
            case kind if AudioChunk.is_type(kind):
                self._sound += AudioChunk.from_event(event).audio
            case kind if AudioStop.is_type(kind):
                text = await self._voice.hears(self._sound)
                self._voice.heard.append(text)
                await self.write_event(Transcript(text=text).event())
                return False
            case kind if SynthesizeStart.is_type(kind):
                self._sentences = SentenceBoundaryDetector()
            case kind if SynthesizeChunk.is_type(kind):
                assert self._sentences
                for sentence in self._sentences.add_chunk(SynthesizeChunk.from_event(event).text):
                    await self._speak(sentence)
            case kind if SynthesizeStop.is_type(kind):
                assert self._sentences
                await self._speak(self._sentences.finish())
                await self.write_event(SynthesizeStopped().event())
            case kind if Synthesize.is_type(kind) and not self._sentences:
                await self._speak(Synthesize.from_event(event).text)
        return True

    async def _speak(self, text: str) -> None:
        if not text:
            return
        sound = pcm(await self._voice.says(text))
        self._voice.spoken.append(text.strip())
        self._voice.speaking.set()
        format_ = {"rate": RATE, "width": 2, "channels": 1}
        await self.write_event(AudioStart(**format_).event())
        for at in range(0, len(sound), 4096):
            await self.write_event(AudioChunk(**format_, audio=sound[at : at + 4096]).event())
        await self.write_event(AudioStop().event())


def _info() -> Info:
    about = {"attribution": Attribution(name="test", url=""), "installed": True, "version": "1"}
    model = AsrModel(name="sentences", description="a grammar", languages=["en"], **about)
    voice = TtsVoice(name="en-us", description="English", languages=["en"], **about)
    return Info(
        asr=[AsrProgram(name="pocketsphinx", description="pocketsphinx", models=[model], **about)],
        tts=[
            TtsProgram(
                name="espeak-ng", description="espeak-ng", voices=[voice], supports_synthesize_streaming=True, **about
            )
        ],
    )
