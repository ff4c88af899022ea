"""Have an LLM label texts, with the labelled texts nearest to them as examples."""

from dataclasses import dataclass

import numpy as np

from model.errors import LLMError
from model.links.label_rows import majority
from model.llm.asking import Candidates, Question, ask_twice, group_alike, nearest_examples
from model.llm.chat import Chat
from model.progress import Progress, ignore_progress
from model.tasks.classification.llm.label_answer import Guess, read_labels
from model.tasks.classification.llm.label_prompt import (
    LABEL_WORDINGS,
    Example,
    LabelPrompt,
    build_label_prompt,
)
from model.types import Targets

# In larger batches LLMs skip texts and mix up numbers.
BATCH_SIZE = 20


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

    Similar texts go into one question, so that they share their examples.

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
    """Ask for labels; all guesses are None where no answer can be read."""

    def read(answer: str) -> list[Guess | None]:
        return read_labels(answer, question.labels, count, question.label_set.is_multilabel)

    guesses = ask_twice(chat, prompt.messages, prompt.schema, read)
    return [None] * count if guesses is None else guesses
