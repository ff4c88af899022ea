"""Exactly one class holds (softmax). A text is one unit."""

from collections.abc import Callable

import numpy as np
from scipy.special import entr

from model.links.units import MAX, Answers
from model.types import BoolArray, FloatArray, IntArray

_TOLERANCE = 1e-3


class OneOf:
    """One choice: a text has exactly one class. See `Link` for the methods."""

    name = "one_of"
    least_classes = 2
    fault = "finite, in [0, 1], and sum to 1"
    right = "their label"
    number = "exactly one"

    def answers(self, proba_N_C: FloatArray) -> Answers:
        """Every text is a unit."""
        return Answers(proba_N_C, np.arange(len(proba_N_C)), len(proba_N_C), MAX)

    def rows(self, answers: Answers) -> FloatArray:
        """The units themselves."""
        return answers.proba_U_C

    def standing(self, proba_N_C: FloatArray) -> FloatArray:
        """The text itself."""
        return proba_N_C

    def standing_members(self, proba_N_K_C: FloatArray) -> FloatArray:
        """The text itself."""
        return proba_N_K_C

    def joint(self, proba_N_C: FloatArray) -> FloatArray:
        """The text itself."""
        return proba_N_C

    def is_bad(self, proba: FloatArray) -> BoolArray:
        """Not finite, outside [0, 1], or in a row that does not sum to 1."""
        bad: BoolArray = ~np.isfinite(proba) | (proba < 0) | (proba > 1 + _TOLERANCE)
        bad |= ~np.isclose(proba.sum(axis=-1, keepdims=True), 1.0, atol=_TOLERANCE)
        return bad

    def near_tie(self, proba_N_C: FloatArray) -> FloatArray:
        """The difference of the two likeliest classes; infinity with a single class."""
        if proba_N_C.shape[1] < 2:
            return np.full(len(proba_N_C), np.inf)
        top2_N_2 = np.partition(proba_N_C, -2, axis=1)[:, -2:]
        gap_N: FloatArray = top2_N_2[:, 1] - top2_N_2[:, 0]
        return gap_N

    def likely_answers(self, proba_C: FloatArray, most: int) -> tuple[FloatArray, FloatArray]:
        """The likeliest classes."""
        likeliest_A = np.argsort(-proba_C, kind="stable")[:most]
        weights_A = proba_C[likeliest_A]
        return np.eye(len(proba_C), dtype=np.float32)[likeliest_A], weights_A / weights_A.sum()

    def expected_loss(self, proba_M_C: FloatArray) -> float:
        """The mean entropy."""
        return float(entr(proba_M_C).sum(axis=1).mean())

    def decide(self, values_N_C: FloatArray) -> BoolArray:
        """The class with the largest value alone holds."""
        decided_N_C = np.eye(values_N_C.shape[1], dtype=bool)[np.argmax(values_N_C, axis=1)]
        return np.asarray(decided_N_C)

    def certainty(self, decided_N_C: BoolArray, proba_N_C: FloatArray) -> FloatArray:
        """The probability of the decided class."""
        certainty_N: FloatArray = np.where(decided_N_C, proba_N_C, 0.0).sum(axis=1)
        return certainty_N

    def majority(self, shares_C: FloatArray) -> IntArray | None:
        """The class with the largest share; None where two have it."""
        most = np.flatnonzero(np.isclose(shares_C, shares_C.max()))
        return most if len(most) == 1 else None

    def confidences(self, proba_N_C: FloatArray, targets_N_C: FloatArray) -> tuple[FloatArray, FloatArray]:
        """The probability of the likeliest class, and the share of people who chose it."""
        rows_N, likeliest_N = np.arange(len(proba_N_C)), proba_N_C.argmax(axis=1)
        return proba_N_C[rows_N, likeliest_N], targets_N_C[rows_N, likeliest_N]

    def commonest_accuracy(self, targets_N_C: FloatArray) -> float:
        """The share of the commonest class."""
        return float(np.bincount(np.argmax(targets_N_C, axis=1)).max() / len(targets_N_C))

    def negative_log_likelihood(self, logits_N_C: FloatArray, targets_N_C: FloatArray) -> float:
        """Cross-entropy."""
        log_total_N = np.logaddexp.reduce(logits_N_C.astype(float), axis=1)
        return float((log_total_N - (targets_N_C * logits_N_C).sum(axis=1)).sum())

    def has_rivals(self, known: int) -> bool:
        """One class alone would take all probability."""
        return known >= 2

    def common_bias(self, logits: Callable[[], FloatArray], classes_a_text: float, bound: float) -> float:
        """A bias that all classes share changes no probability."""
        return 0.0


ONE_OF = OneOf()
