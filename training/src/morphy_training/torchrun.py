"""Processes that train one model together: torchrun or `accelerate launch` starts them, and says so to each."""

from __future__ import annotations

import os

from .errors import RunError


def processes() -> int:
    """How many there are; 1 where nothing started several."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def rank() -> int:
    """Which of them this is; the first one, 0, tells and writes for all."""
    return int(os.environ.get("RANK", "0"))


def refuse(what: str) -> None:
    """RunError where there are several: each of them would do the same, in one folder."""
    if processes() > 1:
        raise RunError(
            f"{what} runs in one process, and {processes()} were started. Under torchrun or accelerate, only "
            "`morphy-train tune` may run, and only with a recipe that has a base; start all else without them"
        )
