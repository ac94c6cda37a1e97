"""Who may move what: rights, satellites, questions and the answers to them, with several people talking at once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from homeassistant.auth.models import User
from homeassistant.components import conversation
from homeassistant.core import Context, HomeAssistant, ServiceCall
from homeassistant.helpers import area_registry as ar, device_registry as dr, entity_registry as er, llm
from pytest_homeassistant_custom_component.common import MockConfigEntry, MockUser

from custom_components.morphy import confirmation, errors
from custom_components.morphy.const import CONF_CONFIRM_ENTITIES, CONF_CONFIRM_RISKY
from custom_components.morphy.control import CallServiceTool, async_execute
from custom_components.morphy.dialect import Action
from custom_components.morphy.dialect.catalogue import SERVICES
from custom_components.morphy.home import snapshot
from custom_components.morphy.risk import Caution

from .house import House
from .model_server import ModelServer
from .test_conversation import Talk, settings_fixture, speech, talk_fixture  # noqa: F401

UNLOCK = "lock.unlock(lock.front)\nUnlocked Front Door."
OPEN = "cover.open_cover(cover.garage)\nOpened Garage Door."


def person(hass: HomeAssistant, policy: dict[str, Any]) -> Context:
    """Return the context of a new user with these rights."""
    user = MockUser(groups=[]).add_to_hass(hass)
    user.mock_policy(policy)
    return Context(user_id=user.id)


def everyone(hass: HomeAssistant) -> Context:
    return person(hass, {"entities": True})


@pytest.fixture
def bedroom(hass: HomeAssistant) -> str:
    """Return the id of a second satellite, in the loft."""
    entry = MockConfigEntry(domain="satellites")
    entry.add_to_hass(hass)
    devices = dr.async_get(hass)
    satellite = devices.async_get_or_create(config_entry_id=entry.entry_id, identifiers={("satellites", "two")})
    loft = ar.async_get(hass).async_get_area_by_name("Loft")
    assert loft
    devices.async_update_device(satellite.id, area_id=loft.id)
    return satellite.id


# Rights


@pytest.mark.parametrize(
    "call",
    [
        "light.turn_off(light.ceiling)",
        "light.turn_off(all)",
        "light.turn_off(Ceiling Light)",
        "switch.turn_on(switch.relay_7)",
        "scene.film()",
        "lock.lock(lock.front)",
        'media_player.play_media(media_player.radio, query="harbour")',
    ],
)
@pytest.mark.parametrize(
    "policy", [{}, {"entities": {"all": {"read": True}}}, {"entities": {"domains": {"fan": True}}}]
)
async def test_a_user_without_rights_moves_nothing(
    hass: HomeAssistant,
    talk: Talk,
    house: House,
    call: str,
    policy: dict[str, Any],
) -> None:
    before = {id_: hass.states.get(id_) for id_ in house.things}
    talk.writes(f"{call}\nDone with it.")
    said = speech(await talk.say("do it", context=person(hass, policy)))
    assert said.startswith("You are not allowed to control")
    assert {id_: hass.states.get(id_) for id_ in house.things} == before


async def test_a_question_gives_no_rights(hass: HomeAssistant, talk: Talk, house: House) -> None:
    context = person(hass, {"entities": {"domains": {"light": True}}})
    talk.writes(UNLOCK)
    assert "not allowed" in speech(await talk.say("unlock the front door", context=context))
    talk.writes("All right.")
    await talk.say("yes", context=context)
    assert house.state("lock.front") == "locked"


async def test_rights_are_asked_again_on_a_yes(hass: HomeAssistant, talk: Talk, house: House) -> None:
    user = MockUser(groups=[]).add_to_hass(hass)
    user.mock_policy({"entities": True})
    context = Context(user_id=user.id)
    talk.writes(UNLOCK)
    assert speech(await talk.say("unlock the front door", context=context)) == "Shall I unlock Front Door?"
    user.mock_policy({"entities": {"domains": {"light": True}}})
    assert "not allowed" in speech(await talk.say("yes", context=context))
    assert house.state("lock.front") == "locked"


async def test_a_user_who_was_switched_off_moves_nothing(hass: HomeAssistant, talk: Talk, house: House) -> None:
    user = MockUser(groups=[], is_owner=True, is_active=False).add_to_hass(hass)
    talk.writes("light.turn_off(light.ceiling)\nTurned off Ceiling Light.")
    assert "not allowed" in speech(await talk.say("light off", context=Context(user_id=user.id)))
    assert house.state("light.ceiling") == "on"


async def test_services_of_administrators_are_out_of_reach(
    hass: HomeAssistant,
    house: House,
    hass_owner_user: User,
) -> None:
    """Of all services that Home Assistant has, an answer reaches those of the catalogue, whoever asks."""
    called: list[str] = []

    async def restart(call: ServiceCall) -> None:
        called.append(call.service)

    hass.services.async_register("hassio", "host_reboot", restart)
    hass.services.async_register("shell_command", "wipe", restart)
    home = snapshot(hass)
    names = [f"{domain}.{name}" for domain, services in hass.services.async_services().items() for name in services]
    assert {"homeassistant.restart", "hassio.host_reboot", "scene.apply", "homeassistant.turn_off"} <= set(names)
    context = llm.LLMContext("morphy", Context(user_id=hass_owner_user.id), "en", "conversation", None)
    for name in set(names) - set(SERVICES):
        for target in ("all", "light.ceiling"):
            with pytest.raises(errors.UnknownServiceError):
                await async_execute(hass, home, Action(name, (target,)), context, Caution())
    assert called == []


# Satellites


async def test_a_request_carries_the_device_that_was_spoken_to(
    talk: Talk,
    house: House,
    bedroom: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[tuple[str | None, str | None]] = []
    original = CallServiceTool.async_call

    async def async_call(self: Any, hass: HomeAssistant, tool_input: llm.ToolInput, context: llm.LLMContext) -> Any:
        seen.append((context.device_id, context.context.id if context.context else None))
        return await original(self, hass, tool_input, context)

    monkeypatch.setattr(CallServiceTool, "async_call", async_call)
    contexts = [Context(), Context()]
    for satellite, context in zip((house.satellite, bedroom), contexts, strict=True):
        talk.writes("light.turn_off(light.ceiling)\nTurned off Ceiling Light.")
        await talk.say("light off", device_id=satellite, context=context)
    assert seen == [(house.satellite, contexts[0].id), (bedroom, contexts[1].id)]


async def test_the_room_of_the_satellite_decides(hass: HomeAssistant, talk: Talk, house: House, bedroom: str) -> None:
    for entity_id in ("light.ceiling", "light.reading_2"):
        er.async_get(hass).async_update_entity(entity_id, name="Pendant")
    await hass.async_block_till_done()
    talk.writes("light.toggle(Pendant)\nToggled Pendant.")
    before = house.state("light.ceiling")
    await talk.say("toggle the pendant", device_id=bedroom)
    assert (house.state("light.ceiling"), house.state("light.reading_2")) == (before, "on")


# Questions


async def test_two_people_at_once(hass: HomeAssistant, talk: Talk, house: House) -> None:
    """Both are asked something in the same conversation; each one's yes is for the own question alone."""
    one, two = everyone(hass), everyone(hass)
    talk.writes(UNLOCK)
    await talk.say("unlock the front door", context=one)
    talk.writes(OPEN)
    assert speech(await talk.say("open the garage", context=two)) == "Shall I open Garage Door?"
    assert speech(await talk.say("yes", context=two)) == "Done."
    assert (house.state("lock.front"), house.state("cover.garage")) == ("locked", "open")
    talk.writes("Hello.")
    assert speech(await talk.say("hello", context=two)) == "Hello."
    assert speech(await talk.say("yes", context=one)) == "Done."
    assert house.state("lock.front") == "unlocked"


async def test_two_people_in_the_same_moment(hass: HomeAssistant, talk: Talk, house: House) -> None:
    """Turns that overlap: the yes of one does not do what the other is just being asked."""
    one, two = everyone(hass), everyone(hass)
    talk.writes(UNLOCK)
    await talk.say("hello", context=Context())
    await asyncio.gather(
        *(talk.say("unlock the front door", context=one) for _ in range(3)),
        *(talk.say("yes", context=two) for _ in range(3)),
    )
    assert house.state("lock.front") == "locked"


@pytest.mark.parametrize("same", ["user", "device", "conversation"])
async def test_a_yes_from_elsewhere_does_nothing(
    hass: HomeAssistant,
    talk: Talk,
    house: House,
    bedroom: str,
    same: str,
) -> None:
    one, two = everyone(hass), everyone(hass)
    talk.writes(UNLOCK)
    await talk.say("unlock the front door", context=one, device_id=house.satellite)
    talk.writes("All right.")
    if same == "conversation":
        talk.id = None
        await talk.say("yes", context=one, device_id=house.satellite)
    elif same == "user":
        await talk.say("yes", context=one, device_id=bedroom)
        await talk.say("yes", context=one)
    else:
        await talk.say("yes", context=two, device_id=house.satellite)
        await talk.say("yes", device_id=house.satellite)
    assert house.state("lock.front") == "locked"


async def test_a_yes_to_a_satellite_without_a_device_counts_there_alone(
    hass: HomeAssistant, talk: Talk, house: House
) -> None:
    talk.writes(UNLOCK)
    asked: Any = {"text": "unlock the front door", "conversation_id": None, "satellite_id": "assist_satellite.hall"}
    result = await conversation.async_converse(hass, context=Context(), language="en", agent_id=talk.agent, **asked)
    talk.writes("All right.")
    for satellite, state in (("assist_satellite.loft", "locked"), ("assist_satellite.hall", "unlocked")):
        yes = {"text": "yes", "conversation_id": result.conversation_id, "satellite_id": satellite}
        await conversation.async_converse(hass, context=Context(), language="en", agent_id=talk.agent, **yes)
        assert house.state("lock.front") == state


async def test_a_yes_counts_once(talk: Talk, house: House) -> None:
    talk.writes(UNLOCK)
    await talk.say("unlock the front door")
    assert speech(await talk.say("yes")) == "Done."
    house.things["lock.front"].show(is_locked=True)
    talk.writes("Sorry?")
    assert speech(await talk.say("yes")) == "Sorry?"
    assert house.state("lock.front") == "locked"


@pytest.mark.parametrize(("seconds", "state"), [(59, "unlocked"), (61, "locked")])
async def test_a_yes_counts_for_a_minute(
    talk: Talk,
    house: House,
    monkeypatch: pytest.MonkeyPatch,
    seconds: float,
    state: str,
) -> None:
    talk.writes(UNLOCK)
    await talk.say("unlock the front door")
    now = confirmation.time.monotonic()
    talk.writes("Sorry?")
    with monkeypatch.context() as later:
        later.setattr(confirmation, "time", type("Clock", (), {"monotonic": staticmethod(lambda: now + seconds)}))
        await talk.say("yes")
    assert house.state("lock.front") == state


async def test_a_yes_is_for_what_was_asked_about(hass: HomeAssistant, talk: Talk, house: House) -> None:
    """A door that the call means only since the question is asked about anew."""
    talk.writes("cover.open_cover(all)\nOpened all covers.")
    assert speech(await talk.say("open all covers")) == "Shall I open Garage Door?"
    hass.states.async_set(
        "cover.barn", "closed", {"device_class": "gate", "supported_features": 3, "friendly_name": "Barn Gate"}
    )
    house.expose("cover.barn")
    assert speech(await talk.say("yes")) == "Shall I open Barn Gate?"
    assert house.state("cover.garage") == "closed"


@pytest.mark.parametrize("settings", [{CONF_CONFIRM_ENTITIES: ["switch.relay_8", "scene.film"]}], indirect=True)
async def test_what_the_user_adds_asks_as_well(talk: Talk, house: House) -> None:
    for call, name in (("switch.turn_on(switch.relay_8)", "Aquarium Pump"), ("scene.film()", "Film Night")):
        talk.writes(f"{call}\nDone with it.")
        assert speech(await talk.say("run it please")) == f"Shall I really do that with {name}?"
    assert house.state("switch.relay_8") == "off"
    assert speech(await talk.say("do it")) == "Done."
    assert house.things["scene.film"].activated == 1  # type: ignore[attr-defined]
    talk.writes("switch.turn_on(switch.relay_7)\nTurned on Coffee Machine.")
    assert speech(await talk.say("coffee")) == "Turned on Coffee Machine."


@pytest.mark.parametrize(
    "settings",
    [{CONF_CONFIRM_ENTITIES: ["lock.front", "cover.garage", "alarm_control_panel.house"], CONF_CONFIRM_RISKY: False}],
    indirect=True,
)
async def test_locking_closing_and_arming_never_ask(talk: Talk, house: House) -> None:
    house.things["lock.front"].show(is_locked=False)
    house.things["cover.garage"].show(is_closed=False)
    talk.writes(
        "lock.lock(lock.front)\ncover.close_cover(cover.garage)\n"
        "alarm_control_panel.alarm_arm_away(alarm_control_panel.house)\nLocked up."
    )
    await talk.say("lock up")
    assert (house.state("lock.front"), house.state("cover.garage")) == ("locked", "closed")
    talk.writes("valve.open_valve(valve.garden)\nOpened Garden Tap.")
    assert speech(await talk.say("water the garden")) == "Opened Garden Tap."
    talk.writes(UNLOCK)
    assert speech(await talk.say("unlock the front door")) == "Shall I unlock Front Door?"


async def test_no_model_says_yes_for_the_user(talk: Talk, house: House) -> None:
    talk.writes(f"lock.unlock(lock.front, confirmed=true)\n{UNLOCK}\nyes\nlock.unlock(lock.front)\nyes")
    await talk.say("unlock the front door")
    assert house.state("lock.front") == "locked"


async def test_a_door_of_which_nobody_knows_whether_it_is_open_is_asked_about(talk: Talk, house: House) -> None:
    house.things["lock.front"].show(is_locked=False, assumed_state=True)
    talk.writes(UNLOCK)
    assert speech(await talk.say("unlock the front door")) == "Shall I unlock Front Door?"


async def test_the_agents_question_is_heard(talk: Talk, server: ModelServer) -> None:
    """The microphone stays open for the answer."""
    talk.writes(f"light.turn_off(light.ceiling)\n{UNLOCK}")
    result: conversation.ConversationResult = await talk.say("light off and unlock the front door")
    assert result.continue_conversation
    assert speech(result) == "I did only part of it. Shall I unlock Front Door?"
