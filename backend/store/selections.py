"""What an LLM chose and said for a project, as it is kept on disk."""

from collections.abc import Collection
from dataclasses import dataclass, replace

# A chat window that a person pasted into.
PASTED = "pasted"


@dataclass(frozen=True)
class Picked:
    """A task that an LLM chose.

    Attributes:
        guess: the label that it expects; empty if it said none.
        votes: how many askings picked it; 0: none did, and it fills a place that they left.
        askings: how many gave an answer of use.
    """

    task_id: int
    guess: str
    votes: int
    askings: int
    score: float | None = None

    @property
    def reason(self) -> str:
        """Why it is asked for, for people."""
        if self.score is not None:
            return f"LLM committee: disagreement {self.score:.2f} nats"
        if not self.askings:
            return "all that is left: nothing to choose"
        if not self.votes:
            return "LLM: picked too few, fills up"
        return f"LLM: picked {self.votes} of {self.askings} asking{'s' if self.askings > 1 else ''}"


@dataclass(frozen=True)
class Selection:
    """One choice of an LLM, or its failure.

    Attributes:
        strategy: which way of asking.
        source: who was asked: provider and model, or PASTED.
        at: when, in seconds since 1970; tells it from others.
        picks: tasks, first = ask first; none if it failed.
        failure: why nothing was chosen, or less than was asked for; empty if all went well.
        failure_code: the kind of failure.
        failures: how often in a row nothing was chosen.
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
        """A person brought it."""
        return self.source == PASTED

    @property
    def has_failed(self) -> bool:
        """Nothing was chosen."""
        return not self.picks

    def among(self, task_ids: Collection[int]) -> "Selection":
        """Only those picks that still want labels."""
        return replace(self, picks=tuple(pick for pick in self.picks if pick.task_id in task_ids))


@dataclass(frozen=True)
class LLMLabel:
    """What an LLM says of a task's text.

    Attributes:
        is_sure: all that were asked said the same.
        is_check: a person labels the text without seeing this.
        text_digest: of the text that was meant: another one has no label.
        source: who said it: another LLM is judged by its own labels.
    """

    labels: tuple[str, ...]
    is_sure: bool
    is_check: bool
    text_digest: int
    source: str = ""


@dataclass(frozen=True)
class PastePrompt:
    """A prompt for a chat window, with the map from the numbers it shows to tasks.

    Attributes:
        text: what to paste.
        task_ids: the task under each number.
        select: how many are asked for.
        labels: of the question.
        at: when it was made: an answer to another one would be misread.
    """

    text: str
    task_ids: tuple[int, ...]
    select: int
    labels: tuple[str, ...]
    at: float
