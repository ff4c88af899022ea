"""Each class holds or not (sigmoid). Every label of a text is a unit with two classes: no and yes."""

from collections.abc import Callable

import numpy as np
from scipy.special import entr

from model.links.units import MAX, Answers
from model.types import BoolArray, FloatArray, IntArray

_TOLERANCE = 1e-3
# Steps of the bisection that finds a bias; each halves the interval.
_HALVINGS = 40


class AnyOf:
    """Several choices: a text has any number of classes, a class holds from 1/2 on. See `Link` for the methods."""

    name = "any_of"
    least_classes = 1
    fault = "finite, in [0, 1]"
    right = "exactly their labels"
    number = "one or several"

    def answers(self, proba_N_C: FloatArray) -> Answers:
        """Every label of a text is a unit; its surest doubt is the text's."""
        texts, labels = proba_N_C.shape
        yes_U = proba_N_C.reshape(-1)
        return Answers(np.stack([1.0 - yes_U, yes_U], axis=1), np.repeat(np.arange(texts), labels), texts, MAX)

    def rows(self, answers: Answers) -> FloatArray:
        """The probability of yes to each label."""
        labels = len(answers.proba_U_C) // max(1, answers.size)
        return answers.proba_U_C[:, 1].reshape(answers.size, labels)

    def standing(self, proba_N_C: FloatArray) -> FloatArray:
        """The label whose probability is nearest to 1/2.

        Deviation: scorers that need one distribution a text are published for one choice.
        """
        unsure_N = np.take_along_axis(proba_N_C, _least_sure(proba_N_C)[:, None], axis=1)[:, 0]
        return np.stack([1.0 - unsure_N, unsure_N], axis=1)

    def standing_members(self, proba_N_K_C: FloatArray) -> FloatArray:
        """The label whose mean probability is nearest to 1/2."""
        label_N_1_1 = _least_sure(proba_N_K_C.mean(axis=1))[:, None, None]
        yes_N_K_1 = np.take_along_axis(proba_N_K_C, label_N_1_1, axis=2)
        return np.concatenate([1.0 - yes_N_K_1, yes_N_K_1], axis=2)

    def joint(self, proba_N_C: FloatArray) -> FloatArray:
        """All questions of a text in one distribution; KL between two of these is the mean KL over labels."""
        joint_N_2C: FloatArray = np.concatenate([proba_N_C, 1.0 - proba_N_C], axis=1) / proba_N_C.shape[1]
        return joint_N_2C

    def is_bad(self, proba: FloatArray) -> BoolArray:
        """Not finite, or outside [0, 1]."""
        bad: BoolArray = ~np.isfinite(proba) | (proba < 0) | (proba > 1 + _TOLERANCE)
        return bad

    def near_tie(self, proba_N_C: FloatArray) -> FloatArray:
        """The smallest difference of yes and no."""
        gap_N: FloatArray = np.abs(2 * proba_N_C - 1).min(axis=1, initial=np.inf)
        return gap_N

    def likely_answers(self, proba_C: FloatArray, most: int) -> tuple[FloatArray, FloatArray]:
        """No and yes to the least sure label, with all other labels as predicted."""
        label = int(_least_sure(proba_C[None])[0])
        no_C = (proba_C >= 0.5).astype(np.float32)
        no_C[label] = 0.0
        yes_C = no_C.copy()
        yes_C[label] = 1.0
        return np.stack([no_C, yes_C]), np.array([1 - proba_C[label], proba_C[label]])

    def expected_loss(self, proba_M_C: FloatArray) -> float:
        """The mean over texts; entropies of a text's labels are summed."""
        return float((entr(proba_M_C) + entr(1.0 - proba_M_C)).sum(axis=1).mean())

    def decide(self, values_N_C: FloatArray) -> BoolArray:
        """A class holds from 1/2 on."""
        decided_N_C: BoolArray = values_N_C >= 0.5
        return decided_N_C

    def certainty(self, decided_N_C: BoolArray, proba_N_C: FloatArray) -> FloatArray:
        """The product over classes, as if they were independent."""
        certainty_N: FloatArray = np.where(decided_N_C, proba_N_C, 1.0 - proba_N_C).prod(axis=1)
        return certainty_N

    def majority(self, shares_C: FloatArray) -> IntArray | None:
        """All classes with more than half, perhaps none; None where a class has exactly half."""
        return None if np.isclose(shares_C, 0.5).any() else np.flatnonzero(shares_C > 0.5)

    def confidences(self, proba_N_C: FloatArray, targets_N_C: FloatArray) -> tuple[FloatArray, FloatArray]:
        """The probability of every class, and the share of people who gave it."""
        return proba_N_C.ravel(), targets_N_C.ravel()

    def commonest_accuracy(self, targets_N_C: FloatArray) -> float | None:
        """None: texts have sets of classes, of which hardly any is common."""
        return None

    def negative_log_likelihood(self, logits_N_C: FloatArray, targets_N_C: FloatArray) -> float:
        """Binary cross-entropies, summed over classes."""
        return float((np.logaddexp(0, logits_N_C) - targets_N_C * logits_N_C).sum())

    def has_rivals(self, known: int) -> bool:
        """The rival of a class is its own absence."""
        return True

    def common_bias(self, logits: Callable[[], FloatArray], classes_a_text: float, bound: float) -> float:
        """Found by bisection: the expected number of classes grows with the bias."""
        logits_N_K = logits()
        low, high = -bound, bound
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            expected = float((1 / (1 + np.exp(-(logits_N_K + middle)))).sum(axis=1).mean())
            low, high = (low, middle) if expected > classes_a_text else (middle, high)
        return low


def _least_sure(proba_N_C: FloatArray) -> IntArray:
    """The label of each text whose probability is nearest to 1/2: positions_N on axis C."""
    positions_N: IntArray = np.abs(proba_N_C - 0.5).argmin(axis=1)
    return positions_N


ANY_OF = AnyOf()
