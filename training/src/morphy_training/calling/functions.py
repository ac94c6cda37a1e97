"""Definitions of functions, read from JSON or from Python.

- JSON lines: functions as OpenAI defines them, or entries of NexusRaven's list of functions (`args_dicts`)
- Python: signatures with annotations and a docstring, as NexusRaven's models are told of them; nothing of it is run
"""

from __future__ import annotations

import ast
import json
import re
import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ..dialect import Tool
from ..errors import DataError
from ..family.data import records
from ..family.formats import definition

_TYPES = {
    "str": "string", "string": "string", "int": "integer", "integer": "integer", "float": "number", "number": "number",
    "bool": "boolean", "boolean": "boolean", "list": "array", "array": "array", "tuple": "array", "set": "array",
    "sequence": "array", "iterable": "array", "dict": "object", "object": "object", "mapping": "object", "none": "null",
}  # fmt: skip
"""What Python, and those who describe Python, call JSON's types."""

_ARGUMENTS = re.compile(r"^[ \t]*(?:Args|Arguments|Parameters):?[ \t]*\n", re.MULTILINE)
_ARGUMENT = re.compile(
    r"[ \t]*(?:-[ \t]*)?`?(\w+)`?[ \t]*(?:\(([^()\n]*(?:\([^()\n]*\))?[^()\n]*)\))?[ \t]*:[ \t]*(.*)"
)
_SECTION = re.compile(r"[ \t]*(?:Returns?|Yields?|Raises|Examples?|Notes?|References?)\b.*")


def read_functions(source: str) -> dict[str, Tool]:
    """The functions that a file, or a dataset (`hub:…`), defines, by name; DataError when it cannot be read."""
    if source.endswith(".py"):
        try:
            return by_name(from_python(Path(source).read_text(encoding="utf-8")))
        except OSError as error:
            raise DataError(f"{source} cannot be read: {error.strerror}") from error
    found: list[Tool] = []
    for place, record in records(source):
        try:
            found += map(from_json, record.get("functions") or record.get("tools") or [record])
        except DataError as error:
            raise DataError(f"{place}: {error}") from error
    return by_name(found)


def by_name(tools: Iterable[Tool]) -> dict[str, Tool]:
    """The tools by their names; DataError when there is none."""
    named = {tool.name: tool for tool in tools}
    if not named:
        raise DataError("no functions are defined")
    return named


def from_json(given: Any) -> Tool:
    """A function as OpenAI defines it, or as an entry of NexusRaven's list."""
    if isinstance(given, dict) and isinstance(given.get("args_dicts"), list):
        given = {**given, "parameters": _listed(given["args_dicts"])}
    function = definition(given)
    return Tool(function["name"], function["description"], function["parameters"])


def _listed(arguments: list[dict[str, Any]]) -> dict[str, Any]:
    """The schema of listed arguments, each with name, description, type, default and whether it is required."""
    properties = {str(one.get("name")): _listed_argument(one) for one in arguments}
    required = [str(one.get("name")) for one in arguments if one.get("required")]
    return {"type": "object", "properties": properties, "required": required}


def _listed_argument(one: dict[str, Any]) -> dict[str, Any]:
    schema = _named_type(str(one.get("type") or ""))
    if one.get("description"):
        schema["description"] = str(one["description"])
    if not one.get("required") and one.get("default") is not None:
        # The list holds every default as text.
        schema["default"] = value(str(one["default"]))
    return schema


def from_python(source: str) -> Iterator[Tool]:
    """The functions that stand in Python source, which may lack their bodies; DataError when it is none."""
    try:
        module = ast.parse(textwrap.dedent(source))
    except SyntaxError:
        module = _parsed(_with_body(source))
    for node in module.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield _tool(node)


def _with_body(source: str) -> str:
    """A signature alone, with or without its colon, as a function that does nothing; what follows is its docstring."""
    lines = textwrap.dedent(source).strip().splitlines()
    if not lines or not lines[0].startswith(("def ", "async def ")):
        raise DataError(f"{source.strip()[:60]!r} is no function: it does not begin with def")
    closing = next((number for number, line in enumerate(lines) if line.rstrip().endswith((":", ")"))), 0)
    signature = "\n".join(lines[: closing + 1]).rstrip().removesuffix(":")
    about = "\n".join(lines[closing + 1 :]).strip().strip("\"'").strip()
    return f"{signature}:\n    {about!r}\n"


def _parsed(source: str) -> ast.Module:
    try:
        return ast.parse(source)
    except SyntaxError as error:
        raise DataError(f"{source.strip()[:60]!r} is no Python: {error.msg}") from error


def _tool(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Tool:
    about = ast.get_docstring(node) or ""
    description, told = _docstring(about)
    given = node.args
    positional = [*given.posonlyargs, *given.args]
    defaults: list[ast.expr | None] = [None] * (len(positional) - len(given.defaults))
    properties: dict[str, Any] = {}
    required: list[str] = []
    for argument, default in zip(
        [*positional, *given.kwonlyargs], [*defaults, *given.defaults, *given.kw_defaults], strict=True
    ):
        if argument.arg in ("self", "cls"):
            continue
        kind, meaning = told.get(argument.arg, ("", ""))
        schema = _annotated(argument.annotation) if argument.annotation else _named_type(kind)
        if meaning:
            schema["description"] = meaning
        if default is None:
            required.append(argument.arg)
        elif (constant := _constant(default)) is not None:
            schema["default"] = constant
        properties[argument.arg] = schema
    parameters: dict[str, Any] = {"type": "object", "properties": properties, "required": required}
    return Tool(node.name, description, parameters)


def _docstring(text: str) -> tuple[str, dict[str, tuple[str, str]]]:
    """What a function is for, and each argument's type and meaning, as far as its docstring tells."""
    head = _ARGUMENTS.search(text)
    if head is None:
        return text.strip(), {}
    told: dict[str, tuple[str, str]] = {}
    name = ""
    for line in text[head.end() :].splitlines():
        if _SECTION.fullmatch(line):
            break
        if found := _ARGUMENT.fullmatch(line):
            name = found[1]
            told[name] = (found[2] or "", found[3].strip())
        elif name and line.strip():
            told[name] = (told[name][0], f"{told[name][1]} {line.strip()}".strip())
    return text[: head.start()].strip(), told


def _annotated(node: ast.expr) -> dict[str, Any]:
    """The schema of an annotation; one that says nothing where it is not understood."""
    match node:
        case ast.Constant(value=str(text)):
            try:
                return _annotated(ast.parse(text, mode="eval").body)
            except SyntaxError:
                return {}
        case ast.Constant(value=None):
            return {"type": "null"}
        case ast.Attribute(attr=name) | ast.Name(id=name):
            return _named_type(name)
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return _one_of([_annotated(left), _annotated(right)])
        case ast.Subscript(value=ast.Attribute(attr=name) | ast.Name(id=name), slice=inner):
            return _generic(name, list(inner.elts) if isinstance(inner, ast.Tuple) else [inner])
    return {}


def _generic(name: str, parts: list[ast.expr]) -> dict[str, Any]:
    match name.lower():
        case "optional":
            return _annotated(parts[0])
        case "union":
            return _one_of(list(map(_annotated, parts)))
        case "literal":
            return {"enum": [part.value for part in parts if isinstance(part, ast.Constant)]}
        case "annotated":
            return _annotated(parts[0])
    schema = _named_type(name)
    if schema.get("type") == "array" and (items := _annotated(parts[0])):
        schema["items"] = items
    return schema


def _one_of(schemas: list[dict[str, Any]]) -> dict[str, Any]:
    """One schema of several; whether there may be none at all is told by the default, not by the type."""
    schemas = [schema for schema in schemas if schema != {"type": "null"}]
    return schemas[0] if len(schemas) == 1 else {"anyOf": schemas} if all(schemas) else {}


def _named_type(name: str) -> dict[str, Any]:
    """The schema of a type by its name, such as `List[str]`, `str, optional` or `Optional[int]`."""
    if "[" in name:
        try:
            return _annotated(ast.parse(name.partition("]")[0] + "]" * name.count("]"), mode="eval").body)
        except SyntaxError:
            pass
    word = re.match(r"\w*", name.strip())
    kind = _TYPES.get(word[0].lower()) if word else None
    return {"type": kind} if kind else {}


def _constant(node: ast.expr) -> Any:
    try:
        return ast.literal_eval(node)
    except ValueError:
        return None


def value(text: str) -> Any:
    """What a text is as JSON or as Python writes it, else the text itself."""
    for read in (json.loads, ast.literal_eval):
        try:
            return read(text)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            continue
    return text
