"""The dialects `functionary_v1` and `functionary_v2`: tools as TypeScript, results as turns of the tool.

Format: MeetKai/functionary, functionary/prompt_template/prompt_template_v1.py and _v2.py. Every model is told the two
system texts here before anything else. In v1 a name stands before its JSON; in v2 each turn names its sender and to
whom it speaks, `all` or a tool, and a model may take several turns in one reply.
"""

from __future__ import annotations

from collections.abc import Sequence

from .grammar import quote
from .schema_grammar import schema_rules
from .text import words
from .tool_reader import ToolCall, ToolReader
from .tools import (
    MAX_CALLS,
    Message,
    Reply,
    Request,
    Tool,
    ToolDialect,
    argument_schema,
    dump,
    lines,
    name_of,
    told_result,
)
from .typescript import namespace

_ROLE = (
    "A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, detailed, "
    "and polite answers to the user's questions. The assistant calls functions with appropriate input when necessary"
)


def _system(tools: Sequence[Tool], system: str) -> list[str]:
    """Return the texts that a model is told first: the tools, its role, and what the agent says besides."""
    return [namespace(tools), _ROLE, *([lines(system)] if system else [])]


def _argument_rules(tools: Sequence[Tool]) -> tuple[dict[str, str], str]:
    """Return the name of the rule for the arguments of each tool, and the rules."""
    names = {tool.name: f"arguments-{n}" for n, tool in enumerate(tools)}
    return names, schema_rules({names[tool.name]: argument_schema(tool) for tool in tools})


class FunctionaryV1Dialect(ToolDialect):
    """`<|START_OF_FUNCTION_CALL|>name:` and JSON; every kind of turn has an end of its own."""

    name = "functionary_v1"
    special_tokens = (
        "<|START_OF_FUNCTION_CALL|>", "<|END_OF_FUNCTION_CALL|>", "<|END_OF_SYSTEM|>", "<|END_OF_USER|>",
        "<|END_OF_ASSISTANT|>", "<|END_OF_FUNCTION_RESULT|>",
    )  # fmt: skip
    stop = ("<|END_OF_ASSISTANT|>", "<|END_OF_FUNCTION_CALL|>", "<|END_OF_USER|>")

    def prompt(self, tools: Sequence[Tool], system: str, messages: Sequence[Message]) -> str:
        """Return the prompt."""
        told = "".join(f"system:\n{text}<|END_OF_SYSTEM|>\n" for text in _system(tools, system))
        return told + "".join(map(self._turn, messages)) + "assistant:\n"

    def _turn(self, message: Message) -> str:
        if isinstance(message, Request):
            return f"user:\n{words(message.text)}<|END_OF_USER|>\n"
        if isinstance(message, Reply):
            end = "<|END_OF_FUNCTION_CALL|>" if message.calls else "<|END_OF_ASSISTANT|>"
            return f"assistant:\n{self.write(message)}{end}\n"
        name = _full(message.call)
        return f"function name={name}:\n{told_result(message.value)}<|END_OF_FUNCTION_RESULT|>\n"

    def write(self, reply: Reply) -> str:
        """Return the text, then the calls, of which this version's models write one."""
        calls = (f"<|START_OF_FUNCTION_CALL|>{_full(call)}:\n{dump(call.arguments)}" for call in reply.calls)
        return "\n".join([*([lines(reply.text)] if reply.text else []), *calls])

    def grammar(self, tools: Sequence[Tool]) -> str:
        """Return a grammar for text without `<`, and one call after it or instead."""
        text = "text ::= [^<\\n] [^<]*\n"
        end = '("<|END_OF_ASSISTANT|>" | "<|END_OF_FUNCTION_CALL|>")?'
        if not tools:
            return f"root ::= text {end}\n{text}"
        names, rules = _argument_rules(tools)
        calls = " | ".join(f"{quote(f'{name}:')} {quote(chr(10))} {rule}" for name, rule in names.items())
        call = f'call ::= "<|START_OF_FUNCTION_CALL|>" "functions."? ({calls})\n'
        return f'root ::= (text | call | text "\\n" call) {end}\n{text}{call}{rules}'


class FunctionaryV2Dialect(ToolDialect):
    """`<|from|>assistant`, `<|recipient|>name`, `<|content|>` and JSON; `<|stop|>` ends the reply."""

    name = "functionary_v2"
    special_tokens = ("<|from|>", "<|recipient|>", "<|content|>", "<|stop|>")
    stop = ("<|stop|>", "<|from|>user", "<|from|>system")

    def prompt(self, tools: Sequence[Tool], system: str, messages: Sequence[Message]) -> str:
        """Return the prompt: the model writes first to whom it speaks."""
        told = "".join(_v2_turn("system", "all", text) for text in _system(tools, system))
        return f"{told}{''.join(map(self._turns, messages))}<|from|>assistant\n<|recipient|>"

    def _turns(self, message: Message) -> str:
        if isinstance(message, Request):
            return _v2_turn("user", "all", words(message.text))
        if isinstance(message, Reply):
            return f"<|from|>assistant\n<|recipient|>{self.write(message)}<|stop|>\n"
        return _v2_turn(name_of(message.call), "all", told_result(message.value))

    def write(self, reply: Reply) -> str:
        """Return the turns of the reply, from the first one's recipient on."""
        turns = [("all", lines(reply.text))] if reply.text or not reply.calls else []
        turns += [(name_of(call), dump(call.arguments)) for call in reply.calls]
        return "\n<|from|>assistant\n<|recipient|>".join(f"{name}\n<|content|>{text}" for name, text in turns)

    def grammar(self, tools: Sequence[Tool]) -> str:
        """Return a grammar for text without `<` to all, calls, or calls after it."""
        text = 'text ::= "all\\n<|content|>" [^<]+\n'
        if not tools:
            return f'root ::= text "<|stop|>"?\n{text}'
        names, rules = _argument_rules(tools)
        content = quote("\n<|content|>")
        calls = " | ".join(f"{quote(name)} {content} {rule}" for name, rule in names.items())
        more = 'more ::= "\\n<|from|>assistant\\n<|recipient|>" call\n'
        root = f'root ::= (text | call) more{{0,{MAX_CALLS - 1}}} "<|stop|>"?\n'
        return f"{root}{text}call ::= {calls}\n{more}{rules}"

    def reader(self) -> ToolReader:
        """Return a reader that begins where the prompt ends: at the recipient."""
        return ToolReader("<|recipient|>")


def _v2_turn(sender: str, recipient: str, text: str) -> str:
    return f"<|from|>{sender}\n<|recipient|>{recipient}\n<|content|>{text}\n"


def _full(call: ToolCall) -> str:
    return f"functions.{name_of(call)}"
