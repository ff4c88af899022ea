"""Compare two model versions on the same labelled texts."""

from dataclasses import dataclass

import numpy as np
import scipy

from model.types import BoolArray, IntArray

# A version is held back only if its p-value lies below WORSE_P, and if it loses WORSE_SHARE of the texts or more.
WORSE_P, WORSE_SHARE = 0.01, 0.02


@dataclass(frozen=True)
class Paired:
    """Answers of two versions to the same texts.

    Attributes:
        better: number of texts that the newer version alone gets right.
        worse: number of texts that the older version alone gets right.
        texts: number of compared texts.
    """

    better: int = 0
    worse: int = 0
    texts: int = 0

    @property
    def gain(self) -> float:
        """Accuracy of the newer version minus that of the older one; 0 without texts."""
        return (self.better - self.worse) / self.texts if self.texts else 0.0

    @property
    def error(self) -> float:
        """Standard error of `gain`; one more text that changed keeps it above 0."""
        changed, difference = self.better + self.worse + 1, self.better - self.worse
        return float(np.sqrt(changed - difference**2 / self.texts)) / self.texts if self.texts else float("inf")

    @property
    def p_worse(self) -> float:
        """Probability of so many worse answers, or more, between two equally good versions.

        The exact one-sided sign test on the texts where the two differ (McNemar, 1947, in its exact form).
        """
        changed = self.better + self.worse
        return float(scipy.stats.binomtest(self.worse, changed, 0.5, alternative="greater").pvalue) if changed else 1.0

    @property
    def p_better(self) -> float:
        """Probability of so many better answers, or more, between two equally good versions."""
        return Paired(self.worse, self.better, self.texts).p_worse

    @property
    def is_clearly_worse(self) -> bool:
        """Whether the newer version loses WORSE_SHARE or more, and more than chance explains."""
        return self.gain <= -WORSE_SHARE and self.p_worse < WORSE_P


def compare(newer_right_M: BoolArray, older_right_M: BoolArray) -> Paired:
    """Count the texts that one version alone gets right.

    Args:
        newer_right_M: whether the newer version gets each of M texts right.
        older_right_M: whether the older version gets each of them right.
    """
    return Paired(
        better=int(np.count_nonzero(newer_right_M & ~older_right_M)),
        worse=int(np.count_nonzero(older_right_M & ~newer_right_M)),
        texts=len(newer_right_M),
    )


@dataclass(frozen=True)
class HeldOut:
    """The out-of-fold answers of one version to labelled texts.

    Attributes:
        digests_N: digests of the texts with their labels; each once.
        right_N: whether the answer to each text is right.
    """

    digests_N: IntArray
    right_N: BoolArray

    def some(self, is_meant_N: BoolArray) -> "HeldOut":
        """Return a part of the texts."""
        return HeldOut(self.digests_N[is_meant_N], self.right_N[is_meant_N])


def compare_shared(newer: HeldOut, older: HeldOut) -> Paired:
    """Compare two versions on the texts that both have, with the same labels."""
    _, rows_M, older_rows_M = np.intersect1d(newer.digests_N, older.digests_N, return_indices=True)
    return compare(newer.right_N[rows_M], older.right_N[older_rows_M])
