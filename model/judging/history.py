"""The record of each model version, by which later versions are judged."""

from collections.abc import Sequence
from dataclasses import dataclass

from model.judging.comparison import Paired


@dataclass(frozen=True)
class Tally:
    """Right answers to texts that the classifier was not trained on."""

    right: int = 0
    texts: int = 0

    @property
    def accuracy(self) -> float | None:
        """The share of right answers; None without texts."""
        return self.right / self.texts if self.texts else None


NO_TEXTS, NO_PAIRS = Tally(), Paired()


@dataclass(frozen=True)
class VersionRecord:
    """One model version, and its difference from the version that was trained before it.

    Attributes:
        version: its number.
        labels: number of labels that it learned from.
        learned: number of labels that each fold's classifier learned from, to which the estimates belong.
        at: when it was trained, in seconds since 1970.
        accuracy, macro_f1: out of fold on all labelled texts; None without an estimate.
        random: right answers out of fold among the fair sample alone.
        paired: out-of-fold answers of this version and the one before to texts that both learned from.
        kappa: agreement with the version before on the stop set; None for the first.
        classes: number of classes that it tells apart.
    """

    version: int
    labels: int
    learned: int
    at: float
    accuracy: float | None = None
    macro_f1: float | None = None
    random: Tally = NO_TEXTS
    paired: Paired = NO_PAIRS
    kappa: float | None = None
    classes: int = 0


Records = Sequence[VersionRecord]
"""Records of one question's versions, oldest first."""
