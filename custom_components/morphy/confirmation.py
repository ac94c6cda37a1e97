"""Actions that wait for a yes: an agent has asked, and whoever it asked may agree."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

from .answer import Unconfirmed
from .languages import is_yes

CONFIRMATION_SECONDS: Final = 60
"""How long a question such as "Shall I unlock the front door?" waits for its yes."""

type Asker = tuple[str, str | None, str | None, str | None]
"""A conversation, the user who speaks in it, the device that is spoken to and its satellite's entity: a yes counts from
there alone."""


class Confirmations[T = Unconfirmed]:
    """What an agent has asked, by whom it asked."""

    def __init__(self) -> None:
        """Have nothing asked yet."""
        self._waiting: dict[Asker, tuple[float, Sequence[T]]] = {}

    def ask(self, asker: Asker, actions: Sequence[T]) -> None:
        """Let these actions wait; forget what has waited too long."""
        now = time.monotonic()
        self._waiting = {key: waiting for key, waiting in self._waiting.items() if waiting[0] > now}
        if actions:
            self._waiting[asker] = (now + CONFIRMATION_SECONDS, actions)

    def agreed(self, asker: Asker, text: str, language: str) -> Sequence[T]:
        """Return the actions that this message says yes to; whatever it says, they wait no longer."""
        until, actions = self._waiting.pop(asker, (0.0, ()))
        return actions if time.monotonic() <= until and is_yes(text, language) else ()
