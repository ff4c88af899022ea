"""What is taken away: a model version, its classifier, and what is known of the question that it answers."""

from dataclasses import dataclass

from model.encoder.classifier import TextClassifier
from model.export.answers import AnswerForm
from model.learner.model_version import ModelVersion


@dataclass(frozen=True)
class Exported:
    """A model version to take away.

    Attributes:
        version: its manifest.
        classifier: loaded.
        form: which classes a text's probabilities stand for.
        project: Label Studio's project id.
        shortlist: the release of Shortlist.
        is_markup: the project's texts are HTML, of which the classifier learned the words.
    """

    version: ModelVersion
    classifier: TextClassifier
    form: AnswerForm
    project: int
    shortlist: str
    is_markup: bool = False
