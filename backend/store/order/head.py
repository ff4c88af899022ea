"""Records of the head of an order: which versions and settings made it, and its first tasks."""

import re
from dataclasses import dataclass, replace

from model.types import LabelSet

# Label Studio has the model versions of other ML backends too.
PUBLICATION_NAME = re.compile(r"^(\d+)\.(\d+)$")


@dataclass(frozen=True)
class NextTask:
    """One of the first tasks of an order, and why it has its place.

    Attributes:
        task: id of the task.
        reason: why the task has its place, for people.
    """

    task: int
    reason: str


@dataclass(frozen=True)
class HookFailure:
    """An ordering hook that failed, so that another query strategy made an order.

    Attributes:
        hook: name of the hook, as in the settings.
        problem: why it failed, for people.
        problem_code: error code of the failure.
    """

    hook: str
    problem: str
    problem_code: str


@dataclass(frozen=True)
class FurtherQuestion:
    """What an order knew of a question after the project's first; see the same fields of `Publication`."""

    model: int
    labelled_tasks: int
    label_set: LabelSet
    strategy: str
    labels_sha256: str
    hook_failure: HookFailure | None = None


@dataclass(frozen=True)
class Publication:
    """The head of an order that was written to Label Studio. Fields about labels are of the project's first question.

    Attributes:
        number: 1, 2, 3 …; never used twice in a project.
        model: number of the model version that made the order; 0 without a model version.
        queued: number of first tasks that were written to Label Studio.
        size: number of ordered tasks, N.
        settings_digest: digest of the labeling config and of the settings that shape an order.
        labelled_tasks: number of labelled tasks when the order was made.
        label_set: the labels of the pre-annotations.
        strategy: the query strategy that made the order.
        labels_sha256: digest of people's labels when the order was made.
        is_live: the order was made between two trainings, because of new labels.
        selected_at: time when the LLM chose the first tasks, in seconds since 1970; 0 if no LLM chose.
        next: the first tasks and their reasons, at most SHOWN_NEXT.
        hook_failure: the ordering hook in whose place `strategy` made the order; None if no hook failed.
        further: the project's further questions.
        copies: number of ordered texts that are the same as another one.
        table_sha256: checksum of the table of places; empty in an order of an earlier release.
    """

    number: int
    model: int
    queued: int
    size: int
    settings_digest: str
    labelled_tasks: int
    label_set: LabelSet
    strategy: str = ""
    labels_sha256: str = ""
    is_live: bool = False
    selected_at: float = 0.0
    next: tuple[NextTask, ...] = ()
    hook_failure: HookFailure | None = None
    further: tuple[FurtherQuestion, ...] = ()
    copies: int = 0
    table_sha256: str = ""

    @property
    def asked_strategy(self) -> str:
        """The query strategy that the settings asked for, which may have failed."""
        return self.hook_failure.hook if self.hook_failure else self.strategy

    @property
    def label_sets(self) -> tuple[LabelSet, ...]:
        """The labels of each question."""
        return (self.label_set, *(question.label_set for question in self.further))

    def of_question(self, place: int) -> "Publication":
        """The head as one question sees it; for a question that the order does not know, no model made it.

        An LLM's choice is the project's, and so is its time.
        """
        if not place:
            return self
        if place > len(self.further):
            return replace(self, model=-1)
        return replace(self, **vars(self.further[place - 1]))

    @property
    def name(self) -> str:
        """The order's model_version in Label Studio: `<model>.<number>`."""
        return f"{self.model}.{self.number}"
