"""Pools too large to be gone through at once: parts of them, and candidates to choose a batch among."""

from collections.abc import Iterator

import numpy as np

from model.types import FloatArray, IntArray

# Strategies weigh texts against each other, in time and memory that grow with those they look at: among so many they
# take seconds, and beside a pool of 1,000,000 embeddings of 384 dimensions (1.5 GB) their own arrays still fit 4 GB.
MOST_RANKED = 200_000
# Texts at once where each is looked at for itself: 25 MB of 384 dimensions.
PART = 16_384


def parts(size: int, part: int = PART) -> Iterator[slice]:
    """N rows as slices, so that what is computed on the way never has N rows."""
    return (slice(start, min(start + part, size)) for start in range(0, size, part))


def candidates(size: int, scores_N: FloatArray | None, needed_M: IntArray, most: int = MOST_RANKED) -> IntArray:
    """The texts that a strategy chooses its batch among, where there are more than it can weigh against each other.

    Deviation from every published strategy, which looks at all of the pool: half of the candidates have the highest
    scores, since that is where most of a batch would come from, and half are drawn evenly from the others, since they
    stand for the pool. Where nothing scores, all are drawn. A strategy that asks how much of the pool a text stands for
    thus sees what is doubtful more often than it occurs.

    Args:
        size: N; the texts must be in random order.
        scores_N: their acquisition scores, higher = ask sooner.
        needed_M: rows that have to be among the candidates.
        most: how many candidates there may be.

    Returns:
        rows, rising, so that candidates are in random order too; all of them where N is no more than `most`.
    """
    if size <= most:
        return np.arange(size)
    is_chosen_N = np.zeros(size, dtype=bool)
    is_chosen_N[needed_M] = True
    if scores_N is not None:
        is_chosen_N[np.argsort(-scores_N, kind="stable")[: most // 2]] = True
    # In random order, the first are as good a draw as any.
    is_chosen_N[np.flatnonzero(~is_chosen_N)[: max(0, most - int(is_chosen_N.sum()))]] = True
    return np.flatnonzero(is_chosen_N)
