"""The backend's errors. A caller gets an error's code and its HTTP status."""

from model.errors import LabelDescriptionError, ShortlistError


class ConfigurationError(ShortlistError):
    """A setting is wrong; the message names the key and the value that it needs."""

    code = "configuration"


class InvalidRequestError(ShortlistError):
    """A request does not have the form that Label Studio's API promises."""

    code = "invalid_request"


class StaleAnswerError(ShortlistError):
    """A pasted answer belongs to an older prompt, whose numbers stood for other texts."""

    code = "stale_answer"


class UnsupportedConfigError(ShortlistError):
    """The labeling config asks for no text classification that we can learn."""

    code = "unsupported_labeling_config"


class UnknownProjectError(ShortlistError):
    """Neither this backend nor Label Studio has the project."""

    code = "unknown_project"


class RedisUnavailableError(ShortlistError):
    """Redis does not answer."""

    code = "redis_unavailable"


class TurnLostError(ShortlistError):
    """Another worker runs a round of the project now; this round must change nothing any more."""

    code = "turn_lost"


class LabelStudioError(ShortlistError):
    """Label Studio refused a request."""

    code = "label_studio"


class LabelStudioUnreachableError(LabelStudioError):
    """Label Studio does not answer or is overloaded; a retry may succeed."""

    code = "label_studio_unreachable"


class TokenRefusedError(LabelStudioError):
    """Label Studio refused the API key."""

    code = "token_refused"


class PublicationError(ShortlistError):
    """Label Studio stored fewer predictions than we sent."""

    code = "publication"


HTTP_STATUS: dict[type[ShortlistError], int] = {
    InvalidRequestError: 400,
    UnknownProjectError: 404,
    UnsupportedConfigError: 422,
    ConfigurationError: 422,
    LabelDescriptionError: 422,
    RedisUnavailableError: 503,
}
