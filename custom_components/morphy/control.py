"""Actions become Home Assistant's own: the policy, the service calls, the LLM tool that runs them.

A model may ask for anything. What is done is what the catalogue and the Home list, on exposed entities alone, with
arguments that the device takes, in the name of the user who asked. Everything else is refused with a sentence.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, override

import voluptuous as vol
from homeassistant.components.homeassistant.exposed_entities import async_should_expose
from homeassistant.const import STATE_UNAVAILABLE
from homeassistant.core import Context, HomeAssistant, State
from homeassistant.exceptions import HomeAssistantError, Unauthorized
from homeassistant.helpers import llm

from . import script_fields
from .arguments import convert
from .attributes import told
from .capabilities import substitute, supports
from .const import DOMAIN
from .dialect import Action, Device, Home
from .dialect.catalogue import SERVICES
from .effect import async_missing, distances
from .errors import (
    ActionFailedError,
    ActionSlowError,
    BadArgumentError,
    ControlError,
    ForbiddenError,
    MissingTargetError,
    MorphyError,
    NotExposedError,
    NothingFoundError,
    NothingWorkedError,
    NotSupportedError,
    PartlyFailedError,
    UnavailableError,
    UnknownServiceError,
)
from .resolve import own_service, resolve
from .rights import Rights, async_rights
from .risk import Caution

_LOGGER = logging.getLogger(__name__)

TOOL_NAME: Final = f"{DOMAIN}__call_service"

ACTION_SECONDS: Final = 15
"""How long an answer waits for a device in all; the action itself is never broken off."""

EFFECT_SECONDS: Final = 5
"""How long a device may take to show what it did, once its service has ended."""

Failure = tuple[str, HomeAssistantError]
"""The name of a device, or the target as it was written, and what went wrong with it."""


@dataclass(frozen=True, slots=True)
class Step:
    """One service call on one device, with Home Assistant's own data."""

    device: Device
    service: str
    data: Mapping[str, Any]


@dataclass(slots=True)
class Outcome:
    """What came of an action: the steps that were taken, the states before and after as text, and what went wrong."""

    done: list[Step] = field(default_factory=list)
    before: dict[str, str] = field(default_factory=dict)
    after: dict[str, str] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)

    @property
    def changed(self) -> dict[str, dict[str, str]]:
        """The devices that show something else now, by id."""
        return {
            id_: {"before": self.before[id_], "after": after}
            for id_, after in self.after.items()
            if self.before[id_] != after
        }

    @property
    def errors(self) -> list[HomeAssistantError]:
        """What went wrong, devices with the same trouble in one error."""
        return _merged([error for _, error in self.failures])


class MorphyAPI(llm.API):
    """The LLM API of one turn: a single tool that runs the actions of the answer on the Home it was told.

    Made for one turn and handed to `ChatLog.async_provide_llm_data`; not registered, so no other agent can pick it.
    After the turn `failures` has what went wrong, by the id of the tool call: the error as it was raised, also when
    only some of the devices failed.
    """

    def __init__(self, hass: HomeAssistant, home: Home, caution: Caution) -> None:
        """Serve this Home, and ask first where `caution` says so."""
        super().__init__(hass=hass, id=DOMAIN, name="Morphy")
        self.home = home
        self.caution = caution
        self.failures: dict[str, HomeAssistantError] = {}
        self._agreed: dict[str, frozenset[str]] = {}

    @override
    async def async_get_api_instance(self, llm_context: llm.LLMContext) -> llm.APIInstance:
        """Return the instance for one request; the prompt is the dialect's affair."""
        return llm.APIInstance(self, "", llm_context, [CallServiceTool(self)], llm.selector_serializer)

    def tool_input(self, action: Action, agreed: frozenset[str] = frozenset()) -> llm.ToolInput:
        """Return the tool call for an action; `agreed` are the entities for which the user has said yes to it."""
        tool_input = llm.ToolInput(
            TOOL_NAME,
            {
                "service": action.service,
                "targets": list(action.targets),
                "data": {key: list(value) if isinstance(value, tuple) else value for key, value in action.data.items()},
            },
        )
        # Kept apart from the arguments, so that nothing a model writes can confirm its own action.
        if agreed:
            self._agreed[tool_input.id] = agreed
        return tool_input

    def agreed(self, tool_call_id: str) -> frozenset[str]:
        """Return the entities for which the user has said yes to the action of this tool call."""
        return self._agreed.get(tool_call_id, frozenset())


class CallServiceTool(llm.Tool):
    """Runs one action and tells what is true afterwards."""

    name = TOOL_NAME
    title = "Call service"
    description = "Call a Home Assistant service on exposed devices."
    integration = DOMAIN
    annotations = llm.ToolAnnotations(open_world=False)
    parameters = vol.Schema(
        {
            vol.Required("service"): str,
            vol.Optional("targets", default=list): [str],
            vol.Optional("data", default=dict): {str: object},
        }
    )

    def __init__(self, api: MorphyAPI) -> None:
        """Run actions on the Home of this API."""
        self._api = api

    @override
    async def async_call(
        self, hass: HomeAssistant, tool_input: llm.ToolInput, llm_context: llm.LLMContext
    ) -> llm.ToolResult:
        """Run the action; raise the ControlError, or Home Assistant's error, when it did nothing at all."""
        try:
            arguments = self.parameters(tool_input.tool_args)
            action = Action(arguments["service"], tuple(arguments["targets"]), arguments["data"])
            outcome = await async_execute(
                hass, self._api.home, action, llm_context, self._api.caution, self._api.agreed(tool_input.id)
            )
        except HomeAssistantError as error:
            self._api.failures[tool_input.id] = error
            raise
        data: dict[str, Any] = {
            "success": not outcome.failures,
            "service": action.service,
            "targets": [step.device.id for step in outcome.done],
            "changed": outcome.changed,
            "states": outcome.after,
        }
        if outcome.failures:
            partly = PartlyFailedError(outcome.errors)
            self._api.failures[tool_input.id] = partly
            data |= {
                "error": type(partly).__name__,
                "error_text": str(partly),
                "failed": {name: str(failure) for name, failure in outcome.failures},
            }
        return llm.ToolResult(data=data, error=bool(outcome.failures))


async def async_execute(
    hass: HomeAssistant,
    home: Home,
    action: Action,
    llm_context: llm.LLMContext,
    caution: Caution,
    agreed: frozenset[str] = frozenset(),
) -> Outcome:
    """Run one action on the Home and return what came of it.

    Raises a ControlError when nothing was done: for a refusal, for the question that `caution` asks about entities that
    the user has not `agreed` to, or because it failed on every device. An error of Home Assistant's own is raised as it
    is.
    """
    outcome = Outcome()
    steps = await _plan(hass, home, _known(home, action), llm_context, outcome)
    if asked := caution.question(hass, steps, agreed):
        raise asked
    await _run(hass, steps, llm_context.context, outcome)
    if not outcome.done:
        errors = outcome.errors
        raise errors[0] if len(errors) == 1 else NothingWorkedError(errors)
    return outcome


def _known(home: Home, action: Action) -> Action:
    """Return the action if the Home lists its service; `script.<id>` and `scene.<id>` are run by their own names."""
    listed = {service.name for service in home.services}
    if action.service in listed and action.service in SERVICES:
        return action
    device = home.by_id.get(action.service)
    if device and device.domain in ("script", "scene") and not action.targets:
        fields = action.data if device.domain == "script" else {}
        return _known(home, Action(f"{device.domain}.turn_on", (device.id,), fields))
    raise UnknownServiceError(service=action.service.replace(".", " ").replace("_", " "))


async def _plan(
    hass: HomeAssistant, home: Home, action: Action, llm_context: llm.LLMContext, outcome: Outcome
) -> list[Step]:
    """Return a step for each device that can take the action, and put what the others lack into the outcome."""
    if not action.targets:
        raise MissingTargetError(service=action.service.partition(".")[2].replace("_", " "))
    may_control = await async_rights(hass, llm_context.context)
    steps: dict[str, Step] = {}
    for target in action.targets:
        try:
            resolved = resolve(hass, home, action.service, target)
        except ControlError as error:
            outcome.failures.append((target, error))
            continue
        skipped: list[Failure] = []
        for device in resolved.devices:
            try:
                step = _step(hass, home, action, device, llm_context.assistant, may_control)
            except ControlError as error:
                # Of all devices of a place only those are meant that can do it at all, as everywhere in Home Assistant.
                passed_over = isinstance(error, NotSupportedError | NotExposedError) and not resolved.named
                (skipped if passed_over else outcome.failures).append((device.names[0], error))
            except Exception:
                # An integration whose attributes are not what Home Assistant's types say must not end the turn.
                _LOGGER.exception("%s cannot be prepared for %s", action.service, device.id)
                outcome.failures.append((device.names[0], ActionFailedError(device=device.names[0])))
            else:
                steps.setdefault(device.id, step)
        if len(skipped) == len(resolved.devices):
            outcome.failures += skipped
    return list(steps.values())


def _step(
    hass: HomeAssistant,
    home: Home,
    action: Action,
    device: Device,
    assistant: str,
    may_control: Rights,
) -> Step:
    """Return the service call for one device; raise the ControlError that tells why there is none."""
    service = own_service(home, action.service, device)
    name = device.names[0]
    state = hass.states.get(device.id)
    # Asked again: the entity may have been hidden since the Home was told, or the Home told to another assistant.
    if not async_should_expose(hass, assistant, device.id):
        raise NotExposedError(target=name)
    if not may_control(device.id):
        raise ForbiddenError(device=name)
    if state is None or state.state == STATE_UNAVAILABLE:
        raise UnavailableError(device=name)
    if service == script_fields.SERVICE:
        script_fields.check_exposed(hass, assistant, action.data)
    service, data = substitute(state, service, convert(hass, state, service, action.data))
    if not supports(state, service):
        raise NotSupportedError(device=name, service=service.partition(".")[2].replace("_", " "))
    return Step(device, service, data)


async def _run(hass: HomeAssistant, steps: list[Step], context: Context | None, outcome: Outcome) -> None:
    """Take all steps at once, each by itself, so that one that fails is known and stops no other."""
    if not steps:
        return
    outcome.before = {step.device.id: _told(hass, step) for step in steps}
    tasks = [hass.async_create_task(_take(hass, step, context), f"morphy {step.service}") for step in steps]
    await asyncio.wait(tasks, timeout=ACTION_SECONDS)
    outcome.after = {step.device.id: _told(hass, step) for step in steps}
    for step, task in zip(steps, tasks, strict=True):
        error = task.result() if task.done() else ActionSlowError(device=step.device.names[0])
        if error is None:
            outcome.done.append(step)
        else:
            outcome.failures.append((step.device.names[0], error))


async def _take(hass: HomeAssistant, step: Step, context: Context | None) -> HomeAssistantError | None:
    """Take one step and look whether the device shows it; return what went wrong, never raise it."""
    name = step.device.names[0]
    try:
        before = hass.states.get(step.device.id)
        measured = distances(hass, before, step.service, step.data) if before else []
        await (_play if step.service == "media_player.play_media" else _call)(hass, step, context)
        # Entities write their state in a callback of their own when a service has ended.
        await asyncio.sleep(0)
        if before and (missing := await async_missing(hass, before, measured, EFFECT_SECONDS)):
            return missing(device=name)
    except Unauthorized:
        return ForbiddenError(device=name)
    except HomeAssistantError as error:
        return error
    except vol.Invalid as error:
        path = ".".join(str(part) for part in error.path)
        return BadArgumentError(argument=path or step.service, value=str(step.data.get(path, "")))
    except Exception:
        _LOGGER.exception("%s failed on %s", step.service, step.device.id)
        return ActionFailedError(device=name)
    return None


async def _call(hass: HomeAssistant, step: Step, context: Context | None) -> None:
    domain, _, name = step.service.partition(".")
    await hass.services.async_call(
        domain, name, {**step.data, "entity_id": step.device.id}, blocking=True, context=context
    )


async def _play(hass: HomeAssistant, step: Step, context: Context | None) -> None:
    """Search for what is asked and play the first thing found, as Home Assistant's own intent does."""
    entity_id, query = step.device.id, step.data["query"]
    response = await hass.services.async_call(
        "media_player",
        "search_media",
        {"entity_id": entity_id, "search_query": query},
        blocking=True,
        context=context,
        return_response=True,
    )
    found: Any = response.get(entity_id) if response else None
    if not found or not found.result:
        raise NothingFoundError(device=step.device.names[0], query=query)
    first = found.result[0]
    data = {"media_content_id": first.media_content_id, "media_content_type": first.media_content_type}
    await _call(hass, Step(step.device, step.service, data), context)


def _told(hass: HomeAssistant, step: Step) -> str:
    state: State | None = hass.states.get(step.device.id)
    return told(hass, state) if state else STATE_UNAVAILABLE


def _merged(errors: list[HomeAssistantError]) -> list[HomeAssistantError]:
    """Return the errors with those that differ in nothing but the device made one that names all devices."""
    devices: dict[tuple[object, ...], list[str]] = {}
    first: dict[tuple[object, ...], HomeAssistantError] = {}
    for error in errors:
        placeholders = dict(error.translation_placeholders or {})
        device = placeholders.pop("device", None)
        key = (type(error), str(error) if device is None else "", *sorted(placeholders.items()))
        first.setdefault(key, error)
        devices.setdefault(key, []).extend([device] if device is not None else [])
    return [
        type(error)(**{**(error.translation_placeholders or {}), "device": ", ".join(dict.fromkeys(devices[key]))})
        if isinstance(error, MorphyError) and len(devices[key]) > 1
        else error
        for key, error in first.items()
    ]
