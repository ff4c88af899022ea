"""Agreement of people with predictions by label names alone."""

from dataclasses import dataclass

import numpy as np
import scipy

from model.types import FloatArray

# With fewer labels agreement is not called convincing, even where the test is significant.
LEAST_LABELS = 8
SIGNIFICANCE = 0.05


@dataclass(frozen=True)
class Agreement:
    """Counts of texts on which people and label names agree.

    Attributes:
        agreed: texts whose likeliest label by name is a label that people gave.
        of: labelled texts.
        commonest: texts that have the commonest label.
    """

    agreed: int = 0
    of: int = 0
    commonest: int = 0

    @property
    def is_convincing(self) -> bool:
        """Whether names are right more often than the commonest label would be, by more than chance.

        One-sided binomial test at SIGNIFICANCE, with LEAST_LABELS labels at least.
        """
        if self.of < LEAST_LABELS:
            return False
        by_luck = float(scipy.stats.binom.sf(self.agreed - 1, self.of, self.commonest / self.of))
        return self.agreed > self.commonest and by_luck < SIGNIFICANCE


def agreement(scores_N_C: FloatArray, targets_N_C: FloatArray) -> Agreement:
    """Compare the likeliest label of N texts with people's shares.

    Args:
        scores_N_C: probabilities or logits by label names, found without these labels.
        targets_N_C: people's shares; people gave a label if no other label has a larger share.
    """
    if not len(targets_N_C):
        return Agreement()
    most_N_1 = targets_N_C.max(axis=1, keepdims=True)
    given_N_C = (targets_N_C == most_N_1) & (most_N_1 > 0)
    agreed = int(given_N_C[np.arange(len(given_N_C)), scores_N_C.argmax(axis=1)].sum())
    return Agreement(agreed, len(targets_N_C), int(given_N_C.sum(axis=0).max()))
