"""A strategy's answer: every text in the order in which to ask for it."""

import hashlib
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from model.query.strategies import Strategy
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


def rank(strategy: Strategy, unlabelled: Unlabelled, batch_size: int, rng: np.random.Generator) -> Ranking:
    """Put all N texts in the order in which to ask for them.

    Args:
        strategy: what decides.
        unlabelled: at least what the strategy needs.
        batch_size: how many the strategy chooses as a batch.
        rng: settles ties and whatever the strategy leaves open; the order of the input decides nothing.

    Raises:
        InvalidProbabilitiesError: a row of proba_N_C or proba_N_K_C is not a distribution.
        InvalidEmbeddingsError: a row of embeddings_N_D is not finite.
    """
    needed = _only(strategy.needs, unlabelled)
    for proba in (needed.proba_N_C, needed.proba_N_K_C):
        if proba is not None:
            check_proba(proba, needed.is_multilabel)
    if needed.embeddings_N_D is not None:
        check_embeddings(needed.embeddings_N_D)
    if not needed.size:
        return Ranking(np.zeros(0, dtype=np.int64), np.zeros(0) if strategy.score else None, 0)
    # What repeats another text in all that counts may change places with it, and nothing else.
    shuffled_N = _by_content(needed)[rng.permutation(needed.size)]
    shuffled = needed.some(shuffled_N)
    scores_N = strategy.score(shuffled) if strategy.score else None
    rest_N = np.arange(needed.size) if scores_N is None else np.argsort(-scores_N, kind="stable")
    if strategy.select is None:
        indices_N, chosen = rest_N, min(batch_size, needed.size)
    else:
        chosen_B = strategy.select(shuffled, batch_size, rng)
        indices_N, chosen = np.concatenate([chosen_B, rest_N[~np.isin(rest_N, chosen_B)]]), len(chosen_B)
    return Ranking(shuffled_N[indices_N], None if scores_N is None else scores_N[np.argsort(shuffled_N)], chosen)


def _only(needs: frozenset[Need], unlabelled: Unlabelled) -> Unlabelled:
    """What a strategy needs and nothing else."""
    if missing := [need.value for need in Need if need in needs and getattr(unlabelled, need.value) is None]:
        raise ValueError(f"the strategy's needs were not computed: {', '.join(missing)}")
    unneeded: dict[str, Any] = {need.value: None for need in Need if need not in needs}
    return replace(unlabelled, **unneeded)


def _by_content(unlabelled: Unlabelled) -> IntArray:
    """Rows in an order that their content alone decides."""
    parts = [part for part in unlabelled.parts().values() if part is not None]
    if not parts:
        return np.arange(unlabelled.size)
    rows = (b"".join(part[row].tobytes() for part in parts) for row in range(unlabelled.size))
    digests = b"".join(hashlib.blake2b(row, digest_size=8).digest() for row in rows)
    return np.argsort(np.frombuffer(digests, dtype=np.uint64), kind="stable")
