"""The meaning of a head's C numbers, one file a link: exactly one class holds, or each class holds or not.

A link also says which units of a text get class probabilities. This folder imports the records alone; every folder may
import it.
"""

from model.links.any_of import ANY_OF
from model.links.link import Link
from model.links.one_of import ONE_OF
from model.links.units import MAX, MEAN, Answers, Reduction, top_k
from model.types import LabelSet

__all__ = ["ANY_OF", "MAX", "MEAN", "ONE_OF", "Answers", "Link", "Reduction", "link_of", "top_k"]


def link_of(label_set: LabelSet) -> Link:
    """The link of a head with these classes."""
    return ANY_OF if label_set.is_multilabel else ONE_OF
