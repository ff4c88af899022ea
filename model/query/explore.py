"""Exploring: a share of the places by chance, whatever a strategy says."""

import numpy as np

from model.types import BoolArray, IntArray


def mix_in_random(rows_N: IntArray, share: float, rng: np.random.Generator) -> tuple[IntArray, BoolArray]:
    """Give every place to chance with probability `share`; the others keep the ranking's order.

    The texts for those places are drawn from all rows alike, the highly ranked too: that is what makes the sample fair.

    Args:
        rows_N: a ranking, first = ask first.
        share: in [0, 1].
        rng: draws places and texts.

    Returns:
        The mixed order, and by place whether it was drawn at random.
    """
    is_explore_N = rng.random(len(rows_N)) < share
    drawn = rng.permutation(rows_N)[: int(is_explore_N.sum())]
    mixed_N = np.empty_like(rows_N)
    mixed_N[is_explore_N] = drawn
    mixed_N[~is_explore_N] = rows_N[~np.isin(rows_N, drawn)]
    return mixed_N, is_explore_N
