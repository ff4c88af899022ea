"""Every query strategy by name: what it needs and what it does."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, TypeVar

import numpy as np

from model.errors import InvalidEmbeddingsError, InvalidProbabilitiesError, UnknownStrategyError
from model.query.badge import badge
from model.query.bald import bald_scores, batchbald
from model.query.committee import by_votes_then_consensus, vote_entropy_scores
from model.query.contrastive import contrastive_scores, every_label_view
from model.query.density import information_density_scores
from model.query.diversity import kcenter, kmeans, typiclust
from model.query.expected_change import expected_gradient_length_scores
from model.query.expected_error import Refit, expected_error_reduction
from model.query.hybrid import margin_clusters
from model.query.uncertainty import (
    entropy_scores,
    least_confidence_scores,
    least_sure_label,
    margin_scores,
    yes_no_view,
)
from model.types import FloatArray, IntArray

_TOLERANCE = 1e-3

Computed = TypeVar("Computed")


class Need(str, Enum):
    """What a strategy wants computed before it can choose; all but embeddings take a classifier."""

    PROBA = "proba_N_C"
    MEMBERS = "proba_N_K_C"
    EMBEDDINGS = "embeddings_N_D"
    REFIT = "refit"


@dataclass(frozen=True)
class Unlabelled:
    """What is known of the N texts to choose from; only what the strategy needs has to be there.

    Attributes:
        size: N.
        proba_N_C: class probabilities; rows sum to 1, with several labels a text each is independent.
        proba_N_K_C: the same by K members of a committee, the same members for every text.
        embeddings_N_D: the encoder's pooled output.
        labelled_L_D: embeddings of the L texts that have labels; there wherever embeddings_N_D is.
        labelled_proba_L_C: class probabilities of those; there where both proba_N_C and embeddings_N_D are.
        refit: fits a head with further labels.
        is_multilabel: whether a text may have several labels.
    """

    size: int
    proba_N_C: FloatArray | None = None
    embeddings_N_D: FloatArray | None = None
    labelled_L_D: FloatArray | None = None
    labelled_proba_L_C: FloatArray | None = None
    proba_N_K_C: FloatArray | None = None
    refit: Refit | None = None
    is_multilabel: bool = False

    def some(self, rows_M: IntArray) -> "Unlabelled":
        """M of the texts, in the order of `rows_M`."""
        parts: dict[str, Any] = {name: part[rows_M] for name, part in _parts(self).items() if part is not None}
        return replace(self, size=len(rows_M), **parts)

    @property
    def proba(self) -> FloatArray:
        """Class probabilities as distributions: with several labels, of the least sure one."""
        proba_N_C = _required(self.proba_N_C)
        return yes_no_view(proba_N_C) if self.is_multilabel else proba_N_C

    @property
    def members(self) -> FloatArray:
        """The members' class probabilities as distributions: with several labels, of the one least sure on average."""
        proba_N_K_C = _required(self.proba_N_K_C)
        if not self.is_multilabel:
            return proba_N_K_C
        label_N_1_1 = least_sure_label(proba_N_K_C.mean(axis=1))[:, None, None]
        yes_N_K_1 = np.take_along_axis(proba_N_K_C, label_N_1_1, axis=2)
        return np.concatenate([1.0 - yes_N_K_1, yes_N_K_1], axis=2)

    @property
    def embeddings(self) -> FloatArray:
        """The embeddings, which have to be there."""
        return _required(self.embeddings_N_D)

    @property
    def labelled(self) -> FloatArray:
        """Embeddings of the texts that have labels: labelled_L_D; none where nobody said so."""
        return self.embeddings[:0] if self.labelled_L_D is None else self.labelled_L_D


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


Scorer = Callable[[Unlabelled], FloatArray]
Selector = Callable[[Unlabelled, int, np.random.Generator], IntArray]


@dataclass(frozen=True)
class Strategy:
    """A named way to choose.

    Attributes:
        needs: what of `Unlabelled` must be there.
        score: acquisition scores, if it has them.
        explain: a score in the strategy's own terms, for people.
        select: a batch of indices in order, if it chooses more cleverly than by the highest scores.
        start: the strategy that chooses in its place while there is no classifier, where it takes one.
    """

    name: str
    needs: frozenset[Need]
    score: Scorer | None = None
    explain: Callable[[float], str] | None = None
    select: Selector | None = None
    start: str = "random"

    @property
    def needs_classifier(self) -> bool:
        """Whether it has nothing to go by before the first training."""
        return not self.needs <= {Need.EMBEDDINGS}


def _contrast(unlabelled: Unlabelled) -> FloatArray:
    proba_N_C, labelled_proba_L_C = _required(unlabelled.proba_N_C), _required(unlabelled.labelled_proba_L_C)
    if unlabelled.is_multilabel:
        proba_N_C, labelled_proba_L_C = every_label_view(proba_N_C), every_label_view(labelled_proba_L_C)
    return contrastive_scores(proba_N_C, unlabelled.embeddings, labelled_proba_L_C, unlabelled.labelled)


def _badge(unlabelled: Unlabelled, batch_size: int, rng: np.random.Generator) -> IntArray:
    proba_N_C = _required(unlabelled.proba_N_C)
    return badge(proba_N_C, unlabelled.embeddings, batch_size, rng, is_multilabel=unlabelled.is_multilabel)


def _reduce_expected_error(unlabelled: Unlabelled, batch_size: int, rng: np.random.Generator) -> IntArray:
    return expected_error_reduction(
        _required(unlabelled.proba_N_C),
        unlabelled.embeddings,
        _required(unlabelled.refit),
        batch_size,
        rng,
        is_multilabel=unlabelled.is_multilabel,
    )


def _required(value: Computed | None) -> Computed:
    if value is None:
        raise ValueError("the strategy's needs were not computed")
    return value


def _margin(unlabelled: Unlabelled) -> FloatArray:
    return margin_scores(unlabelled.proba)


def _explain_margin(score: float) -> str:
    return f"margin {1 - score:.2f}"


_PROBA = frozenset({Need.PROBA})
_MEMBERS = frozenset({Need.MEMBERS})
_EMBEDDINGS = frozenset({Need.EMBEDDINGS})

STRATEGIES: dict[str, Strategy] = {
    strategy.name: strategy
    for strategy in (
        Strategy("random", frozenset()),
        # Uncertainty
        Strategy(
            "least_confidence",
            _PROBA,
            lambda unlabelled: least_confidence_scores(unlabelled.proba),
            lambda score: f"confidence {1 - score:.2f}",
        ),
        Strategy("margin", _PROBA, _margin, _explain_margin),
        Strategy(
            "entropy",
            _PROBA,
            lambda unlabelled: entropy_scores(unlabelled.proba),
            lambda score: f"entropy {score:.2f} nats",
        ),
        # Query by committee
        Strategy(
            "committee",
            _MEMBERS,
            lambda unlabelled: vote_entropy_scores(unlabelled.members),
            lambda score: f"vote entropy {score:.2f} nats",
            lambda unlabelled, batch_size, _: by_votes_then_consensus(unlabelled.members, batch_size),
        ),
        # Diversity
        Strategy(
            "kcenter",
            _EMBEDDINGS,
            select=lambda unlabelled, batch_size, rng: kcenter(
                unlabelled.embeddings, unlabelled.labelled, batch_size, rng
            ),
        ),
        Strategy(
            "kmeans",
            _EMBEDDINGS,
            select=lambda unlabelled, batch_size, rng: kmeans(unlabelled.embeddings, batch_size, rng),
        ),
        Strategy(
            "typiclust",
            _EMBEDDINGS,
            select=lambda unlabelled, batch_size, rng: typiclust(
                unlabelled.embeddings, unlabelled.labelled, batch_size, rng
            ),
        ),
        Strategy(
            "density",
            _PROBA | _EMBEDDINGS,
            lambda unlabelled: information_density_scores(unlabelled.proba, unlabelled.embeddings),
            lambda score: f"entropy by density {score:.2f} nats",
        ),
        Strategy(
            "contrastive", _PROBA | _EMBEDDINGS, _contrast, lambda score: f"unlike its neighbours {score:.2f} nats"
        ),
        # Expected model change, expected error reduction
        Strategy(
            "expected_gradient_length",
            _PROBA | _EMBEDDINGS,
            lambda unlabelled: expected_gradient_length_scores(unlabelled.proba, unlabelled.embeddings),
            lambda score: f"expected gradient {score:.2f}",
        ),
        Strategy(
            "expected_error_reduction",
            _PROBA | _EMBEDDINGS | {Need.REFIT},
            select=_reduce_expected_error,
        ),
        # Hybrids
        Strategy(
            "bald",
            _MEMBERS,
            lambda unlabelled: bald_scores(unlabelled.members),
            lambda score: f"mutual information {score:.2f} nats",
        ),
        Strategy(
            "batchbald",
            _MEMBERS,
            lambda unlabelled: bald_scores(unlabelled.members),
            lambda score: f"mutual information {score:.2f} nats",
            lambda unlabelled, batch_size, rng: batchbald(unlabelled.members, batch_size, rng),
        ),
        Strategy(
            "badge",
            _PROBA | _EMBEDDINGS,
            select=_badge,
        ),
        Strategy(
            "hybrid",
            _PROBA | _EMBEDDINGS,
            _margin,
            _explain_margin,
            lambda unlabelled, batch_size, rng: margin_clusters(
                unlabelled.proba, unlabelled.embeddings, batch_size, rng
            ),
            start="typiclust",
        ),
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
    parts = [part for part in _parts(unlabelled).values() if part is not None]
    if not parts:
        return np.arange(unlabelled.size)
    rows = (b"".join(part[row].tobytes() for part in parts) for row in range(unlabelled.size))
    digests = b"".join(hashlib.blake2b(row, digest_size=8).digest() for row in rows)
    return np.argsort(np.frombuffer(digests, dtype=np.uint64), kind="stable")


def _parts(unlabelled: Unlabelled) -> dict[str, FloatArray | None]:
    """What has one row a text."""
    return {
        "proba_N_C": unlabelled.proba_N_C,
        "proba_N_K_C": unlabelled.proba_N_K_C,
        "embeddings_N_D": unlabelled.embeddings_N_D,
    }


def check_proba(proba: FloatArray, is_multilabel: bool = False) -> None:
    """Refuse what is not a distribution (or, with several labels, no probability), naming the first bad row.

    Args:
        proba: proba_N_C or proba_N_K_C.
        is_multilabel: whether probabilities are independent, and need not sum to 1.
    """
    bad = ~np.isfinite(proba) | (proba < 0) | (proba > 1 + _TOLERANCE)
    if not is_multilabel:
        bad |= ~np.isclose(proba.sum(axis=-1, keepdims=True), 1.0, atol=_TOLERANCE)
    bad_N = bad.any(axis=tuple(range(1, bad.ndim)))
    if bad_N.any():
        row = int(np.flatnonzero(bad_N)[0])
        raise InvalidProbabilitiesError(
            f"row {row} of the class probabilities is {np.array2string(proba[row], precision=4, threshold=8)}: "
            f"it must be finite, in [0, 1]{'' if is_multilabel else ', and sum to 1'}"
        )


def check_embeddings(embeddings_N_D: FloatArray) -> None:
    """Refuse embeddings that are not finite, naming the first bad row: distances to them would mean nothing."""
    bad_N = ~np.isfinite(embeddings_N_D).all(axis=1)
    if bad_N.any():
        raise InvalidEmbeddingsError(f"row {int(np.flatnonzero(bad_N)[0])} of the embeddings is not finite")
