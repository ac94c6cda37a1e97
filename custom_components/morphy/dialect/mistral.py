"""The dialect `mistral`: tools, calls and results as lists of JSON, each between tokens of its own.

Format: version 3 of Mistral's tokenizer, as in the chat template of Mistral-7B-Instruct-v0.3: the tools stand right
before what the user says last, and the system text begins that. The token `<s>` at the start is the backend's affair.
"""

from __future__ import annotations

from collections.abc import Sequence

from .schema_grammar import schema_rules
from .text import words
from .tools import (
    ID_LENGTH,
    MAX_CALLS,
    Message,
    Reply,
    Request,
    Tool,
    ToolDialect,
    call_id,
    call_json,
    call_schema,
    dump,
    lines,
    told_result,
    tool_json,
)

_END = "</s>"


class MistralDialect(ToolDialect):
    """`[AVAILABLE_TOOLS]`, `[INST]`, `[TOOL_CALLS]`, `[TOOL_RESULTS]`."""

    name = "mistral"
    special_tokens = (
        "[INST]", "[/INST]", "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]", "[TOOL_CALLS]", "[TOOL_RESULTS]",
        "[/TOOL_RESULTS]", _END,
    )  # fmt: skip
    stop = (_END, "[INST]", "[TOOL_RESULTS]")

    def prompt(self, tools: Sequence[Tool], system: str, messages: Sequence[Message]) -> str:
        """Return the prompt."""
        last = max((n for n, message in enumerate(messages) if isinstance(message, Request)), default=-1)
        parts: list[str] = []
        for number, message in enumerate(messages):
            if isinstance(message, Request):
                if number == last and tools:
                    parts.append(f"[AVAILABLE_TOOLS] [{', '.join(dump(tool_json(tool)) for tool in tools)}]")
                    parts.append("[/AVAILABLE_TOOLS]")
                told = f"{lines(system)}\n\n" if number == last else ""
                parts.append(f"[INST] {told}{words(message.text)}[/INST]")
            elif isinstance(message, Reply):
                parts.append(self._reply(message))
            else:
                content = f'{{"content": {told_result(message.value)}, "call_id": "{call_id(message.call)}"}}'
                parts.append(f"[TOOL_RESULTS] {content}[/TOOL_RESULTS]")
        return "".join(parts)

    def _reply(self, reply: Reply) -> str:
        text = f" {lines(reply.text)}" if reply.text else ""
        calls = [dump({**call_json(call), "id": call_id(call)}) for call in reply.calls]
        return f"{text}[TOOL_CALLS] [{', '.join(calls)}]{_END}" if calls else f"{text}{_END}"

    def write(self, reply: Reply) -> str:
        """Return the text, then the list of calls."""
        return self._reply(reply).removesuffix(_END)

    def grammar(self, tools: Sequence[Tool]) -> str:
        """Return a grammar for text without `[`, or a list of calls."""
        text = "text ::= [^\\[]+\n"
        if not tools:
            return f'root ::= text "{_END}"?\n{text}'
        calls = f'calls ::= "[TOOL_CALLS]" " "? "[" call-json (", " call-json){{0,{MAX_CALLS - 1}}} "]"\n'
        id_ = {"id": {"type": "string", "minLength": ID_LENGTH, "maxLength": ID_LENGTH}}
        rules = schema_rules({"call-json": call_schema(tools, **id_)})
        return f'root ::= (text | calls) "{_END}"?\n{text}{calls}{rules}'
