"""How good predictions are, against gold labels."""

from dataclasses import dataclass

import numpy as np
from sklearn.metrics import accuracy_score, f1_score

from model.types import BoolArray, FloatArray

# Guo et al. (2017) use 15 bins of equal width.
CALIBRATION_BINS = 15


@dataclass(frozen=True)
class Evaluation:
    """What predictions are worth on N texts.

    Attributes:
        accuracy: share of texts that got the gold label; with several labels a text, exactly the gold ones.
        macro_f1: F1 averaged over the classes that occur in the gold labels, in [0, 1].
        calibration_error: expected calibration error, in [0, 1]; 0: probabilities mean what they say.
        texts: N.
    """

    accuracy: float
    macro_f1: float
    calibration_error: float
    texts: int


def evaluate(proba_N_C: FloatArray, targets_N_C: FloatArray, *, is_multilabel: bool = False) -> Evaluation:
    """Measure probabilities against gold labels or annotators' shares.

    Args:
        proba_N_C: class probabilities.
        targets_N_C: gold shares in [0, 1]; a text with one choice belongs to the class with the largest share.
        is_multilabel: whether a text may have several labels, each said to hold from 1/2 on.
    """
    return Evaluation(
        accuracy=accuracy(proba_N_C, targets_N_C, is_multilabel=is_multilabel),
        macro_f1=macro_f1(proba_N_C, targets_N_C, is_multilabel=is_multilabel),
        calibration_error=calibration_error(proba_N_C, targets_N_C, is_multilabel=is_multilabel),
        texts=len(targets_N_C),
    )


def accuracy(proba_N_C: FloatArray, targets_N_C: FloatArray, *, is_multilabel: bool = False) -> float:
    """Share of texts that got the gold label, or with several labels a text exactly the gold ones, in [0, 1]."""
    gold_N_C, said_N_C = _decisions(targets_N_C, is_multilabel), _decisions(proba_N_C, is_multilabel)
    return float(accuracy_score(gold_N_C, said_N_C))


def macro_f1(proba_N_C: FloatArray, targets_N_C: FloatArray, *, is_multilabel: bool = False) -> float:
    """F1 averaged over the classes that occur in the gold labels, in [0, 1]."""
    gold_N_C, said_N_C = _decisions(targets_N_C, is_multilabel), _decisions(proba_N_C, is_multilabel)
    occurring = np.flatnonzero(gold_N_C.any(axis=0))
    if not len(occurring):
        return 0.0
    return float(f1_score(gold_N_C, said_N_C, labels=occurring, average="macro", zero_division=0.0))


def calibration_error(
    proba_N_C: FloatArray, targets_N_C: FloatArray, *, is_multilabel: bool = False, bins: int = CALIBRATION_BINS
) -> float:
    """Expected calibration error (Guo et al., 2017, eq. 3): mean |accuracy - confidence| over bins, weighted by size.

    Confidence is the probability of the likeliest class; with several labels a text, every class's own. Where people
    disagreed, the share of them that chose a class stands for whether it is right.

    Returns:
        In [0, 1]; 0: of the texts said to be right with probability p, p are.
    """
    if is_multilabel:
        confidence_M, right_M = proba_N_C.ravel(), targets_N_C.ravel()
    else:
        likeliest_N = proba_N_C.argmax(axis=1)
        rows_N = np.arange(len(proba_N_C))
        confidence_M, right_M = proba_N_C[rows_N, likeliest_N], targets_N_C[rows_N, likeliest_N]
    if not len(confidence_M):
        return 0.0
    bin_M = np.minimum((confidence_M * bins).astype(int), bins - 1)
    gaps = np.bincount(bin_M, weights=(right_M - confidence_M).astype(float), minlength=bins)
    return float(np.abs(gaps).sum() / len(confidence_M))


def majority_share(targets_N_C: FloatArray) -> float:
    """Accuracy of always answering the commonest class: the bar that any classifier has to clear."""
    return float(np.bincount(np.argmax(targets_N_C, axis=1)).max() / len(targets_N_C))


def _decisions(values_N_C: FloatArray, is_multilabel: bool) -> BoolArray:
    """Which classes hold: those from 1/2 on, or with one choice the largest alone."""
    if is_multilabel:
        decided_N_C: BoolArray = values_N_C >= 0.5
    else:
        decided_N_C = np.eye(values_N_C.shape[1], dtype=bool)[np.argmax(values_N_C, axis=1)]
    return decided_N_C
