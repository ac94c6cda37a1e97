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
from homeassistant.auth.permissions.const import POLICY_CONTROL
from homeassistant.core import HomeAssistant, State
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import intent, llm
from probatio import to_openapi

from .built_in import QUESTIONS, TIMERS
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
from .risk import Caution

_LOGGER = logging.getLogger(__name__)

_TURNS: Final[Mapping[str, Mapping[str, str]]] = {
    intent.INTENT_TURN_ON: {"lock": "lock", "cover": "open_cover", "valve": "open_valve"},
    intent.INTENT_TURN_OFF: {"lock": "unlock", "cover": "close_cover", "valve": "close_valve"},
    intent.INTENT_TOGGLE: {"lock": "unlock", "cover": "open_cover", "valve": "open_valve"},
    intent.INTENT_SET_POSITION: {"cover": "set_cover_position", "valve": "set_valve_position"},
}
"""The services that an intent comes to, by the domain of a device; of those that may be risky. Toggling may open."""
_PLACE: Final = frozenset({"name", "area", "floor", "domain", "device_class"})
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
        for step in steps:
            if self.domains is not None and step.device.domain not in self.domains:
                raise NotExposedError(target=step.device.names[0])
            await _check_permission(hass, step, context)
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
    """Yield what a call comes to on each device, as far as that can be known beforehand."""
    if tool.annotations.read_only:
        return
    if isinstance(tool, llm.ActionTool):
        domain, _, action = tool.name.partition("__")
        if state := hass.states.get(f"{domain}.{action}"):
            yield Step(_device(state), f"{domain}.turn_on", {})
    kind = getattr(tool, "intent_type", None)
    if kind is None or kind in QUESTIONS | TIMERS:
        return
    for state in _touched(hass, arguments, context.assistant):
        service = _TURNS.get(kind, {}).get(state.domain, kind)
        yield Step(_device(state), f"{state.domain}.{service}", _position(arguments))


def _touched(hass: HomeAssistant, arguments: Mapping[str, Any], assistant: str) -> list[State]:
    """Return the states of the entities that an intent means; those of a name that several have all count."""
    given = {key: value for key, value in arguments.items() if key in _PLACE and value}
    if not given:
        return []
    constraints = intent.MatchTargetsConstraints(
        name=_text(given.get("name")),
        area_name=_text(given.get("area")),
        floor_name=_text(given.get("floor")),
        domains=_set(given.get("domain")),
        device_classes=_set(given.get("device_class")),
        assistant=assistant,
        allow_duplicate_names=True,
    )
    return intent.async_match_targets(hass, constraints).states


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _set(value: Any) -> set[str] | None:
    if value is None:
        return None
    return set(map(str, value)) if isinstance(value, list | tuple | set) else {str(value)}


def _position(arguments: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return {"position": int(arguments["position"])}
    except LookupError, TypeError, ValueError:
        return {}


def _device(state: State) -> Device:
    return Device(state.entity_id, (state.name,), state.state)


async def _check_permission(hass: HomeAssistant, step: Step, context: llm.LLMContext) -> None:
    """Raise ForbiddenError unless the user may control the device; Home Assistant does not ask it for scripts."""
    user_id = context.context.user_id if context.context else None
    if user_id is None:
        return
    user = await hass.auth.async_get_user(user_id)
    allowed = (
        user and user.is_active and (user.is_admin or user.permissions.check_entity(step.device.id, POLICY_CONTROL))
    )
    if not allowed:
        raise ForbiddenError(device=step.device.names[0])
