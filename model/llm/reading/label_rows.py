"""Labels by name ↔ rows of shares."""

from collections.abc import Sequence

import numpy as np

from model.types import FloatArray, LabelSet


def row_of(labels: Sequence[str], label_set: LabelSet) -> FloatArray:
    """Labels as a row of targets: shares_C with a 1 for each of them, all of which `label_set` has to have."""
    shares_C = np.zeros(len(label_set.labels), dtype=np.float32)
    shares_C[[label_set.labels.index(label) for label in labels]] = 1.0
    return shares_C


def majority(shares_C: FloatArray, label_set: LabelSet) -> tuple[str, ...] | None:
    """What most of those asked say.

    Args:
        shares_C: the share of them that says each label.
        label_set: the classes of axis C.

    Returns:
        With one choice the label that more say than any other; with several those that more than half say, perhaps
        none. None where they are split evenly: to choose then would be to guess.
    """
    if label_set.is_multilabel:
        evenly = np.isclose(shares_C, 0.5).any()
        return None if evenly else tuple(np.array(label_set.labels, dtype=object)[shares_C > 0.5])
    most = np.flatnonzero(np.isclose(shares_C, shares_C.max()))
    return (label_set.labels[most[0]],) if len(most) == 1 else None
