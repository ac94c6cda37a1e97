"""The snapshot of a home: what is told of which entities, in which order and in which words."""

from __future__ import annotations

import time

import pytest
from homeassistant.core import HomeAssistant, State
from homeassistant.helpers import area_registry as ar, device_registry as dr, entity_registry as er
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util
from homeassistant.util.unit_system import US_CUSTOMARY_SYSTEM
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.morphy.attributes import COLORS, color_name, told, told_attributes, told_state
from custom_components.morphy.dialect import Device
from custom_components.morphy.home import snapshot
from tests.house import House, Lamp, async_build, async_furnish


@pytest.fixture
async def house(hass: HomeAssistant) -> House:
    return await async_furnish(hass)


def device(hass: HomeAssistant, id_: str) -> Device:
    return snapshot(hass).by_id[id_]


async def test_lists_exposed_entities_only(hass: HomeAssistant, house: House) -> None:
    home = snapshot(hass)
    assert set(home.by_id) == set(house.things) - {"light.cellar"}
    house.expose("light.cellar")
    house.expose("lock.front", exposed=False)
    home = snapshot(hass)
    assert "light.cellar" in home.by_id
    assert "lock.front" not in home.by_id
    assert not any(service.domain == "lock" for service in home.services)


async def test_another_assistant_sees_only_what_is_exposed_to_it(hass: HomeAssistant, house: House) -> None:
    assert snapshot(hass, assistant="ai_task").devices == ()


async def test_names_friendly_first_then_aliases(hass: HomeAssistant, house: House) -> None:
    assert device(hass, "light.ceiling").names == ("Ceiling Light", "Big Lamp")
    registry = er.async_get(hass)
    registry.async_update_entity("light.ceiling", aliases=["Big Lamp", er.COMPUTED_NAME, "big lamp", " "])
    assert device(hass, "light.ceiling").names == ("Ceiling Light", "Big Lamp")


async def test_area_of_the_entity_or_of_its_device(hass: HomeAssistant, house: House) -> None:
    assert device(hass, "light.ceiling").area == house.areas["kitchen"]
    assert device(hass, "light.worktop").area == house.areas["kitchen"]
    er.async_get(hass).async_update_entity("light.worktop", area_id=house.areas["loft"])
    assert device(hass, "light.worktop").area == house.areas["loft"]
    assert device(hass, "valve.garden").area is None


async def test_places_hold_something_or_are_the_room(hass: HomeAssistant, house: House) -> None:
    home = snapshot(hass, device_id=house.satellite)
    assert [area.names for area in home.areas] == [("Hall",), ("Kitchen", "Galley"), ("Loft",), ("Garage",)]
    assert [floor.names for floor in home.floors] == [("Ground Floor", "Downstairs"), ("Top Floor",)]
    assert home.area_by_id[house.areas["loft"]].floor == home.floors[1].id
    assert home.area_by_id[house.areas["garage"]].floor is None
    assert home.room == house.areas["kitchen"]

    dr.async_get(hass).async_update_device(house.satellite, area_id=house.areas["shed"])
    home = snapshot(hass, device_id=house.satellite)
    assert home.room == house.areas["shed"]
    assert "Shed" in {area.names[0] for area in home.areas}


async def test_no_room_without_a_device(hass: HomeAssistant, house: House) -> None:
    assert snapshot(hass).room is None
    assert snapshot(hass, device_id="no such device").room is None


async def test_order_does_not_depend_on_states(hass: HomeAssistant, house: House) -> None:
    before = snapshot(hass)
    house.things["light.worktop"].show(is_on=True, brightness=20)
    house.things["lock.front"].show(is_locked=False)
    after = snapshot(hass)
    assert [item.id for item in before.devices] == [item.id for item in after.devices]
    assert (before.areas, before.floors, before.services) == (after.areas, after.floors, after.services)
    kitchen = [item.names[0] for item in after.devices if item.area == house.areas["kitchen"]]
    assert kitchen == sorted(kitchen)


@pytest.mark.parametrize(
    ("id_", "state", "attributes"),
    [
        ("light.ceiling", "on", {"brightness": "60%", "color": "red"}),
        ("light.worktop", "off", {}),
        ("fan.loft", "off", {}),
        ("cover.blind", "closed", {"class": "blind", "position": "0%"}),
        ("cover.garage", "closed", {"class": "garage"}),
        ("lock.front", "locked", {}),
        ("climate.hall", "heat", {"set": "20°C", "now": "19.5°C"}),
        ("climate.range", "heat cool", {"low": "19°C", "high": "23°C"}),
        ("media_player.radio", "idle", {"volume": "35%", "source": "Tuner"}),
        ("humidifier.mist", "on", {"set": "45%"}),
        ("water_heater.boiler", "eco", {"set": "52°C"}),
        ("number.timer", "5 min", {}),
        ("select.washer", "Cotton", {}),
        ("todo.errands", "2", {"items": "Lamp Oil, Twine"}),
        ("alarm_control_panel.house", "armed away", {}),
        ("sensor.attic_temperature", "21.5°C", {"class": "temperature"}),
        ("sensor.power", "3.2 kW", {"class": "power"}),
        ("binary_sensor.porch", "open", {"class": "door"}),
        ("binary_sensor.leak", "dry", {"class": "moisture"}),
        ("scene.film", "unknown", {}),
    ],
)
async def test_states_and_attributes(
    hass: HomeAssistant, house: House, id_: str, state: str, attributes: dict[str, str]
) -> None:
    told_device = device(hass, id_)
    assert told_device.state == state
    assert told_device.attributes == attributes
    assert list(told_device.attributes) == list(attributes)


@pytest.mark.parametrize(
    ("state", "text"),
    [
        (State("fan.a", "on", {"percentage": 33, "preset_mode": "gentle", "oscillating": True}),
         "on; speed 33%; preset gentle; oscillating on"),
        (State("light.a", "on", {"brightness": 1, "color_mode": "color_temp", "color_temp_kelvin": 2700,
                                 "hs_color": (28.0, 65.0)}), "on; brightness 1%; color_temp 2700 K"),
        (State("light.a", "on", {"color_mode": "rgb", "rgb_color": (0, 0, 255)}), "on; color blue"),
        (State("light.a", "on", {"color_mode": "hs"}), "on"),
        (State("media_player.a", "playing", {"media_title": "Blue Hour", "volume_level": 0, "is_volume_muted": True}),
         "playing; volume 0%; muted on; playing Blue Hour"),
        (State("climate.a", "cool", {"temperature": 24, "current_humidity": 51.6, "fan_mode": "auto",
                                     "preset_mode": "away"}), "cool; set 24°C; humidity 52%; fan auto; preset away"),
        (State("vacuum.a", "returning", {"battery_level": 80}), "returning; battery 80%"),
        (State("weather.a", "partlycloudy", {"temperature": 11.26, "temperature_unit": "°C", "humidity": 70,
                                             "wind_speed": 12.4, "wind_speed_unit": "km/h"}),
         "partlycloudy; temperature 11.3°C; humidity 70%; wind 12 km/h"),
        (State("weather.a", "sunny", {"temperature": "mild"}), "sunny; temperature mild"),
        (State("weather.a", "foggy", {"wind_speed": 0.4, "wind_speed_unit": "m/s"}), "foggy; wind 0 m/s"),
        (State("weather.a", "fog", {"humidity": 99}), "fog; humidity 99%"),
        (State("fan.a", "on", {"preset_mode": "sleep"}), "on; preset sleep"),
        (State("binary_sensor.a", "on", {}), "on"),
        (State("binary_sensor.a", "unavailable", {"device_class": "door"}), "unavailable; class door"),
        (State("light.a", "unavailable", {"brightness": 7}), "unavailable"),
        (State("humidifier.a", "on", {"humidity": 40, "current_humidity": 38.2}), "on; set 40%; now 38%"),
        (State("valve.a", "open", {"current_position": 30}), "open; position 30%"),
        (State("person.a", "not_home", {}), "not home"),
        (State("person.a", "Old Mill", {}), "Old Mill"),
        (State("sensor.a", "very_high", {"device_class": "enum"}), "very high; class enum"),
        (State("sensor.a", "12.34567", {"unit_of_measurement": "A"}), "12.35 A"),
        (State("sensor.a", "45.0", {"unit_of_measurement": "%"}), "45%"),
        (State("sensor.a", "unknown", {"unit_of_measurement": "%"}), "unknown"),
        (State("sensor.a", "1000", {}), "1000"),
        (State("sensor.a", "soon", {"device_class": "timestamp"}), "soon; class timestamp"),
        (State("todo.a", "0", {}), "0"),
    ],
)  # fmt: skip
async def test_wording(hass: HomeAssistant, state: State, text: str) -> None:
    assert told(hass, state) == text


async def test_timestamps_are_local(hass: HomeAssistant) -> None:
    await hass.config.async_set_time_zone("Europe/Berlin")
    state = State("sensor.next", "2026-11-21T13:05:00+00:00", {"device_class": "timestamp"})
    assert told_state(hass, state) == "2026-11-21 14:05"


async def test_a_home_in_fahrenheit(hass: HomeAssistant) -> None:
    hass.config.units = US_CUSTOMARY_SYSTEM
    await async_furnish(hass)
    home = snapshot(hass)
    assert home.by_id["climate.hall"].attributes == {"set": "68°F", "now": "67°F"}
    assert home.by_id["sensor.attic_temperature"].state in ("71°F", "70.6°F")


@pytest.mark.parametrize("name", sorted(COLORS))
def test_each_color_is_its_own_nearest(name: str) -> None:
    assert color_name(COLORS[name]) == name


@pytest.mark.parametrize(
    ("hs_color", "name"),
    [
        ((2.0, 97.0), "red"),
        ((359.0, 100.0), "red"),
        ((238.0, 90.0), "blue"),
        ((0.0, 3.0), "white"),
        ((36.0, 95.0), "orange"),
    ],
)
def test_nearest_color(hs_color: tuple[float, float], name: str) -> None:
    assert color_name(hs_color) == name


async def test_services_are_what_the_home_can_do(hass: HomeAssistant, house: House) -> None:
    services = {service.name: service.arguments for service in snapshot(hass).services}
    assert services["light.turn_on"] == ("brightness_pct", "brightness_step_pct", "color_name", "color_temp_kelvin")
    assert services["fan.turn_on"] == ("percentage",)
    assert "fan.oscillate" not in services
    assert "media_player.turn_on" not in services
    assert "media_player.turn_off" in services
    assert "climate.set_fan_mode" not in services
    assert "climate.turn_off" in services, "the thermostat has a mode for it"
    assert "valve.set_valve_position" not in services

    house.expose("light.ceiling", exposed=False)
    services = {service.name: service.arguments for service in snapshot(hass).services}
    assert services["light.turn_on"] == ("brightness_pct", "brightness_step_pct")


async def test_services_that_do_not_exist_are_not_told(hass: HomeAssistant, house: House) -> None:
    hass.services.async_remove("light", "toggle")
    assert "light.toggle" not in {service.name for service in snapshot(hass).services}


async def test_domains_narrow_the_services_and_not_the_devices(hass: HomeAssistant, house: House) -> None:
    home = snapshot(hass, domains=["light"])
    assert {service.domain for service in home.services} == {"light"}
    assert "lock.front" in home.by_id
    assert snapshot(hass, domains=[]).services == ()


async def test_now_is_local_and_english(hass: HomeAssistant, freezer: object) -> None:
    assert await async_setup_component(hass, "homeassistant", {})
    await hass.config.async_set_time_zone("Europe/Berlin")
    freezer.move_to("2026-11-21T13:05:59+00:00")  # type: ignore[attr-defined]
    assert dt_util.now().hour == 14
    assert snapshot(hass).now == "Saturday 2026-11-21 14:05"


async def test_an_empty_home(hass: HomeAssistant) -> None:
    assert await async_setup_component(hass, "homeassistant", {})
    home = snapshot(hass)
    assert (home.devices, home.areas, home.floors, home.services) == ((), (), (), ())


async def test_an_entity_outside_of_the_registry(hass: HomeAssistant, house: House) -> None:
    hass.states.async_set("light.loose", "on", {"friendly_name": "Loose End"})
    house.expose("light.loose")
    assert device(hass, "light.loose") == Device("light.loose", ("Loose End",), "on")


async def test_todo_without_its_integration(hass: HomeAssistant) -> None:
    assert told_attributes(hass, State("todo.gone", "3")) == {}


async def test_a_disabled_entity_is_gone(hass: HomeAssistant, house: House) -> None:
    er.async_get(hass).async_update_entity("lock.front", disabled_by=er.RegistryEntryDisabler.USER)
    await hass.async_block_till_done()
    assert "lock.front" not in snapshot(hass).by_id


async def test_a_hundred_entities_take_a_moment(hass: HomeAssistant) -> None:
    lamps = [Lamp().setup(f"lamp_{n}", f"Lamp {n}") for n in range(100)]
    await async_build(hass, lamps)
    areas = [ar.async_get(hass).async_create(f"Room {n}").id for n in range(10)]
    for n, lamp in enumerate(lamps):
        er.async_get(hass).async_update_entity(lamp.entity_id, area_id=areas[n % 10])
    entry = MockConfigEntry()
    entry.add_to_hass(hass)
    took = []
    for _ in range(20):
        begin = time.perf_counter()
        home = snapshot(hass)
        took.append(time.perf_counter() - begin)
    assert len(home.devices) == 100
    # 2 ms on a quiet machine; a busy one is allowed ten times that, which a slip into quadratic time still exceeds.
    assert min(took) < 0.02, took
    print(f"snapshot of 100 entities: {min(took) * 1000:.2f} ms")
