"""Turns in a real house with what a writer wrote, every service call watched by the oracle."""

from __future__ import annotations

import contextlib
import json
import time
from collections import Counter
from collections.abc import AsyncGenerator, Iterator, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any
from unittest.mock import patch

import voluptuous as vol
from homeassistant.components.conversation import AssistantContent
from homeassistant.components.conversation.chat_log import ChatLog
from homeassistant.components.cover import CoverDeviceClass
from homeassistant.components.homeassistant.exposed_entities import async_expose_entity
from homeassistant.components.media_player import MediaPlayerEntityFeature
from homeassistant.core import Context, HomeAssistant, ServiceRegistry
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import area_registry as ar, entity_registry as er, floor_registry as fr, llm
from homeassistant.helpers.translation import async_get_translations
from homeassistant.setup import async_setup_component
from homeassistant.util.ulid import ulid_now
from pytest_homeassistant_custom_component.common import MockUser

from custom_components.morphy import control
from custom_components.morphy.answer import AnswerStream
from custom_components.morphy.control import TOOL_NAME, MorphyAPI
from custom_components.morphy.dialect import DIALECTS
from custom_components.morphy.home import snapshot
from custom_components.morphy.risk import Caution
from tests.house import (
    DIMMABLE,
    OPENS,
    Alarm,
    Cover,
    Fan,
    House,
    Lamp,
    Lock,
    Player,
    Plug,
    SceneThing,
    Thermostat,
    TodoList,
    Valve,
    async_build,
    async_furnish,
)

from .oracle import POLICY, Rules, ServiceCall, call_lines, violations
from .writer import FOREIGN, MARK, House as Known, Output, Writer

LINES = 24
"""Lines of one answer: many, so that a turn's own cost counts little."""
RESTORE_TURNS = 20
"""After so many turns doors are locked and covers closed again, so that something is left to ask about."""
KEPT = 20
"""Exceptions and violations that are told in full."""


@dataclass(slots=True)
class Report:
    """What came of a run."""

    seed: int
    cases: int = 0
    turns: int = 0
    calls: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    exceptions: list[str] = field(default_factory=list)
    violations: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def bad(self) -> int:
        """How many exceptions and violations there were."""
        return len(self.exceptions) + len(self.violations)

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON's types; of exceptions and violations the first ones in full."""
        return {
            "seed": self.seed,
            "cases": self.cases,
            "turns": self.turns,
            "seconds": round(self.seconds, 1),
            "calls": {"total": self.calls.total(), "by_service": dict(self.calls.most_common())},
            "refused": {"total": self.refused.total(), "by_reason": dict(self.refused.most_common())},
            "exceptions": {"total": len(self.exceptions), "first": self.exceptions[:KEPT]},
            "violations": {"total": len(self.violations), "first": self.violations[:KEPT]},
        }


@contextlib.contextmanager
def watching(calls: list[ServiceCall]) -> Iterator[None]:
    """Keep every service call that is made, with its state before and what it raised, and let it through."""
    original = ServiceRegistry.async_call

    async def async_call(
        self: ServiceRegistry,
        domain: str,
        service: str,
        service_data: dict[str, Any] | None = None,
        blocking: bool = False,
        context: Context | None = None,
        target: dict[str, Any] | None = None,
        return_response: bool = False,
    ) -> Any:
        data = dict(service_data or {})
        entity_id = data.get("entity_id")
        state = self._hass.states.get(entity_id) if isinstance(entity_id, str) else None
        call = ServiceCall(domain, service, data, target, context, state)
        calls.append(call)
        try:
            return await original(self, domain, service, service_data, blocking, context, target, return_response)
        except BaseException as error:
            object.__setattr__(call, "raised", error)
            raise

    with patch.object(ServiceRegistry, "async_call", async_call):
        yield


class Fuzzer:
    """A house, the people in it, and a writer."""

    def __init__(self, hass: HomeAssistant, seed: int) -> None:
        """Draw everything from this seed."""
        self.hass = hass
        self.random = Random(seed)
        self.report = Report(seed)
        self.calls: list[ServiceCall] = []
        self.exposed: set[str] = set()
        self.secrets: dict[str, str] = {}
        self.users: list[tuple[str | None, frozenset[str] | None]] = []
        self.house: House
        self.writer: Writer

    async def async_furnish(self) -> None:
        """Build the house, with twins of its things that are not exposed, and with states that make no sense."""
        hass = self.hass
        self.house = await async_furnish(hass)
        twins = [
            Lamp().setup("back_lamp", "Qwfp Lamp", **DIMMABLE),
            Plug().setup("back_plug", "Qwfp Plug"),
            Fan().setup("back_fan", "Qwfp Fan"),
            Lock().setup("back_lock", "Qwfp Lock"),
            Cover().setup("back_garage", "Qwfp Garage", device_class=CoverDeviceClass.GARAGE, supported_features=OPENS),
            Valve().setup("back_tap", "Qwfp Tap"),
            Thermostat().setup("back_heat", "Qwfp Heat", target_temperature=20.0),
            Player().setup("back_radio", "Qwfp Radio", volume_level=0.5),
            Alarm().setup("back_alarm", "Qwfp Alarm"),
            TodoList().setup("back_list", "Qwfp List"),
            SceneThing().setup("back_scene", "Qwfp Scene"),
        ]
        await async_build(hass, twins)
        helpers = {
            "input_boolean": {"guest": None, "secret": {"name": "Qwfp Toggle"}},
            "input_number": {"level": {"min": 0, "max": 10}, "secret": {"name": "Qwfp Number", "min": 0, "max": 10}},
            "input_select": {"mode": {"options": ["Home", "Away"]}},
            "input_button": {"bell": None},
            "script": {
                "bedtime": {"sequence": [{"event": "fuzz"}]},
                "secret": {"alias": "Qwfp Script", "sequence": [{"event": "fuzz"}]},
            },
            "automation": [
                {"id": "a", "alias": "Wake up", "triggers": [], "actions": [{"event": "fuzz"}]},
                {"id": "b", "alias": "Qwfp Automation", "triggers": [], "actions": [{"event": "fuzz"}]},
            ],
        }
        for domain, config in helpers.items():
            assert await async_setup_component(hass, domain, {domain: config})
        for entity_id, attributes in {
            "light.odd": {"supported_features": "many", "supported_color_modes": ["color_temp"], "brightness": "half"},
            "cover.odd": {"device_class": "garage", "current_position": "up", "supported_features": 15},
            "lock.odd": {"assumed_state": True},
            "media_player.odd": {"supported_features": int(MediaPlayerEntityFeature.SELECT_SOURCE)},
            "fan.odd": {"supported_features": 57, "preset_modes": None, "percentage": "fast"},
            "climate.odd": {"hvac_modes": 5, "min_temp": "low", "supported_features": 1},
        }.items():
            hass.states.async_set(entity_id, "unlocked" if entity_id == "lock.odd" else "on", attributes)
        for service in FOREIGN:
            domain, _, name = service.partition(".")
            if not hass.services.has_service(domain, name):
                hass.services.async_register(domain, name, _nothing)
        await hass.async_block_till_done()
        await async_get_translations(hass, "en", "exceptions", ["morphy"])
        for state in hass.states.async_all():
            hide = state.name.startswith("Qwfp") or state.entity_id == "light.cellar"
            self._expose(state.entity_id, not hide)
            if hide:
                self.secrets[state.entity_id] = state.name
        self.secrets["light.cellar"] = "Qwfp Cellar"
        er.async_get(hass).async_update_entity("light.cellar", name="Qwfp Cellar", area_id=self.house.areas["kitchen"])
        er.async_get(hass).async_update_entity("lock.back_lock", area_id=self.house.areas["hall"])
        await hass.async_block_till_done()
        self._invite()
        self.writer = Writer(self.random, self._known())

    def _known(self) -> Known:
        areas, floors = ar.async_get(self.hass).async_list_areas(), fr.async_get(self.hass).async_list_floors()
        return Known(
            exposed=sorted(self.exposed),
            hidden=sorted(self.secrets),
            names=sorted({state.name for state in self.hass.states.async_all()} | {area.name for area in areas}),
            places=[*(f"area.{area.id}" for area in areas), *(f"floor.{floor.floor_id}" for floor in floors)],
            services=[
                (f"{domain}.{name}", tuple(ARGUMENTS_WRITTEN.get((name, key), key) for key in arguments))
                for domain, services in POLICY.items()
                for name, arguments in services.items()
                if name != "search_media"
            ],
        )

    def _invite(self) -> None:
        """Let people in: nobody at all, an owner, one who may only look, two with rights on some things, one gone."""
        hass, everything = self.hass, frozenset(self.hass.states.async_entity_ids())
        self.users = [*[(None, None)] * 8, ("nobody", frozenset())]
        for policy, rights in (
            ({"entities": True}, everything),
            ({"entities": {"all": {"read": True}}}, frozenset()),
            ({"entities": {"entity_ids": {"switch.relay_8": True, "light.back_lamp": True}}},
             frozenset({"switch.relay_8", "light.back_lamp"})),
            ({"entities": {"domains": {"light": True, "lock": {"read": True}}}},
             frozenset(id_ for id_ in everything if id_.startswith("light."))),
        ):  # fmt: skip
            user = MockUser(groups=[]).add_to_hass(hass)
            user.mock_policy(policy)
            self.users.append((user.id, rights))
        gone = MockUser(groups=[], is_active=False).add_to_hass(hass)
        gone.mock_policy({"entities": True})
        self.users.append((gone.id, frozenset()))

    def _expose(self, entity_id: str, exposed: bool) -> None:
        async_expose_entity(self.hass, "conversation", entity_id, exposed)
        (self.exposed.add if exposed else self.exposed.discard)(entity_id)

    async def async_run(self, cases: int) -> Report:
        """Run so many cases."""
        began = time.perf_counter()
        with watching(self.calls), patch.object(control, "EFFECT_SECONDS", 0):
            while self.report.cases < cases:
                if self.report.turns % RESTORE_TURNS == 0:
                    self.restore()
                await self.async_turn(min(LINES, cases - self.report.cases))
        self.report.seconds = time.perf_counter() - began
        return self.report

    def restore(self) -> None:
        """Lock and close all that can be, and hide again what is hidden."""
        for entity_id, thing in self.house.things.items():
            match entity_id.partition(".")[0]:
                case "lock":
                    thing.show(is_locked=True)
                case "cover" | "valve":
                    thing.show(is_closed=True)
                case "alarm_control_panel":
                    thing.show(alarm_state="armed_away")
        for entity_id in self.secrets:
            self._expose(entity_id, False)

    async def async_turn(self, cases: int) -> None:
        """Let someone ask, and the model answer with so many cases."""
        random, hass = self.random, self.hass
        user_id, rights = random.choice(self.users)
        context = Context(user_id=user_id)
        domains = frozenset(random.sample(sorted(POLICY), 8)) if random.random() < 0.2 else None
        caution = Caution(
            risky=random.random() < 0.8,
            entities=frozenset(random.sample(sorted(self.exposed), 3)) if random.random() < 0.3 else frozenset(),
        )
        device_id = self.house.satellite if random.random() < 0.5 else None
        home = snapshot(hass, device_id=device_id, domains=domains)
        rules = Rules(context, frozenset(self.exposed), rights, domains, caution.risky, caution.entities)
        api = MorphyAPI(hass, home, caution)
        llm_context = llm.LLMContext("morphy", context, "en", "conversation", device_id)
        self.report.turns += 1
        self.report.cases += cases
        if random.random() < 0.05:
            await self._call_tool(api, llm_context, cases, rules)
            return
        output = self.writer.output(cases)
        meant = [entity_id for entity_id in sorted(self.exposed) if entity_id in output.text]
        if not meant or random.random() < 0.8:
            await self._answer(api, llm_context, output, rules)
            return
        # Between the telling of the home and the answer, someone hides an entity.
        changed = random.choice(meant)
        self._expose(changed, False)
        rules.exposed -= {changed}
        await self._answer(api, llm_context, output, rules)
        self._expose(changed, True)

    async def _answer(self, api: MorphyAPI, llm_context: llm.LLMContext, output: Output, rules: Rules) -> None:
        dialect = self.random.choice(list(DIALECTS.values()))
        answer = AnswerStream(self.hass, api, dialect, "en")
        said = await self._say(api, llm_context, answer.deltas(_stream(output.pieces)), output.text)
        failed = bool(api.failures) or any(call.raised for call in self.calls)
        self._check(rules, output.text)
        if MARK in said and (output.must_fail or failed):
            self._violation("told as done", output.text, said)
        if answer.unconfirmed and self.random.random() < 0.3:
            rules.agreed = frozenset(id_ for waiting in answer.unconfirmed for id_ in waiting.entity_ids)
            again = AnswerStream(self.hass, api, dialect, "en")
            await self._say(api, llm_context, again.confirmed(answer.unconfirmed), output.text)
            self._check(rules, output.text)

    async def _say(self, api: MorphyAPI, llm_context: llm.LLMContext, deltas: AsyncGenerator[Any], written: str) -> str:
        """Put an answer through a chat log; return all that was said."""
        chat_log = ChatLog(self.hass, ulid_now())
        chat_log.llm_api = await api.async_get_api_instance(llm_context)
        try:
            async for _ in chat_log.async_add_delta_content_stream("conversation.fuzz", deltas):
                pass
        except Exception as error:
            self.report.exceptions.append(f"{error!r} after {written[:2000]!r}")
        for failure in api.failures.values():
            self.report.refused[type(failure).__name__] += 1
        said = "\n".join(
            item.content for item in chat_log.content if isinstance(item, AssistantContent) and item.content
        )
        if lines := call_lines(said):
            self._violation("call that is spoken", written, lines[0])
        for name in self.secrets.values():
            if name in said and name not in written:
                self._violation("hidden entity that is named", written, said)
        return said

    async def _call_tool(self, api: MorphyAPI, llm_context: llm.LLMContext, cases: int, rules: Rules) -> None:
        """Call the tool itself, with arguments of any type."""
        instance = await api.async_get_api_instance(llm_context)
        for _ in range(cases):
            arguments = self.writer.arguments()
            try:
                await instance.async_call_tool(llm.ToolInput(TOOL_NAME, arguments))
            except (HomeAssistantError, vol.Invalid) as error:
                self.report.refused[type(error).__name__] += 1
            except Exception as error:
                self.report.exceptions.append(f"{error!r} after {str(arguments)[:2000]}")
            self._check(rules, json.dumps(arguments, default=str)[:2000])

    def _check(self, rules: Rules, written: str) -> None:
        """Hold the calls that were made since the last time against the rules."""
        for call in self.calls:
            self.report.calls[f"{call.domain}.{call.service}"] += 1
            for kind in violations(call, rules):
                self._violation(kind, written, f"{call.domain}.{call.service}({dict(call.data)})")
        self.calls.clear()

    def _violation(self, kind: str, written: str, detail: str) -> None:
        self.report.violations.append({"kind": kind, "detail": detail[:500], "written": written[:4000]})


ARGUMENTS_WRITTEN = {
    ("volume_set", "volume_level"): "volume_pct",
    ("play_media", "media_content_id"): "query",
    ("play_media", "media_content_type"): "query",
}
"""Arguments that a model writes by another name than Home Assistant's, by service and Home Assistant's name."""


async def _nothing(_call: Any) -> None:
    """Stand for a service that must not be called."""


async def _stream(pieces: Sequence[str]) -> AsyncGenerator[str]:
    for piece in pieces:
        yield piece


async def async_fuzz(hass: HomeAssistant, cases: int, seed: int) -> Report:
    """Run so many cases in a new house and return what came of them."""
    fuzzer = Fuzzer(hass, seed)
    await fuzzer.async_furnish()
    return await fuzzer.async_run(cases)
