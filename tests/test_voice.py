"""From spoken words to a changed home and a spoken answer: real speech through Home Assistant's voice pipeline.

The bundled model listens to easy requests, because it is the way that is tested here, and not the model.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web
from homeassistant.components import stt, tts
from homeassistant.components.assist_pipeline import PipelineEvent, PipelineEventType, async_pipeline_from_audio_stream
from homeassistant.components.assist_pipeline.pipeline import KEY_ASSIST_PIPELINE
from homeassistant.const import CONF_MODEL, CONF_URL
from homeassistant.core import Context, HomeAssistant
from homeassistant.helpers import entity_registry as er
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.morphy.const import BACKEND_LOCAL, BACKEND_REMOTE, CONF_BACKEND

from .house import House
from .model_server import ModelServer, stream, write
from .test_conversation import add_agent, agent_of
from .voice import RATE, Voice, pcm

SENTENCES = (
    "turn on the coffee machine",
    "turn off the coffee machine",
    "turn on the aquarium pump",
    "turn off the ceiling light",
    "is the front door locked",
    "unlock the front door",
    "yes please",
    "no thank you",
    "tell me a story",
    "turned on coffee machine",
    "turned off ceiling light",
)


@dataclass
class Satellite:
    """Speaks to the pipeline as a satellite does, and plays what comes back."""

    hass: HomeAssistant
    voice: Voice
    pipeline_id: str
    device_id: str
    conversation_id: str | None = None
    events: list[PipelineEvent] = field(default_factory=list)
    answer: asyncio.Task[bytes] | None = None

    async def hears(self, text: str) -> str:
        """Have someone say something near it, and return what is said back."""
        self.events.clear()
        await async_pipeline_from_audio_stream(
            self.hass,
            context=Context(),
            event_callback=self._note,
            stt_metadata=stt.SpeechMetadata(
                language="en",
                format=stt.AudioFormats.WAV,
                codec=stt.AudioCodecs.PCM,
                bit_rate=stt.AudioBitRates.BITRATE_16,
                sample_rate=stt.AudioSampleRates.SAMPLERATE_16000,
                channel=stt.AudioChannels.CHANNEL_MONO,
            ),
            stt_stream=self._microphone(pcm(await self.voice.says(text))),
            pipeline_id=self.pipeline_id,
            conversation_id=self.conversation_id,
            tts_audio_output={tts.ATTR_PREFERRED_FORMAT: "wav"},
            device_id=self.device_id,
        )
        output = self.data("intent-end")["intent_output"]
        self.conversation_id = output["conversation_id"]
        return str(output["response"]["speech"]["plain"]["speech"])

    async def _microphone(self, sound: bytes) -> AsyncGenerator[bytes]:
        """Yield what was said, and the silence after it."""
        sound += bytes(2 * RATE)
        for at in range(0, len(sound), 2048):
            yield sound[at : at + 2048]

    def _note(self, event: PipelineEvent) -> None:
        self.events.append(event)
        if event.type is PipelineEventType.RUN_START and event.data:
            self.answer = self.hass.async_create_task(self._play(event.data["tts_output"]["token"]))

    async def _play(self, token: str) -> bytes:
        """Return the whole answer as it is streamed, in a WAV file."""
        result = tts.async_get_stream(self.hass, token)
        assert result
        return b"".join([chunk async for chunk in result.async_stream_result()])

    def data(self, kind: str) -> dict[str, Any]:
        """Return what the event of this kind told."""
        [data] = [event.data for event in self.events if event.type == kind]
        assert data is not None
        return data


@pytest.fixture
def hass_config_dir(hass_tmp_config_dir: str) -> str:
    """Keep the cache of what was spoken out of the next test."""
    return hass_tmp_config_dir


@pytest.fixture(name="voice")
async def voice_fixture() -> Voice:
    return Voice(SENTENCES)


@pytest.fixture(name="satellite")
async def satellite_fixture(
    hass: HomeAssistant, house: House, socket_enabled: None, voice: Voice
) -> AsyncGenerator[Satellite]:
    """Return a satellite of a pipeline that has ears and a voice, and asks nobody yet."""
    assert await async_setup_component(hass, "assist_pipeline", {})
    async with voice.serving() as port:
        entry = MockConfigEntry(domain="wyoming", title="voice", data={"host": "127.0.0.1", "port": port})
        entry.add_to_hass(hass)
        assert await hass.config_entries.async_setup(entry.entry_id)
        await hass.async_block_till_done()
        engines = {e.domain: e.entity_id for e in er.async_entries_for_config_entry(er.async_get(hass), entry.entry_id)}
        pipeline = await hass.data[KEY_ASSIST_PIPELINE].pipeline_store.async_create_item(
            {
                "name": "Voice",
                "language": "en",
                "conversation_engine": "conversation.home_assistant",
                "conversation_language": "en",
                "stt_engine": engines["stt"],
                "stt_language": "en",
                "tts_engine": engines["tts"],
                "tts_language": "en",
                "tts_voice": None,
                "wake_word_entity": None,
                "wake_word_id": None,
            }
        )
        yield Satellite(hass, voice, pipeline.id, house.satellite)
        await hass.config_entries.async_unload(entry.entry_id)


async def asks(hass: HomeAssistant, satellite: Satellite, entry: MockConfigEntry, **settings: Any) -> None:
    """Let the satellite's pipeline ask the agent of an entry."""
    store = hass.data[KEY_ASSIST_PIPELINE].pipeline_store
    pipeline = store.data[satellite.pipeline_id].to_json()
    pipeline.pop("id")
    changes = {**pipeline, "conversation_engine": agent_of(hass, entry), **settings}
    await store.async_update_item(satellite.pipeline_id, changes)


async def test_a_spoken_request_changes_the_home_and_is_answered_aloud(
    hass: HomeAssistant, house: House, satellite: Satellite, voice: Voice
) -> None:
    entry = await add_agent(hass, {CONF_BACKEND: BACKEND_LOCAL})
    await asks(hass, satellite, entry)
    said = await satellite.hears("turn on the coffee machine")
    assert voice.heard == ["turn on the coffee machine"]
    assert house.state("switch.relay_7") == "on"
    assert satellite.answer
    played = await satellite.answer
    assert voice.spoken == [said] == ["Turned on Coffee Machine."]
    assert await voice.hears(pcm(played)) == "turned on coffee machine"
    await hass.config_entries.async_unload(entry.entry_id)


async def test_a_question_is_asked_and_answered_by_voice(
    hass: HomeAssistant, house: House, satellite: Satellite, voice: Voice
) -> None:
    entry = await add_agent(hass, {CONF_BACKEND: BACKEND_LOCAL})
    await asks(hass, satellite, entry)
    assert await satellite.hears("unlock the front door") == "Shall I unlock Front Door?"
    assert satellite.data("intent-end")["intent_output"]["continue_conversation"] is True
    assert house.state("lock.front") == "locked"
    assert await satellite.hears("yes please") == "Done."
    assert satellite.data("intent-end")["intent_output"]["continue_conversation"] is False
    assert house.state("lock.front") == "unlocked"
    await hass.config_entries.async_unload(entry.entry_id)


async def test_a_long_answer_is_spoken_sentence_by_sentence_while_it_is_written(
    hass: HomeAssistant, satellite: Satellite, voice: Voice, server: ModelServer
) -> None:
    """The model writes its second sentence only once the first one was spoken."""
    first = "The first sentence of this story is long enough for Home Assistant to speak it."
    second = "The second one waits until it was heard."

    async def waits(request: web.Request) -> web.StreamResponse:
        response = await stream(request)
        for word in f"{first} And".split():
            await write(response, f"{word} ")
        async with asyncio.timeout(20):
            await voice.speaking.wait()
        await write(response, f"so it goes. {second}")
        await write(response, "", "stop")
        return response

    data = {CONF_BACKEND: BACKEND_REMOTE, CONF_URL: await server.start(), CONF_MODEL: "morphy-7b"}
    entry = await add_agent(hass, data)
    await asks(hass, satellite, entry)
    server.completion = waits
    said = await satellite.hears("tell me a story")
    assert satellite.answer
    assert (await satellite.answer).startswith(b"RIFF")
    assert said.endswith(second)
    assert voice.spoken == [first, "And so it goes.", second]
    await hass.config_entries.async_unload(entry.entry_id)
