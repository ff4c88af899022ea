"""BADGE: choose a batch of texts that would move the head far, and in different directions."""

import numpy as np

from model.links import ONE_OF, Link
from model.types import FloatArray, IntArray


def badge(
    proba_N_C: FloatArray,
    embeddings_N_D: FloatArray,
    batch_size: int,
    rng: np.random.Generator,
    link: Link = ONE_OF,
) -> IntArray:
    """Pick by k-means++ over gradient embeddings (BADGE; Ash et al., 2020, algorithm 1).

    A text's gradient embedding is the gradient of the loss by the head's weights if the likeliest class were its label:
    g = (p - e_likeliest) ⊗ embedding, C x D numbers; with several labels e is 1 for every label from 1/2 on. Gradients
    are never written out: |g - h|² needs only the inner products of the two factors, so that memory holds N x (C + D)
    numbers.

    Args:
        proba_N_C: class probabilities.
        embeddings_N_D: the head's input.
        batch_size: upper limit on picks.
        rng: draws the centres after the first, which has the longest gradient (as in the authors' program).
        link: says which labels are predicted.

    Returns:
        indices_B in the order they were drawn; B = min(batch_size, N).
    """
    size = len(proba_N_C)
    batch_size = min(batch_size, size)
    if batch_size == 0:
        return np.zeros(0, dtype=np.int64)
    residual_N_C = proba_N_C.astype(np.float64) - link.decide(proba_N_C)
    length_N = np.square(residual_N_C).sum(axis=1) * np.square(embeddings_N_D).sum(axis=1)
    picked = [int(length_N.argmax())]
    nearest_N = np.full(size, np.inf)
    while len(picked) < batch_size:
        last = picked[-1]
        inner_N = (residual_N_C @ residual_N_C[last]) * (embeddings_N_D @ embeddings_N_D[last])
        nearest_N = np.minimum(nearest_N, np.maximum(length_N + length_N[last] - 2 * inner_N, 0.0))
        nearest_N[picked] = 0.0
        picked.append(_draw(nearest_N, picked, rng))
    return np.array(picked, dtype=np.int64)


def _draw(weight_N: FloatArray, picked: list[int], rng: np.random.Generator) -> int:
    """Draw one text by weight; where every other text repeats a picked one, draw any other text."""
    upto_N = weight_N.cumsum()
    if upto_N[-1] > 0:
        return int(np.searchsorted(upto_N, rng.random() * upto_N[-1], side="right"))
    return int(rng.choice(np.setdiff1d(np.arange(len(weight_N)), picked)))
