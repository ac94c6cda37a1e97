"""The dialect `glaive`: `SYSTEM:`, `USER:`, `ASSISTANT: <functioncall> …`, `FUNCTION RESPONSE:`, in plain text.

Format: the data set glaiveai/glaive-function-calling-v2. Its roles are words and no tokens, so data may not hold them.
Arguments stand as JSON in single quotes there; they are written like that, and read either way.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from .grammar import quote
from .schema_grammar import schema_rules
from .text import words
from .tool_reader import ToolCall
from .tools import Message, Reply, Request, Tool, ToolDialect, argument_schema, dump, lines, told_result, tool_json

_END = "<|endoftext|>"
_CALL = "<functioncall>"
_ROLE = re.compile("(SYSTEM|USER|ASSISTANT|FUNCTION RESPONSE):")
_TOOLS = "You are a helpful assistant with access to the following functions. Use them if required -"


class GlaiveDialect(ToolDialect):
    """Three line ends stand between two turns, and an end of text after all that the assistant says."""

    name = "glaive"
    special_tokens = (_END,)
    stop = (_END, "\nUSER:", "\nSYSTEM:", "\nASSISTANT:", "FUNCTION RESPONSE:")

    def prompt(self, tools: Sequence[Tool], system: str, messages: Sequence[Message]) -> str:
        """Return the prompt; the functions stand in the system text, each as indented JSON."""
        told = _inert(lines(system))
        if tools:
            told = "\n".join([told, _TOOLS, *(_inert(dump(tool_json(tool)["function"], 4)) for tool in tools)])
        return "\n\n\n".join([f"SYSTEM: {told}", *map(self._turn, messages), "ASSISTANT:"])

    def _turn(self, message: Message) -> str:
        if isinstance(message, Request):
            return f"USER: {_inert(words(message.text))}"
        if isinstance(message, Reply):
            return f"ASSISTANT:{self.write(message)} {_END}"
        return f"FUNCTION RESPONSE: {_inert(told_result(message.value))}"

    def write(self, reply: Reply) -> str:
        """Return the text, then the calls; the data has one at most in a reply."""
        text = [f" {_inert(lines(reply.text))}"] if reply.text else []
        return "\n".join([*text, *(f" {_CALL} {_written(call)}" for call in reply.calls)])

    def grammar(self, tools: Sequence[Tool]) -> str:
        """Return a grammar for text without `<`, or one call."""
        text = "text ::= [^<]+\n"
        if not tools:
            return f'root ::= text "{_END}"?\n{text}'
        names = {f"arguments-{n}": tool for n, tool in enumerate(tools)}
        calls = [
            f"{quote(json.dumps(tool.name))} {quote(', ')} {quote(chr(34) + 'arguments' + chr(34) + ': ')} "
            f"{quote(chr(39))} {name} {quote(chr(39))}"
            for name, tool in names.items()
        ]
        call = f'call ::= " "? "{_CALL} {{\\"name\\": " ({" | ".join(calls)}) "}}"\n'
        rules = schema_rules({name: argument_schema(tool) for name, tool in names.items()})
        return f'root ::= (text | call) " "? "{_END}"?\n{text}{call}{rules}'


def _written(call: ToolCall) -> str:
    return f'{{"name": {dump(call.name)}, "arguments": \'{_inert(dump(call.arguments))}\'}}'


def _inert(text: str) -> str:
    """Return text in which no word is a role."""
    return _ROLE.sub(r"\1 :", text)
