"""Herding: a batch near to as much of the pool as can be, or to as much of what the classifier doubts."""

import numpy as np

from model.query.diversity import unit
from model.types import FloatArray, IntArray

# So many random texts stand for a larger pool: to be near to all of them would take the square of its size.
WATCHED = 2_000
# Candidates looked at together: few at first, since the best of a batch is mostly among them; then ever more, as far as
# their likeness to what is watched stays in a few MB.
_FIRST_LOOK, _LONGEST_LOOK = 64, 1_024


def maxherding(
    embeddings_N_D: FloatArray, labelled_L_D: FloatArray, batch_size: int, rng: np.random.Generator
) -> IntArray:
    """Pick again and again the text that brings the pool nearest to a label (MaxHerding; Bae et al., 2024).

    Each pick is argmax_x mean_y max over s in labelled, picked and x of k(y, s): the generalized coverage of the pool's
    texts y. Deviations: k = (1 + cosine) / 2, which has no radius to choose, in place of their Gaussian; of
    a pool of more than 2,000 texts, so many random ones are y, while all stay candidates.

    Args:
        embeddings_N_D: N unlabelled texts.
        labelled_L_D: the L labelled ones; L may be 0.
        batch_size: how many to pick.
        rng: draws y from a large pool.

    Returns:
        indices_B, the greatest gain in coverage first; B = min(batch_size, N).
    """
    return _herd(np.ones(len(embeddings_N_D)), embeddings_N_D, labelled_L_D, batch_size, rng)


def uncertainty_herding(
    scores_N: FloatArray,
    embeddings_N_D: FloatArray,
    labelled_L_D: FloatArray,
    batch_size: int,
    rng: np.random.Generator,
) -> IntArray:
    """Pick again and again the text that brings doubtful ones nearest to a label (UHerding; Bae et al., 2025).

    Each pick is argmax_x mean_y u(y) max over s in labelled, picked and x of k(y, s): their uncertainty coverage.
    Deviations: those of `maxherding`, where they let the Gaussian's radius fall as labels come; the temperature of the
    probabilities is whoever's who made them; where no y is doubtful, all count alike.

    Args:
        scores_N: u, acquisition scores of the N texts, at least 0; higher means ask sooner.
        embeddings_N_D: their embeddings.
        labelled_L_D: of the L labelled ones; L may be 0.
        batch_size: how many to pick.
        rng: draws y from a large pool.

    Returns:
        indices_B, the greatest gain in coverage first; B = min(batch_size, N).
    """
    return _herd(scores_N, embeddings_N_D, labelled_L_D, batch_size, rng)


def _herd(
    weight_N: FloatArray,
    embeddings_N_D: FloatArray,
    labelled_L_D: FloatArray,
    batch_size: int,
    rng: np.random.Generator,
) -> IntArray:
    """Greedy, and lazy: what a text gains only falls as others are picked (Minoux, 1978)."""
    size = len(embeddings_N_D)
    batch_size = min(batch_size, size)
    if batch_size == 0:
        return np.zeros(0, dtype=np.int64)
    unit_N_D = unit(embeddings_N_D)
    watched_W = rng.permutation(size)[:WATCHED] if size > WATCHED else np.arange(size)
    coverage = Coverage(unit_N_D[watched_W], weight_N[watched_W])
    coverage.add(unit(labelled_L_D))
    bound_N = np.full(size, np.inf)
    picked: list[int] = []
    while len(picked) < batch_size:
        picked.append(_most_gaining(coverage, unit_N_D, bound_N))
        coverage.add(unit_N_D[picked[-1:]])
        bound_N[picked[-1]] = -np.inf
    return np.array(picked, dtype=np.int64)


def _most_gaining(coverage: "Coverage", unit_N_D: FloatArray, bound_N: FloatArray) -> int:
    """The text that gains most, of those not picked.

    Args:
        coverage: of what is labelled or picked.
        unit_N_D: the candidates.
        bound_N: what each gained when it was last looked at, -inf where it is picked; brought up to date on the way.
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
    """How near W watched texts are to what has been added, and what one more text would bring.

    Counted in cosines and as a sum: the kernel's half and the mean's W change no order.
    """

    def __init__(self, unit_W_D: FloatArray, weight_W: FloatArray) -> None:
        self._unit_W_D = unit_W_D
        self._weight_W = (weight_W if weight_W.any() else np.ones(len(weight_W))).astype(unit_W_D.dtype)
        # k = 0, where nothing has been added.
        self._nearest_W = np.full(len(unit_W_D), -1.0, dtype=unit_W_D.dtype)

    def add(self, unit_M_D: FloatArray) -> None:
        """Texts that are labelled, or will be."""
        for start in range(0, len(unit_M_D), _LONGEST_LOOK):
            cosine_W_M = self._unit_W_D @ unit_M_D[start : start + _LONGEST_LOOK].T
            self._nearest_W = np.maximum(self._nearest_W, cosine_W_M.max(axis=1))

    def gains(self, unit_M_D: FloatArray) -> FloatArray:
        """What each of M texts alone would bring: gain_M, at least 0."""
        nearer_M_W = unit_M_D @ self._unit_W_D.T
        nearer_M_W -= self._nearest_W
        gain_M: FloatArray = np.maximum(nearer_M_W, 0.0, out=nearer_M_W) @ self._weight_W
        return gain_M
