"""An object in a process of its own, so that several homes and models are measured in turn and do not share a loop.

`with Apart(household, 30, local()) as home: home.call("say", "turn on the light")`
"""

from __future__ import annotations

import asyncio
import inspect
import multiprocessing
import traceback
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Final, Self

FAREWELL: Final = 20
"""Seconds the process gets to end by itself."""

type Factory = Callable[..., AbstractAsyncContextManager[Any]]
"""Makes the object; it must be found by its module and name, since the process imports it."""


class ApartError(Exception):
    """What was called has failed; the message is the trace of the other process."""


class Apart:
    """An object that lives in another process; its methods are called from here, one at a time."""

    def __init__(self, factory: Factory, *arguments: Any, **options: Any) -> None:
        """Start the process; `__enter__` waits until the object is there, so that several can start side by side."""
        context = multiprocessing.get_context("spawn")
        self._connection, other = context.Pipe()
        self._process = context.Process(target=_serve, args=(other, factory, arguments, options), daemon=True)
        self._process.start()
        other.close()

    def __enter__(self) -> Self:
        """Wait until the object is there."""
        self._result()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the process."""
        self._connection.close()
        self._process.join(FAREWELL)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()

    def call(self, method: str, *arguments: Any, **options: Any) -> Any:
        """Return what the object's method returns. Raises ApartError."""
        self._connection.send((method, arguments, options))
        return self._result()

    def _result(self) -> Any:
        try:
            good, result = self._connection.recv()
        except EOFError:
            raise ApartError("the process has ended") from None
        if not good:
            raise ApartError(result)
        return result


def _serve(connection: Connection, factory: Factory, arguments: tuple[Any, ...], options: dict[str, Any]) -> None:
    asyncio.run(_answer(connection, factory, arguments, options))


async def _answer(
    connection: Connection, factory: Factory, arguments: tuple[Any, ...], options: dict[str, Any]
) -> None:
    """Make the object and do what is asked until the other side closes its end."""
    try:
        async with factory(*arguments, **options) as thing:
            connection.send((True, None))
            while request := await asyncio.to_thread(_next, connection):
                connection.send(await _call(thing, *request))
    except Exception:
        connection.send((False, traceback.format_exc()))


def _next(connection: Connection) -> Any:
    try:
        return connection.recv()
    except EOFError:
        return None


async def _call(thing: Any, method: str, arguments: tuple[Any, ...], options: dict[str, Any]) -> tuple[bool, Any]:
    try:
        result = getattr(thing, method)(*arguments, **options)
        return True, await result if inspect.isawaitable(result) else result
    except Exception:
        return False, traceback.format_exc()
