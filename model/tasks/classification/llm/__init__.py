"""Labels from LLMs: prompts that request labels, readers of the answers, committees, and what labels are used for.

This folder may import `model.llm`'s `asking` and `reading`, and `model.query`. `simulation` and `backend` import it.
"""

from model.tasks.classification.llm.label_answer import Guess, read_labels
from model.tasks.classification.llm.label_committee import CommitteeMember, agreed_guesses, committee_votes
from model.tasks.classification.llm.label_prompt import LABEL_WORDINGS
from model.tasks.classification.llm.labeler import ask_for_labels
from model.tasks.classification.llm.routing import (
    CHECKED_SHARE,
    WEAK_WEIGHT,
    Checks,
    LLMGuesses,
    Route,
    count_checks,
    route,
    weak_targets,
)
from model.tasks.classification.llm.selection_methods import select_by_strategy

__all__ = [
    "CHECKED_SHARE",
    "LABEL_WORDINGS",
    "WEAK_WEIGHT",
    "Checks",
    "CommitteeMember",
    "Guess",
    "LLMGuesses",
    "Route",
    "agreed_guesses",
    "ask_for_labels",
    "committee_votes",
    "count_checks",
    "read_labels",
    "route",
    "select_by_strategy",
    "weak_targets",
]
