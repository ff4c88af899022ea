"""Rank a pool by a strategy, every text in the order in which to ask for it; mix in texts at random; merge orders."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import cycle, islice
from typing import Any

import numpy as np

from model.query.large_pools import MOST_RANKED, candidates, parts
from model.query.strategies import Strategy
from model.query.uncertainty import margin_scores
from model.query.unlabelled import Need, Unlabelled, check_embeddings, check_proba
from model.types import BoolArray, FloatArray, IntArray

Merge = Callable[[Sequence[IntArray]], tuple[IntArray, IntArray]]
"""Arguments and results as of `merge_orders`."""


@dataclass(frozen=True)
class Ranking:
    """The order of a pool.

    Attributes:
        indices_N: every text once, first = ask first.
        scores_N: acquisition score of each text, higher = ask sooner; None where the strategy has no scores.
        batch_size: number of first texts that were chosen as a batch; the rest follow by score, or at random.
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

    With more than `most` texts, a strategy that chooses a batch chooses among `candidates`, and scores are computed for
    `most` texts at a time: a score that depends on all other texts (density's) depends on these alone.

    Args:
        strategy: the query strategy.
        unlabelled: features of the pool, at least the ones that the strategy needs.
        batch_size: number of texts that the strategy chooses together.
        rng: settles ties and the order of the rest; the order of the input decides nothing.
        rows_N: rank these texts alone, as if there were no others, without a copy of them; None: all.
        most: upper limit on texts that a strategy compares with each other.

    Raises:
        InvalidProbabilitiesError: a row of proba_N_C or proba_N_K_C is not a distribution.
        InvalidEmbeddingsError: a row of embeddings_N_D is not finite.
        HookFailedError: an ordering hook raised an error, or its answer is neither scores nor an order.
    """
    needed = _only(strategy.needs, unlabelled)
    _check(needed)
    rows_N = np.arange(needed.size) if rows_N is None else rows_N
    score = partial(strategy.hook.scores, rng=rng) if strategy.hook else strategy.score
    if not len(rows_N):
        return Ranking(np.zeros(0, dtype=np.int64), np.zeros(0) if score else None, 0)
    # Shuffling from an order by content: the input's order decides nothing, except between equal rows.
    shuffled_N = _by_content(needed, rows_N)[rng.permutation(len(rows_N))]
    pool = _Shuffled(needed, rows_N[shuffled_N], most)
    scores_N = pool.scores(score) if score else None
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
    """N texts in random order; no more than `most` rows are copied at once.

    Attributes:
        unlabelled: features of all texts.
        rows_N: rows of `unlabelled` in random order.
        most: upper limit on texts that are compared with each other.
    """

    unlabelled: Unlabelled
    rows_N: IntArray
    most: int

    def some(self, places_M: IntArray | slice) -> Unlabelled:
        """Features of M of the texts."""
        return self.unlabelled.some(self.rows_N[places_M])

    def scores(self, score: Callable[[Unlabelled], FloatArray]) -> FloatArray:
        """Acquisition scores of all N texts: scores_N."""
        return np.concatenate([score(self.some(part)) for part in parts(len(self.rows_N), self.most)])

    def candidates(self, scores_N: FloatArray | None) -> IntArray:
        """Places of the candidates for a batch; for a strategy without scores the margin scores choose them."""
        picks_B = self.unlabelled.picks_B
        needed_M = np.flatnonzero(np.isin(self.rows_N, picks_B)) if picks_B is not None else np.zeros(0, dtype=np.int64)
        if scores_N is None and self.unlabelled.proba_N_C is not None and len(self.rows_N) > self.most:
            scores_N = self.unlabelled.scores(margin_scores)[self.rows_N]
        return candidates(len(self.rows_N), scores_N, needed_M, self.most)


def _only(needs: frozenset[Need], unlabelled: Unlabelled) -> Unlabelled:
    """Drop features that the strategy does not need; raise ValueError if one that it needs is missing."""
    if missing := [need.value for need in Need if need in needs and getattr(unlabelled, need.value) is None]:
        raise ValueError(f"the strategy's needs were not computed: {', '.join(missing)}")
    unneeded: dict[str, Any] = {need.value: None for need in Need if need not in needs}
    return replace(unlabelled, **unneeded)


def _check(unlabelled: Unlabelled) -> None:
    for proba in (unlabelled.proba_N_C, unlabelled.proba_N_K_C):
        if proba is not None:
            check_proba(proba, unlabelled.link)
    if unlabelled.embeddings_N_D is not None:
        check_embeddings(unlabelled.embeddings_N_D)


def _by_content(unlabelled: Unlabelled, rows_N: IntArray) -> IntArray:
    """Order places in `rows_N` by a hash of the rows' content."""
    arrays = [part for part in unlabelled.parts().values() if part is not None]
    if not arrays and unlabelled.texts is None:
        return np.arange(len(rows_N))
    digests = b"".join(
        hashlib.blake2b(b"".join(row), digest_size=8).digest()
        for some in parts(len(rows_N))
        for row in zip(*_columns(unlabelled, arrays, rows_N[some]), strict=True)
    )
    return np.argsort(np.frombuffer(digests, dtype=np.uint64), kind="stable")


def _columns(
    unlabelled: Unlabelled, arrays: Sequence[FloatArray], rows_M: IntArray
) -> Iterator[Iterator[bytes | memoryview]]:
    """For each feature, the bytes of M rows."""
    yield from (_bytes_of_each(part[rows_M]) for part in arrays)
    if unlabelled.texts is not None:
        texts = unlabelled.texts
        yield (texts[row].encode("utf-8", "surrogatepass") for row in rows_M.tolist())


def _bytes_of_each(part_M: FloatArray) -> Iterator[memoryview]:
    """The bytes of each of M rows."""
    row_bytes = part_M[0].nbytes
    whole = memoryview(part_M.tobytes())
    return (whole[start : start + row_bytes] for start in range(0, len(whole), row_bytes))


def _by_text(scores_N: FloatArray, shuffled_N: IntArray) -> FloatArray:
    """Bring scores from shuffled order back into the order of the input."""
    by_text_N = np.empty_like(scores_N)
    by_text_N[shuffled_N] = scores_N
    return by_text_N


def mix_in_random(
    rows_N: IntArray, share: float, rng: np.random.Generator, drawn_N: IntArray | None = None
) -> tuple[IntArray, BoolArray]:
    """Fill every place at random with probability `share`; the other texts keep the ranking's order.

    Random texts are drawn from all rows, highly ranked ones included, so that they are a fair sample of the pool.

    Args:
        rows_N: a ranking, first = ask first.
        share: in [0, 1].
        rng: draws places and texts.
        drawn_N: the same rows in the order in which they are drawn; None: `rng` draws them.

    Returns:
        The mixed order mixed_N, and is_explore_N: whether the text at each place was drawn at random.
    """
    is_explore_N = rng.random(len(rows_N)) < share
    drawn = (rng.permutation(rows_N) if drawn_N is None else drawn_N)[: int(is_explore_N.sum())]
    mixed_N = np.empty_like(rows_N)
    mixed_N[is_explore_N] = drawn
    mixed_N[~is_explore_N] = rows_N[~np.isin(rows_N, drawn)]
    return mixed_N, is_explore_N


def merge_orders(orders: Sequence[IntArray]) -> tuple[IntArray, IntArray]:
    """Merge the orders of several questions: each in turn gives its next text that has no place yet.

    Args:
        orders: Q >= 1 orders of the same N rows, each row once.

    Returns:
        rows_N, every row once, and for each place the order that gave its row: givers_N in 0 … Q-1.
    """
    giver_of: dict[int, int] = {}
    waiting = [(giver, iter(order.tolist())) for giver, order in enumerate(orders)]
    for giver, rows in islice(cycle(waiting), len(orders) * len(orders[0])):
        row = next((row for row in rows if row not in giver_of), None)
        if row is not None:
            giver_of[row] = giver
    return np.array(list(giver_of), dtype=np.int64), np.array(list(giver_of.values()), dtype=np.int64)
