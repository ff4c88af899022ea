"""Ask LLMs and use their answers: prompts, tries, picks, labels, committees, routing.

This folder may import `reading` and `model.query`. `memory`, `simulation` and `backend` import it.
"""

from model.llm.asking.candidates import Candidates
from model.llm.asking.framing import count_tokens
from model.llm.asking.label_committee import CommitteeMember, agreed_guesses, committee_votes
from model.llm.asking.label_prompt import LABEL_WORDINGS
from model.llm.asking.labeler import ask_for_labels
from model.llm.asking.picks import read_picks
from model.llm.asking.question import Question
from model.llm.asking.routing import WEAK_WEIGHT, Checks, LLMGuesses, Route, count_checks, route, weak_targets
from model.llm.asking.selection_methods import select_by_strategy
from model.llm.asking.selection_prompt import as_text, build_selection_prompt
from model.llm.asking.selector import (
    MOST_PICKS,
    SHOWN_PER_PICK,
    Pick,
    SelectedTexts,
    balanced,
    prompt_for_pasting,
    select_texts,
)

__all__ = [
    "LABEL_WORDINGS",
    "MOST_PICKS",
    "SHOWN_PER_PICK",
    "WEAK_WEIGHT",
    "Candidates",
    "Checks",
    "CommitteeMember",
    "LLMGuesses",
    "Pick",
    "Question",
    "Route",
    "SelectedTexts",
    "agreed_guesses",
    "as_text",
    "ask_for_labels",
    "balanced",
    "build_selection_prompt",
    "committee_votes",
    "count_checks",
    "count_tokens",
    "prompt_for_pasting",
    "read_picks",
    "route",
    "select_by_strategy",
    "select_texts",
    "weak_targets",
]
