"""The expected gain in accuracy from the next labels, by the gains from earlier labels."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from model.judging.comparison import Paired
from model.types import FloatArray

# Number of next labels whose gain is estimated.
NEXT_LABELS = 100
# Exponents of the power law: from almost a straight line, as where label names gave a good start and many classes are
# learned one by one, to a curve that flattens soon. The exponent 0, a logarithm, lies between two of them.
EXPONENTS_K = np.linspace(-0.75, 1.05, 19)
# Gains that are tried, as shares of all texts, and the prior on them: normal around 0, cut at 0.
GAINS_G = np.linspace(0.0, 0.3, 601)
PRIOR_SPREAD = 0.03
# With fewer steps, or fewer texts in the last step, the estimate would be little more than the prior.
LEAST_STEPS, LEAST_TEXTS = 2, 30
# The interval holds the gain with this probability.
CONFIDENCE = 0.9


@dataclass(frozen=True)
class Step:
    """The gain from the labels between two trainings.

    Attributes:
        before: number of labels that the classifiers of the older version's estimate learned from.
        after: number of labels that the classifiers of the newer version's estimate learned from.
        paired: both versions' out-of-fold answers to the same texts.
    """

    before: int
    after: int
    paired: Paired


@dataclass(frozen=True)
class Gain:
    """An expected gain in accuracy, as a share of all texts, between low and high with probability CONFIDENCE."""

    expected: float
    low: float
    high: float


def gain_of_next(steps: Sequence[Step], labels: int, more: int = NEXT_LABELS) -> Gain | None:
    """Expect the gain of more labels by a power law: accuracy with n labels is a - b n^-c.

    The law is fitted to the gains between successive versions on the same texts, not to the accuracies: hard texts are
    hard for both versions. Every gain G of the next labels and exponent c is tried; b follows from both. The
    likelihood of a measured gain is normal with its own standard error; the prior of exponents is even, that of gains
    normal around 0. So the interval is wide while there are few steps, and never below 0: the curve cannot tell that a
    version is worse.

    Args:
        steps: from the first training on; a step without more labels is left out.
        labels: number of labels now.
        more: number of next labels.

    Returns:
        None while there are too few steps or texts.
    """
    told = [step for step in steps if step.after > step.before > 0 and step.paired.texts]
    if len(told) < LEAST_STEPS or told[-1].paired.texts < LEAST_TEXTS:
        return None
    log_posterior_G_K = -((GAINS_G[:, None] / PRIOR_SPREAD) ** 2) / 2 + np.zeros(len(EXPONENTS_K))
    for step in told:
        share_K = _shrinking(step.before, step.after) / _shrinking(labels, labels + more)
        misfit_G_K = (step.paired.gain - GAINS_G[:, None] * share_K) / step.paired.error
        log_posterior_G_K -= misfit_G_K**2 / 2
    posterior_G_K = np.exp(log_posterior_G_K - log_posterior_G_K.max())
    return _summary(posterior_G_K.sum(axis=1) / posterior_G_K.sum())


def _shrinking(before: int, after: int) -> FloatArray:
    """Return the decrease of n^-c between two numbers of labels, for each exponent; negative for a negative c."""
    shrinking_K: FloatArray = float(before) ** -EXPONENTS_K - float(after) ** -EXPONENTS_K
    return shrinking_K


def _summary(proba_G: FloatArray) -> Gain:
    cumulated_G = np.cumsum(proba_G)
    low, high = (GAINS_G[np.searchsorted(cumulated_G, share)] for share in ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2))
    return Gain(float(proba_G @ GAINS_G), float(low), float(high))
