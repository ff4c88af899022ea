"""Query by committee: ask for texts on which classifiers of the same labels disagree."""

import numpy as np
from scipy.special import entr, rel_entr

from model.types import FloatArray, IntArray


def vote_entropy_scores(proba_N_K_C: FloatArray) -> FloatArray:
    """Score the entropy of the members' votes (Dagan and Engelson, 1995; Settles, 2009, section 3.2).

    Args:
        proba_N_K_C: class probabilities by K members; each votes for its likeliest class.

    Returns:
        scores_N = -sum_c (V(c) / K) log (V(c) / K), in nats, in [0, log min(K, C)]; higher means ask sooner.
    """
    votes_N_K = proba_N_K_C.argmax(axis=2)
    share_N_C = np.stack([(votes_N_K == c).mean(axis=1) for c in range(proba_N_K_C.shape[2])], axis=1)
    scores_N: FloatArray = np.maximum(entr(share_N_C).sum(axis=1), 0.0)
    return scores_N


def consensus_kl_scores(proba_N_K_C: FloatArray) -> FloatArray:
    """Score how far the members are from their mean (McCallum and Nigam, 1998; Settles, 2009, section 3.2).

    Args:
        proba_N_K_C: class probabilities by K members.

    Returns:
        scores_N = 1/K sum_k KL(p_k || mean p), in nats, in [0, log K]; higher means ask sooner.
    """
    consensus_N_1_C = proba_N_K_C.mean(axis=1, keepdims=True)
    scores_N: FloatArray = np.maximum(rel_entr(proba_N_K_C, consensus_N_1_C).sum(axis=2).mean(axis=1), 0.0)
    return scores_N


def by_votes_then_consensus(proba_N_K_C: FloatArray, batch_size: int) -> IntArray:
    """Pick by vote entropy; equal vote entropies are ordered by mean KL to the consensus.

    K members can split their votes in few ways, so that most of a pool would tie by vote entropy alone.

    Args:
        proba_N_K_C: class probabilities by K members.
        batch_size: upper limit on picks.

    Returns:
        indices_B, the most disputed first; B = min(batch_size, N).
    """
    indices_N: IntArray = np.lexsort((-consensus_kl_scores(proba_N_K_C), -vote_entropy_scores(proba_N_K_C)))
    return indices_N[:batch_size]
