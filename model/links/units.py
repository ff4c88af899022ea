"""Units: whatever gets class probabilities. A unit is a text, one label of a text, one token, one control."""

from dataclasses import dataclass

import numpy as np

from model.types import FloatArray, IntArray


@dataclass(frozen=True)
class Reduction:
    """Turns the scores of a text's units into one score of the text: the mean of its highest unit scores.

    Attributes:
        highest: number of unit scores that count, at least 1; None: all of them.
    """

    highest: int | None = None

    def __post_init__(self) -> None:
        if self.highest is not None and self.highest < 1:
            raise ValueError(f"a reduction takes the highest 1 or more unit scores, not {self.highest}")


MEAN, MAX = Reduction(), Reduction(1)


def top_k(k: int) -> Reduction:
    """The mean of the k highest unit scores of a text; raises ValueError for k < 1."""
    return Reduction(k)


@dataclass(frozen=True)
class Answers:
    """The class probabilities of all U units of N texts.

    Attributes:
        proba_U_C: class probabilities, rows sum to 1.
        text_of_unit_U: the text of each unit, as a row in 0 … N - 1; rising, and a text may have no unit.
        size: N.
        reduction: turns unit scores into text scores.
    """

    proba_U_C: FloatArray
    text_of_unit_U: IntArray
    size: int
    reduction: Reduction = MAX

    def __post_init__(self) -> None:
        texts_U = self.text_of_unit_U
        if len(texts_U) != len(self.proba_U_C):
            raise ValueError(f"{len(self.proba_U_C)} units have probabilities, and {len(texts_U)} a text")
        if len(texts_U) and (texts_U[0] < 0 or texts_U[-1] >= self.size or (np.diff(texts_U) < 0).any()):
            raise ValueError(f"text_of_unit_U must rise within 0 … {self.size - 1}")

    def reduce(self, scores_U: FloatArray) -> FloatArray:
        """Turn unit scores into text scores by the reduction: scores_N; 0 for a text without a unit."""
        starts_M = np.flatnonzero(np.diff(self.text_of_unit_U, prepend=-1))
        scores_N = np.zeros(self.size, dtype=scores_U.dtype)
        if len(starts_M):
            scores_N[self.text_of_unit_U[starts_M]] = self._reduced(scores_U, starts_M)
        return scores_N

    def _reduced(self, scores_U: FloatArray, starts_M: IntArray) -> FloatArray:
        """The score of each of M texts that have units, which begin at `starts_M`."""
        highest = self.reduction.highest
        if highest == 1:
            reduced_M: FloatArray = np.maximum.reduceat(scores_U, starts_M)
            return reduced_M
        counts_M = np.diff(starts_M, append=len(scores_U))
        if highest is not None:
            sorted_U = scores_U[np.lexsort((-scores_U, self.text_of_unit_U))]
            place_U = np.arange(len(scores_U)) - np.repeat(starts_M, counts_M)
            scores_U = np.where(place_U < highest, sorted_U, 0)
            counts_M = np.minimum(counts_M, highest)
        mean_M: FloatArray = np.add.reduceat(scores_U, starts_M) / counts_M
        return mean_M
