"""Where the copied line of an answer's evidence begins: at what was said, so that the copy goes on from the request.

A name that was said begins it; else the room that tells which device is meant; else what the device is.
"""

from __future__ import annotations

import re
from dataclasses import replace

from ..dialect.home import Answer, Area, Device, Home

_WORD = re.compile(r"[^\W_]+")
_LONG_ENOUGH = 5  # letters of a name that is looked for inside other words, as in "frontblinds"


def spoken(home: Home, answer: Answer, request: str) -> Answer:
    """Return the answer with `starts`: by id the alias that was said, the room that was meant, or what the device is.

    A thing spoken of by an alias is called so in the answer as well.
    """
    said = f" {' '.join(_WORD.findall(request.casefold()))} "
    together = len({home.by_id[id_].area for id_ in answer.evidence if id_ in home.by_id}) == 1
    starts = {id_: start for id_ in answer.evidence if (start := _start(home, id_, said, together)) is not None}
    speech = answer.speech
    for id_, start in starts.items():
        if id_ in home.by_id and start in home.by_id[id_].names:
            name = re.escape(home.by_id[id_].names[0])
            speech = re.sub(rf"(?<!\w){name}(?!\w)", start.replace("\\", r"\\"), speech, count=1)
    return replace(answer, speech=speech, starts=starts)


def _start(home: Home, id_: str, said: str, together: bool) -> str | None:
    kind, _, name = id_.partition(".")
    if kind in ("area", "floor"):
        place = (home.area_by_id if kind == "area" else home.floor_by_id)[name]
        spoken = next((one for one in _by_length(place.names) if _is_said(one, said)), place.names[0])
        return spoken if spoken != place.names[0] else None
    device = home.by_id[id_]
    for one in _by_length(device.names):
        if _is_said(one, said):
            return one if one != device.names[0] else None
    area = home.area_by_id.get(device.area or "")
    return area.names[0] if area and together and _is_meant(home, device, area, said) else device.kind


def _is_meant(home: Home, device: Device, area: Area, said: str) -> bool:
    """Whether the area tells which device is meant: it is spoken of, or no place is and the speaker is in it."""
    if any(_is_said(name, said) for name in area.names):
        return True
    elsewhere = any(_is_said(name, said) for other in home.areas for name in other.names)
    return device.area == home.room and not elsewhere


def _by_length(names: tuple[str, ...]) -> list[str]:
    return sorted(names, key=len, reverse=True)


def _is_said(name: str, said: str) -> bool:
    words = _WORD.findall(name.casefold())
    if f" {' '.join(words)} " in said:
        return True
    joined = "".join(words)
    return len(joined) >= _LONG_ENOUGH and joined in said.replace(" ", "")
