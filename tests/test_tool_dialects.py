"""Turns of agents whose model calls tools, in real Home Assistant with its own LLM APIs.

A server stands for the model, because no model can be made to write a given reply; all around it is real.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from aiohttp import web
from homeassistant.components import conversation
from homeassistant.components.homeassistant.exposed_entities import async_expose_entity
from homeassistant.config_entries import ConfigEntryState
from homeassistant.const import CONF_MODEL, CONF_URL
from homeassistant.core import Context, HomeAssistant
from homeassistant.helpers import entity_registry as er, llm
from homeassistant.setup import async_setup_component

from custom_components.morphy.const import BACKEND_REMOTE, CONF_BACKEND
from custom_components.morphy.dialect import TOOL_DIALECTS, Reply, ToolCall
from custom_components.morphy.tool_turn import MAX_ROUNDS

from .house import House
from .model_server import ModelServer, breaks_off, stream, write
from .servers import serving
from .test_conversation import Talk, add_agent, agent_of, failed, speech
from .test_injection import TEXTS

LAMP = "light.ceiling"
OFF = "intent__HassTurnOff"
ON = "intent__HassTurnOn"
DIM = "light__HassLightSet"
LIVE = "homeassistant__GetLiveContext"

RESULTS = {
    "hermes": "<|im_start|>tool\n<tool_response>\n",
    "mistral": "[TOOL_RESULTS] ",
    "functionary_v1": f"function name=functions.{LIVE}:\n",
    "functionary_v2": f"<|from|>{LIVE}\n<|recipient|>all\n<|content|>",
    "glaive": "\n\n\nFUNCTION RESPONSE: ",
}
"""How each dialect begins to tell a result."""


class ToolTalk(Talk):
    """A conversation in which the model replies several times in a turn."""

    def __init__(self, hass: HomeAssistant, model: ModelServer, dialect: str) -> None:
        super().__init__(hass, model)
        self.dialect = TOOL_DIALECTS[dialect]
        self.replies: list[str] = ["ok"]
        model.completion = self._reply

    def will(self, *replies: Reply | str) -> None:
        """Let the model write these replies one after another, and the last one again and again."""
        self.replies = [reply if isinstance(reply, str) else self.dialect.write(reply) for reply in replies]
        self.model.asked.clear()

    async def _reply(self, request: web.Request) -> web.StreamResponse:
        text = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        response = await stream(request)
        for n in range(0, len(text), 4):
            await write(response, text[n : n + 4])
        await write(response, "", "stop")
        return response

    @property
    def prompts(self) -> list[str]:
        """What the model was asked in this turn."""
        return [str(asked["prompt"]) for asked in self.model.asked]


@pytest.fixture(name="dialect", params=list(RESULTS))
def dialect_fixture(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(name="settings")
def settings_fixture(request: pytest.FixtureRequest) -> dict[str, Any]:
    return dict(getattr(request, "param", {}))


@pytest.fixture(name="talk")
async def talk_fixture(
    hass: HomeAssistant, house: House, server: ModelServer, dialect: str, settings: dict[str, Any]
) -> AsyncGenerator[ToolTalk]:
    talk = ToolTalk(hass, server, dialect)
    data = {CONF_BACKEND: BACKEND_REMOTE, CONF_URL: await server.start(), CONF_MODEL: "morphy-7b"}
    entry = await add_agent(hass, data, dialect=dialect, **settings)
    talk.agent = agent_of(hass, entry)
    yield talk
    await hass.config_entries.async_unload(entry.entry_id)


def call(name: str, /, **arguments: Any) -> Reply:
    return Reply("", (ToolCall(name, arguments),))


def said(text: str) -> Reply:
    return Reply(text)


only_hermes = pytest.mark.parametrize("dialect", ["hermes"], indirect=True)


async def test_a_chain(talk: ToolTalk, house: House) -> None:
    """Call, result, next call, result, answer; and what was called is never said."""
    talk.will(call(LIVE, domain="light"), call(OFF, name="Big Lamp"), said("It was on, and is off now."))
    context = Context()
    result = await talk.say("make sure the big lamp is off", context=context)
    assert speech(result) == "It was on, and is off now."
    assert not failed(result)
    assert house.state(LAMP) == "off"
    assert house.context(LAMP).id == context.id
    assert [type(item).__name__ for item in talk.log[1:]] == [
        "UserContent",
        *["AssistantContent", "ToolResultContent"] * 2,
        "AssistantContent",
    ]
    first, second, third = talk.prompts
    assert RESULTS[talk.dialect.name] not in first
    assert second.count(RESULTS[talk.dialect.name]) == 1
    assert "Ceiling Light" in second.partition(RESULTS[talk.dialect.name])[2]
    assert talk.dialect.write(call(OFF, name="Big Lamp")).strip().partition('"id"')[0] in third
    assert all(dialect_stop not in speech(result) for dialect_stop in talk.dialect.stop)

    talk.will(said("You are welcome."))  # and the turn before is told
    await talk.say("thank you")
    [prompt] = talk.prompts
    order = ["make sure the big lamp is off", OFF, "It was on, and is off now.", "thank you"]
    places = [prompt.rindex(text) for text in order]
    assert places == sorted(places) or talk.dialect.name == "mistral"  # where the tools stand after the turn before


@only_hermes
async def test_the_tools_stand_in_the_prompt(talk: ToolTalk) -> None:
    talk.will(said("Hi."))
    await talk.say("hello")
    assert all(name in talk.prompts[0] for name in (ON, OFF, LIVE))


@only_hermes
async def test_ten_rounds_and_no_more(talk: ToolTalk) -> None:
    talk.will(call(LIVE, domain="lock"))
    result = await talk.say("is the door locked?")
    assert len(talk.prompts) == MAX_ROUNDS
    assert failed(result)
    assert speech(result) == "I have tried 10 times and have no answer. What I have done so far stays done."
    assert talk.log[-1].content == speech(result)


async def test_a_call_that_cannot_be_read(talk: ToolTalk, house: House) -> None:
    opening = {"functionary_v1": f"<|START_OF_FUNCTION_CALL|>{OFF}:\n", "functionary_v2": f"{OFF}\n<|content|>"}
    other = "[TOOL_CALLS] [" if talk.dialect.name == "mistral" else "<tool_call>"
    talk.will(opening.get(talk.dialect.name, other) + '{"name": "Big Lamp", "arg')
    result = await talk.say("big lamp off")
    assert failed(result)
    assert speech(result).startswith("The model wrote something that cannot be read as an action: ")
    assert house.state(LAMP) == "on"


@only_hermes
async def test_a_tool_that_there_is_not(talk: ToolTalk) -> None:
    """The model is told, and can do better; if it does not, that is told instead of what it claims."""
    talk.will(call("light.turn_off", name="Big Lamp"), call(OFF, name="Big Lamp"), said("Off."))
    assert speech(await talk.say("big lamp off")) == "Off."
    assert 'Tool \\"light.turn_off\\" not found' in talk.prompts[1]
    talk.will(call("light.turn_off", name="Big Lamp"), said("I have turned it off."))
    assert speech(await talk.say("again")) == "The model asked for a tool that there is not: light.turn_off"


NONSENSE: list[tuple[str, dict[str, Any]]] = [
    (DIM, {"name": "Big Lamp", "brightness": "loud"}),
    (DIM, {"name": "Big Lamp", "brightness": {"a": [1]}}),
    (DIM, {"name": ["Big Lamp", 5], "brightness": 20}),
    (DIM, {"name": "Big Lamp", "brightness": 2000}),
    (OFF, {"name": {"x": 1}}),
    (OFF, {"name": "Big Lamp", "domain": 7}),
    (OFF, {"name": "Big Lamp", "domain": ["nonsense"]}),
    (OFF, {"nonsense": True}),
    (OFF, {}),
    (LIVE, {"domain": {"x": []}}),
    ("script__bedtime", {"x": 1}),
]


@only_hermes
async def test_arguments_that_make_no_sense(talk: ToolTalk, house: House) -> None:
    """Whatever a model writes: the turn ends with a sentence, nothing is done, and no such thing is claimed."""
    for name, arguments in NONSENSE:
        talk.id = None
        talk.will(call(name, **arguments), said("I have done it."))
        result = await talk.say("do it")
        assert speech(result) != "I have done it.", arguments
        assert len(speech(result)) < 200, arguments
        assert house.state(LAMP) == "on", arguments
        assert '"error"' in talk.prompts[1], arguments


@only_hermes
async def test_an_unknown_device(talk: ToolTalk) -> None:
    talk.will(call(ON, name="Disco Ball"), said("The disco ball is on."))
    assert speech(await talk.say("disco")) == "I know no device called Disco Ball."


async def test_risky_calls_ask_first(talk: ToolTalk, house: House) -> None:
    talk.will(call(OFF, name="Front Door"), said("It is open."))
    result = await talk.say("unlock the front door")
    assert house.state("lock.front") == "locked"
    assert "Front Door" in speech(result)
    assert speech(result).endswith("?")
    assert result.continue_conversation
    assert len(talk.prompts) == 1
    talk.will(said("never asked"))
    assert speech(await talk.say("yes")) == "Done."
    assert house.state("lock.front") == "unlocked"
    assert not talk.prompts
    talk.will(call(OFF, name="Front Door"), said("It is open already."))
    assert speech(await talk.say("unlock it")) == "It is open already."


OPENINGS: list[tuple[str, dict[str, Any], str]] = [
    (ON, {"name": "Garage Door"}, "cover.garage"),
    (ON, {"area": "Garage", "domain": ["cover"]}, "cover.garage"),
    (ON, {"device_class": ["garage"]}, "cover.garage"),
    ("intent__HassSetPosition", {"name": "Garage Door", "position": 50}, "cover.garage"),
    (ON, {"name": "Garden Tap"}, "valve.garden"),
    (OFF, {"area": "Hall", "domain": ["lock"]}, "lock.front"),
    (OFF, {"area": "Hall"}, "lock.front"),
    (OFF, {"name": "front door", "confirmed": True, "agreed": ["lock.front"]}, "lock.front"),
    (OFF, {"name": "all", "domain": ["lock"]}, "lock.front"),
    (OFF, {"name": "all", "area": "Hall"}, "lock.front"),
    (OFF, {"name": " ", "area": "Hall", "domain": "lock"}, "lock.front"),
    (ON, {"name": "all", "domain": "cover"}, "cover.garage"),
    (ON, {"name": "Garage Door", "position": 0}, "cover.garage"),
    (ON, {"name": "Garden Tap", "position": 0}, "valve.garden"),
]


@only_hermes
async def test_every_way_to_open_something(talk: ToolTalk, house: House) -> None:
    for name, arguments, entity_id in OPENINGS:
        before = house.state(entity_id)
        talk.id = None
        talk.will(call(name, **arguments), said("Open."))
        result = await talk.say("open it")
        assert house.state(entity_id) == before, arguments
        assert speech(result) != "Open.", arguments


@only_hermes
@pytest.mark.parametrize("settings", [{"confirm_risky": False, "confirm_entities": [LAMP]}], indirect=True)
async def test_what_is_asked_about_is_a_setting(talk: ToolTalk, house: House) -> None:
    talk.will(call(OFF, name="Front Door"), said("Open."))
    assert speech(await talk.say("unlock")) == "Open."
    talk.will(call(OFF, name="Big Lamp"), said("Off."))
    assert speech(await talk.say("lamp off")).endswith("?")
    assert house.state(LAMP) == "on"
    talk.will(said("As you like."))
    await talk.say("no")
    assert speech(await talk.say("yes")) == "As you like."
    assert house.state(LAMP) == "on"


@only_hermes
@pytest.mark.parametrize("settings", [{"domains": ["light"]}], indirect=True)
async def test_domains_hold_for_tools_too(talk: ToolTalk, hass: HomeAssistant, house: House) -> None:
    talk.will(call(ON, name="Coffee Machine"), said("On."))
    assert speech(await talk.say("coffee")) == "Coffee Machine is not exposed to me."
    for name, arguments in (
        ("media_player__HassSetVolume", {"volume_level": 0}),
        ("media_player__HassSetVolume", {"name": "all", "volume_level": 0}),
        ("media_player__play_media", {"media_content_id": "http://a.test/b.mp3", "media_content_type": "music"}),
    ):
        before = hass.states.get("media_player.radio")
        talk.will(call(name, **arguments), said("Done."))
        assert "is not exposed to me" in speech(await talk.say("do it")), name
        assert hass.states.get("media_player.radio") == before
    talk.will(call(OFF, name="Big Lamp"), said("Off."))
    assert speech(await talk.say("lamp off")) == "Off."


@only_hermes
async def test_an_entity_that_is_not_exposed(talk: ToolTalk, hass: HomeAssistant, house: House) -> None:
    async_expose_entity(hass, "conversation", LAMP, False)
    talk.will(call(OFF, name="Ceiling Light"), said("Off."))
    assert speech(await talk.say("lamp off")) == "I know no device called Ceiling Light."
    assert house.state(LAMP) == "on"
    assert "Ceiling Light" not in talk.prompts[0]


@only_hermes
async def test_a_script_is_a_tool(talk: ToolTalk, hass: HomeAssistant, house: House) -> None:
    steps = [{"action": "light.turn_off", "target": {"entity_id": LAMP}}]
    fields = {
        "minutes": {"description": "How long", "required": True, "selector": {"number": {"min": 1, "max": 9}}},
        "lamp": {"description": "Which", "selector": {"entity": {"multiple": True}}},
    }
    script = {"alias": "Bedtime", "description": "Ends the day", "fields": fields, "sequence": steps}
    assert await async_setup_component(hass, "script", {"script": {"bedtime": script}})
    async_expose_entity(hass, "conversation", "script.bedtime", True)
    talk.will(call("script__bedtime", minutes=3, lamp=["light.cellar"]), said("Good night."))
    assert speech(await talk.say("bedtime")) == "cellar is not exposed to me."
    assert house.state(LAMP) == "on"
    for arguments in ({"minutes": 12}, {}, {"minutes": 3, "brightness": 5}):
        talk.will(call("script__bedtime", **arguments), said("Good night."))
        assert speech(await talk.say("bedtime")) != "Good night.", arguments
        assert house.state(LAMP) == "on"
    talk.will(call("script__bedtime", minutes=3, lamp=None), said("Good night."))
    assert speech(await talk.say("bedtime")) == "Good night."
    assert house.state(LAMP) == "off"
    assert '"minimum": 1' in talk.prompts[0]


class _ShoutTool(llm.Tool):
    name = "shout"
    description = "Shouts."
    integration = "morphy"

    async def async_call(
        self, hass: HomeAssistant, tool_input: llm.ToolInput, llm_context: llm.LLMContext
    ) -> llm.ToolResult:
        raise RuntimeError("a bug in someone's tool")


class _ShoutAPI(llm.API):
    async def async_get_api_instance(self, llm_context: llm.LLMContext) -> llm.APIInstance:
        return llm.APIInstance(self, "Shout now and then.", llm_context, [_ShoutTool()])


@only_hermes
@pytest.mark.parametrize("settings", [{"llm_hass_api": ["assist", "shout", "gone"]}], indirect=True)
async def test_other_apis(talk: ToolTalk, hass: HomeAssistant, caplog: pytest.LogCaptureFixture) -> None:
    """APIs together have names with their own in front; one that is gone is left out, one that fails is told."""
    unregister = llm.async_register_api(hass, _ShoutAPI(hass=hass, id="shout", name="Shout"))
    talk.will(call("shout__shout"), said("AAH"))
    assert speech(await talk.say("shout")) == "The tool shout__shout did not work. The log has the details."
    assert f"assist__{OFF}" in talk.prompts[0]
    assert "Shout now and then." in talk.prompts[0]
    assert "a bug in someone's tool" in caplog.text
    assert "gone" in caplog.text
    unregister()


@only_hermes
async def test_a_server_that_fails(talk: ToolTalk, server: ModelServer, house: House) -> None:
    """Nothing is done: the error. Something was done before: that too."""
    server.completion = breaks_off
    assert failed(await talk.say("hello"))
    talk.will(call(OFF, name="Big Lamp"), said(""))
    server.completion = talk._reply
    result = await talk.say("lamp off")
    assert house.state(LAMP) == "off"
    assert speech(result)


@only_hermes
async def test_an_answer_of_nothing(talk: ToolTalk) -> None:
    talk.will(said(""))
    result = await talk.say("hello")
    assert failed(result)
    assert speech(result) == "The model ended its answer before it wrote anything."


@only_hermes
@pytest.mark.parametrize("settings", [{"instructions": "You are {{ nobody("}], indirect=True)
async def test_instructions_that_are_no_template(talk: ToolTalk) -> None:
    """The model is not asked, and the person who talks is told."""
    talk.will(said("Hi."))
    result = await talk.say("hello")
    assert failed(result)
    assert "template" in speech(result)
    assert talk.prompts == []


@only_hermes
@pytest.mark.parametrize("settings", [{"llm_hass_api": ["gone"]}], indirect=True)
async def test_without_any_tools_it_still_answers(talk: ToolTalk, caplog: pytest.LogCaptureFixture) -> None:
    talk.will(said("Hi."))
    assert speech(await talk.say("hello")) == "Hi."
    assert ON not in talk.prompts[0]
    assert "There are no tools of gone any more" in caplog.text


@only_hermes
@pytest.mark.parametrize("settings", [{"fallback": ["home_assistant"]}], indirect=True)
async def test_home_assistants_own_sentences_stand_in(talk: ToolTalk, server: ModelServer, house: House) -> None:
    server.completion = breaks_off
    result = await talk.say("turn off the big lamp")
    assert not failed(result)
    assert house.state(LAMP) == "off"
    assert failed(await talk.say("sing me a song"))


async def test_no_name_adds_a_turn_or_a_call(talk: ToolTalk, hass: HomeAssistant, house: House) -> None:
    """The attempts stand in names and in results; the frames of the prompt stay as many as they are."""
    special = talk.dialect.special_tokens
    talk.will(call(LIVE, domain="light"), said("Well."))
    await talk.say("what is on?")
    frames = [[prompt.count(token) for token in special] for prompt in talk.prompts]
    for text in TEXTS[::14]:
        er.async_get(hass).async_update_entity("light.reading_1", name=text)
        house.things["light.reading_2"].show(name=text)
        await hass.async_block_till_done()
        talk.id = None
        talk.will(call(LIVE, domain="light"), said("Well."))
        await talk.say("what is on?")
        assert [[prompt.count(token) for token in special] for prompt in talk.prompts] == frames, text[:200]
        told = talk.prompts[-1].count("FUNCTION RESPONSE:")
        assert told == (1 if talk.dialect.name == "glaive" else 0), text[:200]


# A server's own form: messages and tools


async def test_the_servers_own_form(hass: HomeAssistant, house: House, socket_enabled: None) -> None:
    """Structured calls come in fragments, two at once; results go back with their ids."""
    asked: list[dict[str, Any]] = []

    def event(delta: dict[str, Any], reason: str | None = None) -> bytes:
        return b"data: " + json.dumps({"choices": [{"delta": delta, "finish_reason": reason}]}).encode() + b"\n\n"

    def part(index: int, id_: str | None, name: str | None, arguments: str) -> dict[str, Any]:
        function = {"name": name, "arguments": arguments}
        return {"tool_calls": [{"index": index, "id": id_, "type": "function", "function": function}]}

    async def chat(request: web.Request) -> web.StreamResponse:
        asked.append(await request.json())
        response = await stream(request)
        if any(message["role"] == "tool" for message in asked[-1]["messages"]):
            events = [event({"content": "Both "}), event({"content": "are off."}), event({}, "stop")]
        else:
            events = [
                event({"role": "assistant", "content": None}),
                event(part(0, "call_a", OFF, "")),
                event(part(0, None, None, '{"name": "Big')),
                event(part(0, None, None, ' Lamp"}')),
                event(part(1, "call_b", OFF, '{"name": "Worktop Strip"}')),
                event({}, "tool_calls"),
            ]
        for one in events:
            await response.write(one)
        await response.write(b"data: [DONE]\n\n")
        return response

    async def complete(request: web.Request) -> web.StreamResponse:
        response = await stream(request)
        await write(response, "ok", "stop")
        return response

    models = {"object": "list", "data": [{"id": "big", "object": "model"}]}
    routes = {"/v1/models": models, "/v1/completions": complete, "/v1/chat/completions": chat}
    async with serving(routes) as url:
        entry = await add_agent(hass, {CONF_BACKEND: BACKEND_REMOTE, CONF_URL: url}, dialect="openai")
        assert entry.state is ConfigEntryState.LOADED
        result = await conversation.async_converse(hass, "lamps off", None, Context(), "en", agent_of(hass, entry))
        await hass.config_entries.async_unload(entry.entry_id)
    assert speech(result) == "Both are off."
    assert house.state(LAMP) == house.state("light.worktop") == "off"
    first, second = asked
    assert {tool["function"]["name"] for tool in first["tools"]} >= {ON, OFF, LIVE}
    assert "grammar" not in first
    calls = [call for message in second["messages"] for call in message.get("tool_calls", ())]
    results = [message["tool_call_id"] for message in second["messages"] if message["role"] == "tool"]
    assert [call["id"] for call in calls] == results
    assert len(set(results)) == 2


@pytest.mark.parametrize("dialect", ["homeassistant_json", "homeassistant_json_v3", "homeassistant_json_v3_1b"])
async def test_calls_as_json_of_a_model_that_is_told_of_the_home(
    hass: HomeAssistant, house: House, server: ModelServer, dialect: str
) -> None:
    """They go the way of all actions: the same checks, the same question before what is risky."""
    data = {CONF_BACKEND: BACKEND_REMOTE, CONF_URL: await server.start(), CONF_MODEL: "morphy-7b"}
    entry = await add_agent(hass, data, dialect=dialect)
    agent = agent_of(hass, entry)

    async def say(*calls: dict[str, Any]) -> str:
        block = "\n".join(map(json.dumps, calls))
        server.words = ["sure", f"\n```homeassistant\n{block}\n```"]
        result = await conversation.async_converse(hass, "please", None, Context(), "en", agent)
        return speech(result)

    off = {"service": "light.turn_off", "target_device": LAMP}
    dim = {"service": "light.turn_on", "target_device": "light.worktop", "brightness": 0.4}
    assert await say(off, dim) == "sure"
    assert house.state(LAMP) == "off"
    assert house.state("light.worktop") == "on"
    assert (await say({"service": "lock.unlock", "target_device": "lock.front"})).endswith("?")
    assert house.state("lock.front") == "locked"
    assert await say({"service": "light.explode", "target_device": LAMP}) != "sure"
    assert "<|assistant|>" in str(server.asked[-1]["prompt"]) or dialect == "homeassistant_json"
    await hass.config_entries.async_unload(entry.entry_id)
