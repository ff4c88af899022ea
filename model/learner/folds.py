"""Deal labelled texts into folds; a classifier trained without a fold predicts it."""

import numpy as np

from model.types import FloatArray, IntArray


def deal_folds(
    targets_N_C: FloatArray, folds: int, rng: np.random.Generator, first_N: IntArray | None = None
) -> list[IntArray]:
    """Deal N texts into folds of like size, the texts of every class over as many folds as possible.

    Copies of a text go into the same fold: a classifier that has seen a copy predicts the other from memory.

    scikit-learn's StratifiedKFold deals in the same way, but warns where a class has fewer texts than there are folds,
    and refuses where every class has: few labels of many classes are the usual case here.

    Args:
        targets_N_C: shares; the class of a text is the one with its largest share.
        folds: number of folds; there are no more folds than different texts, and none at all below 2.
        rng: decides which text of a class goes into which fold.
        first_N: row of the first copy of each text (`model.texts.copies.first_of_each`); None where all texts differ.

    Returns:
        Rows of each fold, ascending; every row is in exactly one fold.
    """
    first_N = np.arange(len(targets_N_C)) if first_N is None else first_N
    different_M = np.unique(first_N)
    folds = min(folds, len(different_M))
    if folds < 2:
        return []
    shuffled_M = different_M[rng.permutation(len(different_M))]
    by_class_M = shuffled_M[np.argsort(targets_N_C.argmax(axis=1)[shuffled_M], kind="stable")]
    return [np.flatnonzero(np.isin(first_N, by_class_M[fold::folds])) for fold in range(folds)]
