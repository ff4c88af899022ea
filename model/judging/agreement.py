"""Agreement of two model versions on texts, labelled or not."""

from importlib import import_module

from model.links import ONE_OF, Link
from model.types import BoolArray, IntArray


def kappa(one_M_C: BoolArray, other_M_C: BoolArray, link: Link = ONE_OF) -> float:
    """Cohen's kappa (1960) of two versions' decisions on M >= 1 texts: agreement beyond chance, 1 for all alike.

    With one label a text, the labels are compared. With several, every label of every text is a decision of its own,
    and agreement on the frequent "no" counts as chance.

    Args:
        one_M_C: the classes that one version decides for.
        other_M_C: the classes that the other version decides for.
        link: the meaning of the classes.
    """
    if (one_M_C == other_M_C).all():
        # Two versions that give every text the same one label leave kappa undefined.
        return 1.0
    # Imported at its first use: web processes and most commands only read a round's measurements.
    metrics = import_module("sklearn.metrics")
    return float(metrics.cohen_kappa_score(_decisions(one_M_C, link), _decisions(other_M_C, link)))


def _decisions(decided_M_C: BoolArray, link: Link) -> IntArray:
    found: IntArray = decided_M_C.argmax(axis=1) if link is ONE_OF else decided_M_C.ravel().astype(int)
    return found
