"""Have an LLM label texts, with the labelled texts nearest to them as examples."""

from dataclasses import dataclass

import numpy as np

from model.errors import LLMError, UnreadableAnswerError
from model.llm.asking.candidates import Candidates
from model.llm.asking.label_prompt import LABEL_WORDINGS, Example, LabelPrompt, build_label_prompt, repeat_label_prompt
from model.llm.asking.question import Question
from model.llm.chat import Chat
from model.llm.reading import Guess, majority, read_labels
from model.progress import Progress, ignore_progress
from model.query.diversity import unit
from model.types import FloatArray, IntArray, Targets

# With more, LLMs skip texts and slip in their numbers.
BATCH_SIZE = 20
# Examples that each text asks for, and most that a batch gets.
EXAMPLES_PER_TEXT = 2
MOST_EXAMPLES = 16


@dataclass(frozen=True)
class GuessedLabels:
    """What an LLM said of N texts.

    Attributes:
        guesses: None for texts without an answer of use.
        failure: why it stopped early, if it did: what was labelled by then is kept.
    """

    guesses: tuple[Guess | None, ...]
    failure: LLMError | None = None


def ask_for_labels(
    chat: Chat,
    candidates: Candidates,
    on_progress: Progress = ignore_progress,
    version: str = LABEL_WORDINGS[0],
) -> GuessedLabels:
    """Label N texts, about 20 a question: with examples as soon as there are labelled texts, else without.

    Texts that resemble each other are asked together, so that they share their examples (nearest neighbours as
    examples: after Liu et al., 2022, "What makes good in-context examples for GPT-3?").

    Args:
        chat: the LLM.
        candidates: N texts, those that matter most first: they are asked first. Labelled texts on which people are
            evenly split are no examples.
        on_progress: called with (texts asked, N) after every batch.
        version: the wording that asks.

    Returns:
        N guesses in the order of `texts`. Where the LLM fails, `failure` says why, and the rest is None.
    """
    question, labelled = candidates.question, candidates.labelled
    guesses: list[Guess | None] = [None] * len(candidates)
    examples = [_said_by_people(labelled, row) for row in range(len(labelled))]
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


def _said_by_people(labelled: Targets, row: int) -> Example | None:
    labels = majority(labelled.targets_N_C[row], labelled.label_set)
    return None if labels is None else (labelled.texts[row], labels)


def _ask(chat: Chat, prompt: LabelPrompt, question: Question, count: int) -> list[Guess | None]:
    """Ask, and once more where the answer cannot be read, saying why; None for every text if that cannot be either."""
    reply = chat.ask(prompt.messages, prompt.schema)
    try:
        return read_labels(reply.text, question.labels, count, question.is_multilabel)
    except UnreadableAnswerError as error:
        repeated = chat.ask(repeat_label_prompt(prompt, reply.text, str(error)), prompt.schema)
    try:
        return read_labels(repeated.text, question.labels, count, question.is_multilabel)
    except UnreadableAnswerError:
        return [None] * count


def group_alike(embeddings_N_D: FloatArray, size: int) -> list[IntArray]:
    """Part texts into groups of up to `size` that are alike: the first text left, and those nearest to it by cosine.

    Returns:
        rows of each group, in the order of the texts; together every row once.
    """
    unit_N_D = unit(embeddings_N_D)
    left = np.arange(len(unit_N_D))
    groups = []
    while len(left):
        similarity_M = unit_N_D[left] @ unit_N_D[left[0]]
        # Itself, whatever its embedding is.
        similarity_M[0] = np.inf
        nearest = np.argsort(-similarity_M, kind="stable")[:size]
        groups.append(np.sort(left[nearest]))
        left = np.delete(left, nearest)
    return groups


def nearest_examples(embeddings_N_D: FloatArray, labelled_L_D: FloatArray) -> IntArray:
    """The labelled texts nearest to a group by cosine: two for each text, united, 16 at most.

    Returns:
        rows_M of labelled_L_D: every text's nearest before any second nearest, and among these the more similar first.
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
