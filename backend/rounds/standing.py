"""One question in a round, with its classifier."""

from collections.abc import Sequence
from dataclasses import dataclass

from backend.rounds.context import InUse, RoundContext
from backend.rounds.llm.choosing import LLMContext
from backend.rounds.sync import Synced
from backend.store.selections import Selection
from model.errors import ShortlistError


@dataclass(frozen=True)
class Standing:
    """One question in a round.

    Attributes:
        llm: the project for this question, the round, and the LLM for labels.
        in_use: the classifier to go by.
        selection: what an LLM chose, where it has a say.
        failure: why the training failed; None if it did not.
        labels_since_failure: number of labels since the last training failed; None if it did not fail.
        leads: an LLM that chooses texts is asked for this question.
    """

    llm: LLMContext
    in_use: InUse
    selection: Selection | None = None
    failure: ShortlistError | None = None
    labels_since_failure: int | None = None
    leads: bool = True

    @property
    def synced(self) -> Synced:
        """The project for this question."""
        return self.llm.synced

    @property
    def context(self) -> RoundContext:
        """The round of this question."""
        return self.llm.round


def asked_for(standings: Sequence[Standing]) -> list[Standing]:
    """Return the questions that decide the order: those of `ask_for`, else all.

    Args:
        standings: the project's questions.
    """
    wanted = standings[0].synced.settings.ask_for
    # A name in `ask_for` that no question has any more is left out.
    return [standing for standing in standings if standing.synced.task.control in wanted] or list(standings)
