"""What a dialect talks about: a Home, its Devices, and the Actions a model asks for.

Plain data, without Home Assistant: `home.py` of the integration fills it from the registries, the generator in
`training/` from its imagination.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

CLASS: Final = "class"
"""The attribute that tells a device's class: `tv`, `outlet`, `carbon monoxide`."""

ArgumentValue = str | int | float | bool | tuple[int, ...]
"""A value a model may write for an argument; a tuple is a colour such as `(255, 0, 0)`."""


@dataclass(frozen=True, slots=True)
class Floor:
    """A floor: its id as in `floor.<id>`, its name first, then its aliases."""

    id: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Area:
    """A room: its id as in `area.<id>`, its name first, then its aliases, and the id of its floor."""

    id: str
    names: tuple[str, ...]
    floor: str | None = None


@dataclass(frozen=True, slots=True)
class Device:
    """One exposed entity.

    `names` holds the friendly name first, then the aliases. `state` and the values of `attributes` are text as the
    home shows it: percent, °C or °F, words such as `open` for a door; never 0-255. `area` is the id of an Area.
    """

    id: str
    names: tuple[str, ...]
    state: str
    attributes: Mapping[str, str] = field(default_factory=dict)
    area: str | None = None

    @property
    def domain(self) -> str:
        """The part of the id before the dot: `light` of `light.kitchen`."""
        return self.id.partition(".")[0]

    @property
    def kind(self) -> str:
        """What it is: its class, such as `motion` or `tv`, or else the last word of its domain, such as `player`."""
        return self.attributes.get(CLASS) or self.domain.rpartition("_")[2]


@dataclass(frozen=True, slots=True)
class Service:
    """A service the model may call, such as `light.turn_on`, with the names of the arguments it takes."""

    name: str
    arguments: tuple[str, ...] = ()

    @property
    def domain(self) -> str:
        """The part of the name before the dot."""
        return self.name.partition(".")[0]


@dataclass(frozen=True)
class Home:
    """A snapshot of what one agent may see, in the order in which it is told.

    `room` is the id of the Area in which the request was spoken, `now` the local time as text; both may be unknown.
    `recent` are the ids of the devices that changed last, the last one first: they are no part of what is told, and
    help to choose it. The first `standing` devices are told whatever is asked, and so come first with their areas.
    """

    devices: tuple[Device, ...] = ()
    areas: tuple[Area, ...] = ()
    floors: tuple[Floor, ...] = ()
    services: tuple[Service, ...] = ()
    room: str | None = None
    now: str | None = None
    recent: tuple[str, ...] = ()
    standing: int = 0

    @cached_property
    def by_id(self) -> dict[str, Device]:
        """The devices by entity id."""
        return {device.id: device for device in self.devices}

    @cached_property
    def area_by_id(self) -> dict[str, Area]:
        """The areas by id, without the `area.` in front."""
        return {area.id: area for area in self.areas}

    @cached_property
    def floor_by_id(self) -> dict[str, Floor]:
        """The floors by id, without the `floor.` in front."""
        return {floor.id: floor for floor in self.floors}


@dataclass(frozen=True, slots=True)
class Action:
    """One call a model asks for: `light.turn_on(light.kitchen, brightness_pct=40)`.

    A target is an entity id, `area.<id>`, `floor.<id>` or `all`. Nothing here has been checked against the Home.
    """

    service: str
    targets: tuple[str, ...] = ()
    data: Mapping[str, ArgumentValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """What an assistant says and does in one turn.

    `evidence` holds what the answer rests on, as ids (`light.kitchen`, `area.kitchen`, `floor.attic`); the dialect
    `morphy` writes their lines out before it calls or speaks, the other dialects leave them out. `starts` says by id
    where in its line an evidence begins, if not at the first name: the alias that was said, or the name of the area.
    """

    speech: str
    actions: tuple[Action, ...] = ()
    evidence: tuple[str, ...] = ()
    starts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Turn:
    """An earlier exchange: what the user said and the raw text the assistant wrote."""

    request: str
    answer: str
