"""Find the unlabelled texts nearest to words, to a task's text or to a label, and put them next."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from backend.errors import ConfigurationError
from backend.rounds.asking.copies import find_copies
from backend.rounds.context import RoundContext
from backend.rounds.score import embedder
from backend.rounds.sync import Synced
from backend.store.applied import Wish
from backend.store.project_folder import ProjectFolder
from backend.work.queue import RoundQueue
from model.texts.search import nearest

# What is said where no text waits for a label.
NOTHING_FOUND = "Nothing was found: no text is left to label."
# Default and largest number of texts to find.
COUNT, MOST = 30, 1_000


@dataclass(frozen=True)
class Sought:
    """A search.

    Attributes:
        examples: texts to look for.
        reason: names the search, for people.
        questions: the project.
        left_out: tasks that are not found: the example itself.
    """

    examples: Sequence[str]
    reason: str
    questions: Sequence[Synced]
    left_out: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Found:
    """The result of a search.

    Attributes:
        reason: names the search, for people.
        texts: the nearest texts by task id, nearest first.
    """

    reason: str
    texts: dict[int, str]


def look_for(context: RoundContext, sought: Sought, count: int) -> Found:
    """Find the unlabelled texts that are nearest to a search's examples; of copies only one is found.

    Args:
        context: see `look_on`.
        sought: the search.
        count: most texts to find.
    """
    copies = find_copies(sought.questions)
    out = {*sought.left_out, *copies.twin_of, *(id_ for one in sought.questions for id_ in one.targets.task_ids)}
    pool = [one for one in sought.questions[0].pool if one.text and not one.is_skipped and one.task_id not in out]
    texts = [one.text for one in pool]
    # The encoder before any training: an encoder that was tuned on few labels knows less of the language.
    embeddings = embedder(context, None)([*texts, *sought.examples])
    rows = nearest(sought.examples, texts, embeddings[len(texts) :], embeddings[: len(texts)])[:count]
    return Found(sought.reason, {pool[row].task_id: pool[row].text for row in rows.tolist()})


def put_next(folder: ProjectFolder, queue: RoundQueue, found: Found) -> None:
    """Put found texts first in the order; the texts of an earlier search lose their places."""
    folder.wish.write(Wish(time.time(), found.reason, tuple(found.texts)))
    queue.request(folder.project_id)


def end_search(folder: ProjectFolder, queue: RoundQueue) -> None:
    """End the last search: its texts lose their places."""
    folder.wish.remove()
    queue.request(folder.project_id)


def sought(questions: Sequence[Synced], words: str, like: int, label: str) -> Sought:
    """Make a search for words, for texts like a task's text, or for a label.

    Args:
        questions: the project.
        words: words to look for; empty for another kind of search.
        like: a task's id; 0 for another kind of search.
        label: a label; empty for another kind of search.

    Raises:
        ConfigurationError: there are no words, or the project has no such task or label.
    """
    if label:
        return _of_label(questions, label)
    if like:
        return _of_task(questions, like)
    # Half a surrogate pair stands for a byte that is no UTF-8, and no tokenizer and no file takes it.
    words = words.encode("utf-8", "replace").decode("utf-8")
    if not words.strip():
        raise ConfigurationError("there are no words to look for: give words, --like TASK or --label NAME")
    return Sought([words], f"find: {shortened(words)}", questions)


def _of_task(questions: Sequence[Synced], task_id: int) -> Sought:
    texts = {one.task_id: one.text for one in (*questions[0].applied, *questions[0].pool)}
    for synced in questions:
        texts |= dict(zip(synced.targets.task_ids, synced.targets.texts, strict=True))
    if not texts.get(task_id, "").strip():
        raise ConfigurationError(f"the project has no task {task_id} with a text: give the id of another task")
    return Sought([texts[task_id]], f"find: like task {task_id}", questions, frozenset([task_id]))


def _of_label(questions: Sequence[Synced], label: str) -> Sought:
    """Make a search for the words that say what a label means, and for the texts to which people gave it."""
    for synced in questions:
        labels = synced.task.label_set.labels
        if label in labels:
            position = labels.index(label)
            given_M = np.flatnonzero(synced.task.decided(synced.targets.targets_N_C)[:, position]).tolist()
            meaning = synced.label_texts[position] if synced.label_texts else ()
            examples = [*(meaning or (label,)), *(synced.targets.texts[row] for row in given_M)]
            return Sought(examples, f"find: label {shortened(label)}", questions)
    known = ", ".join(repr(label) for synced in questions for label in synced.task.label_set.labels[:20])
    raise ConfigurationError(f"the project has no label {label!r}; it has {known}")


def shortened(text: str, most: int = 60) -> str:
    """Return the beginning of a text, in one line."""
    text = " ".join(text.split())
    return text if len(text) <= most else f"{text[:most]}…"
