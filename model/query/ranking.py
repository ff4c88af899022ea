"""A strategy's answer: every text in the order in which to ask for it."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from model.query.large_pools import MOST_RANKED, candidates, parts
from model.query.strategies import Strategy
from model.query.uncertainty import margin_scores
from model.query.unlabelled import Need, Unlabelled, check_embeddings, check_proba
from model.types import FloatArray, IntArray


@dataclass(frozen=True)
class Ranking:
    """A strategy's answer.

    Attributes:
        indices_N: every text once, first = ask first.
        scores_N: the acquisition scores behind it by text, higher = ask sooner; None where the strategy has none.
        batch_size: how many of the first were chosen as a batch; the rest follow by score, or at random without one.
    """

    indices_N: IntArray
    scores_N: FloatArray | None
    batch_size: int


def rank(
    strategy: Strategy,
    unlabelled: Unlabelled,
    batch_size: int,
    rng: np.random.Generator,
    rows_N: IntArray | None = None,
    most: int = MOST_RANKED,
) -> Ranking:
    """Put N texts in the order in which to ask for them.

    Where there are more than `most`, a strategy that weighs texts against each other chooses among `candidates`, and
    scores are computed for `most` at a time: what the score of a text says of all others (density's) is said of those.

    Args:
        strategy: what decides.
        unlabelled: at least what the strategy needs.
        batch_size: how many the strategy chooses as a batch.
        rng: settles ties and whatever the strategy leaves open; the order of the input decides nothing.
        rows_N: ranks only these of its texts, as if no others were there and without a copy of them; None: all.
        most: how many texts a strategy may weigh against each other.

    Raises:
        InvalidProbabilitiesError: a row of proba_N_C or proba_N_K_C is not a distribution.
        InvalidEmbeddingsError: a row of embeddings_N_D is not finite.
    """
    needed = _only(strategy.needs, unlabelled)
    _check(needed)
    rows_N = np.arange(needed.size) if rows_N is None else rows_N
    if not len(rows_N):
        return Ranking(np.zeros(0, dtype=np.int64), np.zeros(0) if strategy.score else None, 0)
    # What repeats another text in all that counts may change places with it, and nothing else.
    shuffled_N = _by_content(needed, rows_N)[rng.permutation(len(rows_N))]
    pool = _Shuffled(needed, rows_N[shuffled_N], most)
    scores_N = pool.scores(strategy.score) if strategy.score else None
    rest_N = np.arange(len(rows_N)) if scores_N is None else np.argsort(-scores_N, kind="stable")
    if strategy.select is None:
        indices_N, chosen = rest_N, min(batch_size, len(rows_N))
    else:
        among_M = pool.candidates(scores_N)
        chosen_B = among_M[strategy.select(pool.some(among_M), batch_size, rng)]
        indices_N, chosen = np.concatenate([chosen_B, rest_N[~np.isin(rest_N, chosen_B)]]), len(chosen_B)
    return Ranking(shuffled_N[indices_N], None if scores_N is None else _by_text(scores_N, shuffled_N), chosen)


@dataclass(frozen=True)
class _Shuffled:
    """N texts in an order by chance, of which never more than `most` are copied.

    Attributes:
        unlabelled: where they are.
        rows_N: and at which of its rows.
        most: how many may be weighed against each other.
    """

    unlabelled: Unlabelled
    rows_N: IntArray
    most: int

    def some(self, places_M: IntArray | slice) -> Unlabelled:
        """What is known of M of them."""
        return self.unlabelled.some(self.rows_N[places_M])

    def scores(self, score: Callable[[Unlabelled], FloatArray]) -> FloatArray:
        """Acquisition scores of all: scores_N."""
        return np.concatenate([score(self.some(part)) for part in parts(len(self.rows_N), self.most)])

    def candidates(self, scores_N: FloatArray | None) -> IntArray:
        """Places of those to choose a batch among; where a strategy has no scores, a classifier's doubt will do."""
        picks_B = self.unlabelled.picks_B
        needed_M = np.flatnonzero(np.isin(self.rows_N, picks_B)) if picks_B is not None else np.zeros(0, dtype=np.int64)
        if scores_N is None and self.unlabelled.proba_N_C is not None and len(self.rows_N) > self.most:
            scores_N = margin_scores(self.unlabelled.proba)[self.rows_N]
        return candidates(len(self.rows_N), scores_N, needed_M, self.most)


def _only(needs: frozenset[Need], unlabelled: Unlabelled) -> Unlabelled:
    """What a strategy needs and nothing else."""
    if missing := [need.value for need in Need if need in needs and getattr(unlabelled, need.value) is None]:
        raise ValueError(f"the strategy's needs were not computed: {', '.join(missing)}")
    unneeded: dict[str, Any] = {need.value: None for need in Need if need not in needs}
    return replace(unlabelled, **unneeded)


def _check(unlabelled: Unlabelled) -> None:
    for proba in (unlabelled.proba_N_C, unlabelled.proba_N_K_C):
        if proba is not None:
            check_proba(proba, unlabelled.is_multilabel)
    if unlabelled.embeddings_N_D is not None:
        check_embeddings(unlabelled.embeddings_N_D)


def _by_content(unlabelled: Unlabelled, rows_N: IntArray) -> IntArray:
    """Places in `rows_N` in an order that the rows' content alone decides."""
    known = [part for part in unlabelled.parts().values() if part is not None]
    if not known:
        return np.arange(len(rows_N))
    digests = b"".join(
        hashlib.blake2b(b"".join(row), digest_size=8).digest()
        for some in parts(len(rows_N))
        for row in zip(*(_bytes_of_each(part[rows_N[some]]) for part in known), strict=True)
    )
    return np.argsort(np.frombuffer(digests, dtype=np.uint64), kind="stable")


def _bytes_of_each(part_M: FloatArray) -> Iterator[memoryview]:
    """What M rows are in memory, row by row."""
    row_bytes = part_M[0].nbytes
    whole = memoryview(part_M.tobytes())
    return (whole[start : start + row_bytes] for start in range(0, len(whole), row_bytes))


def _by_text(scores_N: FloatArray, shuffled_N: IntArray) -> FloatArray:
    """Scores in the order of the input, from those in shuffled order."""
    by_text_N = np.empty_like(scores_N)
    by_text_N[shuffled_N] = scores_N
    return by_text_N
