"""Drafts from LLMs: a prompt that requests them, a reader of the answers, and how near people's own answers come.

Nothing is trained on a draft. This folder may import `model.llm`'s `asking` and `reading`. `backend` imports it.
"""

from model.tasks.free_text.llm.draft_answer import Drafted, read_drafts
from model.tasks.free_text.llm.draft_figures import DraftFigures, count_answers, similarity
from model.tasks.free_text.llm.drafter import AskedTexts, DraftedTexts, ask_for_drafts

__all__ = [
    "AskedTexts",
    "DraftFigures",
    "Drafted",
    "DraftedTexts",
    "ask_for_drafts",
    "count_answers",
    "read_drafts",
    "similarity",
]
