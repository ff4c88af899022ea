"""Records of `apply` and `find`: errands, checks, runs, samples, searches, and the tab Next up."""

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
_RUN_NAME = re.compile(r"(?:\d{1,9}|llm)\.apply-(\d{1,9})")


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
        name: names the run in Label Studio: the predictions' model version, and the annotations' mark.
        form: the form of the labels.
        digest: digest of all labels; a run with the same labels goes on with this one.
        tasks: number of tasks that the run labels.
        precision: the promised precision.
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
        confidence: calibrated probability that the labels are right; 1 for a copy of a text that people labelled.
    """

    labels: tuple[str, ...]
    confidence: float


@dataclass(frozen=True)
class Sample:
    """Labels that wait for people to look at a random sample of their texts.

    Attributes:
        at: when the sample was drawn, in seconds since 1970.
        model: number of the model version that gave the labels.
        question: control of the question that the labels answer.
        precision: the precision that was asked for.
        threshold: texts with a lower confidence got no label.
        right: number of texts of the random tenth above the threshold whose predicted label is right.
        tested: number of texts of the random tenth above the threshold.
        labels: the label of each task, by id.
        shown: ids of the tasks that people look at.
        written_under: number of the model version in use when labels were written by the sample; None before.
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
    written_under: int | None = None


@dataclass(frozen=True)
class Wish:
    """The found texts of the last search, which come first in the order.

    Attributes:
        at: time of the search, in seconds since 1970.
        reason: names the search, for people.
        task_ids: the found tasks, first = next.
    """

    at: float
    reason: str
    task_ids: tuple[int, ...]


class ErrandKind(StrEnum):
    """The kinds of errands that a page can ask a worker for."""

    CHECK = "check"
    """Check which precision can be promised."""
    WRITE = "write"
    """Label the rest."""
    SAMPLE = "sample"
    """Have people look at a sample of the texts that would get a label."""
    UNDO = "undo"
    """Delete all labels of `apply`."""
    FIND = "find"
    """Search for texts, and put them first in the order."""


@dataclass(frozen=True)
class Errand:
    """Work that somebody asked for on a project's page, and that a worker does between rounds.

    Attributes:
        kind: the kind of the errand.
        at: when it was asked for, in seconds since 1970; identifies the errand.
        precision: the precision to promise.
        question: control of the question; empty for the first.
        form: the form of the labels.
        count: number of texts to show, or to find.
        words: words to look for; empty for another kind of search.
        like: task whose text is looked for; 0 for another kind of search.
        label: label that is looked for; empty for another kind of search.
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
    """The progress of an errand, or its end.

    Attributes:
        of: the errand's `at`.
        done: items done in the present step.
        total: items to do in the present step; 0 while unknown.
        ended_at: when the errand ended, in seconds since 1970; 0 while it goes on.
        said: the result, in sentences.
        wrong: why the errand could not be done; empty if it was done.
    """

    of: float
    done: int = 0
    total: int = 0
    ended_at: float = 0.0
    said: tuple[str, ...] = ()
    wrong: str = ""


@dataclass(frozen=True)
class Checked:
    """The result of the last check of a promise.

    Attributes:
        at: time of the check, in seconds since 1970.
        precision: the precision that was asked for.
        question: control of the question.
        model: number of the model version.
        is_promised: whether the precision can be promised.
        reason: why the precision cannot be promised, and what to do; empty if it can.
        tasks: number of texts that would get a label.
        copies: number of copies of labelled texts among them.
        share: the part of the unlabelled texts that would get a label.
        expected: the share of right labels in the random sample; None without such texts.
        interval: bounds of the share of right labels; None if unknown.
        said: the result in sentences.
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
        at: when Label Studio was asked for the tab, in seconds since 1970.
        view_id: Label Studio's id of the tab; 0 if Label Studio made none.
        problem: why Label Studio made no tab; empty if it did.
    """

    at: float
    view_id: int = 0
    problem: str = ""
