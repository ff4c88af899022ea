"""Group similar texts for one question to an LLM, and find the labelled texts nearest to them as examples.

After Liu et al. (2022), "What makes good in-context examples for GPT-3?".
"""

import numpy as np

from model.query.diversity import unit
from model.types import FloatArray, IntArray

# Examples for each text, and the upper limit for a group.
EXAMPLES_PER_TEXT = 2
MOST_EXAMPLES = 16


def group_alike(embeddings_N_D: FloatArray, size: int) -> list[IntArray]:
    """Divide texts into groups of similar ones: the first remaining text and its nearest neighbours by cosine.

    Returns:
        the rows of each group, in the order of the texts; every row is in one group.
    """
    unit_N_D = unit(embeddings_N_D)
    remaining = np.arange(len(unit_N_D))
    groups = []
    while len(remaining):
        similarity_M = unit_N_D[remaining] @ unit_N_D[remaining[0]]
        # The text itself comes first, whatever its embedding is.
        similarity_M[0] = np.inf
        nearest = np.argsort(-similarity_M, kind="stable")[:size]
        groups.append(np.sort(remaining[nearest]))
        remaining = np.delete(remaining, nearest)
    return groups


def nearest_examples(embeddings_N_D: FloatArray, labelled_L_D: FloatArray) -> IntArray:
    """The labelled texts nearest to a group by cosine: two for each text, 16 at most in all.

    Returns:
        rows_M of labelled_L_D: every text's nearest before any second nearest, the more similar first.
    """
    if not len(labelled_L_D) or not len(embeddings_N_D):
        return np.zeros(0, dtype=np.int64)
    cosines_N_L = unit(embeddings_N_D) @ unit(labelled_L_D).T
    nearest_N_K = np.argsort(-cosines_N_L, axis=1, kind="stable")[:, :EXAMPLES_PER_TEXT]
    cosines_N_K = np.take_along_axis(cosines_N_L, nearest_N_K, axis=1)
    places_N_K = np.broadcast_to(np.arange(nearest_N_K.shape[1]), nearest_N_K.shape)
    order = np.lexsort((-cosines_N_K.ravel(), places_N_K.ravel()))
    rows = list(dict.fromkeys(nearest_N_K.ravel()[order].tolist()))
    return np.array(rows[:MOST_EXAMPLES], dtype=np.int64)
