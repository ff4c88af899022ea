"""The threshold from which a classifier's labels keep a promised precision, and what can be said of it.

The evidence is a random sample that people labelled: texts at or above a threshold in the sample and in the rest of the
pool are draws from the same texts. So the count of right labels in the sample bounds the count among the rest exactly.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy.stats import binom, hypergeom, poisson

from model.types import BoolArray, FloatArray, IntArray

# Probability that the true precision lies outside the stated interval; half of it on each side.
RISK = 0.05
# Thresholds are looked at where so many errors may be among the sample above them, for the promise to hold.
_ERRORS = (*range(9), 10, 13, 16, 20, 25, 32, 40, 50, 64, 80, 100, 128, 160, 200, 256)


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
        interval: exact interval of the share of right labels among `texts`, wrong with a probability of at most RISK.
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
        """Whether the whole interval lies at or above a precision."""
        return self.texts > 0 and self.interval[0] >= precision


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


def _is_shown(right: int, tested: int, rest: int, precision: float) -> bool:
    """Whether the lower bound of `interval_of_rest` reaches a precision: one test instead of a search for the bound."""
    too_few = math.ceil(precision * rest) - 1
    return bool(hypergeom.sf(right - 1, tested + rest, right + too_few, tested) <= RISK / 2)


def _first(most: int, holds: Callable[[int], bool]) -> int:
    """The smallest number in 0 … most at which a condition holds that stays true from there on; `most` if at none."""
    low, high = 0, most
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle + 1, high)
    return low


def fewest_tested(precision: float, rest: int) -> int:
    """The fewest texts of a sample, all of them right, that let a precision be promised for `rest` texts."""
    # n right labels of n have the lower bound (risk / 2) ** (1 / n) in an endless rest, and a higher one in a finite.
    most = math.ceil(math.log(RISK / 2) / math.log(precision))
    return _first(most, lambda tested: _is_shown(tested, tested, max(1, rest), precision))


def choose_promise(evidence: Evidence, confidence_N: FloatArray, precision: float) -> Promise | None:
    """Choose the lowest threshold at which a precision can be promised.

    Thresholds are tested in a fixed sequence (Angelopoulos et al., 2021, "Learn then Test", section 2.3.1), so that
    looking at several costs no certainty: the sequence depends on confidences alone, never on who was right. It begins
    where the calibrated confidences make the test likeliest to pass, goes on to lower thresholds, and ends with the
    first that fails. The last that passed is chosen.

    Args:
        evidence: the random sample.
        confidence_N: confidences of the N texts that may be labelled.
        precision: what is to be promised, in (0, 1).

    Returns:
        None if no threshold passes.
    """
    chosen = None
    for threshold in _sequence(evidence, confidence_N, precision):
        found = promise_at(evidence, confidence_N, threshold)
        if not found.holds(precision):
            break
        chosen = found
    return chosen


def promise_at(evidence: Evidence, confidence_N: FloatArray, threshold: float) -> Promise:
    """Say what is known of the labels at or above a threshold."""
    right, tested = evidence.above(threshold)
    texts = int((confidence_N >= threshold).sum())
    interval = interval_of_rest(right, tested, texts) if texts else (0.0, 1.0)
    return Promise(threshold, texts, right, tested, interval)


def _sequence(evidence: Evidence, confidence_N: FloatArray, precision: float) -> list[float]:
    """Thresholds in the order in which they are tested, by confidences alone."""
    falling_R = np.sort(evidence.confidence_R)[::-1]
    sizes = sorted({size for size in (*_sizes(precision, len(falling_R)), len(falling_R)) if size})
    thresholds = list(dict.fromkeys(float(falling_R[size - 1]) for size in sizes))
    hopes = [_hope(evidence.confidence_R, confidence_N, threshold, precision) for threshold in thresholds]
    return thresholds[int(np.argmax(hopes)) :] if hopes and max(hopes) > 0 else []


def _sizes(precision: float, most: int) -> Iterator[int]:
    """The sizes of a sample from which on so many errors are allowed, for an endless rest."""
    for errors in _ERRORS:
        size = _first(most + 1, partial(_allows, errors, precision))
        if size > most:
            return
        yield size


def _allows(errors: int, precision: float, size: int) -> bool:
    """Whether so many errors in a sample of a size show a precision, for an endless rest."""
    return bool(binom.cdf(errors, size, 1 - precision) <= RISK / 2)


def _hope(confidence_R: FloatArray, confidence_N: FloatArray, threshold: float, precision: float) -> float:
    """The probability that a threshold passes, if confidences are as right as they say (errors as Poisson)."""
    doubts_M = 1.0 - confidence_R[confidence_R >= threshold]
    texts, tested = int((confidence_N >= threshold).sum()), len(doubts_M)
    if not texts:
        return 0.0
    # The most errors with which the promise holds: one less than the fewest with which it fails.
    fails = _first(tested + 1, lambda errors: not _is_shown(tested - errors, tested, texts, precision))
    return float(poisson.cdf(fails - 1, doubts_M.sum())) if fails else 0.0


def likely_threshold(confidence_N: FloatArray, precision: float) -> float | None:
    """The lowest threshold above which the mean confidence reaches a precision: likely, and not promised.

    Returns:
        None if not even the surest text reaches it.
    """
    falling_N: FloatArray = np.sort(confidence_N)[::-1]
    means_N = np.cumsum(falling_N) / np.arange(1, len(falling_N) + 1)
    reaching: IntArray = np.flatnonzero(means_N >= precision)
    return float(falling_N[reaching[-1]]) if len(reaching) else None
