"""BALD and BatchBALD: ask for labels that would tell possible parameters of the classifier apart."""

import numpy as np
from scipy.special import entr

from model.types import FloatArray, IntArray

# Limits of BatchBALD: candidates with the highest BALD scores, at least three a pick in large batches, and samples of
# the batch's joint labels. Picking 32 of 320 texts with 77 classes takes two seconds.
CANDIDATES = 320
CANDIDATES_PER_PICK = 3
SAMPLES = 256


def bald_scores(proba_N_K_C: FloatArray) -> FloatArray:
    """Score the mutual information of label and parameters (Houlsby et al., 2011, eq. 2; Gal et al., 2017).

    Equal to the mean KL to the consensus (`committee`) of the same members.

    Args:
        proba_N_K_C: class probabilities under K draws of the parameters.

    Returns:
        scores_N = H[mean_k p_k] - mean_k H[p_k], in nats, in [0, log C]; higher means ask sooner.
    """
    of_mean_N = entr(proba_N_K_C.mean(axis=1)).sum(axis=1)
    scores_N: FloatArray = np.maximum(of_mean_N - _conditional_entropy(proba_N_K_C), 0.0)
    return scores_N


def batchbald(proba_N_K_C: FloatArray, batch_size: int, rng: np.random.Generator) -> IntArray:
    """Pick the batch whose labels together tell most about the parameters (BatchBALD; Kirsch et al., 2019).

    Greedy on the mutual information of the joint labels and the parameters (algorithm 1). The joint entropy is
    estimated text by text over samples of the labels picked so far. Deviation: only the texts with
    the highest BALD scores are candidates.

    Args:
        proba_N_K_C: class probabilities under the same K draws of the parameters for every text.
        batch_size: upper limit on picks.
        rng: draws the samples.

    Returns:
        indices_B in the order they were picked; B = min(batch_size, N).
    """
    batch_size = min(batch_size, len(proba_N_K_C))
    candidates = np.argsort(-bald_scores(proba_N_K_C), kind="stable")[
        : max(CANDIDATES, batch_size * CANDIDATES_PER_PICK)
    ]
    proba_M_K_C = proba_N_K_C[candidates].astype(np.float64)
    conditional_M = _conditional_entropy(proba_M_K_C)
    draws = proba_M_K_C.shape[1]
    # Likelihood of each sample of the picked texts' labels, under each draw of the parameters.
    likelihood_S_K = np.ones((SAMPLES, draws))
    picked: list[int] = []
    for _ in range(batch_size):
        gain_M = _added_entropy(likelihood_S_K, proba_M_K_C) - conditional_M
        gain_M[picked] = -np.inf
        picked.append(int(gain_M.argmax()))
        likelihood_S_K *= _sample(likelihood_S_K, proba_M_K_C[picked[-1]], rng)
        # Only ratios between draws matter; without scaling, products of many probabilities would underflow to 0.
        likelihood_S_K /= likelihood_S_K.mean(axis=1, keepdims=True)
    return candidates[picked]


def _conditional_entropy(proba_N_K_C: FloatArray) -> FloatArray:
    """Mean entropy of the label under each draw of the parameters, in nats: entropy_N."""
    entropy_N: FloatArray = entr(proba_N_K_C).sum(axis=2).mean(axis=1)
    return entropy_N


def _added_entropy(likelihood_S_K: FloatArray, proba_M_K_C: FloatArray) -> FloatArray:
    """Entropy that each text adds to the sampled labels of the batch, in nats: entropy_M.

    The joint entropy is this entropy plus the entropy of the batch so far, which is the same for every text.
    """
    posterior_S_K = likelihood_S_K / likelihood_S_K.sum(axis=1, keepdims=True)
    texts, draws, classes = proba_M_K_C.shape
    predicted_S_MC = posterior_S_K @ proba_M_K_C.transpose(1, 0, 2).reshape(draws, texts * classes)
    entropy_M: FloatArray = entr(predicted_S_MC).mean(axis=0).reshape(texts, classes).sum(axis=1)
    return entropy_M


def _sample(likelihood_S_K: FloatArray, proba_K_C: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Draw a label of one text for each sample, and return its probability under each draw of parameters: proba_S_K."""
    predicted_S_C = (likelihood_S_K / likelihood_S_K.sum(axis=1, keepdims=True)) @ proba_K_C
    upto_S_C = predicted_S_C.cumsum(axis=1)
    drawn_S = (rng.random((len(upto_S_C), 1)) * upto_S_C[:, -1:] >= upto_S_C).sum(axis=1)
    proba_S_K: FloatArray = proba_K_C.T[np.minimum(drawn_S, proba_K_C.shape[1] - 1)]
    return proba_S_K
