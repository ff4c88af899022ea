"""Histories of model versions that a test makes up."""

from model.judging.comparison import Paired
from model.judging.history import Tally, VersionRecord

COUNTS = (16, 32, 64, 100, 125, 156, 195, 244, 305)


def grown(better: int, worse: int, kappa: float, **different) -> tuple[VersionRecord, ...]:
    """Versions from 16 to 305 labels; of each 100 labels of the one before, so many answers changed.

    Args:
        better: answers that became right.
        worse: answers that became wrong.
        kappa: agreement of each version with the one before it.
        different: further fields of every record.
    """
    records = []
    for row, labels in enumerate(COUNTS):
        shared = COUNTS[row - 1] if row else 0
        fields = {
            "accuracy": 0.9,
            "macro_f1": 0.9,
            "random": Tally(labels // 12, labels // 10),
            "paired": Paired(round(better * shared / 100), round(worse * shared / 100), shared),
            "kappa": kappa if row else None,
        }
        records.append(VersionRecord(row + 1, labels, labels // 2, 1_000.0 * row, **{**fields, **different}))
    return tuple(records)
