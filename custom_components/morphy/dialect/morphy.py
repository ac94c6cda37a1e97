"""The dialect `morphy`: that of our own small models.

What a tiny model reads best decided its form (training/README.md has the measurements). A name stands right before its
id, since "what follows this name" is learned long before "what precedes it"; for the same reason a line begins with the
room and with what the device is, so that "the vacuum" is looked up as easily as a name. An answer begins with its
evidence, the listing lines it rests on, copied: the look-up is then one forward copy, and calls and speech need only
what stands just above them. Calls come before the speech, so text without a call can be spoken while it is written.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence

from .base import Dialect, services_in_order
from .calls import write_call
from .choice import MAX_DEVICES
from .grammar import MAX_CALLS, call_rules, one_of
from .home import CLASS, Answer, Area, Device, Floor, Home, Service, Turn
from .listed import as_listed
from .reader import Reader
from .text import data, value, words

MAX_EVIDENCE = 10
"""Listing lines an answer may copy."""

MAX_NAMES = 10
"""Names of one device or place that are told."""

_LISTING_LINE = re.compile(r'[^"]*("[^"]*" )+[a-z_]+\.[a-z0-9_]+( = .*)?')


class MorphyDialect(Dialect):
    """`Kitchen light "Ceiling Light" light.k1 = on; brightness 60%`, and calls with arguments."""

    name = "morphy"
    default_instructions = "You are 'Al', a helpful AI Assistant that controls the devices in a house."
    calls_first = True
    max_devices = MAX_DEVICES
    claim_words = frozenset({
        "activated", "added", "armed", "brightened", "checked", "closed", "dimmed", "disarmed",
        "locked", "muted", "opened", "paused", "playing", "pressed", "removed", "resumed",
        "sent", "set", "skipped", "slowed", "sped", "started", "stopped", "toggled",
        "triggered", "turned", "unlocked", "unmuted", "went",
    })  # fmt: skip

    def system(self, home: Home, instructions: str) -> str:
        """Return what stays the same first (instructions, services, areas), then devices, time and room.

        Standing devices come with their areas before the areas and devices that this request means.
        """
        lines = [words(instructions)]
        if services := services_in_order(home):
            lines.append(f"Services: {', '.join(map(_service, services))}")
        first = home.standing or len(home.devices)
        places = {device.area for device in home.devices[:first]}
        behind = [area for area in home.areas if area.id not in places] if home.standing else []
        if home.areas:
            lines += ["Areas:", *map(_floor_line, home.floors)]
            lines += ["".join(_area_line(area, home)) for area in home.areas if area not in behind]
        if home.devices:
            lines += ["Devices:", *("".join(_device_line(device, home)) for device in home.devices[:first])]
            lines += ["".join(_area_line(area, home)) for area in behind]
            lines += ["".join(_device_line(device, home)) for device in home.devices[first:]]
        if home.now is not None:
            lines.append(f"Now: {data(home.now)}")
        if home.room in home.area_by_id:
            lines.append(f"Room: {_name(home.area_by_id[home.room])}")
        return "\n".join(lines)

    def messages(
        self, home: Home, instructions: str, request: str, history: Sequence[Turn] = ()
    ) -> tuple[tuple[str, str], ...]:
        """Return roles and texts, names in what was said spelt as they are listed."""
        names = _all_names(home)
        before = [Turn(as_listed(turn.request, names), turn.answer) for turn in history]
        return super().messages(home, instructions, as_listed(request, names), before)

    def write(self, answer: Answer, home: Home) -> str:
        """Return evidence, calls and speech, a line each."""
        evidence = [self.evidence_line(id_, home, answer.starts.get(id_)) for id_ in answer.evidence]
        return "\n".join([*evidence, *map(write_call, answer.actions), answer.speech])

    def evidence_line(self, id_: str, home: Home, start: str | None = None) -> str:
        """Return the listing line of a device, `area.<id>` or `floor.<id>`, from its name on.

        `start` is what to begin with instead: an alias, what the device is, or the name of the area or floor it is in.
        """
        fields = _fields(id_, home)
        if start is None:
            begin = next(n for n, field in enumerate(fields) if field.startswith('"'))
        else:
            begin = next(n for n, field in enumerate(fields) if field.strip(' "') == _unquoted(start))
        return "".join(fields[begin:])

    def grammar(self, home: Home) -> str:
        """Return a grammar for evidence, then calls, then one line of speech; speech alone does as well.

        Speech holds no double quote and begins with no small letter, unless a name of the home does: so what begins
        as evidence can only go on as evidence, and a copy that skips a name finds back instead of turning into speech.
        Its spaces are single plain ones, as in all that the prompt tells of a home.
        """
        rules = [_speech_rules(home)]
        evidence = sorted(evidence_lines(home))
        before = f'(evidence "\\n"){{0,{MAX_EVIDENCE}}} ' if evidence else ""
        if evidence:
            rules.append(f"evidence ::= {one_of(evidence)}")
        calls = call_rules(home)
        if calls is None:
            return "\n".join([f"root ::= {before}speech", *rules, ""])
        root = f'root ::= {before}(call ("\\n" call){{0,{MAX_CALLS - 1}}} "\\n")? speech'
        return "\n".join([root, calls, *rules, ""])

    def reader(self, home: Home) -> Reader:
        """Return a reader that keeps evidence out of the speech."""
        return _MorphyReader(home)


class _MorphyReader(Reader):
    """Knows the listing lines, whole and from each name on, and what looks like one that was copied wrong."""

    def __init__(self, home: Home) -> None:
        super().__init__()
        self._evidence = sorted(evidence_lines(home))
        places: list[Area | Floor] = [*home.areas, *home.floors]
        before = ["", *(f"{_name(place)} " for place in places)]
        kinds = ["", *{f"{_unquoted(device.kind)} " for device in home.devices}]
        self._starts = {f'{place}{kind}"' for place in before for kind in kinds}

    def is_note(self, line: str) -> bool:
        return self._nearest(line) == line or _LISTING_LINE.fullmatch(line) is not None

    def may_become_note(self, line: str) -> bool:
        return self._nearest(line).startswith(line) or any(
            line.startswith(start) or start.startswith(line) for start in self._starts
        )

    def _nearest(self, line: str) -> str:
        """Return the first evidence in order that is not before this line: it begins with it, if any does."""
        position = bisect_left(self._evidence, line)
        return self._evidence[position] if position < len(self._evidence) else ""


_SPEECH = r"""
speech ::= first rest | [0-9]+ ("." [0-9]+)? (after rest)?NAMED
first ::= [^a-z0-9_. `"\n\r\x00-\x1f]
after ::= [^a-z0-9_.("\n\r\x00-\x1f]
rest ::= (" "? seen)*
seen ::= [^ "\n\r\x00-\x1f\u00a0\u1680\u2000-\u200b\u2028\u2029\u202f\u205f\u3000]
"""


def _speech_rules(home: Home) -> str:
    """Return the rule `speech`: one line that no reader can take for evidence or for a call."""
    small = sorted(name for name in set(_all_names(home)) if name[:1].islower() or name[:1].isdigit())
    return _SPEECH.strip().replace("NAMED", f" | {one_of(small)} (after rest)?" if small else "")


def evidence_lines(home: Home) -> set[str]:
    """Return every text that may stand as evidence: each listing line, whole and from each of its names on."""
    ids = [device.id for device in home.devices]
    ids += [f"area.{area.id}" for area in home.areas] + [f"floor.{floor.id}" for floor in home.floors]
    return {"".join(fields[n:]) for fields in (_fields(id_, home) for id_ in ids) for n in range(len(fields) - 1)}


def _fields(id_: str, home: Home) -> list[str]:
    """Return a listing line in pieces: what it lies in (or ""), what a device is, its names, and the rest."""
    kind, _, name = id_.partition(".")
    if kind == "area" and name in home.area_by_id:
        return list(_area_line(home.area_by_id[name], home))
    if kind == "floor" and name in home.floor_by_id:
        floor = home.floor_by_id[name]
        return ["", *_names(floor.names), id_]
    return list(_device_line(home.by_id[id_], home))


def _device_line(device: Device, home: Home) -> Iterator[str]:
    area = home.area_by_id.get(device.area or "")
    yield f"{_name(area)} " if area else ""
    yield f"{_unquoted(device.kind)} "
    yield from _names(device.names)
    others = (f"{key} {value(text)}" for key, text in device.attributes.items() if key != CLASS)
    told = "; ".join([value(device.state), *others])
    yield f"{device.id} = {told}"


def _area_line(area: Area, home: Home) -> Iterator[str]:
    floor = home.floor_by_id.get(area.floor or "")
    yield f"{_name(floor)} " if floor else ""
    yield from _names(area.names)
    yield f"area.{area.id}"


def _floor_line(floor: Floor) -> str:
    return "".join([*_names(floor.names), f"floor.{floor.id}"])


def _all_names(home: Home) -> list[str]:
    things: list[Device | Area | Floor] = [*home.devices, *home.areas, *home.floors]
    return [_unquoted(name) for thing in things for name in thing.names]


def _names(names: tuple[str, ...]) -> Iterator[str]:
    for name in names[:MAX_NAMES]:
        yield f'"{_unquoted(name)}" '


def _name(place: Area | Floor) -> str:
    return _unquoted(place.names[0])


def _unquoted(name: str) -> str:
    return data(name).replace('"', "'")


def _service(service: Service) -> str:
    return f"{service.name}({', '.join(service.arguments)})"
