"""The threshold from which a classifier's labels have a precision, and the interval of that precision.

Calibrated probabilities say above which threshold a share of the labels should be right. The evidence is a random
sample that people labelled: texts at or above a threshold in the sample and in the rest of the pool are draws from the
same texts. So the count of right labels in the sample gives an exact interval for the rest.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy.stats import hypergeom

from model.types import BoolArray, FloatArray, IntArray

# Probability that the true precision lies outside the stated interval; half of it on each side.
RISK = 0.05
# Fewest texts of a sample above a threshold: even if all of 20 are right, one label in six may be wrong.
LEAST_TESTED = 20
# Number of thresholds that are tried. The intervals of all hold together, since each has its share of RISK.
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
    """Expectation and interval of the precision of the labels at or above a threshold.

    Attributes:
        threshold: texts with a lower confidence get no label.
        texts: number of texts that get a label.
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
        """The share of right labels in the sample above the threshold; None without such texts."""
        return self.right / self.tested if self.tested else None

    def holds(self, precision: float) -> bool:
        """Whether the sample is large enough for a precision, and its share of right labels reaches the precision."""
        is_seen = self.texts > 0 and self.tested >= fewest_tested(precision)
        return is_seen and self.right / self.tested >= precision


def interval_of_rest(right: int, tested: int, rest: int, risk: float = RISK) -> tuple[float, float]:
    """Bound the share of right labels among `rest` texts, by a random sample of the same texts.

    Given the count of right labels in sample and rest together, the count in the sample is hypergeometric. The bounds
    are the largest and smallest shares that a test at `risk / 2` does not reject (Clopper and Pearson, 1934, for a
    finite population). For a large rest the bounds are Clopper and Pearson's.

    Args:
        right: number of right labels in the sample.
        tested: size of the sample.
        rest: number of other texts, at least 1.
        risk: probability with which the true share may lie outside.

    Returns:
        The lower and the upper bound, in [0, 1].
    """
    total = tested + rest
    # The more of the rest are right, the likelier is a sample with `right` right labels or more.
    low = _first(rest, lambda good: hypergeom.sf(right - 1, total, right + good, tested) > risk / 2)
    high = rest - _first(
        rest, lambda bad: hypergeom.sf(tested - right - 1, total, tested - right + bad, tested) > risk / 2
    )
    return low / rest, high / rest


def _first(most: int, holds: Callable[[int], bool]) -> int:
    """Find the smallest number in 0 … most from which on a condition holds; `most` if there is none."""
    low, high = 0, most
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle + 1, high)
    return low


def fewest_tested(precision: float) -> int:
    """Return the fewest texts of a sample for a precision: with fewer, less than one error would be expected."""
    return max(LEAST_TESTED, math.ceil(round(1 / (1 - precision), 6)))


def choose_promise(evidence: Evidence, confidence_N: FloatArray, precision: float) -> Promise | None:
    """Choose the lowest threshold at which both confidences and sample reach a precision.

    The first threshold is the lowest above which the mean calibrated confidence reaches the precision. If the sample
    does not reach it there, two higher thresholds are tried, whose mean confidence leaves half and a quarter of the
    doubt. Thresholds depend on confidences alone, and each has its share of RISK, so that the interval of the chosen
    one holds.

    Args:
        evidence: the random sample.
        confidence_N: confidences of the N texts that may be labelled.
        precision: the precision to promise, in (0, 1).

    Returns:
        None if the sample reaches the precision at no threshold.
    """
    for threshold in _thresholds(confidence_N, precision):
        found = promise_at(evidence, confidence_N, threshold)
        if found.holds(precision):
            return found
    return None


def promise_at(evidence: Evidence, confidence_N: FloatArray, threshold: float) -> Promise:
    """Return expectation and interval of the labels at or above a threshold."""
    right, tested = evidence.above(threshold)
    texts = int((confidence_N >= threshold).sum())
    interval = interval_of_rest(right, tested, texts, LOOK_RISK) if texts else (0.0, 1.0)
    return Promise(threshold, texts, right, tested, interval)


def _thresholds(confidence_N: FloatArray, precision: float) -> Iterator[float]:
    """Yield the thresholds to try, rising."""
    for look in range(LOOKS):
        threshold = likely_threshold(confidence_N, 1 - (1 - precision) / 2**look)
        if threshold is None:
            return
        yield threshold


def likely_threshold(confidence_N: FloatArray, precision: float) -> float | None:
    """Return the lowest threshold above which the mean confidence reaches a precision, which promises nothing yet.

    Returns:
        None if not even the surest text reaches the precision.
    """
    falling_N: FloatArray = np.sort(confidence_N)[::-1]
    means_N = np.cumsum(falling_N) / np.arange(1, len(falling_N) + 1)
    # Texts with the same confidence lie above a threshold together: the mean at the last of them counts.
    is_last_N = np.append(falling_N[1:] != falling_N[:-1], True)[: len(falling_N)]
    reaching: IntArray = np.flatnonzero((means_N >= precision) & is_last_N)
    return float(falling_N[reaching[-1]]) if len(reaching) else None
