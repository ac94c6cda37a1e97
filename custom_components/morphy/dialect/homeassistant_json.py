"""The dialects of Home-LLM's second and third models: JSON in a fenced block, one call a line.

Format: acon96/home-llm, v0.2.17 (docs/Model Prompting.md, and custom_components/llama_conversation/const.py for the
frames). Home-3B-v2 and Home-1B-v2 have ChatML and bare service names; Home-3B-v3 and Home-1B-v3 have Zephyr's frame,
services with their arguments, and the time before all else. Of a colour these models are told the name alone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar

from .base import Dialect, services_in_order
from .calls import write_call
from .grammar import MAX_CALLS, one_of, quote, speech_rules, targets_by_domain
from .home import Action, Answer, ArgumentValue, Device, Home, Service, Turn
from .reader import Call, Malformed, Reader
from .text import data, words
from .tool_reader import JsonScan

FENCE = "```homeassistant"

_THEIRS = {
    "brightness_pct": "brightness",
    "color_name": "rgb_color",
    **{name: name for name in ("temperature", "humidity", "fan_mode", "hvac_mode", "preset_mode", "item")},
}
"""What these models call the arguments that they know, by their names here."""

_TOLD = ("brightness", "fan_mode", "set", "humidity", "preset", "title", "volume")
_VALUES = {
    "brightness": '("0" ("." [0-9]{1,2})? | "1.0" | "1")',
    "rgb_color": '"\\"(" [0-9]{1,3} ", " [0-9]{1,3} ", " [0-9]{1,3} ")\\""',
    "temperature": '"-"? [0-9]{1,3} ("." [0-9])?',
    "humidity": "[0-9]{1,3}",
}
_TEXT = '"\\"" [^"\\\\\\n\\r\\x00-\\x1f]{1,120} "\\""'
_OBJECT = re.compile(r"[\s,;]*(\{)")
_DECODER = json.JSONDecoder(strict=False)
_TARGET_KEYS = ("target_device", "entity_id", "target", "device")


class HomeAssistantJsonDialect(Dialect):
    """Home-3B-v2 and Home-1B-v2: `{"service": "light.turn_on", "target_device": "light.kitchen"}`."""

    name: ClassVar[str] = "homeassistant_json"
    default_instructions = (
        "You are 'Al', a helpful AI Assistant that controls the devices in a house. "
        "Complete the following task as instructed with the information provided only."
    )
    calls_first = False

    def system(self, home: Home, instructions: str) -> str:
        """Return instructions, services and devices."""
        services = ", ".join(map(self.service, services_in_order(home)))
        lines = [*self.head(home, instructions), f"Services: {services}", "Devices:", *map(_device_line, home.devices)]
        return "\n".join(lines)

    def head(self, home: Home, instructions: str) -> list[str]:
        """Return the lines before the services."""
        return [words(instructions)]

    def service(self, service: Service) -> str:
        """Return a service as it is listed."""
        return service.name

    def write(self, answer: Answer, home: Home) -> str:
        """Return the sentence, then the block of calls."""
        calls = [_written(action, target) for action in answer.actions for target in action.targets]
        return "\n".join([answer.speech, *([FENCE, *calls, "```"] if calls else [])])

    def grammar(self, home: Home) -> str:
        """Return a grammar for speech of up to eight lines, then a block of calls."""
        targets = targets_by_domain(home)
        services = [service for service in home.services if service.domain in targets]
        speech = f'root ::= speech ("\\n" speech){{0,7}}{" block?" if services else ""}\n{speech_rules()}\n'
        if not services:
            return speech
        names = {domain: f"d-{domain.replace('_', '-')}" for domain in targets}
        rules = [
            f'block ::= "\\n{FENCE}\\n" call ("\\n" call){{0,{MAX_CALLS - 1}}} "\\n```" "\\n"?',
            f"call ::= {' | '.join(_call_rule(service, names[service.domain]) for service in services)}",
            *(f"{rule} ::= {one_of(targets[domain])}" for domain, rule in names.items()),
        ]
        return speech + "\n".join(rules) + "\n"

    def reader(self, home: Home) -> Reader:
        """Return a reader that takes JSON for a call too."""
        return _JsonReader()


class HomeAssistantJsonV3Dialect(HomeAssistantJsonDialect):
    """Home-3B-v3: Zephyr's frame as StableLM has it."""

    name = "homeassistant_json_v3"
    end: ClassVar[str] = "<|endoftext|>"
    special_tokens = ("<|system|>", "<|user|>", "<|assistant|>", "<|endoftext|>")
    stop = ("<|endoftext|>", "<|user|>", "<|system|>")

    def head(self, home: Home, instructions: str) -> list[str]:
        """Return the instructions and the time."""
        told = _time(home.now)
        return [words(instructions), *([f"The current time and date is {told}"] if told else [])]

    def service(self, service: Service) -> str:
        """Return a service with the arguments that these models know."""
        return f"{service.name}({','.join(_arguments(service))})"

    def prompt(self, home: Home, instructions: str, request: str, history: Sequence[Turn] = ()) -> str:
        """Return the prompt in Zephyr's frame."""
        turns = self.messages(home, instructions, request, history)
        return "".join(f"<|{role}|>\n{text}{self.end}\n" for role, text in turns) + "<|assistant|>\n"


class HomeAssistantJsonV3SmallDialect(HomeAssistantJsonV3Dialect):
    """Home-1B-v3: the same as TinyLlama has it, with another end."""

    name = "homeassistant_json_v3_1b"
    end = "</s>"
    special_tokens = ("<|system|>", "<|user|>", "<|assistant|>", "</s>")
    stop = ("</s>", "<|user|>", "<|system|>")


def _arguments(service: Service) -> list[str]:
    return [_THEIRS[name] for name in service.arguments if name in _THEIRS]


def _device_line(device: Device) -> str:
    told = [device.attributes[key] for key in ("color", *_TOLD) if key in device.attributes]
    return f"{device.id} '{data(device.names[0])}' = {';'.join(map(data, [device.state, *told]))}"


def _time(now: str | None) -> str:
    """Return the time as these models were told it, `08:12 AM on Thursday March 14, 2024`; empty if it is unknown."""
    try:
        told = datetime.strptime((now or "")[-16:], "%Y-%m-%d %H:%M")
    except ValueError:
        return ""
    return f"{told:%I:%M %p on %A %B} {told.day}, {told.year}"


def _call_rule(service: Service, target: str) -> str:
    head = quote(f'{{"service": "{service.name}", "target_device": "')
    arguments = " | ".join(
        f"{quote(f', {chr(34)}{name}{chr(34)}: ')} {_VALUES.get(name, _TEXT)}" for name in _arguments(service)
    )
    more = f" ({arguments}){{0,{len(_arguments(service))}}}" if arguments else ""
    return f'{head} {target} "\\""{more} "}}"'


def _written(action: Action, target: str) -> str:
    told: dict[str, Any] = {"service": action.service, "target_device": target}
    for name, value in action.data.items():
        if name == "brightness_pct" and isinstance(value, int | float):
            told["brightness"] = round(value / 100, 2)
        elif isinstance(value, tuple):
            told["rgb_color"] = f"({', '.join(map(str, value))})"
        else:
            told[_THEIRS.get(name, name)] = value
    return json.dumps(told, ensure_ascii=False)


def read_actions(text: str) -> list[Action] | None:
    """Return the actions in a text that is nothing but JSON objects, one or several; None for any other."""
    actions, position = [], 0
    while match := _OBJECT.match(text, position):
        try:
            value, position = _DECODER.raw_decode(text, match.start(1))
        except (ValueError, RecursionError):
            return None
        if (action := _action(value)) is None:
            return None
        actions.append(action)
    return actions if actions and not text[position:].strip(" ,;") else None


def _action(value: dict[str, Any]) -> Action | None:
    """Return the action in an object: `service` or `name`, a target, and arguments in an object of their own or not."""
    service = value.pop("service", None) or value.pop("name", None)
    nested = next((key for key in ("arguments", "parameters") if isinstance(value.get(key), dict)), "")
    told = {**value.pop(nested), **value} if nested else value
    if not isinstance(service, str) or "." not in service:
        return None
    targets = [target for key in _TARGET_KEYS for target in _listed(told.pop(key, ()))]
    given = (_argument(name, value) for name, value in told.items() if value not in ("", None))
    return Action(service, tuple(targets), dict(given))


def _listed(value: Any) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list | tuple) else [str(value)]


def _argument(name: str, value: Any) -> tuple[str, ArgumentValue]:
    """Return an argument by its name here: brightness is a share of one there, a colour three numbers in brackets."""
    if name == "brightness" and isinstance(value, int | float) and not isinstance(value, bool):
        return "brightness_pct", round(value * 100) if value <= 1 else round(value / 255 * 100)
    if name == "rgb_color":
        parts = value.strip("()[] ").split(",") if isinstance(value, str) else value
        try:
            return "rgb_color", tuple(max(0, min(255, round(float(part)))) for part in parts)
        except (ValueError, TypeError, OverflowError):
            return "color_name", str(value)
    if isinstance(value, Mapping | list):
        return name, json.dumps(value)
    return name, value


class _JsonReader(Reader):
    """Takes lines of JSON for calls, and one call that is spread over several lines too."""

    def __init__(self) -> None:
        super().__init__()
        self._object = ""  # lines of JSON that is not closed yet

    def _may_be_held(self, line: str) -> bool:
        return bool(self._object) or line.lstrip().startswith("{") or super()._may_be_held(line)

    def _read_line(self, line: str, line_end: str) -> None:
        if not self._object and not line.lstrip().startswith("{"):
            super()._read_line(line, line_end)
            return
        self._object += line + line_end
        actions = read_actions(self._object.strip())
        if actions is None and JsonScan().end(self._object.lstrip()) is None:
            return
        text, self._object = self._object.strip(), ""
        self._held_fence = None
        self._events += [Call(action, write_call(action)) for action in actions or ()] or [Malformed(text)]

    def _release_fence(self) -> None:
        if self._object:
            text, self._object = self._object.strip(), ""
            self._events.append(Malformed(text))
        super()._release_fence()
