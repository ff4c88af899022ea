"""Records of an LLM's choices, labels and drafts in a project."""

from collections.abc import Collection
from dataclasses import dataclass, replace

# The source of an answer that a person pasted from a chat window.
PASTED = "pasted"


@dataclass(frozen=True)
class Picked:
    """A task that an LLM picked.

    Attributes:
        task_id: the task.
        guess: the label that the LLM expects; empty if its answer named none.
        votes: number of askings that picked the task; 0 for a task that fills an empty place of the batch.
        askings: number of askings with a usable answer; 0 if there was no choice to make.
        score: disagreement of the LLM committee in nats, higher = ask sooner; None without a committee.
    """

    task_id: int
    guess: str
    votes: int
    askings: int
    score: float | None = None

    @property
    def reason(self) -> str:
        """Why the task comes first, for people."""
        if self.score is not None:
            return f"LLM committee: disagreement {self.score:.2f} nats"
        if not self.askings:
            return "all that is left: nothing to choose"
        if not self.votes:
            return "LLM: picked too few, fills up"
        return f"LLM: picked {self.votes} of {self.askings} asking{'s' if self.askings > 1 else ''}"


@dataclass(frozen=True)
class Selection:
    """One choice of an LLM, or its failure to choose.

    Attributes:
        strategy: the query strategy that asked the LLM.
        source: provider and model of the LLM, or PASTED.
        at: time of the choice, in seconds since 1970; identifies the choice.
        picks: the picked tasks, first = next; empty after a failure.
        failure: why the LLM picked no or too few tasks; empty after a full choice.
        failure_code: error code of the failure.
        failures: number of failures in a row, this one included.
    """

    strategy: str
    source: str
    at: float
    picks: tuple[Picked, ...] = ()
    failure: str = ""
    failure_code: str = ""
    failures: int = 0

    @property
    def is_pasted(self) -> bool:
        """A person pasted the answer."""
        return self.source == PASTED

    @property
    def has_failed(self) -> bool:
        """The LLM picked no task."""
        return not self.picks

    def among(self, task_ids: Collection[int]) -> "Selection":
        """Return the choice without picks of other tasks.

        Args:
            task_ids: the tasks that need an annotation.
        """
        return replace(self, picks=tuple(pick for pick in self.picks if pick.task_id in task_ids))


@dataclass(frozen=True)
class LLMLabel:
    """An LLM's labels of a task's text.

    Attributes:
        labels: the labels.
        is_sure: all members of the committee gave the same labels.
        is_check: a person labels the text blind, to check the LLM.
        text_digest: digest of the text; if the task's text changes, the labels no longer hold.
        source: provider and model of the LLM; checks of another LLM's labels do not count.
        question: control of the question that the labels answer; empty in a record of an earlier release.
    """

    labels: tuple[str, ...]
    is_sure: bool
    is_check: bool
    text_digest: int
    source: str = ""
    question: str = ""


@dataclass(frozen=True)
class Draft:
    """An LLM's draft for a task's text.

    Attributes:
        text: the draft; empty where there is none to show.
        problem: why there is none; empty where there is one.
        is_check: people answer without seeing the draft, to check the LLM.
        text_digest: digest of the text; if the task's text changes, the draft no longer holds.
        source: provider and model of the LLM.
        question: control of the question.
    """

    text: str
    problem: str
    is_check: bool
    text_digest: int
    source: str
    question: str


@dataclass(frozen=True)
class PastePrompt:
    """A prompt that a person pastes into a chat window.

    Attributes:
        text: the prompt.
        task_ids: the tasks, in the order of their numbers in the prompt.
        select: number of texts that the prompt asks the LLM to pick.
        labels: the labels in the prompt.
        at: time when the prompt was made, in seconds since 1970; identifies the prompt that an answer belongs to.
    """

    text: str
    task_ids: tuple[int, ...]
    select: int
    labels: tuple[str, ...]
    at: float
