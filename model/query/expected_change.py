"""Expected model change: ask for texts whose labels would move the classifier most."""

import numpy as np

from model.types import FloatArray


def expected_gradient_length_scores(proba_N_C: FloatArray, embeddings_N_D: FloatArray) -> FloatArray:
    """Score the mean length of the head's gradient over possible answers (Settles et al., 2008).

    With cross-entropy the gradient by weights and bias is (p - e_c) ⊗ [embedding, 1] if the answer is c, so its length
    is |p - e_c| sqrt(|embedding|² + 1). Deviation: the head's parameters alone are counted, not the encoder's.

    Args:
        proba_N_C: class probabilities.
        embeddings_N_D: the head's input.

    Returns:
        scores_N = sum_c p(c|x) |gradient if c|, at least 0; higher means ask sooner.
    """
    square_N_1 = np.square(proba_N_C).sum(axis=1, keepdims=True)
    # |p - e_c|² = |p|² - 2 p_c + 1
    length_N_C = np.sqrt(np.maximum(square_N_1 - 2 * proba_N_C + 1, 0.0))
    reach_N = np.sqrt(np.square(embeddings_N_D).sum(axis=1) + 1)
    scores_N: FloatArray = (proba_N_C * length_N_C).sum(axis=1) * reach_N
    return scores_N
