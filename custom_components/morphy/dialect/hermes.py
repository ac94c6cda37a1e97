"""The dialect `hermes`: JSON in `<tool_call>` tags, ChatML around it.

Format: NousResearch's Hermes 2 Pro and 3 (NousResearch/Hermes-Function-Calling); Qwen 2.5 and 3 write the same calls.
What it says about the form of a call is the text that these models were trained on.
"""

from __future__ import annotations

from collections.abc import Sequence

from .chatml import END, START
from .schema_grammar import schema_rules
from .text import words
from .tools import MAX_CALLS, Message, Reply, Request, Tool, ToolDialect, call_json, call_schema, dump, lines, tool_json

_FORM = (
    "You are a function calling AI model. You are provided with function signatures within <tools></tools> XML tags. "
    "You may call one or more functions to assist with the user query. Don't make assumptions about what values to "
    "plug into functions. Here are the available tools: <tools> {tools} </tools> For each function call return a json "
    "object with function name and arguments within <tool_call></tool_call> XML tags as follows:\n"
    '<tool_call>\n{{"name": <function-name>, "arguments": <args-dict>}}\n</tool_call>'
)


class HermesDialect(ToolDialect):
    """System, user, assistant and tool in turn, each in its frame."""

    name = "hermes"
    special_tokens = (START, END)
    stop = (END, START, "<tool_response>")

    def prompt(self, tools: Sequence[Tool], system: str, messages: Sequence[Message]) -> str:
        """Return the prompt; results that follow each other stand in one turn."""
        told = lines(system)
        if tools:
            told += "\n" + _FORM.format(tools=" ".join(dump(tool_json(tool)) for tool in tools))
        turns = [("system", told)]
        for message in messages:
            role, text = self._turn(message)
            if role == turns[-1][0] == "tool":
                turns[-1] = (role, f"{turns[-1][1]}\n{text}")
            else:
                turns.append((role, text))
        return "".join(f"{START}{role}\n{text}{END}\n" for role, text in turns) + f"{START}assistant\n"

    def _turn(self, message: Message) -> tuple[str, str]:
        if isinstance(message, Request):
            return "user", words(message.text)
        if isinstance(message, Reply):
            return "assistant", self.write(message)
        told = dump({"name": message.call.name, "content": message.value})
        return "tool", f"<tool_response>\n{told}\n</tool_response>"

    def write(self, reply: Reply) -> str:
        """Return the text, then each call in its tags."""
        calls = (f"<tool_call>\n{dump(call_json(call))}\n</tool_call>" for call in reply.calls)
        return "\n".join([*([lines(reply.text)] if reply.text else []), *calls])

    def grammar(self, tools: Sequence[Tool]) -> str:
        """Return a grammar for text without `<`, or calls after it."""
        if not tools:
            return f'root ::= text "{END}"?\ntext ::= [^<]+\n'
        more = f'(call ("\\n" call){{0,{MAX_CALLS - 1}}})'
        head = f'root ::= (text | {more} | text "\\n" {more}) "{END}"?\ntext ::= [^<\\n] [^<]*\n'
        call = 'call ::= "<tool_call>\\n" call-json "\\n</tool_call>"\n'
        return head + call + schema_rules({"call-json": call_schema(tools)})


class OpenAIDialect(HermesDialect):
    """What the chat endpoint of a server makes of messages and tools, with the template of whatever model it has.

    The prompt is that of Hermes, for a backend that has no such endpoint.
    """

    name = "openai"
    chat = True
