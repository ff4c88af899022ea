"""The threshold from which a classifier's labels have a precision, and what is known of it.

Calibrated probabilities say from which threshold on a share of the labels is right. The evidence is a random sample
that people labelled: texts at or above a threshold in the sample and in the rest of the pool are draws from the same
texts. So the count of right labels in the sample bounds the count among the rest exactly.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy.stats import hypergeom

from model.types import BoolArray, FloatArray, IntArray

# Probability that the true precision lies outside the stated interval; half of it on each side.
RISK = 0.05
# Fewer texts of a sample say too little: all of 20 right, and one label in six may be wrong.
LEAST_TESTED = 20
# So many thresholds are looked at. The intervals of all of them hold together, for each has its share of RISK.
LOOKS = 3
LOOK_RISK = RISK / LOOKS


@dataclass(frozen=True)
class Evidence:
    """R texts of a random sample, each predicted by a classifier that was not trained on it.

    Attributes:
        confidence_R: probability that the predicted label is right, calibrated.
        is_right_R: whether people gave the predicted label.
    """

    confidence_R: FloatArray
    is_right_R: BoolArray

    def above(self, threshold: float) -> tuple[int, int]:
        """Count the texts at or above a threshold: (right, tested)."""
        is_above_R = self.confidence_R >= threshold
        return int(self.is_right_R[is_above_R].sum()), int(is_above_R.sum())


@dataclass(frozen=True)
class Promise:
    """What can be said of the labels that a classifier gives texts at or above a threshold.

    Attributes:
        threshold: texts with a lower confidence get no label.
        texts: number of texts that get one.
        right: number of texts of the sample above the threshold whose predicted label is right.
        tested: number of texts of the sample above the threshold.
        interval: exact interval of the share of right labels among `texts`, wrong with a probability of RISK at most.
    """

    threshold: float
    texts: int
    right: int
    tested: int
    interval: tuple[float, float]

    @property
    def expected(self) -> float | None:
        """The share of right labels in the sample above the threshold; None without any."""
        return self.right / self.tested if self.tested else None

    def holds(self, precision: float) -> bool:
        """Whether the sample is large enough to see a precision, and at least as right."""
        is_seen = self.texts > 0 and self.tested >= fewest_tested(precision)
        return is_seen and self.right / self.tested >= precision


def interval_of_rest(right: int, tested: int, rest: int, risk: float = RISK) -> tuple[float, float]:
    """Bound the share of right labels among `rest` texts, by a random sample of the same texts.

    The count of right labels in the sample is hypergeometric, given that in sample and rest together; the bounds are
    the largest and smallest shares that a test at `risk / 2` does not reject (Clopper and Pearson, 1934, for a finite
    population). For a large rest they are Clopper and Pearson's.

    Args:
        right: number of right labels in the sample.
        tested: size of the sample.
        rest: number of other texts, at least 1.
        risk: probability with which the true share may lie outside.

    Returns:
        The lower and the upper bound, in [0, 1].
    """
    total = tested + rest
    # The more of the rest are right, the likelier is a sample with so many right labels, or more.
    low = _first(rest, lambda good: hypergeom.sf(right - 1, total, right + good, tested) > risk / 2)
    high = rest - _first(
        rest, lambda bad: hypergeom.sf(tested - right - 1, total, tested - right + bad, tested) > risk / 2
    )
    return low / rest, high / rest


def _first(most: int, holds: Callable[[int], bool]) -> int:
    """The smallest number in 0 … most at which a condition holds that stays true from there on; `most` if at none."""
    low, high = 0, most
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle + 1, high)
    return low


def fewest_tested(precision: float) -> int:
    """The fewest texts of a sample that let a precision be promised: with fewer, not one error would be expected."""
    return max(LEAST_TESTED, math.ceil(round(1 / (1 - precision), 6)))


def choose_promise(evidence: Evidence, confidence_N: FloatArray, precision: float) -> Promise | None:
    """Choose the lowest threshold of which confidences and sample both say a precision.

    The first threshold is the lowest above which the mean calibrated confidence reaches the precision. Where the sample
    is less right than that, higher ones are looked at, which ask for half of the doubt and for a quarter of it. They
    depend on confidences alone, and each has its share of RISK, so that the interval holds for the one that is chosen.

    Args:
        evidence: the random sample.
        confidence_N: confidences of the N texts that may be labelled.
        precision: what is asked for, in (0, 1).

    Returns:
        None if the sample shows it at no threshold.
    """
    for threshold in _thresholds(confidence_N, precision):
        found = promise_at(evidence, confidence_N, threshold)
        if found.holds(precision):
            return found
    return None


def promise_at(evidence: Evidence, confidence_N: FloatArray, threshold: float) -> Promise:
    """Say what is known of the labels at or above a threshold."""
    right, tested = evidence.above(threshold)
    texts = int((confidence_N >= threshold).sum())
    interval = interval_of_rest(right, tested, texts, LOOK_RISK) if texts else (0.0, 1.0)
    return Promise(threshold, texts, right, tested, interval)


def _thresholds(confidence_N: FloatArray, precision: float) -> Iterator[float]:
    """The thresholds that are looked at, rising."""
    for look in range(LOOKS):
        threshold = likely_threshold(confidence_N, 1 - (1 - precision) / 2**look)
        if threshold is None:
            return
        yield threshold


def likely_threshold(confidence_N: FloatArray, precision: float) -> float | None:
    """The lowest threshold above which the mean confidence reaches a precision: likely, and not promised.

    Returns:
        None if not even the surest text reaches it.
    """
    falling_N: FloatArray = np.sort(confidence_N)[::-1]
    means_N = np.cumsum(falling_N) / np.arange(1, len(falling_N) + 1)
    # Texts of one confidence lie above a threshold together: only the last of them has the mean of all.
    is_last_N = np.append(falling_N[1:] != falling_N[:-1], True)[: len(falling_N)]
    reaching: IntArray = np.flatnonzero((means_N >= precision) & is_last_N)
    return float(falling_N[reaching[-1]]) if len(reaching) else None
