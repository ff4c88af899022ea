"""Copies in an order: texts that are the same as another text come last."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from backend.rounds.order import Order
from backend.rounds.sync import Synced
from model.texts.copies import first_of_each
from model.types import IntArray, PoolText

SAME_AS = "same as task {}"
# Orders of one project compare the same texts again and again.
_first_of_each = lru_cache(maxsize=2)(first_of_each)


@dataclass(frozen=True)
class Copies:
    """The copies among a project's unlabelled texts.

    Attributes:
        twin_of: by task id of a copy, the task with the same text that people labelled or are asked for first.
        labelled_twins: by task id of a copy, all labelled tasks with the same text; no copy of unlabelled texts.
    """

    twin_of: dict[int, int]
    labelled_twins: dict[int, tuple[int, ...]]


def find_copies(questions: Iterable[Synced]) -> Copies:
    """Find the copies among a project's unlabelled texts. Skipped texts and texts without words are no copies.

    Args:
        questions: the project for each of its questions.
    """
    questions = tuple(questions)
    labelled = {
        task_id: text
        for synced in questions
        for task_id, text in zip(synced.targets.task_ids, synced.targets.texts, strict=True)
    }
    waiting = [one for one in questions[0].pool if one.text and not one.is_skipped and one.task_id not in labelled]
    # Sorted, so that a label changes nothing in the texts, and the cache has the answer.
    known = sorted({**labelled, **{one.task_id: one.text for one in waiting}}.items())
    ids_N = np.array([task_id for task_id, _ in known], dtype=np.int64)
    first_N = _first_of_each(tuple(text for _, text in known))
    twin_of: dict[int, int] = {}
    labelled_twins: dict[int, tuple[int, ...]] = {}
    for rows in _groups(first_N):
        ids = ids_N[rows].tolist()
        twins = tuple(id_ for id_ in ids if id_ in labelled)
        asked = twins[0] if twins else ids[0]
        copies = [id_ for id_ in ids if id_ not in labelled and id_ != asked]
        twin_of |= dict.fromkeys(copies, asked)
        labelled_twins |= dict.fromkeys(copies if twins else (), twins)
    return Copies(twin_of, labelled_twins)


def put_copies_last(order: Order, pool: Sequence[PoolText], copies: Copies) -> Order:
    """Put copies last, each with the task of its twin in the reason.

    Args:
        order: the order of the pool.
        pool: the texts.
        copies: see `find_copies`.
    """
    twins_N = [copies.twin_of.get(pool[row].task_id) for row in order.rows_N.tolist()]
    is_copy_N = np.array([twin is not None for twin in twins_N], dtype=bool)
    if not is_copy_N.any():
        return order
    places_N = np.concatenate([np.flatnonzero(~is_copy_N), np.flatnonzero(is_copy_N)])
    reasons = [
        SAME_AS.format(twin) if twin is not None else reason
        for twin, reason in zip(twins_N, order.reasons_N, strict=True)
    ]
    return Order(
        order.rows_N[places_N],
        (order.is_explore_N & ~is_copy_N)[places_N],
        tuple(reasons[place] for place in places_N.tolist()),
    )


def _groups(first_N: IntArray) -> Iterable[IntArray]:
    """Yield the rows of texts that are the same, ascending, for every text that has a copy."""
    by_first = np.argsort(first_N, kind="stable")
    _, starts = np.unique(first_N[by_first], return_index=True)
    return (rows for rows in np.split(by_first, starts[1:]) if len(rows) > 1)
