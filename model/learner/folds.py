"""Deal labelled texts into folds; a classifier trained without a fold predicts it."""

import numpy as np

from model.types import FloatArray, IntArray


def deal_folds(targets_N_C: FloatArray, folds: int, rng: np.random.Generator) -> list[IntArray]:
    """Deal N texts into folds of like size, the texts of every class over as many folds as possible.

    scikit-learn's StratifiedKFold deals in the same way, but warns where a class has fewer texts than there are folds,
    and refuses where every class has: few labels of many classes are the usual case here.

    Args:
        targets_N_C: shares; the class of a text is the one with its largest share.
        folds: number of folds; there are no more folds than texts, and none at all below 2.
        rng: decides which text of a class goes into which fold.

    Returns:
        Rows of each fold, ascending; every row is in exactly one fold.
    """
    folds = min(folds, len(targets_N_C))
    if folds < 2:
        return []
    shuffled_N = rng.permutation(len(targets_N_C))
    by_class_N = shuffled_N[np.argsort(targets_N_C.argmax(axis=1)[shuffled_N], kind="stable")]
    return [np.sort(by_class_N[fold::folds]) for fold in range(folds)]
