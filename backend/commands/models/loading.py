"""The model versions that a command asks for, loaded."""

from contextlib import suppress
from dataclasses import dataclass

from backend.web.questions import AskedQuestion
from model.encoder.classifier import TextClassifier
from model.errors import DamagedVersionError, VersionError
from model.export.answers import AnswerForm
from model.learner.model_version import ModelVersion
from model.learner.registry import KEPT_VERSIONS


@dataclass(frozen=True)
class LoadedModel:
    """A model version of a question, and its classifier."""

    question: AskedQuestion
    version: ModelVersion
    classifier: TextClassifier

    @property
    def form(self) -> AnswerForm:
        """The form of its answers."""
        return self.question.form(self.version)


def load_model(question: AskedQuestion, number: int = 0) -> LoadedModel | None:
    """Load a question's model version; None if the question has none yet.

    Args:
        question: the question.
        number: which version; 0 for the one in use.

    Raises:
        VersionError: there is no version of that number, the version answers another question, or cannot be loaded.
    """
    registry = question.folder.registry
    if number:
        version = registry.find(number)
        if not question.is_of(version):
            raise VersionError(f"model version {number} answers {version.question!r}, not {question.name!r}")
        return LoadedModel(question, version, version.load())
    for _ in range(KEPT_VERSIONS + 1):
        current = registry.current()
        if current is None or not question.is_of(current):
            return None
        # A damaged version is set aside, and the version before it becomes current.
        with suppress(DamagedVersionError):
            return LoadedModel(question, current, current.load())
    return None
