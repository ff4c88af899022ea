"""A model version to export, with its classifier and facts about the question that it answers."""

from dataclasses import dataclass

from model.encoder.classifier import TextClassifier
from model.export.answers import AnswerForm
from model.learner.model_version import ModelVersion


@dataclass(frozen=True)
class Exported:
    """A model version to export.

    Attributes:
        version: its manifest.
        classifier: loaded.
        form: which classes an answer names.
        project: Label Studio's project id.
        shortlist: the release of Shortlist.
        is_markup: the project's texts are HTML, and the classifier learned their words without the markup.
    """

    version: ModelVersion
    classifier: TextClassifier
    form: AnswerForm
    project: int
    shortlist: str
    is_markup: bool = False
