"""What can go wrong here, as named errors that the command line prints as one sentence."""

from __future__ import annotations


class TrainingError(Exception):
    """An error that the user can act upon; its text says what to do."""


class RecipeError(TrainingError):
    """A recipe that cannot be followed: an unknown key, a wrong type, a value out of range."""


class RunError(TrainingError):
    """A run folder that lacks what a step needs, or that belongs to another recipe."""


class ExportError(TrainingError):
    """A model that cannot be written as GGUF, or whose GGUF does not answer like the original."""
