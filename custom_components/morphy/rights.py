"""What the user who asked may control. Home Assistant asks this itself for most services, but not for scripts."""

from __future__ import annotations

from collections.abc import Callable

from homeassistant.auth.permissions.const import POLICY_CONTROL
from homeassistant.core import Context, HomeAssistant

type Rights = Callable[[str], bool]
"""Tells of an entity, by its id, whether it may be controlled."""


async def async_rights(hass: HomeAssistant, context: Context | None) -> Rights:
    """Return the rights with which a request was made: all without a user, none of one who is gone or switched off."""
    if context is None or context.user_id is None:
        return lambda _: True
    user = await hass.auth.async_get_user(context.user_id)
    if user is None or not user.is_active:
        return lambda _: False
    return lambda entity_id: user.is_admin or user.permissions.check_entity(entity_id, POLICY_CONTROL)
