"""The labels of a project that are a fair sample: those of the texts at random places of its orders."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from backend.rounds.asking.copies import find_copies
from backend.rounds.sync import Synced
from model.judging.fair_sample import fair_sample
from model.types import BoolArray


def fair_labels(questions: Sequence[Synced], labelled_ids: Sequence[int]) -> BoolArray:
    """Tell which labelled tasks are a random sample of the project's different texts: is_fair_L.

    Copies wait at the end of every order, and nobody is asked about skipped texts or texts without words: none of these
    tasks ends the sample. A task that `apply` alone labelled ends the sample like an unlabelled task.

    Args:
        questions: the project for each of its questions, or for one.
        labelled_ids: the labelled tasks.
    """
    first, *others = questions
    unlabelled = {text.task_id: text for text in (*first.applied, *first.pool)}
    copies = find_copies([replace(first, pool=tuple(unlabelled.values())), *others])
    asked = [text for text in unlabelled.values() if text.text and not text.is_skipped]
    waiting = [text.task_id for text in asked if text.task_id not in copies.twin_of]
    return fair_sample(np.array(labelled_ids, dtype=np.int64), np.array(waiting, dtype=np.int64))
