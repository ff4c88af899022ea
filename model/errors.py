"""One error root for the whole project, and the errors of the learning."""


class ShortlistError(Exception):
    """The root of all errors that Shortlist raises; a message says what was asked, what was found and what to do.

    Attributes:
        code: names the kind of error in answers, status and logs.
        is_passing: time may heal the error, so that the same work may succeed if it is tried again later.
    """

    code = "error"
    is_passing = False


class InvalidTargetsError(ShortlistError):
    """The labels cannot train a classifier."""

    code = "invalid_targets"


class UnusableAnswerError(ShortlistError):
    """An annotation's answer cannot be learned from; the message completes "left out, because …"."""

    code = "unusable_answer"


class LabelDescriptionError(ShortlistError):
    """A description names a label that does not exist, or descriptions cannot be read."""

    code = "label_description"


class UnknownStrategyError(ShortlistError, ValueError):
    """No suitable query strategy has that name; also a ValueError, so that settings report it with other errors."""

    code = "unknown_strategy"


class InvalidHookError(ShortlistError, ValueError):
    """No ordering hook has that name; also a ValueError, so that settings report it with other errors."""

    code = "invalid_hook"


class HookFailedError(ShortlistError):
    """An ordering hook raised an error, or returned neither scores nor an order."""

    code = "hook_failed"


class InvalidProbabilitiesError(ShortlistError):
    """Class probabilities are NaN, negative or do not sum to one."""

    code = "invalid_probabilities"


class InvalidEmbeddingsError(ShortlistError):
    """Embeddings are NaN or infinite."""

    code = "invalid_embeddings"


class EncoderError(ShortlistError):
    """An encoder cannot be found or read, or its weights are not the expected ones."""

    code = "encoder"


class TrainingDivergedError(ShortlistError):
    """The loss became NaN or infinite."""

    code = "training_diverged"


class TrainingFailedError(ShortlistError):
    """A training broke off for a reason that nobody foresaw, such as too little memory or a full disk."""

    code = "training_failed"


class TrainingCancelledError(ShortlistError):
    """The training was told to stop before its end."""

    code = "training_cancelled"


class VersionError(ShortlistError):
    """A model version is missing or damaged on disk."""

    code = "model_version"


class DamagedVersionError(VersionError):
    """The files of a model version are damaged; the version was set aside, so that the one before it serves."""


class ExportError(ShortlistError):
    """A model version cannot be written to the folder that was asked for."""

    code = "export"


class InvalidGoldError(ShortlistError):
    """Gold labels cannot be read, or are too few for the simulation."""

    code = "invalid_gold"


class LLMError(ShortlistError):
    """An LLM did not answer, or its answer cannot be used."""

    code = "llm"


class LLMKeyError(LLMError):
    """The provider's API key is missing or refused."""

    code = "llm_key"


class LLMModelError(LLMError):
    """The provider does not know the model."""

    code = "llm_model"


class LLMContextError(LLMError):
    """The question does not fit into the model's context."""

    code = "llm_context"


class LLMUnavailableError(LLMError):
    """The provider does not answer or is overloaded; trying again later may help."""

    code = "llm_unavailable"


class LLMBudgetError(LLMError):
    """A project has spent all tokens that it may spend."""

    code = "llm_budget"


class UnreadableAnswerError(LLMError):
    """The LLM's text holds no answer to the question; the message says why, in words that can be sent to the LLM."""

    code = "llm_answer"
