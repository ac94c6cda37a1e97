"""How well a talk of several turns goes: requests that lean on the turn before, in small homes made by hand.

    .venv/bin/python -m benchmarks.dialogues [--gguf FILE] [--misses] [--json out/dialogues.json]

Real Home Assistant with homes of real entities, the bundled model in its worker, every default. A turn is right when it
changes what `dialogues.yaml` says and nothing else, and says the words that are asked for there.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml
from homeassistant.components import conversation
from homeassistant.components.climate import ClimateEntityFeature
from homeassistant.components.cover import CoverEntityFeature
from homeassistant.components.fan import FanEntityFeature
from homeassistant.components.media_player import MediaPlayerEntityFeature
from homeassistant.core import Context, HomeAssistant, State
from homeassistant.helpers import area_registry as ar, device_registry as dr, entity_registry as er
from homeassistant.loader import DATA_CUSTOM_COMPONENTS
from homeassistant.setup import async_setup_component
from homeassistant.util import slugify
from pytest_homeassistant_custom_component.common import MockConfigEntry, async_test_home_assistant

import custom_components  # noqa: F401  before another package of that name is found
from tests import house

from .harness_setup import MODEL_VARIABLE, async_setup_agent, async_teardown_agent

DIALOGUES = Path(__file__).with_suffix(".yaml")
ROOT = Path(__file__).resolve().parent.parent

Json = dict[str, Any]


@dataclass(frozen=True)
class Turn:
    """What became of one turn."""

    home: str
    follows: bool
    request: str
    speech: str
    wrong: tuple[str, ...]


def thing(kind: str, name: str) -> tuple[house.Thing, Json]:
    """Return an entity of a kind, and the attributes with which each dialogue begins."""
    make, features, begin = _KINDS[kind]
    entity: house.Thing = make()
    return entity.setup(slugify(name), name, **features, **begin), begin


_BLIND = {"device_class": "blind", "supported_features": house.OPENS | CoverEntityFeature.SET_POSITION}
_PLAYS = MediaPlayerEntityFeature
_PLAYER = {"supported_features": _PLAYS.VOLUME_SET | _PLAYS.PAUSE | _PLAYS.TURN_ON | _PLAYS.TURN_OFF}
_BLOWS = FanEntityFeature
_HEATS = {"supported_features": ClimateEntityFeature.TARGET_TEMPERATURE, "current_temperature": 18.5}
_KINDS: Mapping[str, tuple[Any, Json, Json]] = {
    "light": (house.Lamp, house.LIVELY, {"is_on": False, "brightness": 128, "hs_color": None}),
    "plug": (house.Plug, {}, {"is_on": False}),
    "fan": (
        house.Fan,
        {"supported_features": _BLOWS.TURN_ON | _BLOWS.TURN_OFF | _BLOWS.SET_SPEED},
        {"percentage": 0},
    ),
    "blind": (house.Cover, _BLIND, {"is_closed": True, "current_cover_position": 0}),
    "garage": (house.Cover, {"device_class": "gate", "supported_features": house.OPENS}, {"is_closed": True}),
    "lock": (house.Lock, {}, {"is_locked": True}),
    "thermostat": (house.Thermostat, _HEATS, {"target_temperature": 20.0}),
    "player": (house.Player, _PLAYER, {"state": "idle", "volume_level": 0.3}),
    "tv": (house.Player, _PLAYER | {"device_class": "tv"}, {"state": "idle", "volume_level": 0.3}),
    "sensor": (house.Sensor, {"native_unit_of_measurement": "cm"}, {"native_value": 140}),
}
_BEGINS: Mapping[str, Json] = {
    "on": {"is_on": True},
    "open": {"is_closed": False, "current_cover_position": 100},
    "playing": {"state": "playing"},
}
"""A `start` in words, as attributes of the entity."""


def seen(state: State) -> Json:
    """Return what counts of a state: itself, and in percent or degrees what people set."""
    told = state.attributes
    numbers = {
        "brightness": None if told.get("brightness") is None else round(told["brightness"] / 2.55),
        "hue": None if told.get("hs_color") is None else round(told["hs_color"][0]),
        "temperature": told.get("temperature"),
        "speed": told.get("percentage"),
        "volume": None if told.get("volume_level") is None else round(told["volume_level"] * 100),
    }
    return {"state": state.state} | {key: value for key, value in numbers.items() if value is not None}


def mistakes(before: Mapping[str, Json], after: Mapping[str, Json], turn: Json, speech: str) -> Iterator[str]:
    """Yield what is wrong with a turn, in words."""
    wanted: Json = turn.get("then", {})
    for entity_id, now in after.items():
        if entity_id not in wanted:
            if now != before[entity_id]:
                yield f"{entity_id}: {now}, was {before[entity_id]}"
            continue
        expected = wanted[entity_id] if isinstance(wanted[entity_id], dict) else {"state": wanted[entity_id]}
        if any(now.get(key) != value for key, value in expected.items()):
            yield f"{entity_id}: {now}, want {expected}"
    yield from (f"no {word!r} in the answer" for word in turn.get("says", ()) if word.lower() not in speech.lower())


class Talk:
    """One home in Home Assistant, and the agent in it."""

    def __init__(self, hass: HomeAssistant, name: str) -> None:
        """Begin with an empty home."""
        self._hass = hass
        self._name = name
        self._things: dict[str, tuple[house.Thing, Json]] = {}
        self._satellites: dict[str, str] = {}
        self._agent = ""

    async def move_in(self, rooms: Mapping[str, Sequence[Mapping[str, str]]]) -> None:
        """Build the home and add Morphy to it."""
        areas, entities = ar.async_get(self._hass), er.async_get(self._hass)
        made = {room: [thing(*next(iter(one.items()))) for one in things] for room, things in rooms.items()}
        self._things = {entity.entity_id: (entity, begin) for of in made.values() for entity, begin in of}
        await house.async_build(self._hass, [entity for entity, _ in self._things.values()])
        for room, things in made.items():
            area = areas.async_create(room).id if room else None
            for entity, _ in things:
                entities.async_update_entity(entity.entity_id, area_id=area)
            if area:
                self._satellites[room] = self._satellite(area)
        platform = await async_setup_agent(self._hass)
        [self._agent] = [
            one.entity_id
            for one in entities.entities.values()
            if one.platform == platform and one.domain == "conversation"
        ]

    def _satellite(self, area: str) -> str:
        entry = MockConfigEntry(domain="satellites")
        entry.add_to_hass(self._hass)
        devices = dr.async_get(self._hass)
        device = devices.async_get_or_create(config_entry_id=entry.entry_id, identifiers={("satellites", area)})
        devices.async_update_device(device.id, area_id=area)
        return device.id

    async def hold(self, dialogue: Json) -> list[Turn]:
        """Hold one dialogue in a conversation of its own, and return its turns."""
        self._begin(dialogue.get("start", {}))
        await self._hass.async_block_till_done()
        turns: list[Turn] = []
        conversation_id = None
        for turn in dialogue["turns"]:
            before = self._states()
            result = await conversation.async_converse(
                self._hass,
                turn["say"],
                conversation_id,
                Context(),
                language="en",
                agent_id=self._agent,
                device_id=self._satellites.get(dialogue.get("room", "")),
            )
            await self._hass.async_block_till_done()
            conversation_id = result.conversation_id
            speech = str(result.response.speech.get("plain", {}).get("speech", ""))
            wrong = tuple(mistakes(before, self._states(), turn, speech))
            turns.append(Turn(self._name, bool(turns), turn["say"], speech, wrong))
        return turns

    def _begin(self, start: Mapping[str, Any]) -> None:
        for entity_id, (entity, begin) in self._things.items():
            entity.show(**begin | _BEGINS.get(start.get(entity_id, ""), {}))

    def _states(self) -> dict[str, Json]:
        states = {entity_id: self._hass.states.get(entity_id) for entity_id in self._things}
        return {entity_id: seen(state) for entity_id, state in states.items() if state is not None}


async def talks(content: Json) -> list[Turn]:
    """Hold all dialogues, home by home."""
    turns: list[Turn] = []
    for name, rooms in content["homes"].items():
        with tempfile.TemporaryDirectory(prefix="morphy-dialogues-") as folder:
            async with async_test_home_assistant(config_dir=folder) as hass:
                hass.data.pop(DATA_CUSTOM_COMPONENTS, None)
                await async_setup_component(hass, "homeassistant", {})
                await async_setup_component(hass, "conversation", {})
                talk = Talk(hass, name)
                await talk.move_in(rooms)
                for dialogue in content["dialogues"]:
                    if dialogue["home"] == name:
                        turns += await talk.hold(dialogue)
                await async_teardown_agent(hass)
                await hass.async_stop(force=True)
    return turns


def table(turns: Sequence[Turn]) -> str:
    """Return the shares of right turns as a Markdown table."""
    rows = {
        "first turns": [turn for turn in turns if not turn.follows],
        "later turns": [turn for turn in turns if turn.follows],
        "all": list(turns),
    }
    lines = ["| | right | of | share |", "|---|--:|--:|--:|"]
    for name, some in rows.items():
        right = sum(not turn.wrong for turn in some)
        lines.append(f"| {name} | {right} | {len(some)} | {right / max(1, len(some)):.0%} |")
    return "\n".join(lines)


def main() -> int:
    """Hold the dialogues and print the table, and each miss where that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gguf", type=Path, help="a model file to use in place of the bundled one")
    parser.add_argument("--misses", action="store_true", help="print each turn that went wrong")
    parser.add_argument("--json", type=Path, help="where to write every turn")
    arguments = parser.parse_args()
    if arguments.gguf:
        os.environ[MODEL_VARIABLE] = str(arguments.gguf.resolve())
    turns = asyncio.run(talks(yaml.safe_load(DIALOGUES.read_text(encoding="utf-8"))))
    print(table(turns))
    for turn in turns:
        if turn.wrong and arguments.misses:
            print(f"\n{turn.home}: {turn.request}\n  {turn.speech}\n  {'; '.join(turn.wrong)}")
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps([asdict(turn) for turn in turns], indent=1), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
