"""Query strategies of scikit-activeml and small-text, measured with our learner, batches and seeds.

Runs in its own environment (requirements-active-learning.txt). Each strategy is called as its package documents; where
it wants a classifier, it gets the head that is fitted on the labelled texts' embeddings; texts are their embeddings.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
from skactiveml.base import SkactivemlClassifier
from skactiveml.pool import Badge, Clue, ContrastiveAL, CoreSet, DropQuery, Falcun, MaxHerding, ProbCover, TypiClust
from small_text.query_strategies import (
    BreakingTies,
    ContrastiveActiveLearning,
    EmbeddingKMeans,
    GreedyCoreset,
    LightweightCoreset,
)

from benchmarks.choosing import strategies
from model.encoder.processor import use_available_cores
from model.query.strategies import Strategy, find_strategy
from model.query.unlabelled import Need, Predict, Unlabelled
from model.types import FloatArray, IntArray, Recipe

MAX_SEED = 2**31
WITH_CLASSIFIER = frozenset({Need.PROBA, Need.EMBEDDINGS, Need.REFIT})
WITHOUT = frozenset({Need.EMBEDDINGS})


class GivenClassifier(SkactivemlClassifier):  # type: ignore[misc]
    """Our head as scikit-activeml's fitted classifier."""

    def __init__(self, predict: Predict, classes: int) -> None:
        super().__init__(classes=list(range(classes)))
        self.predict_given = predict

    def fit(self, *_: Any, **__: Any) -> "GivenClassifier":
        """Return self: the head is fitted already."""
        return self

    def predict_proba(self, embeddings_N_D: FloatArray) -> FloatArray:
        """proba_N_C."""
        return self.predict_given(np.asarray(embeddings_N_D, dtype=np.float32)).astype(np.float64)

    def predict(self, embeddings_N_D: FloatArray) -> IntArray:
        """The likeliest class of each text: class_N."""
        likeliest_N: IntArray = self.predict_proba(embeddings_N_D).argmax(axis=1)
        return likeliest_N


class SmallTextClassifier:
    """Our head as small-text's classifier; its data set is an array of embeddings."""

    def __init__(self, predict: Predict) -> None:
        self._predict = predict

    def predict_proba(self, embeddings_N_D: FloatArray) -> FloatArray:
        """proba_N_C."""
        return self._predict(embeddings_N_D)

    def embed(self, embeddings_N_D: FloatArray, return_proba: bool = False, pbar: Any = None) -> Any:
        """Return embeddings, and probabilities if `return_proba`."""
        return (embeddings_N_D, self._predict(embeddings_N_D)) if return_proba else embeddings_N_D


def _head(unlabelled: Unlabelled) -> tuple[Predict, int]:
    """The head on the labelled texts, and how many classes it knows."""
    if unlabelled.refit is None or unlabelled.proba_N_C is None:
        raise ValueError("the strategy's needs were not computed")
    classes = unlabelled.proba_N_C.shape[1]
    nothing = np.zeros((0, unlabelled.embeddings.shape[1]), dtype=np.float32)
    return unlabelled.refit(nothing, np.zeros((0, classes), dtype=np.float32)), classes


def from_scikit_activeml(kind: Any, needs: frozenset[Need], **options: Any) -> Strategy:
    """A strategy of scikit-activeml under its own name."""

    def select(unlabelled: Unlabelled, batch_size: int, rng: np.random.Generator) -> IntArray:
        labelled = len(unlabelled.labelled)
        both_M_D = np.concatenate([unlabelled.labelled, unlabelled.embeddings]).astype(np.float64)
        known_M = np.full(len(both_M_D), np.nan)
        known_M[:labelled] = (
            0 if unlabelled.labelled_proba_L_C is None else unlabelled.labelled_proba_L_C.argmax(axis=1)
        )
        query = kind(random_state=int(rng.integers(MAX_SEED)), **options)
        more: dict[str, Any] = {}
        if Need.REFIT in needs:
            classifier = GivenClassifier(*_head(unlabelled))
            is_clue = kind is Clue
            more = {"estimator" if is_clue else "clf": classifier, "fit_estimator" if is_clue else "fit_clf": False}
        size = min(batch_size, unlabelled.size)
        return np.asarray(query.query(X=both_M_D, y=known_M, batch_size=size, **more)) - labelled

    return Strategy(f"scikit-activeml {kind.__name__}", needs, select=select)


def from_small_text(kind: Any, needs: frozenset[Need]) -> Strategy:
    """A strategy of small-text under its own name."""

    def select(unlabelled: Unlabelled, batch_size: int, rng: np.random.Generator) -> IntArray:
        both_M_D = np.concatenate([unlabelled.embeddings, unlabelled.labelled])
        rows_N, rows_L = np.arange(unlabelled.size), np.arange(unlabelled.size, len(both_M_D))
        classifier = SmallTextClassifier(_head(unlabelled)[0] if Need.REFIT in needs else lambda given: given)
        # small-text draws from numpy's global generator.
        np.random.seed(int(rng.integers(MAX_SEED)))
        size = min(batch_size, unlabelled.size)
        return np.asarray(kind().query(classifier, both_M_D, rows_N, rows_L, np.zeros(len(rows_L), dtype=int), n=size))

    return Strategy(f"small-text {kind.__name__}", needs, select=select)


def packaged() -> list[Strategy]:
    """Every strategy of both packages that needs no network of its own."""
    return [
        *(from_scikit_activeml(kind, WITHOUT) for kind in (TypiClust, ProbCover, CoreSet, MaxHerding)),
        *(from_scikit_activeml(kind, WITH_CLASSIFIER) for kind in (Badge, Clue, ContrastiveAL, DropQuery, Falcun)),
        *(from_small_text(kind, WITHOUT) for kind in (EmbeddingKMeans, LightweightCoreset)),
        # small-text's GreedyCoreset fails without a label.
        *(from_small_text(kind, WITH_CLASSIFIER) for kind in (BreakingTies, ContrastiveActiveLearning, GreedyCoreset)),
    ]


if __name__ == "__main__":
    use_available_cores()
    data, sets, seeds, recipe = sys.argv[1:5]
    starts = [int(seed) for seed in seeds.split(",")]
    compared = [find_strategy(strategies.BASELINE), *packaged()]
    judged = [labels for labels in strategies.BUDGETS if labels <= strategies.JUDGED_UP_TO]
    strategies.run(Path(data), sets.split(","), compared, judged, starts, Recipe(recipe))
    strategies.write_table()
