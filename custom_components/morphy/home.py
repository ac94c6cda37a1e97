"""The home as one agent may see it: Home Assistant's registries and states become a dialect.Home."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.util import dt as dt_util
from homeassistant.util.hass_dict import HassKey

from .dialect import Home
from .keeper import HomeKeeper

CONVERSATION: Final = "conversation"
"""The assistant whose list of exposed entities counts: the one people edit for Assist."""

_WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@dataclass(slots=True)
class _Kept:
    """A keeper, and how many agents it serves."""

    keeper: HomeKeeper
    users: int = 0


_KEPT: Final[HassKey[dict[str, _Kept]]] = HassKey("morphy_homes")


@callback
def async_keep(hass: HomeAssistant, assistant: str = CONVERSATION) -> CALLBACK_TYPE:
    """Keep the assistant's home up to date by events, until the function that is returned has been called.

    Agents share one keeper; the last one that lets go of it ends its listening.
    """
    homes = hass.data.setdefault(_KEPT, {})
    if assistant not in homes:
        homes[assistant] = _Kept(HomeKeeper(hass, assistant))
        homes[assistant].keeper.start()
    kept = homes[assistant]
    kept.users += 1

    @callback
    def release() -> None:
        kept.users -= 1
        if not kept.users:
            kept.keeper.stop()
            del homes[assistant]

    return release


@callback
def snapshot(
    hass: HomeAssistant,
    *,
    device_id: str | None = None,
    domains: Collection[str] | None = None,
    assistant: str = CONVERSATION,
) -> Home:
    """Return what may be told to an agent at this moment: exposed entities only.

    `device_id` is the device that was spoken to; its area becomes the Home's room. `domains` are those that may be
    controlled (all of the catalogue when None): it narrows the services, while the state of every exposed entity may be
    asked for. The order depends on names and places alone, never on states: floors from the lowest up, areas by floor
    and name, devices by area and name, with what lies in no floor or area last.
    """
    kept = hass.data.get(_KEPT, {}).get(assistant)
    keeper = kept.keeper if kept else HomeKeeper(hass, assistant)
    return keeper.home(device_id, domains, _now())


async def async_snapshot(
    hass: HomeAssistant,
    *,
    device_id: str | None = None,
    domains: Collection[str] | None = None,
    assistant: str = CONVERSATION,
) -> Home:
    """Return the snapshot; where much has changed, that is read piece by piece, with other work in between."""
    if kept := hass.data.get(_KEPT, {}).get(assistant):
        await kept.keeper.async_settle()
    return snapshot(hass, device_id=device_id, domains=domains, assistant=assistant)


def _now() -> str:
    """Return the local time, such as `Saturday 2026-11-21 14:05`, whatever the language of the system."""
    now = dt_util.now()
    return f"{_WEEKDAYS[now.weekday()]} {now:%Y-%m-%d %H:%M}"
