"""Every error a user can meet, each with its sentence in `translations/`.

The base is Home Assistant's own error, so that a turn that raises one is answered by its
sentence in the user's language.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from homeassistant.exceptions import HomeAssistantError

from .const import DOMAIN


class MorphyError(HomeAssistantError):
    """Something went wrong that a person can be told; `key` names its sentence under `exceptions`."""

    key: ClassVar[str]

    def __init__(self, **placeholders: str) -> None:
        """Raise the sentence of this class, with the placeholders it names."""
        super().__init__(
            translation_domain=DOMAIN,
            translation_key=self.key,
            translation_placeholders=placeholders or None,
        )


class BackendError(MorphyError):
    """The model could not be asked, or broke off."""

    outage: ClassVar[bool] = True
    """Whether the next request has to expect the same; else it was this one's own fault."""
    retry_after: float = 0.0
    """Seconds for which a server asked to be left alone."""


class RuntimeMissingError(BackendError):
    """llama-cpp-python is not installed where Home Assistant runs, or cannot be loaded; `reason` tells more."""

    key = "runtime_missing"


class RuntimeBrokenError(RuntimeMissingError):
    """llama-cpp-python is there but does not run on this machine; `reason` has the last words of a trial."""

    key = "runtime_broken"


class RuntimeInstallError(BackendError):
    """llama-cpp-python could not be installed; `reason` has the installer's last words."""

    key = "runtime_install_failed"


class RuntimeNoWheelError(RuntimeInstallError):
    """The index has no ready-made build for the `platform` of this machine; `reason` has the installer's last words."""

    key = "runtime_no_wheel"


class ModelMissingError(BackendError):
    """There is no file at `path`."""

    key = "model_missing"


class ModelInvalidError(BackendError):
    """The file at `path` is no GGUF that llama.cpp can read; `reason` has its own words."""

    key = "model_invalid"


class ModelNotGgufError(ModelInvalidError):
    """The file at `path` is no GGUF file at all."""

    key = "model_not_gguf"


class ModelVersionError(ModelInvalidError):
    """The file at `path` is of a `version` of GGUF that llama.cpp does not read."""

    key = "model_version"


class ModelTruncatedError(ModelInvalidError):
    """The file at `path` has `size` bytes, and its header tells of `needed` at least."""

    key = "model_truncated"


class ModelDamagedError(ModelInvalidError):
    """What the header of the file at `path` says before the byte `offset` cannot be; `reason` tells more."""

    key = "model_damaged"


class ModelChecksumError(ModelInvalidError):
    """The file at `path` does not have the SHA-256 that stands in the file beside it."""

    key = "model_checksum"


class ModelChangedError(ModelInvalidError):
    """The file at `path` is not the one that was accepted when the entry was made or last changed."""

    key = "model_changed"


class WorkerDiedError(BackendError):
    """The process that runs the model ended in mid-turn; `reason` has its last words."""

    key = "worker_died"


class WorkerSilentError(BackendError):
    """The process that runs the model gave no token for `seconds`."""

    key = "worker_silent"


class PromptTooLongError(BackendError):
    """The prompt has `tokens`, more than the context of `context_length` leaves room for."""

    key = "prompt_too_long"
    outage = False


class GrammarInvalidError(BackendError):
    """The grammar of this request cannot be read; `reason` tells more."""

    key = "grammar_invalid"
    outage = False


class BusyError(BackendError):
    """As many requests as may wait for a model do: `waiting`."""

    key = "busy"
    outage = False


class EmptyAnswerError(BackendError):
    """The model ended its answer before it wrote anything."""

    key = "empty_answer"
    outage = False


class NotUnderstoodError(BackendError):
    """The model wrote a call that it finds too unlikely itself, so nothing was done."""

    key = "not_understood"
    outage = False


class LanguageUnknownError(BackendError):
    """The model was trained on other languages than the one it was asked in: on `languages`."""

    key = "language_unknown"
    outage = False


class FirstWordSlowError(BackendError):
    """The model of the entry `entry` wrote nothing for `seconds`, as long as an agent that has a fallback waits."""

    key = "first_word_slow"


class NothingDoneError(MorphyError):
    """The model claims an action but wrote no call, so nothing was done."""

    key = "nothing_done"


class CallUnreadableError(MorphyError):
    """The model wrote a line that is a call but cannot be read: `call`."""

    key = "call_unreadable"


class ServerUnreachableError(BackendError):
    """No connection to the server at `url`."""

    key = "server_unreachable"


class ServerCertificateError(BackendError):
    """The certificate of the server at `url` is not trusted, or it does not speak TLS."""

    key = "server_certificate"


class ServerTimeoutError(BackendError):
    """The server at `url` did not answer, or stopped answering, for `seconds`."""

    key = "server_timeout"


class ServerAuthError(BackendError):
    """The server at `url` refused the key."""

    key = "server_auth"


class ServerStatusError(BackendError):
    """The server at `url` answered with the HTTP status `status`; `reason` has its own words."""

    key = "server_status"


class ServerBadAnswerError(BackendError):
    """What the server at `url` sent is not what such a server sends; `reason` tells more."""

    key = "server_bad_answer"


class ServerBrokeOffError(BackendError):
    """The server at `url` closed the connection in mid-answer."""

    key = "server_broke_off"


class ServerNoModelsError(BackendError):
    """The server at `url` lists no model at all."""

    key = "server_no_models"


class ServerModelMissingError(BackendError):
    """The server at `url` does not serve `model`."""

    key = "server_model_missing"


class ServerNoCompletionError(BackendError):
    """The server at `url` continues no raw prompts: it has chat completion only, or none at all."""

    key = "server_no_completion"


class DownloadError(MorphyError):
    """A model could not be fetched from a hub."""


class HubRepositoryError(DownloadError):
    """What was entered does not name a repository."""

    key = "hub_repository"


class HubUnreachableError(DownloadError):
    """No connection to the hub at `url`, or no answer in time."""

    key = "hub_unreachable"


class HubStatusError(DownloadError):
    """The hub at `url` answered with the HTTP status `status`."""

    key = "hub_status"


class HubAnswerError(DownloadError):
    """What the hub at `url` sent is not what a hub sends."""

    key = "hub_answer"


class HubMissingError(DownloadError):
    """The hub at `url` has no `repository` with this `revision`, or does not show it without a token."""

    key = "hub_missing"


class HubGatedError(DownloadError):
    """`repository` at the hub `url` is only for those who have accepted its terms."""

    key = "hub_gated"


class HubTokenError(DownloadError):
    """The hub at `url` refused the access token, or wants one."""

    key = "hub_token"


class HubNoModelError(DownloadError):
    """`repository` has no GGUF file."""

    key = "hub_no_model"


class HubPartsError(DownloadError):
    """All GGUF files of `repository` are cut into parts."""

    key = "hub_parts"


class DiskFullError(DownloadError):
    """A download needs `needed` on the disk, which has `free` left."""

    key = "disk_full"


class DownloadDamagedError(DownloadError):
    """What came as `file` is not what the hub lists; it was deleted."""

    key = "download_damaged"


class DownloadBrokeOffError(DownloadError):
    """The connection broke again and again; `done` of `total` is there."""

    key = "download_broke_off"


class ServerNoChatError(BackendError):
    """The server at `url` has no chat endpoint, by which AI tasks are sent to a server."""

    key = "server_no_chat"
    outage = False


class TaskSlowError(MorphyError):
    """An AI task was not done within `seconds`."""

    key = "task_slow"


class TaskCutOffError(MorphyError):
    """The answer to an AI task did not end within `tokens`."""

    key = "task_cut_off"


class TaskFormError(MorphyError):
    """What a model wrote for an AI task is not of the structure that was asked for; `reason` tells more."""

    key = "task_form"


class TaskAttachmentsError(MorphyError):
    """An AI task has attachments, which the model of `entity` cannot see."""

    key = "task_attachments"


class TaskToolsError(MorphyError):
    """An AI task brings tools, which the model of `entity` cannot use."""

    key = "task_tools"


class ControlError(MorphyError):
    """An action was refused or failed. Its sentence may be spoken, so `device` and `place` hold names, not ids."""


class UnknownServiceError(ControlError):
    """There is no service `service`, or the agent may not use it."""

    key = "unknown_service"


class MissingTargetError(ControlError):
    """The call of `service` names no device."""

    key = "missing_target"


class UnknownTargetError(ControlError):
    """Nothing in the home is called `target`, or nearly so."""

    key = "unknown_target"


class AmbiguousTargetError(ControlError):
    """Several devices could be meant by `target`: `candidates` names up to three."""

    key = "ambiguous_target"


class NotExposedError(ControlError):
    """`target` exists, but is not exposed to the assistant."""

    key = "not_exposed"


class NothingThereError(ControlError):
    """There is no device of `domain` in the area or on the floor `place`."""

    key = "nothing_there"


class NoneOfKindError(ControlError):
    """There is no device of `domain` in the whole home."""

    key = "none_of_kind"


class WrongDomainError(ControlError):
    """`service` is not one for `device`."""

    key = "wrong_domain"


class UnavailableError(ControlError):
    """`device` is unavailable; Home Assistant would pass over it without a word."""

    key = "unavailable"


class ForbiddenError(ControlError):
    """The user who asked may not control `device`."""

    key = "forbidden"


class NotSupportedError(ControlError):
    """`device` lacks the feature that `service` needs."""

    key = "not_supported"


class UnsupportedArgumentError(ControlError):
    """`device` cannot take `argument`."""

    key = "unsupported_argument"


class MissingArgumentError(ControlError):
    """`service` cannot do without `argument`."""

    key = "missing_argument"


class BadArgumentError(ControlError):
    """`value` makes no sense as `argument`."""

    key = "bad_argument"


class OutOfRangeError(BadArgumentError):
    """`value` lies outside of what `argument` can be: from `low` to `high`."""

    key = "out_of_range"


class BadOptionError(BadArgumentError):
    """`value` is none of the `options` that `device` has for `argument`."""

    key = "bad_option"


class ItemNotFoundError(ControlError):
    """The to-do list `device` has no item `item`."""

    key = "item_not_found"


class NothingFoundError(ControlError):
    """The media player `device` found nothing for `query`."""

    key = "nothing_found"


class ActionSlowError(ControlError):
    """`device` did not answer in time; the action goes on."""

    key = "action_slow"


class NoEffectError(ControlError):
    """`device` took the action without an error, but does not show that it did it."""

    key = "no_effect"


class NoFeedbackError(ControlError):
    """`device` took the action without an error, but shows no state by which to know what it did."""

    key = "no_feedback"


class ActionFailedError(ControlError):
    """`device` failed in a way that no one foresaw; the log has it."""

    key = "action_failed"


class ToolFailedError(ControlError):
    """`tool` failed; the log has more, or the model was told."""

    key = "tool_failed"


class ToolUnknownError(ControlError):
    """The model called `tool`, and there is no such tool."""

    key = "tool_unknown"


class TooManyRoundsError(MorphyError):
    """The model has replied `rounds` times in one turn, and still not with an answer."""

    key = "too_many_rounds"


class SeveralFailedError(ControlError):
    """The same action failed on several devices for several reasons."""

    def __init__(self, errors: Sequence[HomeAssistantError]) -> None:
        """Keep the errors, so that each can be said in the user's language; `reason` has them in English."""
        super().__init__(reason=". ".join(str(error) for error in errors))
        self.errors = tuple(errors)


class NothingWorkedError(SeveralFailedError):
    """It worked on none of them: `reason` says why."""

    key = "nothing_worked"


class PartlyFailedError(SeveralFailedError):
    """It worked on some of them, but not on all: `reason` says why."""

    key = "partly_failed"


class ConfirmationNeededError(ControlError):
    """Nothing was done: this is the question to ask first. `device` names what it is about.

    `entity_ids` are the devices that a yes is for.
    """

    key = "confirm_action"
    entity_ids: frozenset[str] = frozenset()


class ConfirmUnlockError(ConfirmationNeededError):
    """Whether to unlock `device`."""

    key = "confirm_unlock"


class ConfirmOpenError(ConfirmationNeededError):
    """Whether to open `device`."""

    key = "confirm_open"


class ConfirmDisarmError(ConfirmationNeededError):
    """Whether to disarm `device`."""

    key = "confirm_disarm"
