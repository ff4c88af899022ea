"""Have an LLM draft what annotators write about texts, with what people wrote about similar texts as examples."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from model.errors import LLMContextError, LLMError
from model.llm.asking import Question, ask_twice, group_alike, nearest_examples
from model.llm.chat import Chat
from model.progress import Progress, ignore_progress
from model.tasks.free_text.llm.draft_answer import EMPTY, TOO_LONG, Drafted, read_drafts
from model.tasks.free_text.llm.draft_prompt import (
    DraftPrompt,
    Example,
    build_draft_prompt,
    room_for_texts,
    tokens_with_draft,
)
from model.types import FloatArray

# Texts of one question. Five drafts of full length fit into an answer of 4,096 tokens.
BATCH_SIZE = 5


@dataclass(frozen=True)
class AskedTexts:
    """N texts, what annotators are asked about them, and what people wrote about others.

    Attributes:
        question: what annotators are asked.
        texts: the N texts.
        embeddings_N_D: embeddings of the N texts, by any encoder.
        examples: L other texts, each with what a person wrote about it.
        examples_L_D: embeddings of the L texts.
    """

    question: Question
    texts: Sequence[str]
    embeddings_N_D: FloatArray
    examples: Sequence[Example]
    examples_L_D: FloatArray


@dataclass(frozen=True)
class DraftedTexts:
    """An LLM's drafts for N texts.

    Attributes:
        drafts: N drafts, None for texts that it was not asked about.
        failure: the error that ended the drafting early; drafts up to the error are kept.
    """

    drafts: tuple[Drafted | None, ...]
    failure: LLMError | None = None


def ask_for_drafts(chat: Chat, asked: AskedTexts, on_progress: Progress = ignore_progress) -> DraftedTexts:
    """Let an LLM draft answers about N texts, five at most a question.

    Args:
        chat: the LLM.
        asked: N texts in the order of their importance.
        on_progress: called with (texts done, N) after every question.
    """
    drafts: list[Drafted | None] = [None] * len(asked.texts)
    room, done = room_for_texts(asked.question, chat.context_tokens), 0
    if (lacking := tokens_with_draft("text") - room) > 0:
        return DraftedTexts(
            tuple(drafts),
            LLMContextError(
                f"a draft of one short text takes {lacking} tokens more than the context of {chat.context_tokens}: "
                "use a model with a longer context"
            ),
        )
    for rows in group_alike(asked.embeddings_N_D, BATCH_SIZE):
        for row in rows.tolist():
            if tokens_with_draft(asked.texts[row]) > room:
                # A translation or summary of half a text is no draft.
                drafts[row] = Drafted("", TOO_LONG)
        for part in _fitting(asked, [row for row in rows.tolist() if drafts[row] is None], room):
            try:
                written = _ask(chat, _prompt(asked, part, chat.context_tokens), len(part))
            except LLMError as failure:
                return DraftedTexts(tuple(drafts), failure)
            for row, draft in zip(part, written, strict=True):
                drafts[row] = draft
        done += len(rows)
        on_progress(done, len(drafts))
    return DraftedTexts(tuple(drafts))


def _fitting(asked: AskedTexts, rows: Sequence[int], room: int) -> Iterator[list[int]]:
    """Parts of a group whose texts fit into one question together."""
    part: list[int] = []
    left = room
    for row in rows:
        tokens = tokens_with_draft(asked.texts[row])
        if part and tokens > left:
            yield part
            part, left = [], room
        part.append(row)
        left -= tokens
    if part:
        yield part


def _prompt(asked: AskedTexts, rows: Sequence[int], context_tokens: int) -> DraftPrompt:
    nearest = nearest_examples(asked.embeddings_N_D[np.array(rows)], asked.examples_L_D)
    examples = [asked.examples[row] for row in nearest.tolist()]
    return build_draft_prompt(asked.question, [asked.texts[row] for row in rows], examples, context_tokens)


def _ask(chat: Chat, prompt: DraftPrompt, count: int) -> list[Drafted]:
    """Ask for drafts; all are empty where no answer can be read."""
    drafts = ask_twice(chat, prompt.messages, prompt.schema, partial(read_drafts, count=count))
    return [Drafted("", EMPTY)] * count if drafts is None else drafts
