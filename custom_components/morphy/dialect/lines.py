"""The dialect `lines`: Home-LLM v001's prompt, byte for byte, and its answers.

An answer is a sentence and then optional call lines, bare or inside a fenced block. The format is that of Home-LLM's
first model (acon96/home-llm, v0.1); the home in DESIGN's example is the golden test.
"""

from __future__ import annotations

from .base import Dialect, services_in_order
from .calls import write_call
from .grammar import MAX_CALLS, call_rules, speech_rules
from .home import Answer, Device, Home
from .text import data, words


class LinesDialect(Dialect):
    """One line a device, `light.kitchen 'Kitchen Light' = on`, and no arguments."""

    name = "lines"
    default_instructions = (
        "You are 'Al', a helpful AI Assistant that controls the devices in a house. "
        "Complete the following task as instructed with the information provided only."
    )
    calls_first = False

    def system(self, home: Home, instructions: str) -> str:
        """Return instructions, services and devices; no newline stands at the end."""
        services = ", ".join(service.name for service in services_in_order(home))
        lines = [words(instructions), f"Services: {services}", "Devices:"]
        return "\n".join([*lines, *map(_device_line, home.devices)])

    def write(self, answer: Answer, home: Home) -> str:
        """Return the sentence, then the calls, each on its line."""
        return "\n".join([answer.speech, *map(write_call, answer.actions)])

    def grammar(self, home: Home) -> str:
        """Return a grammar for speech of up to eight lines, then calls, bare or in a fenced block."""
        calls = call_rules(home)
        if calls is None:
            return f'root ::= speech ("\\n" speech){{0,7}}\n{speech_rules()}\n'
        block = 'calls | "```homeassistant\\n" calls "\\n```" | "```\\n" calls "\\n```"'
        root = f'root ::= speech ("\\n" speech){{0,7}} ("\\n" ({block}) "\\n"?)?'
        more = f'calls ::= call ("\\n" call){{0,{MAX_CALLS - 1}}}'
        return f"{root}\n{more}\n{calls}\n{speech_rules()}\n"


def _device_line(device: Device) -> str:
    return f"{device.id} '{data(device.names[0])}' = {data(device.state)}"
