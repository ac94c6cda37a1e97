"""The demo's house has what it is said to have, and does what it is told; what came of a request is told rightly."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from homeassistant.components.homeassistant.exposed_entities import async_should_expose
from homeassistant.core import HomeAssistant
from homeassistant.helpers import area_registry as ar, entity_registry as er, floor_registry as fr
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import MockConfigEntry

import custom_components
from demo.client import defaults
from demo.say import Change, Reply

DEMO_COMPONENTS = str(Path(__file__).parent.parent / "demo" / "custom_components")
PROMISED = {
    "light.kitchen_ceiling": "off",
    "light.kitchen_worktop": "off",
    "light.kitchen_pendants": "off",
    "light.bedroom_lamp": "on",
    "lock.front_door": "unlocked",
    "cover.garage_door": "closed",
    "climate.downstairs": "heat",
    "climate.upstairs": "heat",
    "todo.shopping_list": "3",
    "scene.film_evening": "unknown",
}
ACTIONS: list[tuple[str, str, dict[str, Any], str, dict[str, Any]]] = [
    ("light.turn_on", "light.kitchen_ceiling", {"brightness_pct": 40}, "on", {"brightness": 102}),
    ("light.turn_on", "light.kitchen_pendants", {"color_name": "red"}, "on", {"hs_color": (0.0, 100.0)}),
    ("light.turn_on", "light.bedroom_lamp", {"color_temp_kelvin": 4000}, "on", {"color_temp_kelvin": 4000}),
    ("light.turn_off", "light.bedroom_lamp", {}, "off", {}),
    ("switch.turn_on", "switch.printer", {}, "on", {}),
    ("fan.set_percentage", "fan.cooker_hood", {"percentage": 100}, "on", {"percentage": 100}),
    ("fan.turn_off", "fan.bedroom_ceiling_fan", {}, "off", {"percentage": 0}),
    ("cover.set_cover_position", "cover.bedroom_drapes", {"position": 30}, "open", {"current_position": 30}),
    ("cover.open_cover", "cover.garage_door", {}, "open", {}),
    ("valve.open_valve", "valve.lawn_sprinkler", {}, "open", {}),
    ("lock.lock", "lock.front_door", {}, "locked", {}),
    (
        "climate.set_temperature",
        "climate.upstairs",
        {"temperature": 21},
        "heat",
        {"temperature": 21, "hvac_action": "heating"},
    ),
    ("climate.turn_off", "climate.downstairs", {}, "off", {"hvac_action": "off"}),
    ("humidifier.set_humidity", "humidifier.dehumidifier", {"humidity": 45}, "off", {"humidity": 45}),
    ("media_player.volume_set", "media_player.television", {"volume_level": 0.2}, "playing", {"volume_level": 0.2}),
    ("media_player.media_next_track", "media_player.television", {}, "playing", {"media_title": "Clair de Lune"}),
    ("media_player.turn_off", "media_player.television", {}, "off", {}),
    ("vacuum.start", "vacuum.dusty", {}, "cleaning", {}),
    ("todo.add_item", "todo.shopping_list", {"item": "Milk"}, "4", {}),
    ("alarm_control_panel.alarm_arm_away", "alarm_control_panel.house", {}, "armed_away", {}),
]


@pytest.fixture
async def house(hass: HomeAssistant, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the house into the Home Assistant of the test."""
    monkeypatch.setattr(custom_components, "__path__", [*custom_components.__path__, DEMO_COMPONENTS])
    assert await async_setup_component(hass, "homeassistant", {})
    entry = MockConfigEntry(domain="demo_house")
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()


@pytest.mark.usefixtures("house")
async def test_it_is_a_home_to_talk_to(hass: HomeAssistant) -> None:
    """Forty entities are exposed, in eight areas, on two floors; each floor has a thermostat."""
    exposed = [
        state.entity_id
        for state in hass.states.async_all()
        if async_should_expose(hass, "conversation", state.entity_id)
    ]
    assert len(exposed) >= 40
    assert len({entity_id.partition(".")[0] for entity_id in exposed}) >= 14
    areas = ar.async_get(hass)
    assert len(areas.areas) >= 8
    assert len(fr.async_get(hass).floors) == 2
    heated = [area_of(hass, entity_id).floor_id for entity_id in ("climate.downstairs", "climate.upstairs")]
    assert len(set(heated)) == 2
    per_area = Counter(area_of(hass, entity_id).name for entity_id in exposed)
    assert min(per_area.values()) >= 2
    assert not async_should_expose(hass, "conversation", "switch.internet_router")
    names = Counter(state.name for state in hass.states.async_all())
    assert max(names.values()) == 1


def area_of(hass: HomeAssistant, entity_id: str) -> ar.AreaEntry:
    """Return the area of an entity, through its device."""
    entry = er.async_get(hass).async_get(entity_id)
    assert entry
    assert entry.device_id
    device = hass.data["device_registry"].async_get(entry.device_id)
    area = ar.async_get(hass).async_get_area(device.area_id)
    assert area
    return area


@pytest.mark.usefixtures("house")
async def test_it_starts_as_promised(hass: HomeAssistant) -> None:
    """What the README and the browser test count on is so."""
    assert {entity_id: hass.states.get(entity_id).state for entity_id in PROMISED} == PROMISED


@pytest.mark.usefixtures("house")
@pytest.mark.parametrize(
    ("action", "entity_id", "data", "state", "attributes"),
    ACTIONS,
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_it_does_what_it_is_told(
    hass: HomeAssistant, action: str, entity_id: str, data: dict[str, Any], state: str, attributes: dict[str, Any]
) -> None:
    """An action changes the state of its entity."""
    domain, _, service = action.partition(".")
    await hass.services.async_call(domain, service, {"entity_id": entity_id, **data}, blocking=True)
    after = hass.states.get(entity_id)
    assert after.state == state
    assert {name: after.attributes[name] for name in attributes} == attributes


def state(value: str, **attributes: Any) -> dict[str, Any]:
    """Return a state as the websocket tells it."""
    return {"state": value, "attributes": attributes}


def test_a_change_is_told_in_short() -> None:
    """The state first, brightness in percent, nothing twice in other words, and nothing that was only forgotten."""
    before = state("off", brightness=None, hs_color=None, color_mode=None, rgb_color=None)
    after = state("on", brightness=51, hs_color=[27.825, 56.9], color_mode="color_temp", rgb_color=[255, 200, 100])
    assert str(Change("light.a", before, after)) == "light.a: off → on, brightness_pct 20"
    assert str(Change("light.a", after, before)) == "light.a: on → off"
    assert not Change("light.a", after, after).told


CHANGED = Change("light.a", state("off"), state("on"))


@pytest.mark.parametrize(
    ("reply", "fulfilled"),
    [
        (Reply("turn on the light", speech="Done.", changes=[CHANGED]), True),
        (Reply("turn on the light", speech="Turned on the light."), False),
        (Reply("turn on the light", speech="Done.", changes=[Change("light.a", state("on"), state("on"))]), False),
        (Reply("is the light on", speech="Yes."), True),
        (Reply("The light, is it on?", speech="Yes."), True),
        (Reply("is the light on?"), False),
        (Reply("is the light on?", speech="No model.", failed=True), False),
        (Reply("can you open the garage?", speech="Shall I?", asks_back=True), False),
        (Reply("island lights", speech="Yes."), False),
    ],
)
def test_only_what_happened_counts(reply: Reply, fulfilled: bool) -> None:
    """A change or the answer to a question is something; a sentence that says so is not."""
    assert reply.fulfilled is fulfilled


def test_a_form_is_left_as_it_is() -> None:
    """Defaults are sent, also those inside a section; what has none stays away."""
    section = {
        "name": "advanced",
        "type": "expandable",
        "schema": [{"name": "threads"}, {"name": "length", "default": 4096}],
    }
    assert defaults([{"name": "path"}, section]) == {"advanced": {"length": 4096}}
