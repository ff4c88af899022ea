"""Records of `apply` and `find`: what was written to Label Studio, what people are shown first, and why."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Form(StrEnum):
    """In which form labels are written to Label Studio."""

    PREDICTIONS = "predictions"
    """Predictions, under a model version of their own."""
    ANNOTATIONS = "annotations"
    """Annotations, marked as the backend's."""


@dataclass(frozen=True)
class Run:
    """One run of `apply` that wrote labels, or began to.

    Attributes:
        name: stands for the run in Label Studio: the predictions' model version, and the annotations' mark.
        form: in which form.
        digest: stands for every label of the run; a run with the same labels goes on where it was.
        tasks: number of tasks that the run labels.
        precision: what was promised.
        at: when it began, in seconds since 1970.
        is_done: whether all labels were written.
    """

    name: str
    form: Form
    digest: str
    tasks: int
    precision: float
    at: float
    is_done: bool = False


@dataclass(frozen=True)
class Given:
    """The label that `apply` gives a task.

    Attributes:
        labels: names of the labels.
        confidence: probability that they are right, calibrated; 1 for a copy of a text that people labelled.
    """

    labels: tuple[str, ...]
    confidence: float


@dataclass(frozen=True)
class Sample:
    """Labels that wait for people to look at a random sample of their texts.

    Attributes:
        at: when the sample was drawn, in seconds since 1970.
        model: number of the model version that gave the labels.
        question: control of the question that they answer.
        precision: what was asked to be promised.
        threshold: texts with a lower confidence got no label.
        right: number of texts of the random tenth above the threshold whose predicted label is right.
        tested: number of texts of the random tenth above the threshold.
        labels: the label of each task, by id.
        shown: ids of the tasks that people look at.
    """

    at: float
    model: int
    question: str
    precision: float
    threshold: float
    right: int
    tested: int
    labels: Mapping[int, Given]
    shown: tuple[int, ...]


@dataclass(frozen=True)
class Wish:
    """Texts that somebody looked for, and that people get next.

    Attributes:
        at: when, in seconds since 1970.
        reason: what was looked for, for people.
        task_ids: the tasks, first = next.
    """

    at: float
    reason: str
    task_ids: tuple[int, ...]
