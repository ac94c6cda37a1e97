"""Adding the house asks nothing."""

from __future__ import annotations

from typing import Any

from homeassistant.config_entries import ConfigFlow, ConfigFlowResult

DOMAIN = "demo_house"


class DemoHouseConfigFlow(ConfigFlow, domain=DOMAIN):
    """Add the house."""

    async def async_step_user(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Add it at once."""
        return self.async_create_entry(title="Demo house", data={})
