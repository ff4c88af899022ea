"""A kind of question: everything that a round needs to know of a question to annotators about a text."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from model.encoder.classifier import TextClassifier
from model.encoder.inference import head_proba
from model.learner.evaluation import Evaluation, evaluate, seen_classes
from model.learner.recipes import TrainingConfig
from model.learner.training import Start, StepProgress, Trained, train
from model.links import Answers, Link, link_of
from model.types import AnnotatedText, BoolArray, FloatArray, LabelSet, LabelTexts, ReadTargets, Targets, TrainingData

GoldAnswer = str | int | list[str]
"""People's answer to a text in a file of gold answers: a label, stars, or several labels."""


@dataclass(frozen=True)
class TextField:
    """One field of a task's data that holds text.

    Attributes:
        kind: Text, HyperText or Paragraphs.
        key: key of the field in the task's data.
        speaker_key: key of a line's speaker, in Paragraphs.
        said_key: key of a line's text, in Paragraphs.
        encoding: base64 or base64unicode if the field holds the text in that encoding.
    """

    kind: str
    key: str
    speaker_key: str = "author"
    said_key: str = "text"
    encoding: str = ""


@dataclass(frozen=True)
class Condition:
    """When a question is asked: depending on the answer to another one.

    Attributes:
        control: control of the other question.
        values: answers that matter; empty: any.
        is_given: the question is asked if one of them is given; False: if none is.
    """

    control: str
    values: tuple[str, ...] = ()
    is_given: bool = True

    def holds(self, answers: Mapping[str, Collection[str]]) -> bool:
        """Whether the question is asked.

        Args:
            answers: the given answers, by control.
        """
        given = answers.get(self.control, ())
        return (any(value in given for value in self.values) if self.values else bool(given)) == self.is_given


class Task(ABC):
    """One question of a project: what annotators say of a text with one control of the labeling config.

    A kind of question derives from this class. A row in `backend/studio/config/kinds.py` reads it from a config.
    By default a kind learns a head of C classes on a text encoder; a kind with other units overrides `link`.

    Attributes:
        control: name of the control in the labeling config.
        fields: the fields of a task's data that annotators see with the question, in order.
        label_set: the classes of axis C. Model versions of other classes are not used for the question.
        conditions: when the question is asked; all must hold.
        is_learned: a classifier learns to answer it; otherwise texts are only put in order.
        is_ordered: the classes are degrees in order, and the answer is the median of their probabilities.
    """

    control: str
    fields: tuple[TextField, ...]
    label_set: LabelSet
    conditions: tuple[Condition, ...] = ()
    is_learned: ClassVar[bool] = True
    is_ordered: ClassVar[bool] = False

    @abstractmethod
    def targets(self, annotated: Iterable[AnnotatedText]) -> ReadTargets:
        """Turn annotations into targets; an answer that does not fit the question is left out, and the rest counts.

        Args:
            annotated: texts with annotations, each with the result items of all controls.
        """

    def is_asked(self, answers: Mapping[str, Collection[str]]) -> bool:
        """Whether the question is asked, by the answers to the others.

        Args:
            answers: the given answers, by control; see `model.tasks.shares.given_values`.
        """
        return all(condition.holds(answers) for condition in self.conditions)

    def written(self, annotated: Iterable[AnnotatedText]) -> dict[int, tuple[str, ...]]:
        """Return each person's words about a text, by task id; empty unless the question is answered in free text.

        Args:
            annotated: texts with annotations.
        """
        return {}

    def as_answered(self, annotated: Iterable[AnnotatedText]) -> "Task":
        """The question as people answer it, where the labeling config leaves that open; by default as it is asked."""
        return self

    def with_labels(self, label_set: LabelSet) -> "Task | None":
        """The question as a classifier of these classes answers it; None if it cannot."""
        return self if label_set == self.label_set else None

    @abstractmethod
    def results(self, answers: Answers) -> Iterator[str]:
        """Label Studio's result items of each text, as JSON; "[]" for a text without an answer.

        Args:
            answers: of N texts.
        """

    @abstractmethod
    def label_result(self, labels: Sequence[str]) -> str:
        """The result items of a text with these labels, as JSON, without a score."""

    def gold_answers(self, targets: Targets) -> Iterator[GoldAnswer]:
        """Return the label that most annotators gave each text; with several labels those of at least half of them.

        Args:
            targets: people's answers to the question.
        """
        for is_given_C in self.link.decide(targets.targets_N_C):
            given = [label for label, is_given in zip(self.label_set.labels, is_given_C, strict=True) if is_given]
            yield given if self.label_set.is_multilabel else given[0]

    @property
    def link(self) -> Link:
        """The meaning of a head's C numbers: units, and the reduction of unit scores to text scores."""
        return link_of(self.label_set)

    def label_texts(self, question: str, described: Mapping[str, str]) -> LabelTexts:
        """Texts with the meaning of each of C labels, which teach before anybody labels; by default none.

        Args:
            question: the project's question in words; may be empty.
            described: the project's own descriptions, by label.
        """
        return ((),) * len(self.label_set.labels)

    @property
    def asks(self) -> str:
        """The question in the labeling config's words; empty if the config has none."""
        return ""

    @property
    def label_note(self) -> str:
        """A sentence on what kind of labels these are, for an LLM; empty for plain names."""
        return ""

    def labels_of_guess(self, guess: str) -> tuple[str, ...]:
        """The labels of a text of which an LLM expects one label; empty where one label is no answer."""
        return ()

    def can_teach(self, targets: Targets) -> bool:
        """Whether the labels have enough classes to train on."""
        return self.is_learned and len(seen_classes(targets.targets_N_C)) >= self.link.least_classes

    def fit(
        self,
        data: TrainingData,
        config: TrainingConfig,
        start: Start,
        on_step: StepProgress,
        should_stop: Callable[[], bool],
    ) -> Trained:
        """Train a classifier; arguments and errors as of `model.learner.training.train`."""
        return train(data, config, start, on_step, should_stop, self.measure)

    def answers(self, proba_N_C: FloatArray) -> Answers:
        """The units of N texts.

        Args:
            proba_N_C: the probabilities that a head of the question gives each text.
        """
        return self.link.answers(proba_N_C)

    def predict(self, classifier: TextClassifier, embeddings_N_D: FloatArray) -> Answers:
        """Answer for N texts.

        Args:
            classifier: a classifier of the question.
            embeddings_N_D: the texts as its encoder embeds them.
        """
        return self.answers(head_proba(classifier, classifier.head, embeddings_N_D))

    def measure(self, proba_N_C: FloatArray, targets_N_C: FloatArray) -> Evaluation:
        """Compare the answers to N texts with people's.

        Args:
            proba_N_C: the probabilities that a head of the question gives each text.
            targets_N_C: people's shares.
        """
        return evaluate(proba_N_C, targets_N_C, self.link)

    def decided(self, values_N_C: FloatArray) -> BoolArray:
        """The classes that the question's answer gives each text, by probabilities or by people's shares.

        Args:
            values_N_C: a number for each class of N texts.
        """
        return self.link.decide(values_N_C)
