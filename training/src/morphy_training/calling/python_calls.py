"""Calls as Python writes them, `search(name="x", limit=5)`: how NexusRaven's evaluations tell what is right."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from typing import Any

from ..dialect import Tool, ToolCall
from ..errors import DataError


def read_python_calls(text: str, tools: Mapping[str, Tool]) -> tuple[tuple[ToolCall, ...], bool]:
    """The calls that a text makes first, and whether they are nested in others, which would need their results.

    Several stand on lines of their own, after semicolons, or in a list. DataError when it is no call of these tools.
    """
    try:
        module = ast.parse(text.strip())
    except SyntaxError as error:
        raise DataError(f"{text.strip()[:60]!r} is no call as Python writes it: {error.msg}") from error
    calls = [call for statement in module.body for call in _top(statement)]
    if not calls:
        raise DataError(f"{text.strip()[:60]!r} calls nothing")
    innermost = [inner for call in calls for inner in _innermost(call)]
    nested = any(inner not in calls for inner in innermost)
    return tuple(_call(inner, tools) for inner in innermost), nested


def _top(statement: ast.stmt) -> Iterator[ast.Call]:
    match statement:
        case ast.Expr(value=node) | ast.Assign(value=node):
            nodes = node.elts if isinstance(node, (ast.List, ast.Tuple)) else [node]
            yield from (one for one in nodes if isinstance(one, ast.Call))


def _innermost(call: ast.Call) -> list[ast.Call]:
    """The calls in a call's arguments that need no other call's result; the call itself where there are none."""
    inner = [node for part in (*call.args, *(one.value for one in call.keywords)) for node in _calls_in(part)]
    return [leaf for node in inner for leaf in _innermost(node)] or [call]


def _calls_in(node: ast.expr) -> Iterator[ast.Call]:
    if isinstance(node, ast.Call):
        yield node
        return
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.expr):
            yield from _calls_in(child)


def _call(node: ast.Call, tools: Mapping[str, Tool]) -> ToolCall:
    name = ast.unparse(node.func)
    tool = tools.get(name) or tools.get(name.rpartition(".")[2])
    if tool is None:
        raise DataError(f"{name} is called and not defined; the functions are: {', '.join(tools)}")
    names = list(tool.parameters.get("properties", {}))
    if len(node.args) > len(names):
        raise DataError(f"{name} is called with {len(node.args)} arguments and takes {len(names)}")
    arguments: dict[str, Any] = {key: _value(part, name) for key, part in zip(names, node.args, strict=False)}
    for keyword in node.keywords:
        if keyword.arg is None:
            raise DataError(f"{name} is called with ** arguments, which cannot be compared")
        arguments[keyword.arg] = _value(keyword.value, name)
    return ToolCall(tool.name, arguments)


def _value(node: ast.expr, name: str) -> Any:
    try:
        found = ast.literal_eval(node)
    except ValueError as error:
        raise DataError(f"an argument of {name} is no plain value: {ast.unparse(node)[:60]}") from error
    return list(found) if isinstance(found, (tuple, set)) else found
