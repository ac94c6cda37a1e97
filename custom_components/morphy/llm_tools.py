"""Home Assistant's LLM APIs (Assist, scripts, MCP servers) for models that call tools, under the policy of an agent.

Assist does what it is asked at once; an agent of Morphy asks before what is risky, and may have fewer domains. So every
tool is wrapped: what a call would touch is found out first, as Home Assistant itself will find it.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, override

import voluptuous as vol
from homeassistant.components.media_player import DOMAIN as MEDIA_PLAYER
from homeassistant.core import HomeAssistant, State
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import intent, llm
from probatio import to_openapi

from .control import Step
from .dialect import Device, Tool
from .errors import (
    BadArgumentError,
    ForbiddenError,
    NotExposedError,
    ToolFailedError,
    ToolUnknownError,
    UnknownTargetError,
)
from .intents import QUESTIONS, TIMERS, matching, touched
from .rights import async_rights
from .risk import Caution
from .script_fields import check_exposed

_LOGGER = logging.getLogger(__name__)

_TURNS: Final[Mapping[str, Mapping[str, str]]] = {
    intent.INTENT_TURN_ON: {"lock": "lock", "cover": "open_cover", "valve": "open_valve"},
    intent.INTENT_TURN_OFF: {"lock": "unlock", "cover": "close_cover", "valve": "close_valve"},
    intent.INTENT_TOGGLE: {"lock": "unlock", "cover": "open_cover", "valve": "open_valve"},
    intent.INTENT_SET_POSITION: {"cover": "set_cover_position", "valve": "set_valve_position"},
}
"""The services that an intent comes to, by the domain of a device; of those that may be risky. Toggling may open."""
_PLAYER: Final = "player_"
"""How the arguments begin that say which player is meant, of the tools of players that are no intents."""
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
MAX_NAME: Final = 64
"""Characters of a tool's name; OpenAI's interface takes no more."""


def tools_of(instance: llm.APIInstance) -> tuple[Tool, ...]:
    """Return an API's tools as a dialect tells of them; those of an unspeakable name are left out."""
    return tuple(_tool(tool, instance) for tool in instance.tools if _is_speakable(tool.name))


def _tool(tool: llm.Tool, instance: llm.APIInstance) -> Tool:
    schema = to_openapi(tool.parameters, custom_serializer=instance.custom_serializer, openapi_version="3.1.0")
    return Tool(tool.name, tool.description or "", schema)


def _is_speakable(name: str) -> bool:
    speakable = len(name) <= MAX_NAME and _NAME.fullmatch(name) is not None
    if not speakable:
        _LOGGER.warning("A tool is left out, since models cannot write its name: %r", name)
    return speakable


@dataclass(slots=True)
class Policy:
    """What an agent may do with tools: `domains` None means all. `failures` holds what went wrong, by call."""

    caution: Caution
    domains: Collection[str] | None = None
    failures: dict[str, HomeAssistantError] = field(default_factory=dict)
    agreed: dict[str, frozenset[str]] = field(default_factory=dict)
    """The entities for which the user has said yes to a call. Nothing that a model writes gets here."""

    async def check(
        self, hass: HomeAssistant, tool: llm.Tool, tool_input: llm.ToolInput, context: llm.LLMContext
    ) -> None:
        """Raise the ControlError that says why a call must not be made, or not without a yes."""
        steps = list(_steps(hass, _inner(tool), tool_input.tool_args, context))
        may_control = await async_rights(hass, context.context)
        for step in steps:
            if self.domains is not None and step.device.domain not in self.domains:
                raise NotExposedError(target=step.device.names[0])
            if not may_control(step.device.id):
                raise ForbiddenError(device=step.device.names[0])
        if question := self.caution.question(hass, steps, self.agreed.get(tool_input.id, ())):
            raise question


class PolicedAPI(llm.API):
    """The chosen LLM APIs as one, for one turn; those that are no longer there are left out."""

    def __init__(self, hass: HomeAssistant, api_ids: Sequence[str], policy: Policy) -> None:
        """Serve the tools of these APIs."""
        super().__init__(hass=hass, id="morphy_tools", name="Morphy")
        self._api_ids = api_ids
        self.policy = policy

    @override
    async def async_get_api_instance(self, llm_context: llm.LLMContext) -> llm.APIInstance:
        """Return the instance for one request."""
        there = {api.id for api in llm.async_get_apis(self.hass)}
        chosen = [api_id for api_id in self._api_ids if api_id in there]
        if missing := set(self._api_ids) - there:
            _LOGGER.warning("There are no tools of %s any more", ", ".join(sorted(missing)))
        if not chosen:
            return llm.APIInstance(self, "", llm_context, [], llm.selector_serializer)
        found = await llm.async_get_api(self.hass, chosen, llm_context)
        tools: list[llm.Tool] = [PolicedTool(tool, found, self.policy) for tool in found.tools]
        return llm.APIInstance(self, found.api_prompt, llm_context, tools, found.custom_serializer)


class PolicedTool(llm.Tool):
    """A tool under a policy. Whatever it raises becomes an error that can be told, to the model and to the user."""

    def __init__(self, tool: llm.Tool, instance: llm.APIInstance, policy: Policy) -> None:
        """Wrap a tool of an API."""
        self.name = tool.name
        self.title = tool.title
        self.description = tool.description
        self.parameters = tool.parameters
        self.annotations = tool.annotations
        self.integration = tool.integration
        self.tool = tool
        self._instance = instance
        self._policy = policy

    @override
    async def async_call(
        self, hass: HomeAssistant, tool_input: llm.ToolInput, llm_context: llm.LLMContext
    ) -> llm.ToolResult:
        """Call the tool. Raises HomeAssistantError and nothing else."""
        try:
            await self._policy.check(hass, self.tool, tool_input, llm_context)
            result = await self._instance.async_call_tool(tool_input)
        except Exception as error:
            failure = _told(error, tool_input)
            self._policy.failures[tool_input.id] = failure
            raise failure from error
        if result.error:
            self._policy.failures[tool_input.id] = ToolFailedError(tool=self.name)
        return result


def unknown(tool_input: llm.ToolInput) -> HomeAssistantError:
    """Return the error for a tool that is not there."""
    return ToolUnknownError(tool=tool_input.tool_name[:MAX_NAME])


def _told(error: Exception, tool_input: llm.ToolInput) -> HomeAssistantError:
    """Return an error as it can be told."""
    match error:
        case intent.MatchFailedError():
            meant = [str(value) for key in ("name", "area", "floor") if (value := tool_input.tool_args.get(key))]
            return UnknownTargetError(target=meant[0][:MAX_NAME]) if meant else error
        case HomeAssistantError():
            return error
        case vol.Invalid():
            argument = ".".join(map(str, error.path))
            return BadArgumentError(
                argument=argument or "arguments", value=str(tool_input.tool_args.get(argument, ""))[:60]
            )
    _LOGGER.error("%s failed", tool_input.tool_name, exc_info=error)
    return ToolFailedError(tool=tool_input.tool_name)


def _inner(tool: llm.Tool) -> llm.Tool:
    while isinstance(tool, llm.NamespacedTool):
        tool = tool.tool
    return tool


def _steps(
    hass: HomeAssistant, tool: llm.Tool, arguments: Mapping[str, Any], context: llm.LLMContext
) -> Iterator[Step]:
    """Yield what a call comes to on each device, as far as that can be known beforehand.

    Raises NotExposedError for a script that is to be told of an entity which is not exposed, and vol.Invalid for what
    is no field of a script, or nothing that a field takes: Home Assistant would hand it over as it is.
    """
    if tool.annotations.read_only:
        return
    if isinstance(tool, llm.ActionTool):
        domain, _, action = tool.name.partition("__")
        if state := hass.states.get(f"{domain}.{action}"):
            yield Step(_device(state), f"{domain}.turn_on", {})
        check_exposed(hass, context.assistant, arguments)
        tool.parameters({key: value for key, value in arguments.items() if value is not None})
    elif kind := getattr(tool, "intent_type", None):
        if kind in QUESTIONS | TIMERS:
            return
        for state in touched(hass, kind, arguments, context.assistant):
            service = _TURNS.get(kind, {}).get(state.domain, kind)
            # Of any other intent Home Assistant passes over a position, and so must what is asked about.
            data = _position(arguments) if kind == intent.INTENT_SET_POSITION else {}
            yield Step(_device(state), f"{state.domain}.{service}", data)
    elif tool.integration == MEDIA_PLAYER:
        slots = {key.removeprefix(_PLAYER): value for key, value in arguments.items() if key.startswith(_PLAYER)}
        for state in matching(hass, slots, context.assistant, {MEDIA_PLAYER}, None):
            yield Step(_device(state), f"{MEDIA_PLAYER}.{tool.name}", {})


def _position(arguments: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return {"position": int(arguments["position"])}
    except LookupError, TypeError, ValueError:
        return {}


def _device(state: State) -> Device:
    return Device(state.entity_id, (state.name,), state.state)
