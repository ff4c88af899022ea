"""Texts that come before the strategy's: the sample that people look at for `apply`, and the texts of `find`."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from backend.rounds.order import Order
from backend.store.project_folder import ProjectFolder
from model.types import IntArray, PoolText

SAMPLED = "sample of what apply would label"


@dataclass(frozen=True)
class Wishes:
    """Tasks that come first in the order.

    Attributes:
        blind: tasks that come before all others, without a pre-annotation, first = next.
        found: tasks that come after the blind ones, first = next.
        reason: names the search of the found tasks, for people.
        stamp: changes with every sample and search; empty without both.
    """

    blind: tuple[int, ...] = ()
    found: tuple[int, ...] = ()
    reason: str = ""
    stamp: tuple[float, ...] = ()


def read_wishes(folder: ProjectFolder) -> Wishes:
    """Read which tasks come first in a project."""
    sample, wish = folder.sample.read(), folder.wish.read()
    stamp = ((sample.at, len(sample.shown)) if sample else ()) + ((wish.at,) if wish else ())
    return Wishes(sample.shown if sample else (), wish.task_ids if wish else (), wish.reason if wish else "", stamp)


def put_first(order: Order, pool: Sequence[PoolText], wishes: Wishes) -> Order:
    """Put wished texts before all others.

    A wished text at a random place stays in the fair sample, to which tasks belong by their numbers
    (`model/judging/fair_sample.py`), and comes without a pre-annotation, like every text of the sample.

    Args:
        order: the order without wishes.
        pool: the texts.
        wishes: the wished tasks; those outside the pool were labelled meanwhile, and skipped ones keep their places.
    """
    row_of = {text.task_id: row for row, text in enumerate(pool) if not text.is_skipped}
    blind_M, found_M = (_rows(task_ids, row_of) for task_ids in (wishes.blind, wishes.found))
    found_M = found_M[~np.isin(found_M, blind_M)]
    if not len(blind_M) and not len(found_M):
        return order
    first_M = np.concatenate([blind_M, found_M])
    rows_N = np.concatenate([first_M, order.rows_N[~np.isin(order.rows_N, first_M)]])
    is_blind_N = np.isin(rows_N, np.concatenate([blind_M, order.rows_N[order.is_explore_N]]))
    reason_of = dict(zip(order.rows_N.tolist(), order.reasons_N, strict=True))
    reason_of |= dict.fromkeys(found_M.tolist(), wishes.reason) | dict.fromkeys(blind_M.tolist(), SAMPLED)
    return Order(rows_N, is_blind_N, tuple(reason_of[row] for row in rows_N.tolist()))


def _rows(task_ids: Sequence[int], row_of: dict[int, int]) -> IntArray:
    return np.array([row_of[id_] for id_ in task_ids if id_ in row_of], dtype=np.int64)
