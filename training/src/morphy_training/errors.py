"""What can go wrong here, as named errors that the command line prints as one sentence."""

from __future__ import annotations


class TrainingError(Exception):
    """An error that the user can act upon; its text says what to do."""


class Stopped(Exception):  # noqa: N818 - it went as it was asked to
    """A run that was stopped and has saved itself: by SIGTERM, or because its time is up."""


class RecipeError(TrainingError):
    """A recipe that cannot be followed: an unknown key, a wrong type, a value out of range."""


class RunError(TrainingError):
    """A run folder that lacks what a step needs, or that belongs to another recipe."""


class PackError(TrainingError):
    """Pieces of a run that are missing, damaged or too many."""


class DataError(TrainingError):
    """Training data that cannot be read; the text names the file and the line."""


class BaseModelError(TrainingError):
    """A base model that cannot be loaded, has no embeddings or head to train, or is not that of an adapter."""


class ExportError(TrainingError):
    """A model that cannot be written as GGUF, or whose GGUF does not answer like the original."""


class LeakError(TrainingError):
    """A generator that makes what an evaluation asks."""


class EvaluationError(TrainingError):
    """A model that cannot be asked what it should be: not there, of the wrong kind, or on a server that fails."""


class TooLongError(EvaluationError):
    """A prompt that does not fit into a model's context."""


class ServerError(TrainingError):
    """A server that cannot be reached, or refuses what it is asked."""
