"""Uncertainty sampling: ask for texts that the classifier is unsure of."""

import numpy as np
from scipy.special import entr

from model.types import FloatArray


def least_confidence_scores(proba_N_C: FloatArray) -> FloatArray:
    """Score the probability that the likeliest class leaves to all others (Lewis and Gale, 1994).

    Args:
        proba_N_C: class probabilities; C >= 1.

    Returns:
        scores_N = 1 - max_c p(c|x), in [0, 1); higher means ask sooner.
    """
    scores_N: FloatArray = 1.0 - proba_N_C.max(axis=1)
    return scores_N


def margin_scores(proba_N_C: FloatArray) -> FloatArray:
    """Score how close the two likeliest classes are (Scheffer et al., 2001).

    Args:
        proba_N_C: class probabilities; with a single class every score is 0.

    Returns:
        scores_N = 1 - (p(1st) - p(2nd)), in [0, 1]; higher means ask sooner.
    """
    if proba_N_C.shape[1] < 2:
        return np.zeros(len(proba_N_C))
    top2_N_2 = np.partition(proba_N_C, -2, axis=1)[:, -2:]
    scores_N: FloatArray = 1.0 - (top2_N_2[:, 1] - top2_N_2[:, 0])
    return scores_N


def entropy_scores(proba_N_C: FloatArray) -> FloatArray:
    """Score the entropy of the predicted distribution (Shannon, 1948; Settles, 2009, section 3.1).

    Args:
        proba_N_C: class probabilities.

    Returns:
        scores_N = -sum_c p log p, in nats, in [0, log C]; higher means ask sooner.
    """
    # A probability of 1 plus a rounding error has an entropy below 0.
    scores_N: FloatArray = np.maximum(entr(proba_N_C).sum(axis=1), 0.0)
    return scores_N
