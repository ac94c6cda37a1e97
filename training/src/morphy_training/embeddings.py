"""Embeddings and head of a model, found by asking the model itself: their names differ from one code to the next."""

from __future__ import annotations

from torch import nn

from .errors import BaseModelError


def embedding_names(model: nn.Module) -> list[str]:
    """The names of the modules that hold embeddings and head; a head that is tied to the embeddings is left out.

    BaseModelError when the model has none, or does not tell.
    """
    names = {id(module): name for name, module in model.named_modules()}
    embeddings, head = _both(model)
    found = [names.get(id(module)) for module in (embeddings, head)]
    if embeddings is None or head is None or None in found:
        raise BaseModelError(
            f"{type(model).__name__} names no embeddings and head that could be trained: its get_input_embeddings and "
            "get_output_embeddings must return modules of its own"
        )
    told = [name for name in found if name]
    return told[:1] if is_tied(model) else told


def is_tied(model: nn.Module) -> bool:
    """Whether embeddings and head are one matrix."""
    embeddings, head = _both(model)
    return embeddings is not None and head is not None and head.weight is embeddings.weight


def untie(model: nn.Module) -> None:
    """Make the head a matrix of its own, which begins as a copy of the embeddings."""
    embeddings, head = _both(model)
    head.weight = nn.Parameter(embeddings.weight.detach().clone())  # type: ignore[union-attr, operator]
    model.config.tie_word_embeddings = False  # type: ignore[union-attr]
    model.all_tied_weights_keys = {}  # type: ignore[assignment]


def _both(model: nn.Module) -> tuple[nn.Module | None, nn.Module | None]:
    asked = (getattr(model, name, None) for name in ("get_input_embeddings", "get_output_embeddings"))
    embeddings, head = (ask() if callable(ask) else None for ask in asked)
    return (
        embeddings if isinstance(embeddings, nn.Module) else None,
        head if isinstance(head, nn.Module) else None,
    )
