"""Large pools: go through them in parts, and choose a batch among candidates."""

from collections.abc import Iterator

import numpy as np

from model.types import FloatArray, IntArray

# The most texts that a strategy compares with each other: strategies then take seconds, and beside a pool of 1,000,000
# embeddings of 384 dimensions (1.5 GB) their own arrays still fit 4 GB.
MOST_RANKED = 200_000
# Rows of a part, where each text is computed by itself: 25 MB of 384 dimensions.
PART = 16_384


def parts(size: int, part: int = PART) -> Iterator[slice]:
    """Slices of N rows, so that no intermediate array has N rows."""
    return (slice(start, min(start + part, size)) for start in range(0, size, part))


def candidates(size: int, scores_N: FloatArray | None, needed_M: IntArray, most: int = MOST_RANKED) -> IntArray:
    """Choose the candidates for a batch, in a pool that is too large to compare all texts with each other.

    Deviation from all published strategies, which look at the whole pool: half of the candidates have the highest
    scores, since most of a batch would come from them, and half are drawn at random from the others, as a sample of the
    pool. Without scores, all are drawn. So texts with high scores weigh more in the candidates than in the pool.

    Args:
        size: N; the texts must be in random order.
        scores_N: their acquisition scores, higher = ask sooner.
        needed_M: rows that have to be among the candidates.
        most: upper limit on candidates.

    Returns:
        rows_M, rising, so that candidates are in random order too; all rows where N is no more than `most`.
    """
    if size <= most:
        return np.arange(size)
    is_chosen_N = np.zeros(size, dtype=bool)
    is_chosen_N[needed_M] = True
    if scores_N is not None:
        is_chosen_N[np.argsort(-scores_N, kind="stable")[: most // 2]] = True
    # The texts are in random order, so that the first ones are a random draw.
    is_chosen_N[np.flatnonzero(~is_chosen_N)[: max(0, most - int(is_chosen_N.sum()))]] = True
    return np.flatnonzero(is_chosen_N)
