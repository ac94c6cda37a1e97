"""Made-up calls of Home Assistant's own tools, under the policy of an agent, every service call watched."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

import voluptuous as vol
from homeassistant.core import Context, HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import area_registry as ar, floor_registry as fr, llm
from homeassistant.setup import async_setup_component

from custom_components.morphy.llm_tools import PolicedAPI, Policy
from custom_components.morphy.risk import Caution

from .oracle import POLICY, Rules, tool_violations
from .run import Fuzzer, Report, watching

CALLS = 12
"""Calls of one agent by one user."""


async def async_fuzz_tools(hass: HomeAssistant, cases: int, seed: int) -> Report:
    """Make so many calls in a new house and return what came of them."""
    fuzzer = Fuzzer(hass, seed)
    await fuzzer.async_furnish()
    for component in ("conversation", "llm"):
        assert await async_setup_component(hass, component, {})
    await hass.async_block_till_done()
    with watching(fuzzer.calls):
        while fuzzer.report.cases < cases:
            fuzzer.restore()
            await _turn(fuzzer)
            fuzzer.report.cases += CALLS
    return fuzzer.report


async def _turn(fuzzer: Fuzzer) -> None:
    """Let someone ask an agent whose model makes calls."""
    random, hass = fuzzer.random, fuzzer.hass
    user_id, rights = random.choice(fuzzer.users)
    context = Context(user_id=user_id)
    domains = frozenset(random.sample(sorted(POLICY), 8)) if random.random() < 0.4 else None
    first = frozenset(random.sample(sorted(fuzzer.exposed), 3)) if random.random() < 0.3 else frozenset()
    caution = Caution(random.random() < 0.8, first)
    rules = Rules(context, frozenset(fuzzer.exposed), rights, domains, caution.risky, first)
    device_id = fuzzer.house.satellite if random.random() < 0.5 else None
    api = PolicedAPI(hass, [llm.LLM_API_ASSIST], Policy(caution, domains))
    instance = await api.async_get_api_instance(llm.LLMContext("morphy", context, "en", "conversation", device_id))
    fuzzer.report.turns += 1
    for _ in range(CALLS):
        tool = random.choice(instance.tools)
        arguments = dict(_arguments(random, hass, sorted(fuzzer.exposed | set(fuzzer.secrets))))
        try:
            await instance.async_call_tool(llm.ToolInput(tool.name, dict(arguments)))
        except (HomeAssistantError, vol.Invalid) as error:
            fuzzer.report.refused[type(error).__name__] += 1
        except Exception as error:
            fuzzer.report.exceptions.append(f"{error!r} after {tool.name}({arguments})")
        await hass.async_block_till_done()  # what Home Assistant goes on with in the background is watched too
        for call in fuzzer.calls:
            fuzzer.report.calls[f"{call.domain}.{call.service}"] += 1
            for kind in tool_violations(hass, call, rules):
                detail = f"{call.domain}.{call.service}({dict(call.data)})"
                fuzzer.report.violations.append(
                    {"kind": kind, "detail": detail, "written": f"{tool.name}({arguments})"}
                )
        fuzzer.calls.clear()


def _arguments(random: Random, hass: HomeAssistant, entity_ids: list[str]) -> Iterator[tuple[str, Any]]:
    """Yield arguments that tools have, of which those that say what is meant matter most."""
    state = hass.states.get(random.choice(entity_ids))
    name = state.name if state else "Nothing"
    areas = [area.name for area in ar.async_get(hass).async_list_areas()]
    floors = [floor.name for floor in fr.async_get(hass).async_list_floors()]
    domain = state.domain if state else "light"
    values: dict[str, tuple[float, tuple[Any, ...]]] = {
        "name": (0.6, (name, name, name.upper(), "all", " ", "", None, 5, entity_ids[0])),
        "area": (0.3, (*areas, "all", " ", None)),
        "floor": (0.15, (*floors, "")),
        "domain": (0.4, (domain, [domain], ["lock"], ["cover", "valve"], "lock", [], None, 5)),
        "device_class": (0.15, (["garage"], "garage", [], ["door", "gate"], None)),
        "position": (0.3, (0, 100, 50, "70", 0.4, -1, None)),
        "player_name": (0.3, (name, "all", " ")),
        "player_area": (0.2, (*areas, "")),
        "preferred_area_id": (0.1, tuple(area.id for area in ar.async_get(hass).async_list_areas())),
        "media_content_id": (0.6, ("http://a.test/b",)),
        "media_content_type": (0.6, ("music",)),
        "volume_level": (0.6, (0, 50)),
        "volume_step": (0.6, (10,)),
        "brightness": (0.6, (20,)),
        "temperature": (0.6, (21,)),
        "percentage": (0.6, (40,)),
        "humidity": (0.6, (40,)),
        "mode": (0.3, ("auto",)),
        "item": (0.6, ("Milk",)),
        "confirmed": (0.1, (True,)),
        "entity_id": (0.1, ("all", *entity_ids)),
    }
    for key, (share, options) in values.items():
        if random.random() < share:
            yield key, random.choice(options)
