"""Hybrid: doubt picks candidates, clusters spread the batch over them."""

import numpy as np

from model.query.diversity import spread
from model.query.uncertainty import margin_scores
from model.types import FloatArray, IntArray

# Candidates a batch place: enough for clusters to differ, few enough for all of them to be doubtful.
CANDIDATES_PER_PICK = 10


def margin_clusters(
    proba_N_C: FloatArray, embeddings_N_D: FloatArray, batch_size: int, rng: np.random.Generator
) -> IntArray:
    """Pick doubtful texts that differ from each other: margin pre-selects, k-means spreads (after Zhdanov, 2019).

    Args:
        proba_N_C: class probabilities of N unlabelled texts.
        embeddings_N_D: their embeddings.
        batch_size: how many to pick.
        rng: for the clustering's start.

    Returns:
        indices_B, the most doubtful first; B = min(batch_size, N).
    """
    scores_N = margin_scores(proba_N_C)
    candidates = np.argsort(-scores_N, kind="stable")[: batch_size * CANDIDATES_PER_PICK]
    return candidates[spread(embeddings_N_D[candidates], scores_N[candidates], batch_size, rng)]
