"""Read an LLM's answers: JSON however damaged, the numbers that an answer picks, its faults, spellings of labels.

This folder imports the records alone. `asking`, `tasks` and `backend` import it.
"""

from model.llm.reading.answer_length import check_length
from model.llm.reading.json_values import entry_number, json_values, parts_of, text_number
from model.llm.reading.label_matching import match_label
from model.llm.reading.pick_answer import PickedNumbers, read_picked_numbers
from model.llm.reading.pick_faults import find_faults, is_degenerate
from model.llm.reading.thoughts import without_thoughts

__all__ = [
    "PickedNumbers",
    "check_length",
    "entry_number",
    "find_faults",
    "is_degenerate",
    "json_values",
    "match_label",
    "parts_of",
    "read_picked_numbers",
    "text_number",
    "without_thoughts",
]
