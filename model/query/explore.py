"""Exploring: fill a share of the places at random, whatever the strategy chose."""

import numpy as np

from model.types import BoolArray, IntArray


def mix_in_random(rows_N: IntArray, share: float, rng: np.random.Generator) -> tuple[IntArray, BoolArray]:
    """Fill every place at random with probability `share`; the other texts keep the ranking's order.

    Random texts are drawn from all rows, highly ranked ones included, so that they are a fair sample of the pool.

    Args:
        rows_N: a ranking, first = ask first.
        share: in [0, 1].
        rng: draws places and texts.

    Returns:
        The mixed order mixed_N, and is_explore_N: whether the text at each place was drawn at random.
    """
    is_explore_N = rng.random(len(rows_N)) < share
    drawn = rng.permutation(rows_N)[: int(is_explore_N.sum())]
    mixed_N = np.empty_like(rows_N)
    mixed_N[is_explore_N] = drawn
    mixed_N[~is_explore_N] = rows_N[~np.isin(rows_N, drawn)]
    return mixed_N, is_explore_N
