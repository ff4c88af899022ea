"""Turn names of labels into rows of shares, and rows of shares into names."""

from collections.abc import Sequence

import numpy as np

from model.links import link_of
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
    most = link_of(label_set).majority(shares_C)
    return None if most is None else tuple(label_set.labels[position] for position in most)
