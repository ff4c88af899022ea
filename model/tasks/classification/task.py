"""The question of a Choices control over a text."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as record_field

from model.links import Answers
from model.tasks.classification.choices import chosen_labels
from model.tasks.classification.results import ChoicesWriter
from model.tasks.label_names import Meaning
from model.tasks.shares import given_values, read_shares
from model.tasks.task import Condition, Task, TextField
from model.types import AnnotatedText, Annotation, LabelSet, LabelTexts, ReadTargets


@dataclass(frozen=True)
class Classification(Task):
    """Which labels does a text have?

    Attributes:
        control: name of the Choices tag.
        to_name: name of the text object that the Choices tag refers to.
        fields: all text fields that annotators see; the control's fields come first.
        label_set: the labels, and whether a text may have several.
        meaning: the meaning of the labels; equality of classifications ignores it.
        conditions: when the question is asked.
    """

    control: str
    to_name: str
    fields: tuple[TextField, ...]
    label_set: LabelSet
    meaning: Meaning = record_field(default_factory=Meaning, compare=False)
    conditions: tuple[Condition, ...] = ()

    def targets(self, annotated: Iterable[AnnotatedText]) -> ReadTargets:
        """Shares of annotators; see `read_shares`."""
        return read_shares(annotated, self.label_set, self._chosen)

    def results(self, answers: Answers) -> Iterator[str]:
        """The likeliest label; with several labels for a text, all labels with a probability of at least 0.5."""
        return self._writer.results(self.link.rows(answers))

    def label_result(self, labels: Sequence[str]) -> str:
        """One item that chooses the labels."""
        return json.dumps(self._writer.label_result(labels))

    def label_texts(self, question: str, described: Mapping[str, str]) -> LabelTexts:
        """The words of each label: the project's, else the labeling config's, else its name; two texts at most."""
        return self.meaning.texts(self.label_set.labels, question, described)

    @property
    def asks(self) -> str:
        """The Header above the control."""
        return self.meaning.question

    def labels_of_guess(self, guess: str) -> tuple[str, ...]:
        """The guess itself, where a text has exactly one label."""
        return (guess,) if guess in self.label_set.labels and not self.label_set.is_multilabel else ()

    def _chosen(self, annotation: Annotation) -> tuple[str, ...] | None:
        """The labels that an annotation gives. Where the question was not asked, no label says nothing."""
        labels = chosen_labels(annotation, self.control)
        return labels if labels or self.is_asked(given_values(annotation.result)) else None

    @property
    def _writer(self) -> ChoicesWriter:
        return ChoicesWriter(self.control, self.to_name, self.label_set)
