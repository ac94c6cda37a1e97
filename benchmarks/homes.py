"""Homes of any size for the benchmarks: real entities in rooms on floors, the same ones at every run.

Each home of ten exposed entities or more has a kitchen and a living room with a ceiling light, a lamp, a thermometer, a
window and a blind, so that the same requests can be made in all of them.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import ceil
from typing import Final

from homeassistant.components.binary_sensor import BinarySensorDeviceClass
from homeassistant.components.cover import CoverDeviceClass
from homeassistant.components.media_player import MediaPlayerEntityFeature
from homeassistant.components.sensor import SensorDeviceClass
from homeassistant.const import (
    CONCENTRATION_PARTS_PER_MILLION,
    LIGHT_LUX,
    PERCENTAGE,
    UnitOfEnergy,
    UnitOfPower,
    UnitOfTemperature,
)
from homeassistant.core import HomeAssistant
from homeassistant.helpers import area_registry as ar, entity_registry as er, floor_registry as fr
from homeassistant.util import slugify

from tests.house import (
    DIMMABLE,
    OPENS,
    BinarySensor,
    Cover,
    House,
    Lamp,
    Player,
    Plug,
    Sensor,
    Thermostat,
    Thing,
    async_build,
)

SIZES: Final = (10, 30, 100, 300, 1000, 5000)
ROOMS_OF_A_FLOOR: Final = 12
THINGS_OF_A_ROOM: Final = (8, 20)
"""In a home of at most SMALL entities, and in a larger one: whoever has many devices has many sensors."""
SMALL: Final = 100
ROOMS: Final = (
    "Kitchen", "Living Room", "Bedroom", "Bathroom", "Hall", "Office", "Dining Room", "Nursery", "Laundry", "Pantry",
    "Library", "Workshop", "Garage", "Cellar", "Attic", "Balcony", "Terrace", "Gym", "Sauna", "Studio",
    "Playroom", "Guest Room", "Dressing Room", "Conservatory", "Boiler Room",
)  # fmt: skip
WINGS: Final = (
    "", "North", "South", "East", "West", "Upper", "Lower", "Old", "New", "Inner",
    "Outer", "Garden", "Lake", "Forest", "Courtyard", "Tower", "Annex", "Lodge", "Mill", "Stable",
    "Orchard", "Harbour", "Meadow", "Chapel", "Quarry",
)  # fmt: skip

REQUESTS: Final = (
    "turn on the kitchen ceiling light",
    "turn off the living room lamp",
    "turn off the kitchen ceiling light",
    "turn on the living room ceiling light",
    "turn on the kitchen lamp",
    "turn off the living room ceiling light",
    "turn off the kitchen lamp",
    "turn on the living room lamp",
)
"""Each changes something where they are made in this order, over and over."""
STEADY_REQUESTS: Final = tuple(text for text in REQUESTS if text.startswith("turn on"))
"""They change nothing once each was made: the home stays as it is."""
FOLLOW_UPS: Final = ("now turn it off again", "and back on please")

type Maker = Callable[[str, int], Thing]


def _thing(maker: type[Thing], kind: str, **attributes: object) -> Maker:
    def make(room: str, number: int) -> Thing:
        name = f"{room} {kind}"
        return maker().setup(slugify(name), name, **attributes)

    return make


def _measures(kind: str, unit: str | None, device_class: SensorDeviceClass, value: float, step: float) -> Maker:
    def make(room: str, number: int) -> Thing:
        return Sensor().setup(
            slugify(f"{room} {kind}"),
            f"{room} {kind}",
            device_class=device_class,
            native_unit_of_measurement=unit,
            native_value=round(value + number % 9 * step, 1),
        )

    return make


def _notices(kind: str, device_class: BinarySensorDeviceClass) -> Maker:
    return _thing(BinarySensor, kind, device_class=device_class, is_on=False)


def _comfort(room: str, number: int) -> Thing:
    """Return a thermostat in every other room, and a speaker in the others."""
    if number % 2 == 0:
        return Thermostat().setup(
            slugify(f"{room} thermostat"), f"{room} Thermostat", target_temperature=20.0, current_temperature=19.5
        )
    features = MediaPlayerEntityFeature.VOLUME_SET | MediaPlayerEntityFeature.PAUSE
    return Player().setup(slugify(f"{room} speaker"), f"{room} Speaker", volume_level=0.4, supported_features=features)


KINDS: Final[tuple[Maker, ...]] = (
    _thing(Lamp, "Ceiling Light", is_on=False, **DIMMABLE),
    _thing(Lamp, "Lamp", is_on=True),
    _measures("Temperature", UnitOfTemperature.CELSIUS, SensorDeviceClass.TEMPERATURE, 18, 0.7),
    _notices("Window", BinarySensorDeviceClass.WINDOW),
    _thing(Cover, "Blind", device_class=CoverDeviceClass.BLIND, supported_features=OPENS),
    _comfort,
    _thing(Plug, "Socket"),
    _notices("Motion", BinarySensorDeviceClass.MOTION),
    _measures("Humidity", PERCENTAGE, SensorDeviceClass.HUMIDITY, 40, 2),
    _thing(Lamp, "Wall Light", is_on=False, **DIMMABLE),
    _measures("Illuminance", LIGHT_LUX, SensorDeviceClass.ILLUMINANCE, 20, 35),
    _notices("Door", BinarySensorDeviceClass.DOOR),
    _measures("Socket Power", UnitOfPower.WATT, SensorDeviceClass.POWER, 0, 12),
    _notices("Smoke", BinarySensorDeviceClass.SMOKE),
    _measures("Window Battery", PERCENTAGE, SensorDeviceClass.BATTERY, 60, 4),
    _measures("Motion Battery", PERCENTAGE, SensorDeviceClass.BATTERY, 50, 5),
    _measures("Carbon Dioxide", CONCENTRATION_PARTS_PER_MILLION, SensorDeviceClass.CO2, 450, 60),
    _thing(Plug, "Heater"),
    _notices("Leak", BinarySensorDeviceClass.MOISTURE),
    _measures("Socket Energy", UnitOfEnergy.KILO_WATT_HOUR, SensorDeviceClass.ENERGY, 1, 7),
)
"""What a room has, what matters most first: the last kinds are missing where the number of entities does not go up."""


@dataclass(frozen=True)
class Rooms:
    """The things of a home, room by room."""

    things: dict[str, list[Thing]]

    def all(self) -> list[Thing]:
        """Return every thing."""
        return list(itertools.chain.from_iterable(self.things.values()))


def room_names() -> Iterator[str]:
    """Yield the names of rooms, each once, 625 of them."""
    for wing, room in itertools.product(WINGS, ROOMS):
        yield f"{wing} {room}".strip()


def furnish(size: int) -> Rooms:
    """Return the things of a home with so many entities, before Home Assistant knows them."""
    rooms = max(2, ceil(size / THINGS_OF_A_ROOM[size > SMALL]))
    names = list(itertools.islice(room_names(), rooms))
    furnished: dict[str, list[Thing]] = {name: [] for name in names}
    every = ((make, number, name) for make in KINDS for number, name in enumerate(names))
    for make, number, name in itertools.islice(every, size):
        furnished[name].append(make(name, number))
    return Rooms(furnished)


async def async_build_home(hass: HomeAssistant, size: int) -> House:
    """Put a home with so many exposed entities into Home Assistant, its things in areas and these on floors."""
    rooms = furnish(size)
    house = await async_build(hass, rooms.all())
    areas, floors, entities = ar.async_get(hass), fr.async_get(hass), er.async_get(hass)
    for number, (name, things) in enumerate(rooms.things.items()):
        level, place = divmod(number, ROOMS_OF_A_FLOOR)
        if place == 0:
            floor = floors.async_create(f"Floor {level}", level=level)
        area = areas.async_create(name, floor_id=floor.floor_id)
        house.areas[name] = area.id
        for thing in things:
            entities.async_update_entity(thing.entity_id, area_id=area.id)
    await hass.async_block_till_done()
    return house


def change(thing: Thing, number: int) -> None:
    """Give a thing another state, as if somebody or the weather had done it; a different one for each number."""
    match thing:
        case Sensor():
            thing.show(native_value=round(15 + number * 0.3 % 10, 1))
        case Cover():
            thing.show(is_closed=not thing.is_closed)
        case Player():
            thing.show(volume_level=round(number * 0.07 % 1, 2))
        case Thermostat():
            thing.show(current_temperature=round(15 + number * 0.3 % 10, 1))
        case Lamp() | Plug() | BinarySensor():
            thing.show(is_on=not thing.is_on)
