"""The backend's errors. A caller gets an error's code and its HTTP status."""

import sqlite3

from safetensors import SafetensorError

from model.errors import LabelDescriptionError, ShortlistError


class ConfigurationError(ShortlistError):
    """A setting is wrong; the message names the key and the value that it needs."""

    code = "configuration"


class InvalidRequestError(ShortlistError):
    """A request does not have the form that Label Studio's API promises."""

    code = "invalid_request"


class ForeignRequestError(ShortlistError):
    """A request of another site's page, or to a name that is not ours."""

    code = "foreign_request"


class WrongContentTypeError(ShortlistError):
    """A request holds something else than JSON."""

    code = "wrong_content_type"


class TooManyRequestsError(ShortlistError):
    """A client asks more often than it may."""

    code = "too_many_requests"


class WrongSecretError(ShortlistError):
    """A webhook carries a secret that is not its project's."""

    code = "wrong_secret"


class StaleAnswerError(ShortlistError):
    """A pasted answer belongs to an older prompt, whose numbers stood for other texts."""

    code = "stale_answer"


class UnsupportedConfigError(ShortlistError):
    """The labeling config asks for no text classification that we can learn."""

    code = "unsupported_labeling_config"


class UnknownProjectError(ShortlistError):
    """Neither this backend nor Label Studio has the project."""

    code = "unknown_project"


class NotConnectedError(UnknownProjectError):
    """Label Studio does not name this backend as an ML backend of the project."""

    code = "not_connected"


class PausedError(ShortlistError):
    """Somebody paused the project: its rounds neither train nor publish."""

    code = "paused"


class UnknownQuestionError(ShortlistError):
    """The project asks no question of that name."""

    code = "unknown_question"


class NoModelError(ShortlistError):
    """The project has no model version yet; the first training makes one."""

    code = "no_model"
    is_passing = True


class RedisUnavailableError(ShortlistError):
    """Redis does not answer."""

    code = "redis_unavailable"
    is_passing = True


class TurnLostError(ShortlistError):
    """Another worker runs a round of the project now; this round must change nothing any more."""

    code = "turn_lost"


class BusyError(ShortlistError):
    """Another request has to be answered first; a retry may succeed."""

    code = "busy"


class LabelStudioError(ShortlistError):
    """Label Studio refused a request. Somebody may allow the request meanwhile.

    Attributes:
        fault: what was asked, and what came instead of an answer.
        mend: what to do about the fault.
    """

    code = "label_studio"
    is_passing = True

    def __init__(self, fault: str, mend: str = "") -> None:
        super().__init__(f"{fault}: {mend}" if mend else fault)
        self.fault = fault
        self.mend = mend


class LabelStudioUnreachableError(LabelStudioError):
    """Label Studio does not answer or is overloaded."""

    code = "label_studio_unreachable"


class LabelStudioFailedError(LabelStudioUnreachableError):
    """Label Studio answers 500: it failed over the request, and may be well otherwise."""


class LabelStudioAnswerError(LabelStudioError):
    """The answer is not Label Studio's: something else answers at its address, or stands before it."""

    code = "label_studio_answer"


class NotReachedError(LabelStudioUnreachableError):
    """Label Studio reaches none of the project's ML backends, so none can prove to be this one; a retry may succeed."""

    code = "not_reached"


class TokenRefusedError(LabelStudioError):
    """There is no API key, or Label Studio itself calls the API key wrong."""

    code = "token_refused"
    is_passing = False


class PublicationError(ShortlistError):
    """Label Studio stored fewer predictions than we sent."""

    code = "publication"
    is_passing = True


class DamagedOrderError(ShortlistError):
    """The table of the order in use is missing or damaged; it was set aside, and the next round makes another."""

    code = "published_order"


class StillConnectedError(ShortlistError):
    """A project that is to be forgotten is connected in Label Studio: its next event would bring it back."""

    code = "still_connected"


class NotWaitingError(ShortlistError):
    """A model version is to be promoted that does not wait."""

    code = "not_waiting"


class CannotPromiseError(ShortlistError):
    """A precision cannot be promised of labels, by what people labelled so far."""

    code = "cannot_promise"


class ErrandUnderWayError(ShortlistError):
    """A worker still does what somebody asked for on the project's page."""

    code = "errand_under_way"


class BackupError(ShortlistError):
    """A backup cannot be made, is none, is damaged, or may not be put in place."""

    code = "backup"


class TableError(ShortlistError):
    """A file of texts cannot be read, or its result cannot be put where it should go."""

    code = "table"


# The code of an error of the operating system.
SYSTEM = "system"
# Errors of a full or read-only disk: SQLite and safetensors have errors of their own for it.
REFUSALS = (OSError, sqlite3.OperationalError, SafetensorError)
# The code of a lack of memory.
OUT_OF_MEMORY = "out_of_memory"


def system_refused(reason: object) -> str:
    """Say that the disk or the system refused something, and what to look at.

    Args:
        reason: the system's own words.
    """
    return f"the disk or the system refused ({reason}): is MODEL_DIR full, or does it belong to another user?"


def lacked_memory(what: str) -> str:
    """Say that there was too little memory, and what to do.

    Args:
        what: what needs more, in words.
    """
    return f"{what} needs more memory than there is: give the worker more memory, or set a smaller BERT_MODEL"


HTTP_STATUS: dict[type[ShortlistError], int] = {
    InvalidRequestError: 400,
    WrongSecretError: 401,
    ForeignRequestError: 403,
    UnknownProjectError: 404,
    NoModelError: 409,
    UnsupportedConfigError: 422,
    WrongContentTypeError: 415,
    ConfigurationError: 422,
    CannotPromiseError: 422,
    LabelDescriptionError: 422,
    NotWaitingError: 409,
    ErrandUnderWayError: 409,
    PausedError: 409,
    TooManyRequestsError: 429,
    RedisUnavailableError: 503,
    BusyError: 503,
}
