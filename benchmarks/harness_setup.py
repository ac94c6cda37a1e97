"""Set Morphy up in a Home Assistant under evaluation, as a user gets it: through the config flow, with every default.

For an evaluation harness that calls `async_setup_agent(hass)` in each of its homes and `async_teardown_agent(hass)`
after it; benchmarks/README.md has the command. MORPHY_EVAL_GGUF names a model file to use as if it were the bundled
one.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from homeassistant.config_entries import SOURCE_USER, ConfigFlowResult
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.loader import async_get_integration

DOMAIN = "morphy"
MODEL_VARIABLE = "MORPHY_EVAL_GGUF"


async def async_setup_agent(hass: HomeAssistant) -> str:
    """Add Morphy with the bundled model and return the name of the integration, which then has one agent."""
    if model := os.environ.get(MODEL_VARIABLE):
        integration: Any = await (await async_get_integration(hass, DOMAIN)).async_get_component()
        integration.BUNDLED_MODEL = Path(model)
    flows = hass.config_entries.flow
    result: ConfigFlowResult = await flows.async_init(DOMAIN, context={"source": SOURCE_USER})
    answers: list[dict[str, Any]] = [{"next_step_id": "local"}, {"next_step_id": "bundled"}, {"advanced": {}}]
    for answer in answers:
        result = await flows.async_configure(result["flow_id"], answer)
        while result["type"] in (FlowResultType.SHOW_PROGRESS, FlowResultType.SHOW_PROGRESS_DONE):
            await hass.async_block_till_done(wait_background_tasks=True)
            result = await flows.async_configure(result["flow_id"])
    if result["type"] is not FlowResultType.CREATE_ENTRY:
        raise RuntimeError(f"the config flow ended in {result['type']}: {result.get('errors') or result.get('reason')}")
    await hass.async_block_till_done()
    return DOMAIN


async def async_teardown_agent(hass: HomeAssistant) -> None:
    """Unload Morphy, so that the worker of this home ends."""
    for entry in hass.config_entries.async_entries(DOMAIN):
        await hass.config_entries.async_unload(entry.entry_id)
