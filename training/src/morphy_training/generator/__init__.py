"""Made-up homes, what people ask in them, and the right answers: the text that models are trained on."""

from __future__ import annotations

from .stream import Example, Exchange, mixed, stream

__all__ = ["Example", "Exchange", "mixed", "stream"]
