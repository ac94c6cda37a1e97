"""How an agent behaves: its language, what it asks back, timers, who else is asked, and scripts with their fields.

A server stands for the model where a model has to say a given thing.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import pytest
from homeassistant.components import conversation
from homeassistant.components.assist_pipeline import PipelineEvent, PipelineStage, async_update_pipeline
from homeassistant.components.assist_pipeline.pipeline import (
    PipelineInput,
    PipelineRun,
    async_get_pipeline,
)
from homeassistant.components.intent import TimerEventType, TimerInfo, async_register_timer_handler
from homeassistant.core import Context, HomeAssistant
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers.chat_session import async_get_chat_session
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import MockUser

from custom_components.morphy.languages import LANGUAGES, is_yes

from .house import House
from .model_server import ModelServer
from .test_conversation import PUMP, Talk, add_agent, agent_of, failed, speech
from .tiny_model import write_tiny_model

LAMP = "light.ceiling"

type Meet = Callable[..., Any]


@pytest.fixture(name="meet")
async def meet_fixture(hass: HomeAssistant, house: House, server: ModelServer) -> AsyncGenerator[Meet]:
    """Return a way to make the agent that is spoken to; a server stands for its model, or a model file is."""
    entries = []

    async def make(*, model: Path | None = None, **settings: Any) -> Talk:
        local = {"backend": "local", "model_path": str(model), "context_length": 8000}
        data = local if model else {"backend": "remote", "url": await server.start(), "model": "morphy-7b"}
        entries.append(await add_agent(hass, data, **settings))
        talk = Talk(hass, server)
        talk.agent = agent_of(hass, entries[-1])
        return talk

    yield make
    for entry in entries:
        await hass.config_entries.async_unload(entry.entry_id)


# Language


@pytest.fixture(name="bilingual", scope="module")
def bilingual_fixture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a model that was trained on English and German."""
    path = tmp_path_factory.mktemp("models") / "model.gguf"
    return write_tiny_model(path, chain=b"Ok", context_length=8000, languages="en,de")


def languages_of(hass: HomeAssistant, agent: str) -> list[str] | str:
    entity = conversation.async_get_agent(hass, agent)
    assert entity
    return entity.supported_languages


async def test_an_agent_offers_the_languages_of_its_model(hass: HomeAssistant, meet: Meet, bilingual: Path) -> None:
    talk = await meet(model=bilingual)
    assert languages_of(hass, talk.agent) == ["de", "en"]
    for language in ("en", "en-GB", "de", "de-CH"):
        assert speech(await talk.say("hello", language=language)) == "Ok"


async def test_an_agent_says_so_when_it_does_not_know_the_language(
    hass: HomeAssistant, meet: Meet, bilingual: Path
) -> None:
    talk = await meet(model=bilingual)
    result = await talk.say("rozsviť lampu", language="cs")
    assert failed(result)
    assert speech(result) == "I only understand: English, Deutsch."


async def test_another_model_or_home_assistant_may_know_it(
    hass: HomeAssistant, house: House, meet: Meet, bilingual: Path
) -> None:
    """A server does not tell what its model knows, and Home Assistant's own sentences know most languages."""
    other = await meet()
    [server] = [entry for entry in hass.config_entries.async_entries("morphy") if entry.data["backend"] == "remote"]
    talk = await meet(model=bilingual, fallback=[server.entry_id])
    assert languages_of(hass, talk.agent) == languages_of(hass, other.agent) == "*"
    talk.writes("Bonjour.")
    assert speech(await talk.say("bonjour", language="fr")) == "Bonjour."
    talk = await meet(model=bilingual, fallback=["home_assistant"])
    assert languages_of(hass, talk.agent) == "*"
    assert not failed(await talk.say("allume Aquarium Pump", language="fr"))
    assert house.state(PUMP) == "on"


async def test_the_bundled_model_tells_what_it_knows(hass: HomeAssistant, house: House, socket_enabled: None) -> None:
    entry = await add_agent(hass, {"backend": "local"})
    assert "en" in languages_of(hass, agent_of(hass, entry))
    await hass.config_entries.async_unload(entry.entry_id)


@pytest.mark.parametrize(
    ("language", "answer", "agreed"),
    [
        ("en", "Yes, please!", True),
        ("en", "Yes, but not now", False),
        ("de", "Ja, bitte.", True),
        ("de-AT", "Na klar!", True),
        ("de", "yes", True),
        ("de", "Nein", False),
        ("fr", "D'accord", True),
        ("fr", "Vas-y !", True),
        ("es", "¡Sí!", True),
        ("pt-BR", "Sim, por favor", True),
        ("zh-Hans", "好的。", True),
        ("zh-Hans", "不好", False),
        ("fi", "ja", False),
    ],
)
def test_a_yes_is_one_of_the_language_or_english(language: str, answer: str, agreed: bool) -> None:
    assert is_yes(answer, language) is agreed


def test_every_yes_can_be_heard() -> None:
    """What is compared has neither capitals nor marks."""
    for code, language in LANGUAGES.items():
        for answer in language.yes:
            assert is_yes(f"{answer.capitalize()}.", code), answer


async def test_a_yes_in_the_language_of_the_pipeline_counts(meet: Meet, house: House) -> None:
    talk = await meet()
    talk.writes("lock.unlock(lock.front)\nUnlocked Front Door.")
    await talk.say("Schließ auf", language="de")
    talk.writes("Sorry?")
    await talk.say("Ja, bitte", language="de")
    assert house.state("lock.front") == "unlocked"


# Questions of the agent's own


@pytest.mark.parametrize(
    ("written", "goes_on"),
    [
        ("lock.unlock(lock.front)\nUnlocked Front Door.", True),
        ("light.turn_on(light.reading)\nTurned on Reading Lamp.", True),
        ("Which lamp do you mean?", True),
        ("Ceiling Light is on.", False),
    ],
)
async def test_after_a_question_the_microphone_stays_open(meet: Meet, written: str, goes_on: bool) -> None:
    talk = await meet()
    talk.writes(written)
    result = await talk.say("do it")
    assert result.continue_conversation is goes_on
    assert speech(result).endswith("?") is goes_on


# Timers


@pytest.fixture(name="timers")
async def timers_fixture(hass: HomeAssistant, house: House) -> AsyncGenerator[list[tuple[str, TimerInfo]]]:
    """Return what the satellite in the kitchen is told of its timers."""
    events: list[tuple[str, TimerInfo]] = []
    assert await async_setup_component(hass, "intent", {})
    unregister = async_register_timer_handler(
        hass, house.satellite, lambda kind, timer: events.append((kind.value, timer))
    )
    yield events
    unregister()


async def test_a_satellite_with_timers_gets_them_from_home_assistant(
    hass: HomeAssistant, meet: Meet, house: House, timers: list[tuple[str, TimerInfo]]
) -> None:
    talk = await meet()
    talk.model.asked.clear()
    talk.writes("The model was asked.")
    assert speech(await talk.say("set a timer for 5 minutes", device_id=house.satellite)) == "Timer set for 5 minutes"
    [(kind, timer)] = timers
    assert (kind, timer.seconds, timer.device_id) == (TimerEventType.STARTED, 300, house.satellite)
    assert "5 minutes left" in speech(await talk.say("how much time is left on my timer", device_id=house.satellite))
    assert speech(await talk.say("cancel the timer", device_id=house.satellite)) == "Timer cancelled"
    assert timers[-1][0] == TimerEventType.CANCELLED
    assert not talk.model.asked
    for text in ("turn off the ceiling light", "is the ceiling light on?"):
        assert speech(await talk.say(text, device_id=house.satellite)) == "The model was asked."


async def test_without_timers_the_model_is_asked(
    hass: HomeAssistant, meet: Meet, house: House, timers: list[tuple[str, TimerInfo]]
) -> None:
    other = dr.async_get(hass).async_get_or_create(
        config_entry_id=next(iter(hass.config_entries.async_entries("satellites"))).entry_id,
        identifiers={("satellites", "without")},
    )
    talk = await meet()
    talk.writes("I cannot do that.")
    for device_id in (None, other.id):
        assert speech(await talk.say("set a timer for 5 minutes", device_id=device_id)) == "I cannot do that."
    assert not timers


async def test_a_delayed_command_comes_back_to_the_agent_and_its_rules(
    hass: HomeAssistant, meet: Meet, house: House, timers: list[tuple[str, TimerInfo]]
) -> None:
    talk = await meet()
    talk.model.asked.clear()
    talk.writes("lock.unlock(lock.front)\nUnlocked Front Door.")
    result = await talk.say("unlock the front door in 1 second", device_id=house.satellite)
    assert not failed(result)
    assert not talk.model.asked
    async with asyncio.timeout(5):
        while not talk.model.asked:  # noqa: ASYNC110 - what ends it lies in Home Assistant
            await asyncio.sleep(0.05)
    await hass.async_block_till_done(wait_background_tasks=True)
    assert "unlock the Front Door<|im_end|>" in str(talk.model.asked[-1]["prompt"])
    assert house.state("lock.front") == "locked", "nobody said yes"


# Home Assistant's own sentences


async def test_home_assistant_may_be_asked_first(meet: Meet, house: House) -> None:
    talk = await meet(home_assistant_first=True)
    talk.model.asked.clear()
    assert not failed(await talk.say("turn off the ceiling light"))
    assert house.state(LAMP) == "off"
    assert not talk.model.asked
    talk.writes("light.turn_on(light.ceiling)\nTurned on Ceiling Light.")
    assert speech(await talk.say("a bit of light would be lovely")) == "Turned on Ceiling Light."
    assert house.state(LAMP) == "on"


async def test_home_assistant_first_does_nothing_that_the_agent_would_not(meet: Meet, house: House) -> None:
    talk = await meet(home_assistant_first=True)
    talk.writes("lock.unlock(lock.front)\nUnlocked Front Door.")
    assert speech(await talk.say("unlock the front door")).endswith("?")
    assert house.state("lock.front") == "locked"
    talk = await meet(home_assistant_first=True, domains=["switch"])
    talk.writes("No.")
    assert speech(await talk.say("turn off the ceiling light")) == "No."
    assert house.state(LAMP) == "on"


async def test_home_assistant_first_does_nothing_that_the_user_may_not(
    hass: HomeAssistant, meet: Meet, house: House
) -> None:
    """Home Assistant asks for no rights on a script."""
    script = {"alias": "Bedtime", "sequence": [{"action": "light.turn_off", "target": {"entity_id": LAMP}}]}
    assert await async_setup_component(hass, "script", {"script": {"bedtime": script}})
    house.expose("script.bedtime")
    user = MockUser(groups=[]).add_to_hass(hass)
    user.mock_policy({"entities": {"domains": {"light": True}}})
    gone = MockUser(groups=[], is_active=False).add_to_hass(hass)
    gone.mock_policy({"entities": True})
    talk = await meet(home_assistant_first=True)
    talk.writes("No.")
    assert speech(await talk.say("turn on bedtime", context=Context(user_id=user.id))) == "No."
    assert speech(await talk.say("turn off the ceiling light", context=Context(user_id=gone.id))) == "No."
    assert house.state(LAMP) == "on"
    assert speech(await talk.say("turn off the ceiling light", context=Context(user_id=user.id))) != "No."
    assert house.state(LAMP) == "off"


async def test_home_assistant_is_not_asked_unless_it_is_wanted(meet: Meet, house: House) -> None:
    talk = await meet()
    talk.writes("Hello.")
    assert speech(await talk.say("turn off the ceiling light")) == "Hello."
    assert house.state(LAMP) == "on"


@pytest.mark.parametrize("local", [True, False])
async def test_a_pipeline_that_prefers_local_commands(
    hass: HomeAssistant, meet: Meet, house: House, local: bool
) -> None:
    """It understands exact commands itself, and leaves questions about states to an agent that is told them."""
    assert await async_setup_component(hass, "assist_pipeline", {})
    talk = await meet()
    talk.writes("The model was asked.")
    pipeline = async_get_pipeline(hass)
    await async_update_pipeline(hass, pipeline, conversation_engine=talk.agent, prefer_local_intents=local)

    async def say(text: str) -> dict[str, Any]:
        events: list[PipelineEvent] = []
        with async_get_chat_session(hass, None) as session:
            await PipelineInput(
                session=session,
                intent_input=text,
                run=PipelineRun(
                    hass,
                    context=Context(),
                    pipeline=async_get_pipeline(hass, pipeline.id),
                    start_stage=PipelineStage.INTENT,
                    end_stage=PipelineStage.INTENT,
                    event_callback=events.append,
                ),
            ).execute(validate=True)
        [data] = [event.data for event in events if event.type == "intent-end"]
        assert data
        return data

    data = await say("turn off the ceiling light")
    assert data["processed_locally"] is local
    assert house.state(LAMP) == ("off" if local else "on")
    data = await say("is the ceiling light on?")
    assert data["processed_locally"] is False
    assert data["intent_output"]["response"]["speech"]["plain"]["speech"] == "The model was asked."


# Names, lists, scenes and scripts


async def test_an_alias_names_a_device(meet: Meet, house: House) -> None:
    talk = await meet()
    talk.writes("light.turn_off(Big Lamp)\nTurned off Big Lamp.")
    assert speech(await talk.say("big lamp off")) == "Turned off Big Lamp."
    assert house.state(LAMP) == "off"
    assert '"Ceiling Light" "Big Lamp" light.ceiling = on' in str(talk.model.asked[-1]["prompt"])


async def test_lists_are_told_with_their_items_and_changed(meet: Meet, house: House) -> None:
    talk = await meet()
    talk.writes(
        'todo.add_item(todo.errands, item="Rope")\ntodo.update_item(todo.errands, item="twine", status=completed)\n'
        'todo.remove_item(todo.errands, item="Lamp Oil")\nDone.'
    )
    await talk.say("sort out my errands")
    assert "Lamp Oil" in str(talk.model.asked[-1]["prompt"])
    items = {item.summary: item.status for item in house.things["todo.errands"].todo_items}  # type: ignore[attr-defined]
    assert items == {"Twine": "completed", "Chalk": "completed", "Rope": "needs_action"}


async def test_a_scene_is_activated(meet: Meet, house: House) -> None:
    talk = await meet()
    talk.writes("scene.turn_on(scene.film)\nActivated Film Night.")
    assert speech(await talk.say("film night")) == "Activated Film Night."
    assert house.things["scene.film"].activated == 1  # type: ignore[attr-defined]


@pytest.fixture(name="script")
async def script_fixture(hass: HomeAssistant, house: House) -> list[dict[str, Any]]:
    """Return what a script with fields is run with."""
    runs: list[dict[str, Any]] = []
    hass.bus.async_listen("greeted", lambda event: runs.append(dict(event.data)))
    fields = {
        "who": {"required": True, "selector": {"text": {}}},
        "times": {"name": "How often", "selector": {"number": {"min": 1, "max": 5}}},
        "loud": {"default": False, "selector": {"boolean": {}}},
        "Odd Name": {"selector": {"text": {}}},
    }
    told = {name: f"{{{{ {name} | default('?') }}}}" for name in ("who", "times", "loud")}
    greet = {"alias": "Greeting", "fields": fields, "sequence": [{"event": "greeted", "event_data_template": told}]}
    plain = {"alias": "Plain", "sequence": [{"event": "greeted", "event_data": {"who": "nobody"}}]}
    assert await async_setup_component(hass, "script", {"script": {"greet": greet, "plain": plain}})
    await hass.async_block_till_done()
    for entity_id in ("script.greet", "script.plain"):
        house.expose(entity_id)
    return runs


async def test_a_script_is_run_with_its_fields(meet: Meet, script: list[dict[str, Any]]) -> None:
    talk = await meet()
    talk.writes('script.turn_on(script.greet, who="Ada", times=2)\nStarted Greeting.')
    assert speech(await talk.say("greet Ada twice")) == "Started Greeting."
    assert script == [{"who": "Ada", "times": 2, "loud": False}]
    assert "script.turn_on(loud, times, who)" in str(talk.model.asked[-1]["prompt"])
    talk.writes('script.greet(who="Bo", loud=true)\nStarted Greeting.')
    assert speech(await talk.say("greet Bo loudly")) == "Started Greeting."
    assert script[1] == {"who": "Bo", "times": "?", "loud": True}
    talk.writes("script.turn_on(script.plain)\nStarted Plain.")
    assert speech(await talk.say("the plain one")) == "Started Plain."
    assert script[2] == {"who": "nobody"}


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ("script.turn_on(script.greet)", "You did not say which who."),
        ('script.turn_on(script.greet, who="Ada", times=9)', "How often"),
        ('script.turn_on(script.greet, who="Ada", loud=perhaps)', "loud"),
        ('script.turn_on(script.plain, who="Ada")', "who"),
        ('script.turn_on(script.greet, who="light.cellar")', "is not exposed to me"),
        ("script.turn_on(script.greet, who=\"['light.ceiling', 'Light.Cellar']\")", "is not exposed to me"),
    ],
)
async def test_a_script_is_not_run_with_what_it_does_not_take(
    meet: Meet, script: list[dict[str, Any]], call: str, said: str
) -> None:
    talk = await meet()
    talk.writes(f"{call}\nStarted.")
    result = speech(await talk.say("greet"))
    assert said in result
    assert "Started" not in result
    assert not script


async def test_questions_are_answered_by_the_model_from_the_states_in_its_prompt(meet: Meet) -> None:
    talk = await meet()
    talk.writes("It is 21.5 °C in the attic.")
    assert speech(await talk.say("how warm is it in the attic?")) == "It is 21.5 °C in the attic."
    assert "sensor.attic_temperature = 21.5" in str(talk.model.asked[-1]["prompt"])
