"""SIGTERM, as schedulers of clusters and `kill` send it: a run that is asked to end saves itself first."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def heeded() -> Iterator[threading.Event]:
    """While it lasts, SIGTERM ends nothing, but sets the event."""
    asked = threading.Event()
    before = signal.signal(signal.SIGTERM, lambda *_: asked.set())
    try:
        yield asked
    finally:
        signal.signal(signal.SIGTERM, before)
