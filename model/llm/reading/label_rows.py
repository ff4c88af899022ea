"""Turn names of labels into rows of shares, and rows of shares into names."""

from collections.abc import Sequence

import numpy as np

from model.types import FloatArray, LabelSet


def row_of(labels: Sequence[str], label_set: LabelSet) -> FloatArray:
    """A row of targets, shares_C, with a 1 for each label; `label_set` must have every label."""
    shares_C = np.zeros(len(label_set.labels), dtype=np.float32)
    shares_C[[label_set.labels.index(label) for label in labels]] = 1.0
    return shares_C


def majority(shares_C: FloatArray, label_set: LabelSet) -> tuple[str, ...] | None:
    """The labels that most annotators give.

    Args:
        shares_C: the share of annotators that give each label.
        label_set: the classes of axis C.

    Returns:
        In a single-label project the label with the largest share; in a multilabel project all labels with more than
        half, perhaps none. None where annotators are evenly split: any choice would be a guess.
    """
    if label_set.is_multilabel:
        evenly = np.isclose(shares_C, 0.5).any()
        return None if evenly else tuple(np.array(label_set.labels, dtype=object)[shares_C > 0.5])
    most = np.flatnonzero(np.isclose(shares_C, shares_C.max()))
    return (label_set.labels[most[0]],) if len(most) == 1 else None
