"""Actions in a real Home Assistant: what moves, what is refused, and with which sentence."""

from __future__ import annotations

import asyncio
import json
import math
import string
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import pytest
import voluptuous as vol
from homeassistant.auth.models import User
from homeassistant.components import conversation
from homeassistant.components.media_player import MediaPlayerEntityFeature
from homeassistant.core import Context, HomeAssistant, ServiceCall
from homeassistant.exceptions import HomeAssistantError, Unauthorized
from homeassistant.helpers import entity_registry as er, llm
from homeassistant.helpers.chat_session import async_get_chat_session
from homeassistant.helpers.translation import async_get_translations
from homeassistant.setup import async_setup_component
from homeassistant.util.unit_system import US_CUSTOMARY_SYSTEM

from custom_components.morphy import control, errors
from custom_components.morphy.control import MorphyAPI, Outcome, async_execute
from custom_components.morphy.dialect import Action
from custom_components.morphy.home import snapshot
from custom_components.morphy.risk import Caution
from tests.house import House, Plug, async_furnish

Act = Callable[..., Any]

CARELESS = Caution(risky=False)


@pytest.fixture
async def house(hass: HomeAssistant) -> House:
    house = await async_furnish(hass)
    await async_get_translations(hass, "en", "exceptions", ["morphy"])
    hass.config.components.add("morphy")
    return house


def llm_context(house: House, context: Context | None = None) -> llm.LLMContext:
    return llm.LLMContext("morphy", context or Context(), "en", "conversation", house.satellite)


async def act(
    house: House,
    service: str,
    *targets: str,
    confirmed: bool = True,
    ask_first: Collection[str] = (),
    context: Context | None = None,
    **data: Any,
) -> Outcome:
    """Run one action as an agent would that was spoken to in the kitchen."""
    home = snapshot(house.hass, device_id=house.satellite)
    action = Action(service, targets, data)
    caution = Caution(risky=not confirmed, entities=frozenset(ask_first))
    outcome = await async_execute(house.hass, home, action, llm_context(house, context), caution)
    await house.hass.async_block_till_done()
    return outcome


def listen(hass: HomeAssistant) -> list[tuple[str, dict[str, Any]]]:
    """Collect the service calls that are made from now on."""
    calls: list[tuple[str, dict[str, Any]]] = []
    hass.bus.async_listen(
        "call_service",
        lambda event: calls.append(
            (f"{event.data['domain']}.{event.data['service']}", dict(event.data["service_data"]))
        ),
    )
    return calls


# What works


async def test_turns_on_with_the_context_of_the_request(hass: HomeAssistant, house: House) -> None:
    context = Context()
    outcome = await act(house, "switch.turn_on", "switch.relay_7", context=context)
    assert house.state("switch.relay_7") == "on"
    assert house.context("switch.relay_7") is context
    assert outcome.changed == {"switch.relay_7": {"before": "off", "after": "on"}}
    assert outcome.failures == []


@pytest.mark.parametrize(
    ("service", "target", "data", "attribute", "value"),
    [
        ("light.turn_on", "light.worktop", {"brightness_pct": 40}, "brightness", 102),
        ("light.turn_on", "light.worktop", {"brightness_pct": "40%"}, "brightness", 102),
        ("light.turn_on", "light.worktop", {"brightness_pct": "40 percent"}, "brightness", 102),
        ("light.turn_on", "light.worktop", {"brightness_pct": 103}, "brightness", 255),
        ("light.turn_on", "light.ceiling", {"brightness_step_pct": -20}, "brightness", 102),
        ("light.turn_on", "light.ceiling", {"color_name": "blue"}, "hs_color", (240.0, 100.0)),
        ("light.turn_on", "light.ceiling", {"color_name": "Sky Blue"}, "hs_color", (197.4, 42.6)),
        ("light.turn_on", "light.ceiling", {"color_name": "turqoise"}, "hs_color", (174.0, 71.4)),
        ("light.turn_on", "light.ceiling", {"rgb_color": (0, 0, 255)}, "hs_color", (240.0, 100.0)),
        ("light.turn_on", "light.ceiling", {"rgb_color": "green"}, "hs_color", (120.0, 100.0)),
        ("light.turn_on", "light.ceiling", {"color_temp_kelvin": "2700 K"}, "color_temp_kelvin", 2700),
        ("light.turn_on", "light.ceiling", {"color_temp_kelvin": 9000}, "color_temp_kelvin", 6535),
        ("fan.set_percentage", "fan.loft", {"percentage": "33%"}, "percentage", 33),
        ("fan.turn_on", "fan.loft", {"percentage": 70}, "percentage", 70),
        ("cover.set_cover_position", "cover.blind", {"position": 35}, "current_position", 35),
        ("climate.set_temperature", "climate.hall", {"temperature": 21.5}, "temperature", 21.5),
        ("climate.set_temperature", "climate.hall", {"temperature": "21,5"}, "temperature", 21.5),
        ("climate.set_temperature", "climate.hall", {"temperature": "22 °C"}, "temperature", 22.0),
        ("climate.set_temperature", "climate.hall", {"temperature": "68°F"}, "temperature", 20.0),
        ("climate.set_temperature", "climate.hall",
         {"temperature": 18, "target_temp_low": 1, "target_temp_high": 2}, "temperature", 18.0),
        ("climate.set_temperature", "climate.range", {"temperature": 22}, "target_temp_low", 20.0),
        ("climate.set_temperature", "climate.range", {"temperature": 22}, "target_temp_high", 24.0),
        ("climate.set_temperature", "climate.range", {"target_temp_low": 18}, "target_temp_high", 23.0),
        ("climate.set_preset_mode", "climate.range", {"preset_mode": "Eco plus"}, "preset_mode", "eco_plus"),
        ("media_player.volume_set", "media_player.radio", {"volume_pct": 60}, "volume_level", 0.6),
        ("media_player.volume_set", "media_player.radio", {"volume_level": 0.2}, "volume_level", 0.2),
        ("media_player.volume_mute", "media_player.radio", {"is_volume_muted": "true"}, "is_volume_muted", True),
        ("media_player.volume_mute", "media_player.radio", {"is_volume_muted": False}, "is_volume_muted", False),
        ("media_player.select_source", "media_player.radio", {"source": "record player"}, "source", "Record Player"),
        ("humidifier.set_humidity", "humidifier.mist", {"humidity": 50}, "humidity", 50),
        ("humidifier.set_mode", "humidifier.mist", {"mode": "Sleep"}, "mode", "sleep"),
        ("water_heater.set_temperature", "water_heater.boiler", {"temperature": 55}, "temperature", 55),
    ],
)  # fmt: skip
async def test_arguments(
    house: House, service: str, target: str, data: dict[str, Any], attribute: str, value: object
) -> None:
    outcome = await act(house, service, target, **data)
    assert outcome.failures == []
    got = house.attribute(target, attribute)
    assert got == (pytest.approx(value, abs=0.5) if isinstance(value, tuple) else value)


@pytest.mark.parametrize(
    ("service", "target", "data", "state"),
    [
        ("light.turn_off", "light.ceiling", {}, "off"),
        ("light.toggle", "light.ceiling", {}, "off"),
        ("light.turn_on", "light.ceiling", {"brightness_pct": 0}, "off"),
        ("cover.set_cover_position", "cover.shutter", {"position": "100%"}, "open"),
        ("climate.set_hvac_mode", "climate.hall", {"hvac_mode": "Heat/Cool"}, "heat_cool"),
        ("climate.turn_off", "climate.hall", {}, "off"),
        ("water_heater.set_operation_mode", "water_heater.boiler", {"operation_mode": "high demand"}, "high_demand"),
        ("number.set_value", "number.timer", {"value": "12"}, "12.0"),
        ("select.select_option", "select.washer", {"option": "quick wash"}, "Quick wash"),
        ("select.select_option", "select.washer", {"option": "coton"}, "Cotton"),
        ("lock.unlock", "lock.front", {}, "unlocked"),
        ("valve.open_valve", "valve.garden", {}, "open"),
        ("alarm_control_panel.alarm_disarm", "alarm_control_panel.house", {"code": "0042"}, "disarmed"),
    ],
)
async def test_states(house: House, service: str, target: str, data: dict[str, Any], state: str) -> None:
    outcome = await act(house, service, target, **data)
    assert outcome.failures == []
    assert house.state(target) == state


async def test_a_thermostat_without_turn_on_takes_its_best_mode(house: House) -> None:
    await act(house, "climate.turn_off", "climate.hall")
    await act(house, "climate.turn_on", "climate.hall")
    assert house.state("climate.hall") == "heat_cool"


async def test_a_scene_by_service_and_by_its_own_name(house: House) -> None:
    await act(house, "scene.turn_on", "scene.film")
    await act(house, "scene.film")
    assert house.things["scene.film"].activated == 2  # type: ignore[attr-defined]


async def test_a_script(hass: HomeAssistant, house: House) -> None:
    lamp = {"action": "switch.turn_on", "target": {"entity_id": "switch.relay_8"}}
    assert await async_setup_component(hass, "script", {"script": {"feed": {"sequence": [lamp]}}})
    house.expose("script.feed")
    await act(house, "script.feed")
    assert house.state("switch.relay_8") == "on"


async def test_media_is_searched_and_the_first_result_played(house: House) -> None:
    house.things["media_player.radio"].found = ["Harbour Lights", "Harbour Nights"]  # type: ignore[attr-defined]
    await act(house, "media_player.play_media", "media_player.radio", query="harbour")
    assert house.attribute("media_player.radio", "media_title") == "Harbour Lights"


async def test_todo_items_by_what_they_say(house: House) -> None:
    await act(house, "todo.add_item", "todo.errands", item="Bees Wax")
    await act(house, "todo.remove_item", "todo.errands", item="twine")
    await act(house, "todo.update_item", "todo.errands", item="lamp oils", status="done")
    items = {item.summary: item.status.value for item in house.things["todo.errands"].todo_items or []}  # type: ignore[attr-defined]
    assert items == {"Lamp Oil": "completed", "Chalk": "completed", "Bees Wax": "needs_action"}


# Targets


@pytest.mark.parametrize(
    ("targets", "lit"),
    [
        (["area.kitchen"], {"light.ceiling", "light.worktop"}),
        (["area.galley"], {"light.ceiling", "light.worktop"}),
        (["area.Kitchen"], {"light.ceiling", "light.worktop"}),
        (["area.kichen"], {"light.ceiling", "light.worktop"}),
        (["Kitchen"], {"light.ceiling", "light.worktop"}),
        (["floor.ground_floor"], {"light.ceiling", "light.worktop", "light.reading_1"}),
        (["floor.Downstairs"], {"light.ceiling", "light.worktop", "light.reading_1"}),
        (["all"], {"light.ceiling", "light.worktop", "light.reading_1", "light.reading_2"}),
        (["light.all"], {"light.ceiling", "light.worktop", "light.reading_1", "light.reading_2"}),
        (["light.worktop", "area.loft"], {"light.worktop", "light.reading_2"}),
        (["light.worktop", "light.worktop", "area.kitchen"], {"light.ceiling", "light.worktop"}),
        (["Worktop Strip"], {"light.worktop"}),
        (["big lamp"], {"light.ceiling"}),
        (["light.big_lamp"], {"light.ceiling"}),
        (["light.workotp"], {"light.worktop"}),
        (["light.ceilling"], {"light.ceiling"}),
        (["light.hall"], {"light.reading_1"}),
        (["light.ceiling_light"], {"light.ceiling"}),
        (["loft reading lamp"], {"light.reading_2"}),
        (["switch.ceiling"], {"light.ceiling"}),
    ],
)
async def test_targets(house: House, targets: list[str], lit: set[str]) -> None:
    await act(house, "light.turn_off", "all")
    outcome = await act(house, "light.turn_on", *targets)
    assert outcome.failures == []
    assert {id_ for id_ in house.things if id_.startswith("light.") and house.state(id_) == "on"} - {
        "light.cellar"
    } == lit


async def test_places_never_reach_what_is_not_exposed(hass: HomeAssistant, house: House) -> None:
    er.async_get(hass).async_update_entity("light.cellar", area_id=house.areas["kitchen"])
    for target in ("area.kitchen", "floor.ground_floor", "all"):
        await act(house, "light.turn_off", target)
    assert house.state("light.cellar") == "on"


async def test_places_reach_the_domain_of_the_service_alone(house: House) -> None:
    outcome = await act(house, "switch.turn_on", "area.kitchen")
    assert [step.device.id for step in outcome.done] == ["switch.relay_7"]
    assert house.state("light.worktop") == "off"


async def test_the_room_decides_between_two_of_the_same_name(hass: HomeAssistant, house: House) -> None:
    for id_ in ("light.ceiling", "light.reading_2"):
        er.async_get(hass).async_update_entity(id_, name="Pendant")
    await hass.async_block_till_done()
    await act(house, "light.turn_off", "all")
    await act(house, "light.turn_on", "Pendant")
    assert (house.state("light.ceiling"), house.state("light.reading_2")) == ("on", "off")


async def test_a_plug_is_switched_as_a_light(house: House) -> None:
    calls = listen(house.hass)
    await act(house, "light.turn_on", "switch.relay_7")
    assert calls == [("switch.turn_on", {"entity_id": "switch.relay_7"})]
    assert house.state("switch.relay_7") == "on"


async def test_a_lamp_of_unknown_kind_is_found_by_name(house: House) -> None:
    await act(house, "light.turn_on", "light.coffee_machine")
    assert house.state("switch.relay_7") == "on"


# Refusals: nothing moves, and the sentence can be spoken


@pytest.mark.parametrize(
    ("service", "targets", "data", "error", "sentence"),
    [
        ("light.explode", ["light.ceiling"], {}, errors.UnknownServiceError, "I cannot do light explode here"),
        ("homeassistant.restart", ["all"], {}, errors.UnknownServiceError, "I cannot do homeassistant restart here"),
        ("fan.oscillate", ["fan.loft"], {"oscillating": True}, errors.UnknownServiceError,
         "I cannot do fan oscillate here"),
        ("light.turn_on", [], {}, errors.MissingTargetError, "I did not catch which device to use for turn on"),
        ("light.turn_on", ["light.moon"], {}, errors.UnknownTargetError, "I know no device called moon"),
        ("light.turn_on", ["light.reading_3"], {}, errors.UnknownTargetError, "I know no device called reading 3"),
        ("light.turn_on", ["area.moon"], {}, errors.UnknownTargetError, "I know no device called moon"),
        ("light.turn_on", ["light.cellar"], {}, errors.NotExposedError, "cellar is not exposed to me"),
        ("switch.turn_on", ["area.hall"], {}, errors.NothingThereError, "I know no switch in Hall"),
        ("light.turn_on", ["area.shed"], {}, errors.NothingThereError, "I know no light in Shed"),
        ("lock.lock", ["floor.top_floor"], {}, errors.NothingThereError, "I know no lock in Top Floor"),
        ("light.turn_on", ["reading lamp"], {}, errors.AmbiguousTargetError,
         "I know more than one reading lamp: Reading Lamp 1, Reading Lamp 2. Which one do you mean?"),
        ("light.turn_on", ["light.kitchen"], {}, errors.AmbiguousTargetError,
         "I know more than one kitchen: Ceiling Light, Worktop Strip. Which one do you mean?"),
        ("scene.turn_on", ["all"], {}, errors.AmbiguousTargetError,
         "I know more than one scene: Early Morning, Film Night. Which one do you mean?"),
        ("light.turn_on", ["lock.front"], {}, errors.WrongDomainError, "I cannot do turn on with Front Door"),
        ("cover.open_cover", ["light.ceiling"], {}, errors.WrongDomainError,
         "I cannot do open cover with Ceiling Light"),
        ("light.turn_on", ["light.ceiling"], {"brightness_pct": 900}, errors.OutOfRangeError,
         "I cannot set the brightness to 900: it goes from 0 to 100"),
        ("light.turn_on", ["light.ceiling"], {"brightness_pct": "banana"}, errors.BadArgumentError,
         "I cannot set the brightness to banana"),
        ("light.turn_on", ["light.ceiling"], {"brightness_pct": True}, errors.BadArgumentError,
         "I cannot set the brightness to True"),
        ("light.turn_on", ["light.ceiling"], {"brightness_pct": float("nan")}, errors.BadArgumentError,
         "I cannot set the brightness to nan"),
        ("light.turn_on", ["light.ceiling"], {"color_name": "plaid"}, errors.BadArgumentError,
         "I cannot set the color to plaid"),
        ("light.turn_on", ["light.ceiling"], {"rgb_color": (1, 2)}, errors.BadArgumentError,
         "I cannot set the color to (1, 2)"),
        ("light.turn_on", ["light.ceiling"], {"color_temp_kelvin": 27}, errors.OutOfRangeError,
         "I cannot set the color temperature to 27: it goes from 1000 to 20000"),
        ("light.turn_on", ["light.ceiling"], {"flavour": "mint"}, errors.UnsupportedArgumentError,
         "I cannot set the flavour of Ceiling Light"),
        ("light.turn_on", ["light.reading_1"], {"brightness_pct": 5}, errors.UnsupportedArgumentError,
         "I cannot set the brightness of Reading Lamp 1"),
        ("light.turn_on", ["light.worktop"], {"color_name": "red"}, errors.UnsupportedArgumentError,
         "I cannot set the color of Worktop Strip"),
        ("light.turn_on", ["switch.relay_7"], {"brightness_pct": 50}, errors.UnsupportedArgumentError,
         "I cannot set the brightness of Coffee Machine"),
        ("fan.set_percentage", ["fan.loft"], {}, errors.MissingArgumentError, "You did not say which speed"),
        ("climate.set_temperature", ["climate.hall"], {}, errors.MissingArgumentError,
         "You did not say which temperature"),
        ("climate.set_temperature", ["climate.hall"], {"temperature": 90}, errors.OutOfRangeError,
         "I cannot set the temperature to 90: it goes from 7 to 35"),
        ("climate.set_temperature", ["climate.hall"], {"target_temp_low": 18, "target_temp_high": 20},
         errors.UnsupportedArgumentError, "I cannot set the lower temperature of Hall Thermostat"),
        ("climate.set_hvac_mode", ["climate.hall"], {"hvac_mode": "dry"}, errors.BadOptionError,
         "I cannot set the mode of Hall Thermostat to dry. It can be: off, heat, heat cool"),
        ("cover.set_cover_position", ["cover.shutter"], {"position": 40}, errors.NotSupportedError,
         "I cannot do set cover position with Plain Shutter"),
        ("media_player.media_pause", ["media_player.beamer"], {}, errors.NotSupportedError,
         "I cannot do media pause with Beamer"),
        ("media_player.play_media", ["media_player.radio"], {"query": "nocturnes"}, errors.NothingFoundError,
         "Kitchen Radio found nothing for nocturnes"),
        ("media_player.volume_mute", ["media_player.radio"], {"is_volume_muted": "maybe"}, errors.BadArgumentError,
         "I cannot set the mute to maybe"),
        ("number.set_value", ["number.timer"], {"value": 31}, errors.OutOfRangeError,
         "I cannot set the value to 31: it goes from 0 to 30"),
        ("todo.remove_item", ["todo.errands"], {"item": "anvil"}, errors.ItemNotFoundError,
         "I found no anvil on Errands"),
        ("todo.add_item", ["todo.errands"], {"item": " "}, errors.BadArgumentError, "I cannot set the item to  "),
        ("todo.update_item", ["todo.errands"], {"item": "twine", "status": "purple"}, errors.BadArgumentError,
         "I cannot set the status to purple"),
    ],
)  # fmt: skip
async def test_refusals(
    house: House, service: str, targets: list[str], data: dict[str, Any], error: type[Exception], sentence: str
) -> None:
    before = {id_: house.hass.states.get(id_) for id_ in house.things}
    with pytest.raises(errors.ControlError) as caught:
        await act(house, service, *targets, **data)
    assert type(caught.value) is error
    assert str(caught.value) == sentence
    assert {id_: house.hass.states.get(id_) for id_ in house.things} == before


async def test_home_assistants_own_error_is_passed_on(house: House) -> None:
    with pytest.raises(HomeAssistantError, match="Wrong code"):
        await act(house, "alarm_control_panel.alarm_disarm", "alarm_control_panel.house", code="1")


async def test_hidden_since_the_home_was_told(hass: HomeAssistant, house: House) -> None:
    home = snapshot(hass)
    house.expose("switch.relay_7", exposed=False)
    with pytest.raises(errors.NotExposedError):
        await async_execute(hass, home, Action("switch.turn_on", ("switch.relay_7",)), llm_context(house), CARELESS)
    await async_execute(hass, home, Action("switch.turn_on", ("all",)), llm_context(house), CARELESS)
    assert house.state("switch.relay_7") == "off"
    assert house.state("switch.relay_8") == "on"


async def test_domains_that_may_not_be_controlled(hass: HomeAssistant, house: House) -> None:
    home = snapshot(hass, domains=["light"])
    for service in ("switch.turn_on", "light.turn_on"):
        with pytest.raises(errors.ControlError):
            await async_execute(hass, home, Action(service, ("switch.relay_7",)), llm_context(house), CARELESS)
    assert house.state("switch.relay_7") == "off"


async def test_unavailable(house: House) -> None:
    house.things["switch.relay_7"].show(available=False)
    with pytest.raises(errors.UnavailableError):
        await act(house, "switch.turn_on", "switch.relay_7")


async def test_no_home_units_but_ones_own(hass: HomeAssistant) -> None:
    hass.config.units = US_CUSTOMARY_SYSTEM
    house = await async_furnish(hass)
    await act(house, "climate.set_temperature", "climate.hall", temperature=71.6)
    assert house.attribute("climate.hall", "temperature") == 72
    await act(house, "climate.set_temperature", "climate.hall", temperature="20°C")
    assert house.attribute("climate.hall", "temperature") == 68
    with pytest.raises(errors.OutOfRangeError):
        await act(house, "climate.set_temperature", "climate.hall", temperature=21)


# Users


async def test_a_user_who_may_only_look_moves_nothing(house: House, hass_read_only_user: User) -> None:
    context = Context(user_id=hass_read_only_user.id)
    for service, target in (("switch.turn_on", "switch.relay_7"), ("light.turn_off", "all"), ("scene.film", "")):
        with pytest.raises(errors.ForbiddenError):
            await act(house, service, *([target] if target else []), context=context)
    assert house.state("switch.relay_7") == "off"
    assert house.state("light.ceiling") == "on"
    assert house.things["scene.film"].activated == 0  # type: ignore[attr-defined]


async def test_a_user_with_rights_on_one_entity(house: House, hass_read_only_user: User) -> None:
    hass_read_only_user.mock_policy({"entities": {"entity_ids": {"switch.relay_8": True}}})  # type: ignore[attr-defined]
    outcome = await act(house, "switch.turn_on", "all", context=Context(user_id=hass_read_only_user.id))
    assert [step.device.id for step in outcome.done] == ["switch.relay_8"]
    assert [type(error) for error in outcome.errors] == [errors.ForbiddenError]
    assert house.state("switch.relay_7") == "off"


async def test_an_admin_and_a_user_who_is_gone(house: House, hass_admin_user: User) -> None:
    await act(house, "switch.turn_on", "switch.relay_7", context=Context(user_id=hass_admin_user.id))
    assert house.state("switch.relay_7") == "on"
    with pytest.raises(errors.ForbiddenError):
        await act(house, "switch.turn_off", "switch.relay_7", context=Context(user_id="nobody"))


async def test_rights_that_home_assistant_denies_itself(hass: HomeAssistant, house: House) -> None:
    async def deny(call: ServiceCall) -> None:
        raise Unauthorized(context=call.context)

    hass.services.async_register("switch", "turn_on", deny)
    with pytest.raises(errors.ForbiddenError):
        await act(house, "switch.turn_on", "switch.relay_7")


# Risk


@pytest.mark.parametrize(
    ("service", "target", "data", "error", "asked"),
    [
        ("lock.unlock", "lock.front", {}, errors.ConfirmUnlockError, "Shall I unlock Front Door?"),
        ("cover.open_cover", "cover.garage", {}, errors.ConfirmOpenError, "Shall I open Garage Door?"),
        ("cover.open_cover", "all", {}, errors.ConfirmOpenError, "Shall I open Garage Door?"),
        ("cover.set_cover_position", "cover.garage", {"position": 100}, errors.ConfirmOpenError,
         "Shall I open Garage Door?"),
        ("valve.open_valve", "valve.garden", {}, errors.ConfirmOpenError, "Shall I open Garden Tap?"),
        ("alarm_control_panel.alarm_disarm", "alarm_control_panel.house", {"code": "0042"}, errors.ConfirmDisarmError,
         "Shall I disarm House Alarm?"),
    ],
)  # fmt: skip
async def test_risky_actions_ask_first(
    house: House, service: str, target: str, data: dict[str, Any], error: type[Exception], asked: str
) -> None:
    calls = listen(house.hass)
    with pytest.raises(errors.ConfirmationNeededError) as caught:
        await act(house, service, target, confirmed=False, **data)
    assert type(caught.value) is error
    assert str(caught.value) == asked
    assert calls == []
    outcome = await act(house, service, target, confirmed=True, **data)
    assert outcome.failures == []
    assert outcome.changed


@pytest.mark.parametrize(
    ("service", "target", "data"),
    [
        ("lock.lock", "lock.front", {}),
        ("cover.close_cover", "cover.garage", {}),
        ("cover.set_cover_position", "cover.garage", {"position": 0}),
        ("valve.close_valve", "valve.garden", {}),
        ("cover.open_cover", "cover.blind", {}),
        ("alarm_control_panel.alarm_arm_away", "alarm_control_panel.house", {}),
    ],
)
async def test_closing_never_asks(house: House, service: str, target: str, data: dict[str, Any]) -> None:
    assert (await act(house, service, target, confirmed=False, **data)).done


async def test_what_is_open_already_does_not_ask(house: House) -> None:
    house.things["lock.front"].show(is_locked=False)
    house.things["cover.garage"].show(is_closed=False)
    await act(house, "lock.unlock", "lock.front", confirmed=False)
    await act(house, "cover.open_cover", "cover.garage", confirmed=False)


@pytest.mark.parametrize(
    ("state", "position"), [("closed", 100), ("unknown", 100), ("open", math.nan), ("closing", 40), ("opening", None)]
)
async def test_a_position_that_says_nothing_for_sure_asks(
    hass: HomeAssistant, house: House, state: str, position: float | None
) -> None:
    """A door may say that it is closed and wide open at once; who asks to open it is asked back."""
    attributes = {"device_class": "garage", "supported_features": 15, "current_position": position}
    hass.states.async_set("cover.barn", state, attributes)
    house.expose("cover.barn")
    with pytest.raises(errors.ConfirmOpenError):
        await act(house, "cover.open_cover", "cover.barn", confirmed=False)


# Several devices


async def test_the_able_ones_run_and_the_others_are_named(house: House) -> None:
    house.things["light.reading_1"].show(available=False)
    outcome = await act(house, "light.turn_on", "all", brightness_pct=20)
    assert {step.device.id for step in outcome.done} == {"light.ceiling", "light.worktop"}
    assert sorted(str(error) for error in outcome.errors) == [
        "I cannot reach Reading Lamp 1 right now",
        "I cannot set the brightness of Reading Lamp 2",
    ]


async def test_errors_of_one_kind_name_all_devices(house: House) -> None:
    with pytest.raises(errors.UnsupportedArgumentError) as caught:
        await act(house, "light.turn_on", "light.reading_1", "light.reading_2", brightness_pct=20)
    assert str(caught.value) == "I cannot set the brightness of Reading Lamp 1, Reading Lamp 2"


async def test_nothing_worked_for_several_reasons(house: House) -> None:
    with pytest.raises(errors.NothingWorkedError) as caught:
        await act(house, "light.turn_on", "light.reading_1", "light.moon", brightness_pct=20)
    assert [type(error) for error in caught.value.errors] == [
        errors.UnsupportedArgumentError,
        errors.UnknownTargetError,
    ]
    assert str(caught.value) == (
        "That did not work. I cannot set the brightness of Reading Lamp 1. I know no device called moon"
    )


async def test_of_a_place_those_are_meant_that_can_do_it(house: House) -> None:
    outcome = await act(house, "media_player.media_pause", "all")
    assert [step.device.id for step in outcome.done] == ["media_player.radio"]
    assert outcome.failures == []


@pytest.mark.parametrize(
    ("broken", "error"),
    [
        (HomeAssistantError("The relay is stuck"), HomeAssistantError),
        (ZeroDivisionError("boom"), errors.ActionFailedError),
        (vol.Invalid("no such thing", ["mode"]), errors.BadArgumentError),
    ],
)
async def test_a_failing_device_stops_no_other(
    house: House, broken: Exception, error: type[Exception], caplog: pytest.LogCaptureFixture
) -> None:
    plug = house.things["switch.relay_7"]
    assert isinstance(plug, Plug)
    plug.broken = broken
    outcome = await act(house, "switch.turn_on", "all")
    assert [step.device.id for step in outcome.done] == ["switch.relay_8"]
    assert [(name, type(failure)) for name, failure in outcome.failures] == [("Coffee Machine", error)]
    assert ("boom" in caplog.text) is isinstance(broken, ZeroDivisionError)
    caplog.clear()


async def test_a_slow_device_is_not_waited_for(
    hass: HomeAssistant, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "ACTION_SECONDS", 0.01)
    done = asyncio.Event()

    async def slow(call: ServiceCall) -> None:
        await asyncio.sleep(0.1)
        done.set()

    hass.services.async_register("switch", "turn_on", slow)
    with pytest.raises(errors.ActionSlowError):
        await async_execute(
            hass, snapshot(hass), Action("switch.turn_on", ("switch.relay_7",)), llm_context(house), CARELESS
        )
    assert not done.is_set()
    await hass.async_block_till_done()
    assert done.is_set(), "the action goes on"


# What a device does with it


async def deaf(*_: Any, **__: Any) -> None:
    """Take a command without an error, and do nothing."""


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "EFFECT_SECONDS", 0.02)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("service", "target", "data", "method"),
    [
        ("switch.turn_on", "switch.relay_7", {}, "turn_on"),
        ("light.turn_off", "light.ceiling", {}, "turn_off"),
        ("light.toggle", "light.ceiling", {}, "turn_off"),
        ("light.turn_on", "light.ceiling", {"brightness_pct": 10}, "turn_on"),
        ("light.turn_on", "light.ceiling", {"brightness_pct": 0}, "turn_off"),
        ("light.turn_on", "light.ceiling", {"brightness_step_pct": 20}, "turn_on"),
        ("light.turn_on", "light.ceiling", {"color_name": "blue"}, "turn_on"),
        ("light.turn_on", "light.ceiling", {"rgb_color": (0, 255, 0)}, "turn_on"),
        ("light.turn_on", "light.ceiling", {"color_temp_kelvin": 4000}, "turn_on"),
        ("fan.turn_on", "fan.loft", {}, "turn_on"),
        ("fan.set_percentage", "fan.loft", {"percentage": 70}, "set_percentage"),
        ("fan.increase_speed", "fan.loft", {}, "set_percentage"),
        ("cover.open_cover", "cover.garage", {}, "open_cover"),
        ("cover.open_cover", "cover.blind", {}, "open_cover"),
        ("cover.set_cover_position", "cover.blind", {"position": 40}, "set_cover_position"),
        ("valve.open_valve", "valve.garden", {}, "open_valve"),
        ("lock.unlock", "lock.front", {}, "unlock"),
        ("climate.set_temperature", "climate.hall", {"temperature": 21}, "set_temperature"),
        ("climate.set_temperature", "climate.range", {"temperature": 25}, "set_temperature"),
        ("climate.set_hvac_mode", "climate.hall", {"hvac_mode": "off"}, "set_hvac_mode"),
        ("climate.turn_off", "climate.hall", {}, "set_hvac_mode"),
        ("climate.set_preset_mode", "climate.range", {"preset_mode": "away"}, "set_preset_mode"),
        ("humidifier.set_humidity", "humidifier.mist", {"humidity": 50}, "set_humidity"),
        ("humidifier.set_mode", "humidifier.mist", {"mode": "sleep"}, "set_mode"),
        ("water_heater.set_temperature", "water_heater.boiler", {"temperature": 55}, "set_temperature"),
        ("water_heater.set_operation_mode", "water_heater.boiler", {"operation_mode": "high demand"},
         "set_operation_mode"),
        ("media_player.turn_off", "media_player.beamer", {}, "turn_off"),
        ("media_player.volume_set", "media_player.radio", {"volume_pct": 60}, "set_volume_level"),
        ("media_player.volume_up", "media_player.radio", {}, "set_volume_level"),
        ("media_player.volume_down", "media_player.radio", {}, "set_volume_level"),
        ("media_player.volume_mute", "media_player.radio", {"is_volume_muted": True}, "mute_volume"),
        ("media_player.select_source", "media_player.radio", {"source": "Record Player"}, "select_source"),
        ("number.set_value", "number.timer", {"value": 6}, "set_native_value"),
        ("select.select_option", "select.washer", {"option": "Wool"}, "select_option"),
        ("todo.add_item", "todo.errands", {"item": "Bees Wax"}, "create_todo_item"),
        ("todo.remove_item", "todo.errands", {"item": "Twine"}, "delete_todo_items"),
        ("todo.update_item", "todo.errands", {"item": "Twine", "status": "done"}, "update_todo_item"),
        ("alarm_control_panel.alarm_disarm", "alarm_control_panel.house", {"code": "0042"}, "alarm_disarm"),
    ],
)  # fmt: skip
async def test_a_device_that_does_nothing_is_noticed(
    house: House, monkeypatch: pytest.MonkeyPatch, service: str, target: str, data: dict[str, Any], method: str
) -> None:
    house.things["media_player.radio"].show(is_volume_muted=False)
    calls = listen(house.hass)
    with monkeypatch.context() as patch:
        patch.setattr(house.things[target], f"async_{method}", deaf)
        with pytest.raises(errors.NoEffectError) as caught:
            await act(house, service, target, **data)
    assert str(caught.value) == f"I told {house.hass.states.get(target).name}, but it has not done it yet"  # type: ignore[union-attr]
    assert len(calls) == 1
    assert (await act(house, service, target, **data)).failures == [], "the same is told as done when it is"


@pytest.mark.parametrize(
    ("service", "target", "method", "attributes"),
    [
        ("cover.open_cover", "cover.garage", "open_cover", {"is_opening": True}),
        ("cover.open_cover", "cover.blind", "open_cover", {"is_closed": False, "current_cover_position": 3}),
        ("cover.close_cover", "cover.garage", "close_cover", {"is_closing": True, "is_closed": False}),
        ("valve.open_valve", "valve.garden", "open_valve", {"is_opening": True}),
        ("lock.unlock", "lock.front", "unlock", {"is_unlocking": True}),
        ("alarm_control_panel.alarm_arm_home", "alarm_control_panel.house", "alarm_arm_home",
         {"alarm_state": "arming"}),
        ("light.turn_on", "light.ceiling", "turn_on", {"brightness": 120}),
    ],
)  # fmt: skip
async def test_what_is_on_its_way_counts(
    house: House, monkeypatch: pytest.MonkeyPatch, service: str, target: str, method: str, attributes: dict[str, Any]
) -> None:
    async def begin(*_: Any, **__: Any) -> None:
        house.things[target].show(**attributes)

    monkeypatch.setattr(house.things[target], f"async_{method}", begin)
    data = {"brightness_pct": 10} if service == "light.turn_on" else {}
    assert (await act(house, service, target, **data)).failures == []


async def test_a_device_that_takes_its_time_is_waited_for(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    plug = house.things["switch.relay_7"]

    async def later(**_: Any) -> None:
        house.hass.loop.call_later(0.1, lambda: plug.show(is_on=True))

    monkeypatch.setattr(plug, "async_turn_on", later)
    outcome = await act(house, "switch.turn_on", "switch.relay_7")
    assert outcome.failures == []
    assert outcome.after == {"switch.relay_7": "on"}


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("after", "error"),
    [
        ({"available": False}, errors.NoFeedbackError),
        ({"is_on": None}, errors.NoFeedbackError),
        ({"assumed_state": True}, errors.NoFeedbackError),
        ({"assumed_state": True, "is_on": True}, None),
        ({"is_on": True}, None),
        ({"icon": "mdi:toaster"}, errors.NoEffectError),
    ],
)
async def test_what_a_device_says_afterwards(
    house: House, monkeypatch: pytest.MonkeyPatch, after: dict[str, Any], error: type[Exception] | None
) -> None:
    plug = house.things["switch.relay_7"]

    async def turn_on(**_: Any) -> None:
        plug.show(**after)

    monkeypatch.setattr(plug, "async_turn_on", turn_on)
    outcome = await act(house, "switch.turn_on", "switch.relay_7", "switch.relay_8")
    assert [type(failure) for failure in outcome.errors] == ([error] if error else [])
    assert house.state("switch.relay_8") == "on"


@pytest.mark.usefixtures("impatient")
async def test_half_of_what_was_asked_is_not_done(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lamp that comes on, but as bright as it was, has not been dimmed."""
    lamp = house.things["light.worktop"]

    async def turn_on(**_: Any) -> None:
        lamp.show(is_on=True, brightness=255)

    monkeypatch.setattr(lamp, "async_turn_on", turn_on)
    with pytest.raises(errors.NoEffectError):
        await act(house, "light.turn_on", "light.worktop", brightness_pct=40)


@pytest.mark.usefixtures("impatient")
async def test_what_is_so_already_is_done(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    for method in ("async_turn_on", "async_turn_off"):
        monkeypatch.setattr(house.things["light.ceiling"], method, deaf)
    assert (await act(house, "light.turn_on", "light.ceiling", brightness_pct=60, color_name="red")).failures == []
    assert (await act(house, "light.turn_off", "light.reading_1")).failures == []


async def test_a_script_that_does_not_start(hass: HomeAssistant, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """A script that runs already is not started anew; Home Assistant says so in its log alone, and does not answer."""
    monkeypatch.setattr(control, "ACTION_SECONDS", 0.1)
    sequence = [{"wait_template": "{{ false }}"}]
    assert await async_setup_component(hass, "script", {"script": {"wait": {"sequence": sequence}}})
    house.expose("script.wait")
    action = Action("script.wait")
    assert (await async_execute(hass, snapshot(hass), action, llm_context(house), CARELESS)).changed
    with pytest.raises(errors.ActionSlowError):
        await async_execute(hass, snapshot(hass), action, llm_context(house), CARELESS)
    await act(house, "script.turn_off", "script.wait")


@pytest.mark.parametrize(("service", "argument"), [
    ("brightness_pct", "brightness_step_pct"), ("color_name", "rgb_color"), ("rgb_color", "color_temp_kelvin"),
])  # fmt: skip
async def test_two_wishes_that_exclude_each_other(house: House, service: str, argument: str) -> None:
    values = {"brightness_pct": 5, "brightness_step_pct": 5, "color_name": "red", "rgb_color": (0, 0, 1),
              "color_temp_kelvin": 3000}  # fmt: skip
    with pytest.raises(errors.BadArgumentError):
        await act(house, "light.turn_on", "light.ceiling", **{key: values[key] for key in (service, argument)})


async def test_options_that_nobody_lists_are_refused(hass: HomeAssistant, house: House) -> None:
    features = MediaPlayerEntityFeature.SELECT_SOURCE
    hass.states.async_set("media_player.odd", "on", {"supported_features": int(features)})
    house.expose("media_player.odd")
    with pytest.raises(errors.UnsupportedArgumentError):
        await act(house, "media_player.select_source", "media_player.odd", source="anything")


async def test_attributes_that_make_no_sense_end_no_turn(hass: HomeAssistant, house: House) -> None:
    hass.states.async_set("climate.odd", "heat", {"hvac_modes": 5, "supported_features": 1})
    hass.states.async_set("light.odd", "on", {"supported_color_modes": 5, "hs_color": "red"})
    hass.states.async_set(
        "cover.odd", "closed", {"device_class": "gate", "current_position": "up", "supported_features": 3}
    )
    for entity_id in ("climate.odd", "light.odd", "cover.odd"):
        house.expose(entity_id)
    with pytest.raises(errors.UnsupportedArgumentError):
        await act(house, "climate.set_hvac_mode", "climate.odd", hvac_mode="heat")
    with pytest.raises(errors.ConfirmOpenError):
        await act(house, "cover.set_cover_position", "cover.odd", confirmed=False, position=100)


# The tool


async def call(
    house: House, api: MorphyAPI, action: Action, agreed: frozenset[str] = frozenset()
) -> tuple[str, llm.ToolResult]:
    instance = await api.async_get_api_instance(llm_context(house))
    tool_input = api.tool_input(action, agreed)
    return tool_input.id, await instance.async_call_tool(tool_input)


async def test_the_tool_tells_what_is_true_afterwards(hass: HomeAssistant, house: House) -> None:
    api = MorphyAPI(hass, snapshot(hass), Caution())
    _, result = await call(house, api, Action("light.turn_on", ("light.worktop",), {"brightness_pct": 40}))
    assert result == llm.ToolResult(
        {
            "success": True,
            "service": "light.turn_on",
            "targets": ["light.worktop"],
            "changed": {"light.worktop": {"before": "off", "after": "on; brightness 40%"}},
            "states": {"light.worktop": "on; brightness 40%"},
        }
    )
    assert api.failures == {}
    json.dumps(result.data)


async def test_the_tool_names_what_failed(hass: HomeAssistant, house: House) -> None:
    api = MorphyAPI(hass, snapshot(hass), Caution())
    id_, result = await call(house, api, Action("switch.turn_on", ("switch.relay_7", "switch.moon")))
    assert result.error
    assert result.data["success"] is False
    assert result.data["targets"] == ["switch.relay_7"]
    assert result.data["error"] == "PartlyFailedError"
    assert result.data["error_text"] == "I did that only in part. I know no device called moon"
    assert result.data["failed"] == {"switch.moon": "I know no device called moon"}
    assert isinstance(api.failures[id_], errors.PartlyFailedError)


async def test_only_the_turn_itself_can_confirm(hass: HomeAssistant, house: House) -> None:
    action = Action("lock.unlock", ("lock.front",))
    api = MorphyAPI(hass, snapshot(hass), Caution())
    with pytest.raises(errors.ConfirmUnlockError):
        await call(house, api, action)
    (failure,) = api.failures.values()
    assert isinstance(failure, errors.ConfirmationNeededError)
    with pytest.raises(HomeAssistantError):
        await call(house, api, Action(action.service, action.targets, {"confirmed": True}))
    assert house.state("lock.front") == "locked"
    await call(house, api, action, frozenset({"lock.front"}))
    assert house.state("lock.front") == "unlocked"


async def test_confirmation_can_be_switched_off(hass: HomeAssistant, house: House) -> None:
    api = MorphyAPI(hass, snapshot(hass), CARELESS)
    await call(house, api, Action("lock.unlock", ("lock.front",)))
    assert house.state("lock.front") == "unlocked"


async def test_colors_survive_the_tool_call(hass: HomeAssistant, house: House) -> None:
    api = MorphyAPI(hass, snapshot(hass), Caution())
    await call(house, api, Action("light.turn_on", ("light.ceiling",), {"rgb_color": (0, 0, 255)}))
    assert house.attribute("light.ceiling", "hs_color") == (240.0, 100.0)


async def test_in_the_chat_log(hass: HomeAssistant, house: House) -> None:
    assert await async_setup_component(hass, "conversation", {})
    api = MorphyAPI(hass, snapshot(hass), Caution())
    with (
        async_get_chat_session(hass) as session,
        conversation.async_get_chat_log(hass, session) as chat_log,
    ):
        await chat_log.async_provide_llm_data(llm_context(house), api, "")
        good = api.tool_input(Action("switch.turn_on", ("switch.relay_7",)))
        bad = api.tool_input(Action("light.turn_on", ("light.cellar",)))

        async def deltas() -> Any:
            for tool_input in (good, bad):
                yield {"role": "assistant"}
                yield {"tool_calls": [tool_input]}

        results = [
            content.result
            async for content in chat_log.async_add_delta_content_stream("conversation.test", deltas())
            if isinstance(content, conversation.ToolResultContent)
        ]
    assert [result.error for result in results] == [False, True]
    assert results[1].data == {"error": "NotExposedError", "error_text": "cellar is not exposed to me"}
    assert house.state("switch.relay_7") == "on"


# The sentences


def test_every_error_has_a_sentence() -> None:
    path = Path(errors.__file__).parent / "translations" / "en.json"
    sentences = json.loads(path.read_text(encoding="utf-8"))["exceptions"]

    def below(kind: type[errors.MorphyError]) -> set[type[errors.MorphyError]]:
        return {kind}.union(*(below(child) for child in kind.__subclasses__()))

    for kind in below(errors.ControlError):
        if not hasattr(kind, "key"):
            continue
        fields = {name for _, name, _, _ in string.Formatter().parse(sentences[kind.key]["message"]) if name}
        assert all(f"`{name}`" in _documentation(kind) for name in fields), kind


def _documentation(kind: type[object]) -> str:
    return " ".join(
        text or ""
        for base in kind.__mro__
        for text in (base.__doc__, vars(base).get("__init__", base).__doc__)
        if base.__module__ == errors.__name__
    )
