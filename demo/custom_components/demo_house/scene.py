"""Scenes that are a list of actions."""

from __future__ import annotations

from typing import Any

from homeassistant.components.scene import Scene

from .entity import HouseEntity, platform
from .house import Thing


class HouseScene(HouseEntity, Scene):
    """A scene."""

    def __init__(self, thing: Thing) -> None:
        """Read ``calls``: an action, the entities it is for, and its data, of each."""
        super().__init__(thing)
        self._calls = thing.state["calls"]

    async def async_activate(self, **kwargs: Any) -> None:
        """Do it all."""
        for action, entity_ids, data in self._calls:
            domain, _, service = action.partition(".")
            await self.hass.services.async_call(
                domain, service, {"entity_id": list(entity_ids), **data}, blocking=True, context=self._context
            )


async_setup_entry = platform("scene", HouseScene)
