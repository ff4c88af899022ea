"""Ask LLMs and use their answers: what a prompt says of a project, tries, and picks.

This folder may import `reading` and `model.query`. `memory`, `tasks`, `simulation` and `backend` import it.
"""

from model.llm.asking.candidates import Candidates
from model.llm.asking.framing import MARK, count_tokens, numbered_line, quoted, quoted_lines, shorten
from model.llm.asking.json_answers import AGAIN_TOKENS, ask_twice, asking_again, exact_object
from model.llm.asking.nearest import group_alike, nearest_examples
from model.llm.asking.picks import read_picks
from model.llm.asking.question import Question, describe_project
from model.llm.asking.selection_prompt import as_text, build_selection_prompt
from model.llm.asking.selector import (
    MOST_PICKS,
    SHOWN_PER_PICK,
    Pick,
    SelectedTexts,
    balanced,
    prompt_for_pasting,
    select_texts,
    show_groups,
)

__all__ = [
    "AGAIN_TOKENS",
    "MARK",
    "MOST_PICKS",
    "SHOWN_PER_PICK",
    "Candidates",
    "Pick",
    "Question",
    "SelectedTexts",
    "as_text",
    "ask_twice",
    "asking_again",
    "balanced",
    "build_selection_prompt",
    "count_tokens",
    "describe_project",
    "exact_object",
    "group_alike",
    "nearest_examples",
    "numbered_line",
    "prompt_for_pasting",
    "quoted",
    "quoted_lines",
    "read_picks",
    "select_texts",
    "shorten",
    "show_groups",
]
