"""An ordering hook: doubtful texts first, and near-duplicates of labelled or earlier texts after the others."""

import numpy as np

from model.query.hooks import Need, Unlabelled, returns_order
from model.types import BoolArray, FloatArray, IntArray

# Texts whose embeddings have a higher cosine similarity are near-duplicates.
ALIKE = 0.8
# Only so many of the most doubtful texts are compared; the next order comes before people reach the others.
COMPARED = 1000


@returns_order(Need.PROBA, Need.EMBEDDINGS)
def near_duplicates_last(unlabelled: Unlabelled, rng: np.random.Generator) -> IntArray:
    """Order texts by doubt, but ask for near-duplicates later.

    Args:
        unlabelled: class probabilities and embeddings of N texts, and embeddings of the labelled texts.
        rng: not needed, because texts come in random order.

    Returns:
        The rows 0 … N-1 in order, first = ask first.
    """
    top2_N_2 = np.partition(unlabelled.proba, -2, axis=1)[:, -2:]
    doubtful_first_N = np.argsort(top2_N_2[:, 1] - top2_N_2[:, 0], kind="stable")
    front_M, rest = doubtful_first_N[:COMPARED], doubtful_first_N[COMPARED:]
    is_repeat_M = repeats(_unit(unlabelled.embeddings[front_M]), _unit(unlabelled.labelled))
    return np.concatenate([front_M[~is_repeat_M], front_M[is_repeat_M], rest])


def repeats(embeddings_M_D: FloatArray, labelled_L_D: FloatArray) -> BoolArray:
    """Find texts that are much like a labelled text, or like an earlier text that is no repeat itself.

    Args:
        embeddings_M_D: M texts in order; each row has length 1.
        labelled_L_D: the labelled texts; each row has length 1.

    Returns:
        is_repeat_M.
    """
    is_repeat_M: BoolArray = (embeddings_M_D @ labelled_L_D.T).max(axis=1, initial=-1.0) > ALIKE
    for place, embedding_D in enumerate(embeddings_M_D):
        if not is_repeat_M[place]:
            is_repeat_M[place + 1 :] |= embeddings_M_D[place + 1 :] @ embedding_D > ALIKE
    return is_repeat_M


def _unit(embeddings_M_D: FloatArray) -> FloatArray:
    """Embeddings of length 1; an embedding of length 0 stays."""
    lengths_M_1 = np.linalg.norm(embeddings_M_D, axis=1, keepdims=True)
    unit_M_D: FloatArray = embeddings_M_D / np.maximum(lengths_M_1, 1e-12)
    return unit_M_D
