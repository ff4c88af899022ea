"""Herding: choose a batch that is near to much of the pool, or near to many doubtful texts."""

import numpy as np

from model.query.diversity import unit
from model.types import FloatArray, IntArray

# The most texts whose coverage is watched, drawn at random from a larger pool: all of them would take N squared.
WATCHED = 2_000
# Candidates whose gains are computed together: few at first, since the best is mostly among them, then twice as many
# each time; 1,024 candidates against 2,000 watched texts take a few MB.
_FIRST_LOOK, _LONGEST_LOOK = 64, 1_024


def maxherding(
    embeddings_N_D: FloatArray, labelled_L_D: FloatArray, batch_size: int, rng: np.random.Generator
) -> IntArray:
    """Pick again and again the text that brings the pool nearest to a label (MaxHerding; Bae et al., 2024).

    Each pick is argmax_x mean_y max over s in labelled, picked and x of k(y, s): the generalized coverage of the pool's
    texts y. Deviations: k = (1 + cosine) / 2, which has no radius to choose, in place of their Gaussian; in
    a pool of more than 2,000 texts, y are 2,000 random ones, while all are candidates.

    Args:
        embeddings_N_D: N unlabelled texts.
        labelled_L_D: L labelled texts; L may be 0.
        batch_size: upper limit on picks.
        rng: draws y from a large pool.

    Returns:
        indices_B, the greatest gain in coverage first; B = min(batch_size, N).
    """
    return uncertainty_herding(np.ones(len(embeddings_N_D)), embeddings_N_D, labelled_L_D, batch_size, rng)


def uncertainty_herding(
    scores_N: FloatArray,
    embeddings_N_D: FloatArray,
    labelled_L_D: FloatArray,
    batch_size: int,
    rng: np.random.Generator,
) -> IntArray:
    """Pick again and again the text that brings doubtful ones nearest to a label (UHerding; Bae et al., 2025).

    Each pick is argmax_x mean_y u(y) max over s in labelled, picked and x of k(y, s): their uncertainty coverage.
    Picking is greedy and lazy: the gain of a text only falls as others are picked (Minoux, 1978). Deviations: k and y
    are those of `maxherding`, while the paper's Gaussian narrows as labels come; the caller chooses the temperature of
    the probabilities behind u; where every u is 0, all y count alike.

    Args:
        scores_N: u, acquisition scores of the N texts, at least 0; higher means ask sooner.
        embeddings_N_D: embeddings of the same texts.
        labelled_L_D: embeddings of L labelled texts; L may be 0.
        batch_size: upper limit on picks.
        rng: draws y from a large pool.

    Returns:
        indices_B, the greatest gain in coverage first; B = min(batch_size, N).
    """
    size = len(embeddings_N_D)
    batch_size = min(batch_size, size)
    if batch_size == 0:
        return np.zeros(0, dtype=np.int64)
    unit_N_D = unit(embeddings_N_D)
    coverage = cover(unit_N_D, scores_N, unit(labelled_L_D), rng)
    bound_N = np.full(size, np.inf)
    picked: list[int] = []
    while len(picked) < batch_size:
        picked.append(_most_gaining(coverage, unit_N_D, bound_N))
        coverage.add(unit_N_D[picked[-1:]])
        bound_N[picked[-1]] = -np.inf
    return np.array(picked, dtype=np.int64)


def cover(unit_N_D: FloatArray, weight_N: FloatArray, unit_L_D: FloatArray, rng: np.random.Generator) -> "Coverage":
    """Coverage of N texts, or of 2,000 random ones of more, by the L labelled texts."""
    size = len(unit_N_D)
    watched_W = rng.permutation(size)[:WATCHED] if size > WATCHED else np.arange(size)
    coverage = Coverage(unit_N_D[watched_W], weight_N[watched_W])
    coverage.add(unit_L_D)
    return coverage


def _most_gaining(coverage: "Coverage", unit_N_D: FloatArray, bound_N: FloatArray) -> int:
    """Find the text with the largest gain among those not picked.

    Args:
        coverage: by labelled and picked texts.
        unit_N_D: the candidates.
        bound_N: upper bound on each gain, -inf for a picked text; bounds of the texts looked at are lowered in place.
    """
    falling_N = np.argsort(-bound_N, kind="stable")[: np.count_nonzero(bound_N > -np.inf)]
    best, at, look = int(falling_N[0]), 0, _FIRST_LOOK
    while at < len(falling_N) and (at == 0 or bound_N[falling_N[at]] > bound_N[best]):
        rows_M = falling_N[at : at + look]
        bound_N[rows_M] = coverage.gains(unit_N_D[rows_M])
        best = max(best, int(rows_M[bound_N[rows_M].argmax()]), key=lambda row: bound_N[row])
        at, look = at + look, min(2 * look, _LONGEST_LOOK)
    return best


class Coverage:
    """Nearness of W watched texts to the texts added so far, and the gain by one more text.

    Cosines are summed: the kernel's factor 1/2 and the mean's 1/W change no order.
    """

    def __init__(self, unit_W_D: FloatArray, weight_W: FloatArray) -> None:
        self._unit_W_D = unit_W_D
        self._weight_W = (weight_W if weight_W.any() else np.ones(len(weight_W))).astype(unit_W_D.dtype)
        # A cosine of -1 is k = 0: nothing has been added.
        self._nearest_W = np.full(len(unit_W_D), -1.0, dtype=unit_W_D.dtype)

    def add(self, unit_M_D: FloatArray) -> None:
        """Add M texts that are labelled or picked."""
        for start in range(0, len(unit_M_D), _LONGEST_LOOK):
            cosine_W_M = self._unit_W_D @ unit_M_D[start : start + _LONGEST_LOOK].T
            self._nearest_W = np.maximum(self._nearest_W, cosine_W_M.max(axis=1))

    def gains(self, unit_M_D: FloatArray) -> FloatArray:
        """Gain in coverage by each of M texts alone: gain_M, at least 0."""
        nearer_M_W = unit_M_D @ self._unit_W_D.T
        nearer_M_W -= self._nearest_W
        gain_M: FloatArray = np.maximum(nearer_M_W, 0.0, out=nearer_M_W) @ self._weight_W
        return gain_M
