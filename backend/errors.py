"""What can go wrong at the edges, each with the code and HTTP status that a caller gets."""

from model.errors import LabelDescriptionError, ShortlistError


class ConfigurationError(ShortlistError):
    """A setting is wrong; the message names its key and what it must be."""

    code = "configuration"


class InvalidRequestError(ShortlistError):
    """A request is not what Label Studio's contract says."""

    code = "invalid_request"


class StaleAnswerError(ShortlistError):
    """An answer to a question that has been replaced by another: its numbers mean other texts now."""

    code = "stale_answer"


class UnsupportedConfigError(ShortlistError):
    """A labeling config that text classification cannot serve."""

    code = "unsupported_labeling_config"


class UnknownProjectError(ShortlistError):
    """Nothing is known of that project, here or in Label Studio."""

    code = "unknown_project"


class RedisUnavailableError(ShortlistError):
    """Redis does not answer."""

    code = "redis_unavailable"


class LabelStudioError(ShortlistError):
    """Label Studio refused a request."""

    code = "label_studio"


class LabelStudioUnreachableError(LabelStudioError):
    """Label Studio does not answer, or is overloaded: worth another try."""

    code = "label_studio_unreachable"


class TokenRefusedError(LabelStudioError):
    """Label Studio does not take the API key."""

    code = "token_refused"


class PublicationError(ShortlistError):
    """Label Studio took fewer predictions than it was given."""

    code = "publication"


HTTP_STATUS: dict[type[ShortlistError], int] = {
    InvalidRequestError: 400,
    UnknownProjectError: 404,
    UnsupportedConfigError: 422,
    ConfigurationError: 422,
    LabelDescriptionError: 422,
    RedisUnavailableError: 503,
}
