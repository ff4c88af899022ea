"""Chosen against random labels: two heads with as many labels each, on the same held-out texts.

The random tenth is both a fair test and a small random training set. One part of the tenth is held out; the same
learner is fitted once on the other parts, and once on as many of the texts that were chosen first. Both answer each
held-out text, and their accuracies are compared text by text.
"""

from dataclasses import dataclass, replace

import numpy as np
import scipy

from model.encoder.inference import head_proba
from model.learner.refitting import HeadData, fit_new_head
from model.types import BoolArray, FloatArray, IntArray, LabelledEmbeddings

# With fewer random texts the interval would be as wide as the scale.
LEAST_TEXTS = 10
# Parts of the random texts, each held out once.
_PARTS = 5
# Most held-out texts: more would take seconds, and hardly narrow the interval.
_MOST_TEXTS = 300
_CONFIDENCE = 0.95


@dataclass(frozen=True)
class RandomLabels:
    """Chosen against random labels.

    Attributes:
        labels: number of labels that each of the two learned from, on average.
        texts: number of random texts that both answered without having seen them.
        chosen: accuracy with labels of chosen texts, in [0, 1].
        random: accuracy with as many labels of random texts, in [0, 1].
        low, high: 95 % interval of `chosen - random`, by Student's t over texts.
    """

    labels: int
    texts: int
    chosen: float
    random: float
    low: float
    high: float

    @property
    def gain(self) -> float:
        """Accuracy that choosing adds, in [-1, 1]."""
        return self.chosen - self.random


def compare_with_random(data: HeadData, random_M: IntArray, chosen_K: IntArray, seed: int = 0) -> RandomLabels | None:
    """Compare chosen with random labels, with heads on an encoder that no label has trained.

    Args:
        data: the untrained classifier, all labelled texts, label names and pool.
        random_M: rows of the labelled texts that were drawn at random.
        chosen_K: rows of the other labelled texts, in the order in which people labelled them.
        seed: deals the random texts into parts.

    Returns:
        None with too few texts of either kind.
    """
    shuffled_M = np.random.default_rng(seed).permutation(random_M)[:_MOST_TEXTS]
    if len(shuffled_M) < LEAST_TEXTS or len(chosen_K) < len(shuffled_M):
        return None
    sizes: list[int] = []
    rights: list[FloatArray] = []
    for part in range(_PARTS):
        held_M = shuffled_M[part::_PARTS]
        taught_M = np.setdiff1d(shuffled_M, held_M)
        sizes.append(len(taught_M))
        rights.append(
            np.stack([_is_right(data, chosen_K[: len(taught_M)], held_M), _is_right(data, taught_M, held_M)], axis=1)
        )
    right_M_2 = np.concatenate(rights)
    chosen, random = right_M_2.mean(axis=0).tolist()
    low, high = _interval(right_M_2[:, 0] - right_M_2[:, 1])
    return RandomLabels(round(np.mean(sizes)), len(right_M_2), chosen, random, low, high)


def _is_right(data: HeadData, taught_L: IntArray, held_M: IntArray) -> FloatArray:
    """Fit a head on L texts, and tell which of M others get their labels from it: 1 or 0."""
    embeddings, targets, link = data.labelled.embeddings_L_D, data.labelled.targets_L_C, data.classifier.link
    head = fit_new_head(replace(data, labelled=LabelledEmbeddings(embeddings[taught_L], targets[taught_L])))
    proba_M_C = head_proba(data.classifier, head, embeddings[held_M])
    is_right_M: BoolArray = (link.decide(proba_M_C) == link.decide(targets[held_M])).all(axis=1)
    return is_right_M.astype(float)


def _interval(difference_M: FloatArray) -> tuple[float, float]:
    """Student's t interval of a mean of paired differences."""
    mean, error = float(difference_M.mean()), float(difference_M.std(ddof=1) / np.sqrt(len(difference_M)))
    half = float(scipy.stats.t.ppf((1 + _CONFIDENCE) / 2, len(difference_M) - 1)) * error
    return max(-1.0, mean - half), min(1.0, mean + half)
