"""Have an LLM label texts, with the labelled texts nearest to them as examples."""

from dataclasses import dataclass

import numpy as np

from model.errors import LLMError, UnreadableAnswerError
from model.links.label_rows import majority
from model.llm.asking import Candidates, Question
from model.llm.chat import Chat
from model.progress import Progress, ignore_progress
from model.query.diversity import unit
from model.tasks.classification.llm.label_answer import Guess, read_labels
from model.tasks.classification.llm.label_prompt import (
    LABEL_WORDINGS,
    Example,
    LabelPrompt,
    build_label_prompt,
    repeat_label_prompt,
)
from model.types import FloatArray, IntArray, Targets

# In larger batches LLMs skip texts and mix up numbers.
BATCH_SIZE = 20
# Examples for each text, and the upper limit for a batch.
EXAMPLES_PER_TEXT = 2
MOST_EXAMPLES = 16


@dataclass(frozen=True)
class GuessedLabels:
    """An LLM's guesses for N texts.

    Attributes:
        guesses: N guesses, None for texts without a usable answer.
        failure: the error that stopped the labelling early; guesses up to the error are kept.
    """

    guesses: tuple[Guess | None, ...]
    failure: LLMError | None = None


def ask_for_labels(
    chat: Chat,
    candidates: Candidates,
    on_progress: Progress = ignore_progress,
    version: str = LABEL_WORDINGS[0],
) -> GuessedLabels:
    """Let an LLM label N texts, 20 a question, with labelled texts as examples where there are any.

    Similar texts go into one question, so that they share their examples (nearest neighbours as
    examples: after Liu et al., 2022, "What makes good in-context examples for GPT-3?").

    Args:
        chat: the LLM.
        candidates: N texts in the order of their importance. Labelled texts on which people are evenly split are no
            examples.
        on_progress: called with (labelled texts, N) after every batch.
        version: the wording of the prompt.

    Returns:
        N guesses in the order of the texts. Where the LLM fails, `failure` says why and later guesses are None.
    """
    question, labelled = candidates.question, candidates.labelled
    guesses: list[Guess | None] = [None] * len(candidates)
    examples = [_example_of(labelled, row) for row in range(len(labelled))]
    usable = np.array([row for row, example in enumerate(examples) if example], dtype=np.int64)
    done = 0
    for rows in group_alike(candidates.embeddings_N_D, BATCH_SIZE):
        group = candidates.some(rows)
        nearest = usable[nearest_examples(group.embeddings_N_D, candidates.labelled_L_D[usable])]
        shown = [example for row in nearest if (example := examples[row])]
        try:
            prompt = build_label_prompt(question, group.texts, shown, chat.context_tokens, version)
            read = _ask(chat, prompt, question, len(group))
        except LLMError as failure:
            return GuessedLabels(tuple(guesses), failure)
        for row, guess in zip(rows, read, strict=True):
            guesses[row] = guess
        done += len(rows)
        on_progress(done, len(candidates))
    return GuessedLabels(tuple(guesses))


def _example_of(labelled: Targets, row: int) -> Example | None:
    labels = majority(labelled.targets_N_C[row], labelled.label_set)
    return None if labels is None else (labelled.texts[row], labels)


def _ask(chat: Chat, prompt: LabelPrompt, question: Question, count: int) -> list[Guess | None]:
    """Ask, and ask again with the reason where the answer is unreadable; all guesses are None if both answers are."""
    reply = chat.ask(prompt.messages, prompt.schema)
    try:
        return read_labels(reply.text, question.labels, count, question.label_set.is_multilabel)
    except UnreadableAnswerError as error:
        repeated = chat.ask(repeat_label_prompt(prompt, reply.text, str(error)), prompt.schema)
    try:
        return read_labels(repeated.text, question.labels, count, question.label_set.is_multilabel)
    except UnreadableAnswerError:
        return [None] * count


def group_alike(embeddings_N_D: FloatArray, size: int) -> list[IntArray]:
    """Divide texts into groups of similar ones: the first remaining text and its nearest neighbours by cosine.

    Returns:
        the rows of each group, in the order of the texts; every row is in one group.
    """
    unit_N_D = unit(embeddings_N_D)
    remaining = np.arange(len(unit_N_D))
    groups = []
    while len(remaining):
        similarity_M = unit_N_D[remaining] @ unit_N_D[remaining[0]]
        # The text itself comes first, whatever its embedding is.
        similarity_M[0] = np.inf
        nearest = np.argsort(-similarity_M, kind="stable")[:size]
        groups.append(np.sort(remaining[nearest]))
        remaining = np.delete(remaining, nearest)
    return groups


def nearest_examples(embeddings_N_D: FloatArray, labelled_L_D: FloatArray) -> IntArray:
    """The labelled texts nearest to a group by cosine: two for each text, 16 at most in all.

    Returns:
        rows_M of labelled_L_D: every text's nearest before any second nearest, the more similar first.
    """
    if not len(labelled_L_D) or not len(embeddings_N_D):
        return np.zeros(0, dtype=np.int64)
    cosines_N_L = unit(embeddings_N_D) @ unit(labelled_L_D).T
    nearest_N_K = np.argsort(-cosines_N_L, axis=1, kind="stable")[:, :EXAMPLES_PER_TEXT]
    cosines_N_K = np.take_along_axis(cosines_N_L, nearest_N_K, axis=1)
    places_N_K = np.broadcast_to(np.arange(nearest_N_K.shape[1]), nearest_N_K.shape)
    order = np.lexsort((-cosines_N_K.ravel(), places_N_K.ravel()))
    rows = list(dict.fromkeys(nearest_N_K.ravel()[order].tolist()))
    return np.array(rows[:MOST_EXAMPLES], dtype=np.int64)
