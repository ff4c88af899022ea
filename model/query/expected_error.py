"""Expected error reduction: ask for texts whose labels would leave the fewest errors on the pool."""

import numpy as np

from model.links import ONE_OF, Link
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
    link: Link = ONE_OF,
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
        link: says which answers a text may get.

    Returns:
        indices_B, the lowest expected loss first; B = min(batch_size, N).
    """
    shuffled_N = rng.permutation(len(proba_N_C))
    candidates = shuffled_N[: max(CANDIDATES, CANDIDATES_PER_PICK * batch_size)]
    watched_M_D = embeddings_N_D[rng.permutation(len(proba_N_C))[:WATCHED]]
    losses = []
    for row in candidates:
        answers_A_C, weights_A = link.likely_answers(proba_N_C[row], ANSWERS)
        left_A = [
            link.expected_loss(refit(embeddings_N_D[[row]], answer_C[None])(watched_M_D)) for answer_C in answers_A_C
        ]
        losses.append(float(np.dot(weights_A, left_A)))
    return candidates[np.argsort(losses, kind="stable")][:batch_size]
