"""What every dialect can do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from .chatml import END, START, chat, talk
from .home import Answer, Home, Service, Turn
from .reader import Reader


class Dialect(ABC):
    """How one family of models is told about a Home, and how it writes Actions."""

    name: ClassVar[str]
    default_instructions: ClassVar[str]
    special_tokens: ClassVar[tuple[str, ...]] = (START, END)
    stop: ClassVar[tuple[str, ...]] = (END, START)
    """The end of an answer first; a model that begins another turn instead has ended it too."""
    calls_first: ClassVar[bool]
    """Whether calls stand before the speech, so that text which comes before any call claims no action."""
    max_devices: ClassVar[int | None] = None
    """How many devices its models can be told of at most, where that is known."""
    claim_words: ClassVar[frozenset[str]] = frozenset()
    """The first words of the sentences, and of those alone, that tell of an action; empty where nobody can know."""

    @abstractmethod
    def system(self, home: Home, instructions: str) -> str:
        """Return the system text, without the frame around it."""

    @abstractmethod
    def write(self, answer: Answer, home: Home) -> str:
        """Return the raw text of an answer, as a model is trained to write it."""

    @abstractmethod
    def grammar(self, home: Home) -> str:
        """Return the GBNF grammar of an answer about this Home; its start symbol is `root`."""

    def prompt(self, home: Home, instructions: str, request: str, history: Sequence[Turn] = ()) -> str:
        """Return the prompt, up to the point where the model begins to answer."""
        return chat(self.messages(home, instructions, request, history))

    def messages(
        self, home: Home, instructions: str, request: str, history: Sequence[Turn] = ()
    ) -> tuple[tuple[str, str], ...]:
        """Return the same as roles and texts, for a server that puts a frame around them itself."""
        return talk(self.system(home, instructions), request, history)

    def reader(self, home: Home) -> Reader:
        """Return a reader for one answer about this Home."""
        return Reader()

    def may_claim(self, text: str) -> bool:
        """Return whether a sentence that begins with this text may tell of an action."""
        words = text.split(maxsplit=1)
        if not words:
            return True
        first = _plain(words[0])
        whole = len(words) > 1 or text[-1].isspace()
        return first in self.claim_words or (not whole and any(claim.startswith(first) for claim in self.claim_words))

    def claims(self, text: str, home: Home) -> bool:
        """Return whether a whole sentence tells of an action, rather than of a device of the home by its name."""
        spoken = text.strip().casefold()
        named = any(spoken.startswith(name.casefold()) for device in home.devices for name in device.names)
        return not named and _plain(next(iter(spoken.split()), "")) in self.claim_words


def _plain(word: str) -> str:
    return word.casefold().strip(".,:;!")


def services_in_order(home: Home) -> list[Service]:
    """Return the Home's services in the order of their domains' first devices; those without a device are left out.

    Where some devices are told whatever is asked, so are all services, those of these devices first: what a model has
    read of them holds for the next request.
    """
    told = home.devices[: home.standing] if home.standing else home.devices
    order = {domain: n for n, domain in enumerate(dict.fromkeys(device.domain for device in told))}
    services = [service for service in home.services if home.standing or service.domain in order]
    return sorted(services, key=lambda service: order.get(service.domain, len(order)))
