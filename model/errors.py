"""One error root for the whole project, and the errors of the learning."""


class ShortlistError(Exception):
    """Something Shortlist understands went wrong; the message says what was asked, what was found and what to do."""

    code = "error"


class InvalidTargetsError(ShortlistError):
    """The annotations at hand cannot train a classifier."""

    code = "invalid_targets"


class UnknownLabelError(InvalidTargetsError):
    """An annotation carries a label that the labeling config does not have."""

    code = "unknown_label"


class LabelDescriptionError(ShortlistError):
    """Somebody describes a label that does not exist, or describes labels in a way that cannot be read."""

    code = "label_description"


class UnknownStrategyError(ShortlistError, ValueError):
    """No query strategy that will do has that name. A ValueError too, so that settings report it with others."""

    code = "unknown_strategy"


class InvalidProbabilitiesError(ShortlistError):
    """Class probabilities are NaN, negative or do not sum to one."""

    code = "invalid_probabilities"


class InvalidEmbeddingsError(ShortlistError):
    """Embeddings are NaN or infinite."""

    code = "invalid_embeddings"


class EncoderError(ShortlistError):
    """An encoder cannot be found, read or trusted."""

    code = "encoder"


class TrainingDivergedError(ShortlistError):
    """The loss became NaN or infinite."""

    code = "training_diverged"


class TrainingCancelledError(ShortlistError):
    """Somebody wanted the training to end before it was done."""

    code = "training_cancelled"


class VersionError(ShortlistError):
    """A model version is missing or damaged on disk."""

    code = "model_version"


class InvalidGoldError(ShortlistError):
    """Texts with known labels cannot be read, or are too few for what was asked."""

    code = "invalid_gold"


class LLMError(ShortlistError):
    """An LLM did not answer, or its answer is of no use."""

    code = "llm"


class LLMKeyError(LLMError):
    """There is no API key for the provider, or it refuses the one there is."""

    code = "llm_key"


class LLMModelError(LLMError):
    """The provider does not know the model."""

    code = "llm_model"


class LLMContextError(LLMError):
    """The question does not fit into the model's context."""

    code = "llm_context"


class LLMUnavailableError(LLMError):
    """The provider does not answer, or is overloaded: worth another try later."""

    code = "llm_unavailable"


class LLMBudgetError(LLMError):
    """The tokens that a project may spend are spent."""

    code = "llm_budget"


class UnreadableAnswerError(LLMError):
    """What the LLM wrote holds no answer to what it was asked; the message says why, in words fit for asking again."""

    code = "llm_answer"
