"""Expected error reduction: ask for texts whose labels would leave the fewest errors on the pool."""

import numpy as np
from scipy.special import entr

from model.query.uncertainty import least_sure_label
from model.query.unlabelled import Refit
from model.types import FloatArray, IntArray

# Each candidate takes one refit for each of its answers. Limits: candidates, or candidates a pick in large batches;
# answers of a candidate; pool texts on which a refit is judged.
CANDIDATES = 64
CANDIDATES_PER_PICK = 2
ANSWERS = 3
WATCHED = 500


def expected_error_reduction(
    proba_N_C: FloatArray,
    embeddings_N_D: FloatArray,
    refit: Refit,
    batch_size: int,
    rng: np.random.Generator,
    *,
    is_multilabel: bool = False,
) -> IntArray:
    """Pick the texts whose labels are expected to leave the pool surest (Roy and McCallum, 2001, log loss).

    Deviations, so that a query takes seconds: only the head is fitted anew; candidates, and the pool texts on which a
    refit is judged, are random samples; only a candidate's likeliest answers are tried, weighted by their probability;
    the best candidates make the batch, each judged by itself. With several labels a text, the answers are yes and no
    to its least sure label, with all other labels as predicted.

    Args:
        proba_N_C: class probabilities.
        embeddings_N_D: the head's input.
        refit: fits a head on the labelled texts and on further ones.
        batch_size: upper limit on picks.
        rng: draws the samples.
        is_multilabel: whether a text may have several labels.

    Returns:
        indices_B, the lowest expected loss first; B = min(batch_size, N).
    """
    shuffled_N = rng.permutation(len(proba_N_C))
    candidates = shuffled_N[: max(CANDIDATES, CANDIDATES_PER_PICK * batch_size)]
    watched_M_D = embeddings_N_D[rng.permutation(len(proba_N_C))[:WATCHED]]
    losses = []
    for row in candidates:
        answers_A_C, weights_A = _answers(proba_N_C[row], is_multilabel=is_multilabel)
        left_A = [
            _loss(refit(embeddings_N_D[[row]], answer_C[None])(watched_M_D), is_multilabel=is_multilabel)
            for answer_C in answers_A_C
        ]
        losses.append(float(np.dot(weights_A, left_A)))
    return candidates[np.argsort(losses, kind="stable")][:batch_size]


def _answers(proba_C: FloatArray, *, is_multilabel: bool) -> tuple[FloatArray, FloatArray]:
    """A possible answers, answers_A_C as shares, and their probabilities, weights_A."""
    if is_multilabel:
        label = int(least_sure_label(proba_C[None])[0])
        no_C = (proba_C >= 0.5).astype(np.float32)
        no_C[label] = 0.0
        yes_C = no_C.copy()
        yes_C[label] = 1.0
        return np.stack([no_C, yes_C]), np.array([1 - proba_C[label], proba_C[label]])
    likeliest_A = np.argsort(-proba_C, kind="stable")[:ANSWERS]
    weights_A = proba_C[likeliest_A]
    return np.eye(len(proba_C), dtype=np.float32)[likeliest_A], weights_A / weights_A.sum()


def _loss(proba_M_C: FloatArray, *, is_multilabel: bool) -> float:
    """The log loss that a classifier expects of itself: its mean entropy, in nats; labels' entropies are summed."""
    loss_M_C = entr(proba_M_C) + (entr(1.0 - proba_M_C) if is_multilabel else 0.0)
    return float(loss_M_C.sum(axis=1).mean())
