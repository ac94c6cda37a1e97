"""Which devices a target means: an id, a name, a near miss, `area.<id>`, `floor.<id>` or `all`.

An id or a name that is nearly right is resolved when one device alone fits; when several do, they are named so that the
user can be asked. Words are compared one by one, so that a slip in a letter is forgiven but `lamp 1` never becomes
`lamp 2`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from enum import IntEnum
from typing import Final

from homeassistant.core import HomeAssistant
from homeassistant.helpers import area_registry as ar, entity_registry as er, floor_registry as fr

from .dialect import Area, Device, Floor, Home
from .dialect.catalogue import NAMED_ONLY
from .errors import (
    AmbiguousTargetError,
    NoneOfKindError,
    NotExposedError,
    NothingThereError,
    UnknownTargetError,
    WrongDomainError,
)

SWITCHING: Final = frozenset({"turn_on", "turn_off", "toggle"})
"""Verbs that mean the same in every domain that has them."""

CANDIDATES: Final = 3
"""How many devices are named when several could be meant."""

_TYPO_RATIO: Final = 0.8
_TYPO_LENGTH: Final = 5
_WORD = re.compile(r"[^\W_]+")
_Place = Area | Floor


class Fit(IntEnum):
    """How well a device fits the words of a target."""

    NOT = 0
    PART = 1
    """Its names, its area and its kind together have all of the words."""
    NEARLY = 2
    """One of its names has the same words, but for slips."""
    EXACT = 3
    """One of its names is these words."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """The devices that one target means; `named` tells whether it named a device rather than a place."""

    devices: tuple[Device, ...]
    named: bool


def resolve(hass: HomeAssistant, home: Home, service: str, target: str) -> Resolved:
    """Return the devices of the Home that a target of a service means.

    A place means the devices of the service's own domain in it, never more. Raises a ControlError when it means none.
    """
    domain = service.partition(".")[0]
    kind, _, rest = target.partition(".")
    if target in home.by_id:
        return Resolved((home.by_id[target],), named=True)
    if target == "all" or (rest == "all" and kind in (domain, "area", "floor")):
        if devices := _of_domain(home.devices, domain):
            return _group(domain, devices, _spoken(domain))
        raise NoneOfKindError(domain=_spoken(domain))
    if kind in ("area", "floor") and rest:
        return _group(domain, _in_place(hass, home, domain, kind, rest), _spoken(rest))
    if hass.states.get(target) is not None or er.async_get(hass).async_get(target) is not None:
        raise NotExposedError(target=_spoken(rest))
    return _by_words(home, service, target)


def _group(domain: str, devices: tuple[Device, ...], spoken: str) -> Resolved:
    """Return the devices of a place or of the whole home; of scenes, scripts and their like only a single one."""
    if domain in NAMED_ONLY and len(devices) > 1:
        names = ", ".join(device.names[0] for device in devices[:CANDIDATES])
        raise AmbiguousTargetError(target=spoken, candidates=names)
    return Resolved(devices, named=False)


def own_service(home: Home, service: str, device: Device) -> str:
    """Return the service that does the same on a device of another domain; raise WrongDomainError when there is none.

    `light.turn_on` of a lamp behind a smart plug is `switch.turn_on`.
    """
    domain, _, verb = service.partition(".")
    if device.domain == domain:
        return service
    own = f"{device.domain}.{verb}"
    if verb in SWITCHING and any(known.name == own for known in home.services):
        return own
    raise WrongDomainError(service=_spoken(verb), device=device.names[0])


def _of_domain(devices: Iterable[Device], domain: str) -> tuple[Device, ...]:
    return tuple(device for device in devices if device.domain == domain)


def _in_place(hass: HomeAssistant, home: Home, domain: str, kind: str, name: str) -> tuple[Device, ...]:
    places: Sequence[_Place] = home.areas if kind == "area" else home.floors
    place = _place(places, name)
    if place is None:
        raise _no_place(hass, domain, kind, name)
    return _devices_in(home, place, domain)


def _devices_in(home: Home, place: _Place, domain: str) -> tuple[Device, ...]:
    inside = {area.id for area in home.areas if place in (area, home.floor_by_id.get(area.floor or ""))}
    devices = tuple(device for device in _of_domain(home.devices, domain) if device.area in inside)
    if not devices:
        raise NothingThereError(domain=_spoken(domain), place=place.names[0])
    return devices


def _place(places: Sequence[_Place], name: str) -> _Place | None:
    """Return the place with this id, else the one with this name or nearly so."""
    wanted = _words(name)
    for place in places:
        if place.id == name:
            return place
    for fits in (Fit.EXACT, Fit.NEARLY):
        found = [place for place in places if _fit_phrases(wanted, [place.id, *place.names]) >= fits]
        if len(found) == 1:
            return found[0]
    return None


def _no_place(hass: HomeAssistant, domain: str, kind: str, name: str) -> UnknownTargetError | NothingThereError:
    """Return the error for a place that the Home does not list: it may exist without anything exposed in it."""
    known: str | None = None
    if kind == "area":
        areas = ar.async_get(hass)
        if area := areas.async_get_area(name) or areas.async_get_area_by_name(name):
            known = area.name
    else:
        floors = fr.async_get(hass)
        if floor := floors.async_get_floor(name) or floors.async_get_floor_by_name(name):
            known = floor.name
    return NothingThereError(domain=_spoken(domain), place=known) if known else UnknownTargetError(target=_spoken(name))


def _by_words(home: Home, service: str, target: str) -> Resolved:
    """Find what a name or a near miss means.

    Devices of the domain that the target names come first, then those of the service's, then those of other domains
    that can do the same. A place of exactly this name comes before a device of another domain and before near misses.
    """
    domain, _, verb = service.partition(".")
    kind, _, rest = target.partition(".")
    known = {device.domain for device in home.devices}
    words = rest if rest and (kind in known or " " not in kind) else target
    first = [{kind} & known, {domain}]
    others = {item.domain for item in home.services if verb in SWITCHING and item.name.endswith(f".{verb}")}
    if found := _first_fitting(home, first, words, Fit.EXACT):
        return Resolved((_only(home, found, words),), named=True)
    if place := _place_by_name(home, words):
        devices = _devices_in(home, place, domain)
        if kind in known:
            # `light.kitchen` is an id that the model made up for one light; `Kitchen` alone is the whole room.
            return Resolved((_only(home, devices, words),), named=True)
        return Resolved(devices, named=False)
    for least in (Fit.EXACT, Fit.NEARLY, Fit.PART):
        if found := _first_fitting(home, [*first, others], words, least):
            return Resolved((_only(home, found, words),), named=True)
    raise UnknownTargetError(target=_spoken(words))


def _first_fitting(home: Home, domains: Iterable[Collection[str]], words: str, least: Fit) -> list[Device]:
    """Return the devices that fit, of the first set of domains that has any."""
    wanted = _words(words)
    for of_these in domains:
        devices = [device for device in home.devices if device.domain in of_these]
        if found := [device for device in devices if _fit(home, device, wanted, least) >= least]:
            return found
    return []


def _place_by_name(home: Home, words: str) -> _Place | None:
    wanted = _words(words)
    places: tuple[_Place, ...] = (*home.areas, *home.floors)
    found = [place for place in places if _fit_phrases(wanted, [place.id, *place.names]) is Fit.EXACT]
    return found[0] if len(found) == 1 else None


def _only(home: Home, found: Sequence[Device], target: str) -> Device:
    """Return the one device found, or the one of them in the room that was spoken in; else ask which."""
    here = [device for device in found if device.area is not None and device.area == home.room]
    if len(found) == 1 or len(here) == 1:
        return (here or list(found))[0]
    candidates = ", ".join(_told_apart(home, found)[:CANDIDATES])
    raise AmbiguousTargetError(target=_spoken(target), candidates=candidates)


def _told_apart(home: Home, devices: Sequence[Device]) -> list[str]:
    """Return the devices' names, with their areas in front where two have the same name."""
    names = [device.names[0] for device in devices]
    areas = [home.area_by_id.get(device.area or "") for device in devices]
    return [
        f"{area.names[0]} {name}" if area is not None and names.count(name) > 1 else name
        for name, area in zip(names, areas, strict=True)
    ]


def _fit(home: Home, device: Device, wanted: Sequence[str], least: Fit) -> Fit:
    phrases = [device.id.partition(".")[2], *device.names]
    fit = _fit_phrases(wanted, phrases)
    if fit is not Fit.NOT or least > Fit.PART:
        return fit
    area = home.area_by_id.get(device.area or "")
    about = [*phrases, *(area.names if area else ()), device.domain, device.attributes.get("class", "")]
    return Fit.PART if _paired(wanted, {word for phrase in about for word in _words(phrase)}) else Fit.NOT


def _fit_phrases(wanted: Sequence[str], phrases: Iterable[str]) -> Fit:
    split = [_words(phrase) for phrase in phrases]
    if wanted in split:
        return Fit.EXACT
    if any(len(words) == len(wanted) and _paired(wanted, words) for words in split):
        return Fit.NEARLY
    return Fit.NOT


def _paired(wanted: Sequence[str], words: Collection[str]) -> bool:
    """Return whether each wanted word has a word of its own among these that is the same or nearly so."""
    left = list(words)
    for word in wanted:
        match = word if word in left else next((other for other in left if _nearly(word, other)), None)
        if match is None:
            return False
        left.remove(match)
    return bool(wanted)


def _nearly(word: str, other: str) -> bool:
    """Return whether two words differ by a slip: letters swapped, or one off in a word of five letters or more."""
    longer, shorter = max(len(word), len(other)), min(len(word), len(other))
    swapped = longer == shorter and sorted(word) == sorted(other)
    if not swapped:
        # Most words are told apart by this, which costs nothing.
        if longer < _TYPO_LENGTH or word[0] != other[0] or 2 * shorter / (longer + shorter) < _TYPO_RATIO:
            return False
        if SequenceMatcher(None, word, other).ratio() < _TYPO_RATIO:
            return False
    return not any(character.isdigit() for character in word + other)


def _words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())


def _spoken(text: str) -> str:
    return text.replace("_", " ").strip()
