"""Tools as TypeScript declarations, which is how Functionary's models are told of them.

Format: functionary/schema.py of MeetKai/functionary: a namespace in which each tool is a type, and each argument stands
under a comment with its description.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from .schema_grammar import Schema
from .text import inert, one_line, shortened

if TYPE_CHECKING:
    from .tools import Tool

_INDENT = "    "
_MAX_COMMENT = 600
_FACTS = {
    "default": "Default",
    "format": "Format",
    "minimum": "Minimum",
    "maximum": "Maximum",
    "minLength": "Minimum length",
    "maxLength": "Maximum length",
}
"""What a comment says of an argument besides its description."""


def namespace(tools: Sequence[Tool]) -> str:
    """Return the declarations of tools."""
    head = "// Supported function definitions that should be called when necessary.\nnamespace functions {\n\n"
    return f"{head}{''.join(map(_declaration, tools))}}} // namespace functions"


def _declaration(tool: Tool) -> str:
    properties = tool.parameters.get("properties", {})
    if not properties:
        return f"// {_comment(tool.description)}\ntype {tool.name} = () => any;\n\n"
    fields = "\n".join(_fields(tool.parameters, 0))
    return f"// {_comment(tool.description)}\ntype {tool.name} = (_: {{\n{fields}\n}}) => any;\n\n"


def _fields(schema: Schema, depth: int) -> Iterator[str]:
    """Yield the lines of an object's fields; what is not required has a question mark."""
    indent, required = _INDENT * depth, schema.get("required", ())
    for name, part in schema.get("properties", {}).items():
        if about := _about(part):
            yield f"{indent}// {about}"
        yield f"{indent}{_key(name)}{'' if name in required else '?'}: {_type(part, depth)},"


def _about(schema: Schema) -> str:
    text = _comment(str(schema.get("description", "")))
    facts = [f"{name}={_literal(schema[key])}" for key, name in _FACTS.items() if key in schema]
    if text and not text.endswith("."):
        text += "."
    return " ".join([*([text] if text else []), *facts])


def _type(schema: Schema, depth: int) -> str:
    if "const" in schema or schema.get("enum"):
        return " | ".join(map(_literal, schema.get("enum") or [schema["const"]]))
    if alternatives := schema.get("anyOf") or schema.get("oneOf"):
        return " | ".join(dict.fromkeys(_type(part, depth) for part in alternatives))
    kind = schema.get("type")
    if isinstance(kind, list):
        return " | ".join(_type({**schema, "type": one}, depth) for one in kind)
    if kind == "array":
        items = _type(schema.get("items", {}), depth)
        return f"({items})[]" if " | " in items else f"{items}[]"
    if kind == "object" and schema.get("properties"):
        fields = "\n".join(_fields(schema, depth + 1))
        return f"{{\n{fields}\n{_INDENT * depth}}}"
    return {"integer": "number", None: "any"}.get(kind, str(kind))


def _key(name: str) -> str:
    return name if name.isidentifier() else _literal(name)


def _literal(value: Any) -> str:
    return inert(json.dumps(value, ensure_ascii=False, default=str))


def _comment(text: str) -> str:
    return inert(shortened(one_line(text), _MAX_COMMENT))
