"""A fair sample of the labelled tasks: the first tasks of a random draw over all tasks, for whatever reason labelled.

Query strategies choose hard texts, so an accuracy on labelled texts is that of hard texts. Every task has a fixed
random number, the hash of its id. The random places of each order (the setting EXPLORE) go to the tasks with the
smallest numbers. So the labelled tasks up to some number are a random sample of all tasks, and need no record.
"""

import numpy as np

from model.types import BoolArray, IntArray

# Share of unlabelled tasks that does not end the sample: a task may be open in a browser, or nobody can answer it.
MISSING_SHARE = 0.05
# Constants of SplitMix64 (Steele, Lea and Flood, 2014).
_STEP, _FIRST, _SECOND = (np.uint64(number) for number in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))
_SHIFTS = (np.uint64(30), np.uint64(27), np.uint64(31))


def draw_numbers(task_ids_N: IntArray) -> IntArray:
    """Return the fixed random number of each task, uniform over 64 bits: numbers_N, uint64."""
    numbers_N = task_ids_N.astype(np.uint64) * _STEP + _STEP
    numbers_N = (numbers_N ^ (numbers_N >> _SHIFTS[0])) * _FIRST
    numbers_N = (numbers_N ^ (numbers_N >> _SHIFTS[1])) * _SECOND
    return numbers_N ^ (numbers_N >> _SHIFTS[2])


def fair_sample(labelled_ids_L: IntArray, waiting_ids_N: IntArray) -> BoolArray:
    """Which labelled tasks are a random sample of all tasks: is_fair_L.

    Args:
        labelled_ids_L: labelled tasks.
        waiting_ids_N: tasks that people will still be asked; a labelled one may be among them.

    Returns:
        True for the tasks up to the largest number below which at most MISSING_SHARE of the tasks are not labelled.
    """
    waiting_ids_N = np.setdiff1d(waiting_ids_N, labelled_ids_L)
    numbers_L, numbers_N = draw_numbers(labelled_ids_L), draw_numbers(waiting_ids_N)
    order_M = np.argsort(np.concatenate([numbers_L, numbers_N]))
    is_labelled_M = order_M < len(labelled_ids_L)
    missing_M = np.cumsum(~is_labelled_M)
    long_enough_M = np.flatnonzero(is_labelled_M & (missing_M <= MISSING_SHARE * np.arange(1, len(order_M) + 1)))
    is_fair_L = np.zeros(len(labelled_ids_L), dtype=bool)
    if len(long_enough_M):
        first_M = order_M[: long_enough_M[-1] + 1]
        is_fair_L[first_M[first_M < len(labelled_ids_L)]] = True
    return is_fair_L
