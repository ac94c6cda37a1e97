"""Choosing the devices that a prompt tells of."""

from __future__ import annotations

import pytest

from custom_components.morphy.dialect import Area, Device, Floor, Home
from custom_components.morphy.dialect.choice import choose

ROOMS = ("Kitchen", "Bedroom", "Hall", "Study", "Garage", "Attic", "Bathroom", "Porch")
KINDS = (("light", "Ceiling"), ("light", "Reading Lamp"), ("switch", "Radio"), ("fan", "Fan"), ("cover", "Blind"))
HOME = Home(
    devices=(
        *(
            Device(f"{domain}.{room}_{name}".lower().replace(" ", "_"), (name,), "off", area=room.lower())
            for room in ROOMS
            for domain, name in KINDS
        ),
        Device("binary_sensor.attic_window", ("Skylight",), "closed", {"class": "window"}, "attic"),
    ),
    areas=tuple(Area(room.lower(), (room,), "up" if room in ("Attic", "Bedroom") else None) for room in ROOMS),
    floors=(Floor("up", ("Upstairs",)),),
    room="hall",
)


@pytest.mark.parametrize(
    ("request_", "needed"),
    [
        ("turn on the ceiling in the study", {"light.study_ceiling"}),
        ("are any windows open", {"binary_sensor.attic_window"}),
        ("switch off all reading lamps", {f"light.{room}_reading_lamp".lower() for room in ROOMS}),
        ("turn everything upstairs off", {"light.attic_ceiling", "fan.bedroom_fan"}),
        ("turn on the garge radio", {"switch.garage_radio"}),
        ("it is too dark in here", {"light.hall_ceiling", "light.hall_reading_lamp"}),
    ],
)
def test_what_is_needed_is_told(request_: str, needed: set[str]) -> None:
    chosen = choose(HOME, request_, limit=12)
    assert len(chosen.devices) == 12
    assert needed <= {device.id for device in chosen.devices}


def test_order_stays() -> None:
    chosen = choose(HOME, "blinds", limit=10)
    positions = [HOME.devices.index(device) for device in chosen.devices]
    assert positions == sorted(positions)


def test_a_home_that_fits_is_told_whole() -> None:
    assert choose(HOME, "anything", limit=len(HOME.devices)) is HOME
