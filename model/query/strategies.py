"""Every query strategy by name: what it needs and what it does."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum

import numpy as np

from model.errors import InvalidProbabilitiesError, UnknownStrategyError
from model.query.diversity import typiclust
from model.query.hybrid import margin_clusters
from model.query.uncertainty import entropy_scores, least_confidence_scores, margin_scores, yes_no_view
from model.types import FloatArray, IntArray

_TOLERANCE = 1e-3


class Need(str, Enum):
    """What a strategy wants computed before it can choose."""

    PROBA = "proba_N_C"
    EMBEDDINGS = "embeddings_N_D"


@dataclass(frozen=True)
class Unlabelled:
    """What is known of the N texts to choose from; only what the strategy needs has to be there.

    Attributes:
        size: N.
        proba_N_C: class probabilities, rows sum to 1.
        embeddings_N_D: the encoder's pooled output.
        labelled_L_D: embeddings of the L texts that have labels.
    """

    size: int
    proba_N_C: FloatArray | None = None
    embeddings_N_D: FloatArray | None = None
    labelled_L_D: FloatArray | None = None


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


Scorer = Callable[[FloatArray], FloatArray]
Selector = Callable[[Unlabelled, int, np.random.Generator], IntArray]


@dataclass(frozen=True)
class Strategy:
    """A named way to choose.

    Attributes:
        needs: what of `Unlabelled` must be there.
        score: acquisition scores from proba_N_C, if it has them.
        explain: a score in the strategy's own terms, for people.
        select: a batch of indices in order, if it chooses more cleverly than by the highest scores.
    """

    name: str
    needs: frozenset[Need]
    score: Scorer | None = None
    explain: Callable[[float], str] | None = None
    select: Selector | None = None


def _typiclust(unlabelled: Unlabelled, batch_size: int, rng: np.random.Generator) -> IntArray:
    embeddings_N_D = _required(unlabelled.embeddings_N_D)
    labelled_L_D = unlabelled.labelled_L_D if unlabelled.labelled_L_D is not None else embeddings_N_D[:0]
    return typiclust(embeddings_N_D, labelled_L_D, batch_size, rng)


def _hybrid(unlabelled: Unlabelled, batch_size: int, rng: np.random.Generator) -> IntArray:
    return margin_clusters(_required(unlabelled.proba_N_C), _required(unlabelled.embeddings_N_D), batch_size, rng)


def _required(array: FloatArray | None) -> FloatArray:
    if array is None:
        raise ValueError("the strategy's needs were not computed")
    return array


def _explain_margin(score: float) -> str:
    return f"margin {1 - score:.2f}"


_PROBA = frozenset({Need.PROBA})
_EMBEDDINGS = frozenset({Need.EMBEDDINGS})

STRATEGIES: dict[str, Strategy] = {
    strategy.name: strategy
    for strategy in (
        Strategy("random", frozenset()),
        Strategy("least_confidence", _PROBA, least_confidence_scores, lambda score: f"confidence {1 - score:.2f}"),
        Strategy("margin", _PROBA, margin_scores, _explain_margin),
        Strategy("entropy", _PROBA, entropy_scores, lambda score: f"entropy {score:.2f} nats"),
        Strategy("typiclust", _EMBEDDINGS, select=_typiclust),
        Strategy("hybrid", _PROBA | _EMBEDDINGS, margin_scores, _explain_margin, _hybrid),
    )
}


def find_strategy(name: str) -> Strategy:
    """The strategy of that name.

    Raises:
        UnknownStrategyError: there is none; the message lists those there are.
    """
    if name not in STRATEGIES:
        raise UnknownStrategyError(f"unknown query strategy {name!r}: choose one of {', '.join(STRATEGIES)}")
    return STRATEGIES[name]


def rank(
    strategy: Strategy, unlabelled: Unlabelled, batch_size: int, rng: np.random.Generator, is_multilabel: bool = False
) -> Ranking:
    """Put all N texts in the order in which to ask for them.

    Args:
        strategy: what decides.
        unlabelled: at least what the strategy needs.
        batch_size: how many the strategy chooses as a batch.
        rng: settles ties and whatever the strategy leaves open, so that the order of the input does not.
        is_multilabel: whether proba_N_C holds independent probabilities.

    Raises:
        InvalidProbabilitiesError: a row of proba_N_C is not a distribution.
    """
    if Need.PROBA in strategy.needs:
        proba_N_C = _required(unlabelled.proba_N_C)
        check_proba(proba_N_C, is_multilabel)
        distribution_N_C = yes_no_view(proba_N_C) if is_multilabel else proba_N_C
        unlabelled = replace(unlabelled, proba_N_C=distribution_N_C)
    scores_N = strategy.score(_required(unlabelled.proba_N_C)) if strategy.score else None
    shuffled_N = rng.permutation(unlabelled.size)
    rest_N = shuffled_N if scores_N is None else shuffled_N[np.argsort(-scores_N[shuffled_N], kind="stable")]
    if strategy.select is None:
        return Ranking(rest_N, scores_N, min(batch_size, unlabelled.size))
    chosen_B = shuffled_N[strategy.select(_rows(unlabelled, shuffled_N), batch_size, rng)]
    return Ranking(np.concatenate([chosen_B, rest_N[~np.isin(rest_N, chosen_B)]]), scores_N, len(chosen_B))


def _rows(unlabelled: Unlabelled, rows_N: IntArray) -> Unlabelled:
    """The same texts in another order."""
    proba_N_C, embeddings_N_D = unlabelled.proba_N_C, unlabelled.embeddings_N_D
    return replace(
        unlabelled,
        proba_N_C=None if proba_N_C is None else proba_N_C[rows_N],
        embeddings_N_D=None if embeddings_N_D is None else embeddings_N_D[rows_N],
    )


def check_proba(proba_N_C: FloatArray, is_multilabel: bool = False) -> None:
    """Refuse what is not a distribution (or, with several labels, no probability), naming the first bad row."""
    bad_N = ~np.isfinite(proba_N_C).all(axis=1) | (proba_N_C < 0).any(axis=1) | (proba_N_C > 1 + _TOLERANCE).any(axis=1)
    if not is_multilabel:
        bad_N |= ~np.isclose(proba_N_C.sum(axis=1), 1.0, atol=_TOLERANCE)
    if bad_N.any():
        row = int(np.flatnonzero(bad_N)[0])
        raise InvalidProbabilitiesError(
            f"row {row} of the class probabilities is {np.array2string(proba_N_C[row], precision=4, threshold=8)}: "
            f"it must be finite, in [0, 1]{'' if is_multilabel else ', and sum to 1'}"
        )
