"""Parts of the labelled texts, each to be predicted by a classifier that has not seen it."""

import numpy as np

from model.types import FloatArray, IntArray


def deal_folds(targets_N_C: FloatArray, folds: int, rng: np.random.Generator) -> list[IntArray]:
    """Deal N texts into folds of like size, every class over as many folds as it has texts.

    Args:
        targets_N_C: shares; a text counts for its largest.
        folds: how many; fewer come back where there are fewer texts, and none below 2.
        rng: which text of a class goes where.

    Returns:
        Rows of each fold, ascending; together every row once.
    """
    folds = min(folds, len(targets_N_C))
    if folds < 2:
        return []
    shuffled_N = rng.permutation(len(targets_N_C))
    by_class_N = shuffled_N[np.argsort(targets_N_C.argmax(axis=1)[shuffled_N], kind="stable")]
    return [np.sort(by_class_N[fold::folds]) for fold in range(folds)]
