"""What stands in the house, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Floor:
    """A storey; ``level`` 0 is the one at the street."""

    name: str
    level: int
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True)
class Area:
    """A room, or a place outdoors."""

    name: str
    floor: str | None
    icon: str
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True)
class Thing:
    """One entity: where it is, what it is called, and the state it starts in."""

    entity_id: str
    name: str
    area: str | None
    state: Mapping[str, Any] = field(default_factory=dict)
    """What the platform's entity class takes: ``on``, ``brightness_pct``, ``position`` ..."""
    aliases: tuple[str, ...] = ()
    exposed: bool = True

    @property
    def platform(self) -> str:
        """Return the part of the id before the dot."""
        return self.entity_id.partition(".")[0]


def _thing(entity_id: str, name: str, area: str | None, *aliases: str, exposed: bool = True, **state: Any) -> Thing:
    return Thing(entity_id, name, area, state, aliases, exposed)


FLOORS = (
    Floor("Ground Floor", 0, ("Downstairs",)),
    Floor("Upper Floor", 1, ("Upstairs",)),
)

AREAS = (
    Area("Kitchen", "Ground Floor", "mdi:fridge"),
    Area("Living Room", "Ground Floor", "mdi:sofa", ("Lounge",)),
    Area("Dining Room", "Ground Floor", "mdi:silverware-fork-knife"),
    Area("Entrance", "Ground Floor", "mdi:door", ("Front Hall",)),
    Area("Garage", "Ground Floor", "mdi:garage"),
    Area("Laundry", "Ground Floor", "mdi:washing-machine", ("Utility Room",)),
    Area("Bedroom", "Upper Floor", "mdi:bed", ("Main Bedroom",)),
    Area("Nursery", "Upper Floor", "mdi:teddy-bear", ("Kids Room",)),
    Area("Study", "Upper Floor", "mdi:desk", ("Home Office",)),
    Area("Bathroom", "Upper Floor", "mdi:shower"),
    Area("Landing", "Upper Floor", "mdi:stairs"),
    Area("Garden", None, "mdi:flower", ("Yard",)),
)

THINGS = (
    # Kitchen: all its lights are off
    _thing("light.kitchen_ceiling", "Kitchen Ceiling", "Kitchen", modes="white", on=False, brightness_pct=100),
    _thing("light.kitchen_worktop", "Worktop Lights", "Kitchen", "Under Cabinet Lights", modes="dim", on=False),
    _thing("light.kitchen_pendants", "Island Pendants", "Kitchen", modes="color", on=False, brightness_pct=80),
    _thing("switch.espresso_machine", "Espresso Machine", "Kitchen", "Coffee", on=False),
    _thing("fan.cooker_hood", "Cooker Hood", "Kitchen", "Extractor", on=False),
    _thing("media_player.kitchen_radio", "Kitchen Sonos", "Kitchen", on=False, volume=0.3),
    _thing("sensor.fridge_temperature", "Fridge Temperature", "Kitchen", kind="temperature", value=4.5),
    _thing("binary_sensor.kitchen_smoke_alarm", "Kitchen Smoke Alarm", "Kitchen", kind="smoke", on=False),
    _thing("todo.shopping_list", "Shopping List", "Kitchen", "Groceries", items=("Oat milk", "Tomatoes", "Bread")),
    # Living room
    _thing("light.living_room_ceiling", "Living Room Ceiling", "Living Room", modes="white", on=False),
    _thing("light.reading_corner", "Reading Corner", "Living Room", modes="white", on=True, brightness_pct=60),
    _thing("light.tv_backlight", "TV Backlight", "Living Room", "Ambilight", modes="color", on=True, hs=(240, 80)),
    _thing("cover.living_room_shutters", "Living Room Shutters", "Living Room", kind="shutter", position=100),
    _thing("fan.living_room_fan", "Standing Fan", "Living Room", on=False),
    _thing(
        "media_player.television", "Television", "Living Room", "Telly", on=True, playing="Evening News", volume=0.4
    ),
    _thing("vacuum.dusty", "Dusty", "Living Room", "Vacuum Cleaner", "Hoover", state="docked"),
    _thing("sensor.living_room_temperature", "Living Room Temperature", "Living Room", kind="temperature", value=21.3),
    _thing("sensor.living_room_air_humidity", "Living Room Air Humidity", "Living Room", kind="humidity", value=44),
    # Dining room
    _thing("light.dining_table", "Dining Table", "Dining Room", modes="dim", on=False),
    _thing("switch.fairy_lights", "Fairy Lights", "Dining Room", on=True),
    _thing("cover.dining_room_roller_blind", "Dining Room Roller Blind", "Dining Room", kind="blind", position=40),
    # Entrance: the front door is not locked
    _thing("light.entrance", "Entrance Spots", "Entrance", modes="dim", on=True, brightness_pct=30),
    _thing("lock.front_door", "Front Door", "Entrance", "Main Door", locked=False),
    _thing("binary_sensor.front_door_contact", "Front Door Sensor", "Entrance", kind="door", on=False),
    _thing("binary_sensor.entrance_motion", "Entrance Motion", "Entrance", kind="motion", on=False),
    _thing("climate.downstairs", "Downstairs Heating", "Entrance", mode="heat", target=20.5, current=19.8),
    _thing("alarm_control_panel.house", "House Alarm", "Entrance", "Burglar Alarm"),
    _thing("switch.internet_router", "Internet Router", "Entrance", on=True, exposed=False),
    # Garage
    _thing("cover.garage_door", "Garage Door", "Garage", kind="garage", position=0),
    _thing("light.garage", "Garage Tube", "Garage", modes="onoff", on=False),
    _thing("switch.car_charger", "Car Charger", "Garage", "Wallbox", on=True),
    _thing("lock.garage_side_door", "Garage Side Entrance", "Garage", locked=True),
    # Laundry
    _thing("light.laundry", "Laundry Light", "Laundry", modes="onoff", on=True),
    _thing("switch.washing_machine", "Washing Machine", "Laundry", on=True),
    _thing("humidifier.dehumidifier", "Dehumidifier", "Laundry", on=False, target=50, current=61),
    _thing("binary_sensor.washing_machine_leak", "Washing Machine Leak", "Laundry", kind="moisture", on=False),
    # Bedroom: the lamp is on
    _thing("light.bedroom_lamp", "Bedroom Lamp", "Bedroom", modes="white", on=True, brightness_pct=40, kelvin=2700),
    _thing("light.wardrobe", "Wardrobe Lights", "Bedroom", modes="dim", on=False),
    _thing("cover.bedroom_drapes", "Bedroom Drapes", "Bedroom", "Curtains", kind="curtain", position=0),
    _thing("fan.bedroom_ceiling_fan", "Bedroom Overhead Fan", "Bedroom", on=True, percentage=33),
    _thing("media_player.bedroom_speaker", "Bedroom Speaker", "Bedroom", on=True, volume=0.2),
    _thing("binary_sensor.bedroom_window", "Bedroom Window", "Bedroom", kind="window", on=True),
    _thing("sensor.bedroom_temperature", "Bedroom Temperature", "Bedroom", kind="temperature", value=18.6),
    # Nursery
    _thing("light.night_light", "Night Light", "Nursery", modes="color", on=True, brightness_pct=10, hs=(30, 90)),
    _thing("light.nursery_ceiling", "Nursery Ceiling", "Nursery", modes="dim", on=False),
    _thing("cover.blackout_blind", "Blackout Blind", "Nursery", kind="blind", position=0),
    _thing("sensor.nursery_temperature", "Nursery Temperature", "Nursery", kind="temperature", value=20.1),
    # Study
    _thing("light.work_lamp", "Work Lamp", "Study", modes="white", on=True, brightness_pct=75, kelvin=4000),
    _thing("switch.printer", "Printer", "Study", on=False),
    _thing("fan.study_desk_fan", "Little Fan", "Study", on=False),
    # Bathroom
    _thing("light.mirror_cabinet", "Mirror Cabinet", "Bathroom", modes="dim", on=False),
    _thing("switch.towel_warmer", "Towel Warmer", "Bathroom", on=False),
    _thing("sensor.bathroom_humidity", "Bathroom Humidity", "Bathroom", kind="humidity", value=67),
    # Landing
    _thing("light.stairs", "Stair Lights", "Landing", modes="dim", on=False),
    _thing("climate.upstairs", "Upstairs Heating", "Landing", mode="heat", target=19, current=18.4),
    # Garden
    _thing("light.garden_path", "Path Lights", "Garden", modes="dim", on=False),
    _thing("switch.fountain", "Fountain", "Garden", on=False),
    _thing("valve.lawn_sprinkler", "Lawn Sprinkler", "Garden", open=False),
    _thing("cover.awning", "Awning", "Garden", kind="awning", position=0),
    _thing("sensor.garden_temperature", "Garden Temperature", "Garden", kind="temperature", value=9.2),
    # Scenes say what they set
    _thing(
        "scene.film_evening",
        "Film Evening",
        "Living Room",
        calls=(
            ("light.turn_off", ("light.living_room_ceiling", "light.reading_corner"), {}),
            ("light.turn_on", ("light.tv_backlight",), {"brightness_pct": 20}),
            ("cover.close_cover", ("cover.living_room_shutters",), {}),
        ),
    ),
    _thing(
        "scene.bright_morning",
        "Bright Morning",
        "Bedroom",
        calls=(
            ("light.turn_on", ("light.bedroom_lamp",), {"brightness_pct": 100, "color_temp_kelvin": 5000}),
            ("cover.open_cover", ("cover.bedroom_drapes",), {}),
        ),
    ),
)

# Home Assistant's own script integration makes these, from configuration.yaml.
SCRIPTS = (
    Thing("script.lock_up", "Lock Up", None, aliases=("Close the house",)),
    Thing("script.air_the_bedroom", "Air the Bedroom", "Bedroom"),
)
