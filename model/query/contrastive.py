"""CAL: ask for texts whose predictions differ from the predictions of labelled texts nearby."""

from importlib import import_module

import numpy as np
from scipy.special import rel_entr

from model.types import FloatArray

# Margatina et al. (2021), section 3.
NEIGHBOURS = 10
# Texts that are scored at once: N x 10 x C numbers are gigabytes with 77 classes and 1,000,000 texts.
_PART = 10_000
# Smaller probabilities are raised to this one: a probability of 0 would make the divergence infinite.
_FLOOR = 1e-9


def contrastive_scores(
    proba_N_C: FloatArray, embeddings_N_D: FloatArray, labelled_proba_L_C: FloatArray, labelled_L_D: FloatArray
) -> FloatArray:
    """Score the divergence of a text's prediction from its neighbours' (CAL; Margatina et al., 2021, algorithm 1).

    Args:
        proba_N_C: class probabilities of N unlabelled texts, rows sum to 1.
        embeddings_N_D: the encoder's pooled output.
        labelled_proba_L_C: class probabilities of L labelled texts.
        labelled_L_D: embeddings of the labelled texts; with L = 0 every score is 0.

    Returns:
        scores_N = mean over the 10 nearest labelled x' of KL(p(y|x') || p(y|x)), in nats, at least 0; higher means ask
        sooner.
    """
    neighbours = min(NEIGHBOURS, len(labelled_L_D))
    scores_N = np.zeros(len(proba_N_C))
    if not neighbours or not len(proba_N_C):
        return scores_N
    # At its first use: every command imports this file, and few compute with scikit-learn.
    index = import_module("sklearn.neighbors").NearestNeighbors(n_neighbors=neighbours).fit(labelled_L_D)
    for start in range(0, len(proba_N_C), _PART):
        part = slice(start, start + _PART)
        nearest_M_K = index.kneighbors(embeddings_N_D[part], return_distance=False)
        own_M_1_C = np.maximum(proba_N_C[part, None], _FLOOR)
        neighbours_M_K_C = np.maximum(labelled_proba_L_C[nearest_M_K], _FLOOR)
        scores_N[part] = rel_entr(neighbours_M_K_C, own_M_1_C).sum(axis=2).mean(axis=1)
    return np.maximum(scores_N, 0.0)
