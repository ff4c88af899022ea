"""Information density: ask for doubtful texts that many other texts resemble."""

import numpy as np

from model.query.diversity import unit
from model.query.uncertainty import entropy_scores
from model.types import FloatArray


def information_density_scores(proba_N_C: FloatArray, embeddings_N_D: FloatArray) -> FloatArray:
    """Score doubt times representativeness (Settles and Craven, 2008, with beta = 1).

    The mean cosine to the pool is the product with the mean unit vector, so that one pass over the pool is enough.
    Deviations: a negative mean cosine counts as 0; a pool that is too large to be scored at once is scored in random
    parts, each against its own mean (`rank`).

    Args:
        proba_N_C: class probabilities.
        embeddings_N_D: the encoder's pooled output.

    Returns:
        scores_N = H(y|x) · max(0, mean_x' cos(x, x')), in nats, at least 0; higher means ask sooner.
    """
    unit_N_D = unit(embeddings_N_D)
    likeness_N = np.maximum(unit_N_D @ unit_N_D.mean(axis=0), 0.0)
    scores_N: FloatArray = entropy_scores(proba_N_C) * likeness_N
    return scores_N
