"""Records of `apply` and `find`: what was asked, found out, written to Label Studio, and put first, and why."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Form(StrEnum):
    """In which form labels are written to Label Studio."""

    PREDICTIONS = "predictions"
    """Predictions, under a model version of their own."""
    ANNOTATIONS = "annotations"
    """Annotations, marked as the backend's."""


# How runs are named in Label Studio: who gives the labels, and a number.
_RUN_NAME = re.compile(r"(?:\d+|llm)\.apply-(\d{1,9})")


def run_number(name: str) -> int:
    """Return the number of a run of `apply` by its name in Label Studio; 0 for a name that no run has.

    Label Studio's names tell runs of which the record here is lost.

    Args:
        name: a model version in Label Studio.
    """
    found = _RUN_NAME.fullmatch(name)
    return int(found[1]) if found else 0


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


class ErrandKind(StrEnum):
    """What a page can ask of a worker."""

    CHECK = "check"
    """Say what can be promised."""
    WRITE = "write"
    """Label the rest."""
    SAMPLE = "sample"
    """Have people look at a sample of what would be labelled."""
    UNDO = "undo"
    """Delete all labels of `apply`."""
    FIND = "find"
    """Put texts that somebody looks for next."""


@dataclass(frozen=True)
class Errand:
    """Work that somebody asked for on a project's page, and that a worker does beside the rounds.

    Attributes:
        kind: what to do.
        at: when it was asked for, in seconds since 1970; tells it from every other errand.
        precision: what is to be promised.
        question: control of the question; empty for the first.
        form: in which form labels are written.
        count: number of texts to show, or to find.
        words: words to look for; empty for one of the others.
        like: task whose text is looked for; 0 for one of the others.
        label: label that is looked for; empty for one of the others.
    """

    kind: ErrandKind
    at: float
    precision: float = 0.95
    question: str = ""
    form: Form = Form.PREDICTIONS
    count: int = 30
    words: str = ""
    like: int = 0
    label: str = ""


@dataclass(frozen=True)
class ErrandReport:
    """How far a worker is with an errand, or how it ended.

    Attributes:
        of: the errand's `at`.
        done: items done in the present step.
        total: items to do in it; 0 before any are counted.
        ended_at: when it ended, in seconds since 1970; 0 while it goes on.
        said: what was done, in sentences.
        wrong: why it could not be done; empty if it was.
    """

    of: float
    done: int = 0
    total: int = 0
    ended_at: float = 0.0
    said: tuple[str, ...] = ()
    wrong: str = ""


@dataclass(frozen=True)
class Checked:
    """What was found out the last time that somebody checked what can be promised.

    Attributes:
        at: when, in seconds since 1970.
        precision: what was to be promised.
        question: control of the question.
        model: number of the model version.
        is_promised: whether the precision can be promised.
        reason: why it cannot, and what to do; empty if it can.
        tasks: number of texts that would get a label.
        copies: number of those that are copies of labelled texts.
        share: the part of the unlabelled texts that would get a label.
        expected: the share of right labels in the random sample; None without any.
        interval: bounds of the share of right labels; None where nothing can be said.
        said: all of it, in sentences.
    """

    at: float
    precision: float
    question: str
    model: int
    is_promised: bool
    reason: str = ""
    tasks: int = 0
    copies: int = 0
    share: float = 0.0
    expected: float | None = None
    interval: tuple[float, float] | None = None
    said: tuple[str, ...] = ()


@dataclass(frozen=True)
class NextUpTab:
    """The Data Manager's tab that shows what annotators get next.

    Attributes:
        at: when Label Studio was asked for it, in seconds since 1970.
        view_id: Label Studio's id of the tab; 0 if it made none.
        problem: why it made none; empty if it did.
    """

    at: float
    view_id: int = 0
    problem: str = ""
