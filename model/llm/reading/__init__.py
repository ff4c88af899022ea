"""Read an LLM's answers: the numbers that an answer picks, the labels that it gives, and its faults.

This folder imports the records alone. Only `asking` and `backend` import it.
"""

from model.llm.reading.label_answer import Guess, read_labels
from model.llm.reading.label_matching import match_label
from model.llm.reading.label_rows import majority, row_of
from model.llm.reading.pick_answer import PickedNumbers, read_picked_numbers
from model.llm.reading.pick_faults import find_faults, is_degenerate

__all__ = [
    "Guess",
    "PickedNumbers",
    "find_faults",
    "is_degenerate",
    "majority",
    "match_label",
    "read_labels",
    "read_picked_numbers",
    "row_of",
]
