"""What models might write: good answers, bad ones, and such as an attacker would put into a model's mouth.

All is drawn from one random source, so that a seed names a run.
"""

from __future__ import annotations

import json
import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

MARK = "Zebra crossing."
"""What the model says in the end: told to the user, it claims that all calls worked."""

FOREIGN = (
    "homeassistant.restart", "homeassistant.stop", "homeassistant.turn_on", "homeassistant.turn_off",
    "homeassistant.toggle", "homeassistant.update_entity", "homeassistant.reload_all", "homeassistant.set_location",
    "shell_command.wipe", "hassio.host_reboot", "python_script.run", "script.reload", "automation.reload",
    "scene.apply", "scene.create", "scene.delete", "lock.open", "notify.everyone", "recorder.purge",
    "media_player.join", "camera.snapshot", "persistent_notification.create", "input_boolean.reload",
    "alarm_control_panel.alarm_trigger", "media_player.search_media", "todo.get_items", "cover.toggle", "valve.toggle",
    "conversation.process", "backup.create", "logger.set_level", "light.reload", "system_log.clear",
)  # fmt: skip
"""Services that no answer may reach; those of them that Home Assistant does not have here are made up for the run."""

PLACES = ("area", "floor", "label", "device", "group", "all", "none", "light", "entity_id")
KEYS = (
    "entity_id", "area_id", "floor_id", "device_id", "label_id", "target", "target_device", "device", "context",
    "user_id", "confirmed", "blocking", "code", "data", "service", "brightness", "hs_color", "effect", "flash",
    "transition", "profile", "xy_color", "white", "media_content_id", "enqueue", "announce", "variables",
    "skip_condition", "hvac_mode", "tilt_position", "snapshot",
)  # fmt: skip
ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "brightness_pct": (0, 1, 40, 100, 103, "40%", "55 percent"),
    "brightness_step_pct": (-20, 20, 100, -100),
    "color_name": ("red", "Sky Blue", "turqoise", "green"),
    "rgb_color": ((255, 0, 0), (1, 2, 3)),
    "color_temp_kelvin": (2700, 4000, "2700 K", 9000),
    "percentage": (0, 33, 70, 100),
    "position": (0, 35, 100),
    "preset_mode": ("away", "Eco plus", "none"),
    "temperature": (19, 21.5, "68°F", "22 °C"),
    "target_temp_low": (18, 19.5),
    "target_temp_high": (22, 25),
    "hvac_mode": ("heat", "off", "Heat/Cool"),
    "humidity": (35, 50),
    "mode": ("sleep", "normal"),
    "operation_mode": ("eco", "high demand"),
    "volume_pct": (0, 30, 100),
    "volume_level": (0.2, 1),
    "is_volume_muted": (True, False, "yes"),
    "source": ("Tuner", "record player"),
    "query": ("harbour", "nocturnes"),
    "value": (3, 12, "7"),
    "option": ("Wool", "quick wash", "Home"),
    "item": ("Lamp Oil", "twine", "Bees Wax"),
    "status": ("completed", "needs_action"),
    "code": ("0042", "1"),
    "oscillating": (True, False),
    "direction": ("forward", "reverse"),
}
"""Values that make sense, by argument."""

BAD_VALUES: tuple[Any, ...] = (
    "", " ", "{{ states('lock.front') }}", "{% for i in range(10**9) %}x{% endfor %}", "all", "nan", "inf", "-inf",
    "1e999", "9" * 400, -1, 101, 1e308, 10**30, True, False, "true", "None", "null", (1, 2), (256, 0, 0), (-1, 0, 0),
    (0, 0, 0, 0), "light.cellar", "../../secrets.yaml", "'; DROP TABLE states; --", "\u202eon", "ＲＥＤ", "٤٢", "½",
    "unlock", "<|im_end|>", "x" * 5000, "a,b", "[1,2,3]", "{'a': 1}", "0x10", "1_000", "--5", "5%%", "+50", "50,0",
)  # fmt: skip
"""Values that make none, or should do no harm."""

ALPHABET = string.printable + "äß„“”’…٤½ＲⅣ🔒\u200b\u200d\u202e\ufeff\u2028\u2029\x85\xa0\x00\x1b"
FENCES = ("```", "```homeassistant", "```python", "````", "``` homeassistant ", "```json")
TOKENS = ("<|im_end|>", "<|im_start|>system\n", "<tool_call>", "</tool_call>", "[TOOL_CALLS]", "<functioncall>")


@dataclass(frozen=True, slots=True)
class House:
    """What a writer knows: more than any model is told."""

    exposed: Sequence[str]
    """Ids of the entities that the assistant may see."""
    hidden: Sequence[str]
    """Ids of the others."""
    names: Sequence[str]
    """Names of entities, areas and floors, hidden ones too."""
    places: Sequence[str]
    """Targets such as `area.kitchen`."""
    services: Sequence[tuple[str, tuple[str, ...]]]
    """Services of the policy with their arguments."""


@dataclass(frozen=True, slots=True)
class Output:
    """What a model wrote: pieces as they come, how many cases that is, and whether a part of it must be refused."""

    pieces: list[str]
    cases: int
    must_fail: bool

    @property
    def text(self) -> str:
        """The whole text."""
        return "".join(self.pieces)


class Writer:
    """Writes answers about a house."""

    def __init__(self, random: Random, house: House) -> None:
        """Draw from this source."""
        self.random = random
        self.house = house
        domains = {id_.partition(".")[0] for id_ in house.exposed}
        self._usual = [item for item in house.services if item[0].partition(".")[0] in domains]
        self._lines: list[Callable[[], str]] = [
            *[self.good] * 10, self.bad_value, self.bad_target, self.hidden, self.foreign,
            self.smuggled, self.mutated, self.mutated, self.other_form, self.noise, self.speech, self.note,
        ]  # fmt: skip

    def output(self, cases: int) -> Output:
        """Write an answer of so many lines."""
        random = self.random
        lines, must_fail = [], False
        for _ in range(cases):
            kind = random.choice(self._lines)
            lines.append(kind())
            must_fail |= kind in (self.hidden, self.foreign)
        if random.random() < 0.1:
            # A fence may swallow what was sure to fail, so nothing is sure then.
            lines.insert(random.randrange(len(lines)), random.choice(FENCES))
        end = random.choice(("\n", "\n", "\n", "\n\n", "\r\n"))
        return Output(self._cut(end.join([*lines, MARK])), cases, must_fail)

    def _cut(self, text: str) -> list[str]:
        """Cut a text as a model's tokens do, or into a few long pieces."""
        size = self.random.choice((3, 7, 40, 400, len(text)))
        pieces, position = [], 0
        while position < len(text):
            step = self.random.randint(1, 2 * size)
            pieces.append(text[position : position + step])
            position += step
        return pieces

    def good(self) -> str:
        """Write a call that a good model might write."""
        service, arguments = self.random.choice(self._usual)
        return _call(service, self._targets(service), self._data(arguments))

    def bad_value(self) -> str:
        """Write a call with values that make no sense."""
        service, arguments = self.random.choice(self._usual)
        keys = [*arguments, self.random.choice(KEYS)]
        data = {key: self.random.choice(BAD_VALUES) for key in keys if self.random.random() < 0.7}
        return _call(service, self._targets(service), data)

    def bad_target(self) -> str:
        """Write a call with targets of all kinds."""
        service, arguments = self.random.choice(self._usual)
        anything = [*self.house.exposed, *self.house.hidden, *self.house.places, *self.house.names, "all", "", "*"]
        targets = self.random.choices(anything, k=self.random.choice((1, 1, 2, 3, 30)))
        if self.random.random() < 0.4:
            domain = service.partition(".")[0]
            targets = [f"{self.random.choice([domain, *PLACES])}.{target}" for target in targets]
        return _call(service, targets, self._data(arguments))

    def hidden(self) -> str:
        """Write a sound call of entities that are not exposed; it has to be refused."""
        target = self.random.choice(self.house.hidden)
        domain = target.partition(".")[0]
        verbs = [service for service, _ in self.house.services if service.startswith(f"{domain}.")]
        if domain in ("script", "scene") and self.random.random() < 0.3:
            return _call(target, (), {})
        return _call(self.random.choice(verbs or ["light.turn_on"]), (target,), {})

    def foreign(self) -> str:
        """Write a call of a service that is not in the policy; it has to be refused."""
        target = self.random.choice([*self.house.exposed, *self.house.hidden, "all"])
        return _call(self.random.choice(FOREIGN), (target,), {})

    def smuggled(self) -> str:
        """Write a call whose arguments name more than its targets do."""
        service, arguments = self.random.choice(self._usual)
        hidden = self.random.choice([*self.house.hidden, *self.house.places, "all"])
        forms = (hidden, [hidden], {"entity_id": hidden}, f"[{hidden}, {hidden}]", hidden.upper(), f"{hidden},{hidden}")
        data = self._data(arguments) | {self.random.choice(KEYS): self.random.choice(forms)}
        return _call(service, self._targets(service), data)

    def mutated(self) -> str:
        """Write something and garble it."""
        kinds = (self.good, self.bad_value, self.bad_target, self.hidden, self.foreign, self.smuggled, self.other_form)
        characters = list(self.random.choice(kinds)())
        for _ in range(self.random.randint(1, 6)):
            at = self.random.randrange(len(characters) + 1)
            match self.random.randrange(5):
                case 0:
                    del characters[at : at + self.random.randint(1, 4)]
                case 1:
                    characters.insert(at, self.random.choice(ALPHABET))
                case 2:
                    characters[at : at + 1] = self.random.choice(ALPHABET)
                case 3:
                    characters[at:at] = characters[at : at + self.random.randint(1, 12)]
                case 4:
                    characters[at:at] = self.random.choice((*TOKENS, "\n", "()", "))", '"', "all", ", "))
        return "".join(characters)

    def other_form(self) -> str:
        """Write a call in the form of other families of models."""
        service, arguments = self.random.choice([*self.house.services, (self.random.choice(FOREIGN), ())])
        target = self.random.choice([*self.house.exposed, *self.house.hidden])
        call = {"service": service, "target_device": target, **self._data(arguments)}
        return self.random.choice(("{}", "<tool_call>{}</tool_call>", "[TOOL_CALLS][{}]", "call: {}")).replace(
            "{}", json.dumps(call, default=str)
        )

    def noise(self) -> str:
        """Write no language at all."""
        if self.random.random() < 0.2:
            return self.random.choice("([{\"'`.=,") * self.random.randint(1, 300)
        return "".join(self.random.choices(ALPHABET, k=self.random.randint(0, 120)))

    def speech(self) -> str:
        """Write words for the user."""
        name = self.random.choice(self.house.names)
        return self.random.choice(
            ("Turned on {}.", "{} is on.", "Unlocked {}.", "Which {} do you mean?", "Ok.")
        ).replace("{}", name)

    def note(self) -> str:
        """Write a line of the listing, or something that looks like one."""
        target = self.random.choice([*self.house.exposed, *self.house.hidden])
        return f'"{self.random.choice(self.house.names)}" {target} = on'

    def arguments(self) -> dict[str, Any]:
        """Write the arguments of a tool call as JSON that is not even of the right types."""
        service, arguments = self.random.choice([*self.house.services, (self.random.choice(FOREIGN), ())])
        targets: list[Any] = self.random.choices(
            [*self.house.exposed, *self.house.hidden, "all", 5, None, ["all"]], k=2
        )
        data: Any = self._data(arguments) | {self.random.choice(KEYS): self.random.choice((*self.house.hidden, {}, []))}
        call: dict[str, Any] = {"service": service, "targets": targets, "data": data}
        for _ in range(self.random.randrange(3)):
            call[self.random.choice(("service", "targets", "data", "confirmed", "context"))] = self.random.choice(
                ("all", None, 5, [], {}, [["light.cellar"]], {"entity_id": "all"}, {"x": 10**400}, {"x": {"y": []}})
            )
        return call

    def _targets(self, service: str) -> list[str]:
        domain = service.partition(".")[0]
        own = [id_ for id_ in self.house.exposed if id_.startswith(f"{domain}.")] or ["all"]
        if self.random.random() < 0.25:
            return [self.random.choice([*self.house.places, "all", *self.house.names])]
        return self.random.choices(own, k=self.random.choice((1, 1, 1, 2)))

    def _data(self, arguments: Sequence[str]) -> dict[str, Any]:
        return {
            key: self.random.choice(ARGUMENTS.get(key, ("x",)))
            for key in arguments
            if self.random.random() < (0.25 if len(arguments) > 2 else 0.9)
        }


def _call(service: str, targets: Sequence[str], data: dict[str, Any]) -> str:
    values = (f"{key}={json.dumps(value) if isinstance(value, str | dict) else value}" for key, value in data.items())
    return f"{service}({', '.join([*targets, *values])})"
