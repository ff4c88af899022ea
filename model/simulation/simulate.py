"""Try query strategies on gold labels: label the texts that a strategy chooses, train, measure, and repeat.

The learner is the project's own. Strategies that are compared share a seed's start: the same pool and held-out texts,
the same first draw where they begin at random, the same training seed.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from model.encoder.classifier import new_classifier
from model.encoder.inference import head_proba
from model.learner.acquisition import Reader, compute_features, compute_untrained_features
from model.learner.evaluation import evaluate
from model.learner.knowledge import MOST_POOL, know
from model.learner.training import Start, Trained, train, train_on_names
from model.links import link_of
from model.query.ranking import mix_in_random, rank
from model.query.strategies import Strategy, find_strategy
from model.query.unlabelled import GIVEN, Need, Unlabelled
from model.simulation.learning_curves import FULL_POOL, Point
from model.simulation.setup import Askable, Setup, check_budgets, draw_split
from model.types import Background, FloatArray, IntArray, Recipe, TrainingData

Key = tuple[str, int, int]
"""Strategy, seed, labels."""


def key_of(point: Point) -> Key:
    """Identify a point among the points of one set-up."""
    return point.strategy, point.seed, point.labels


def simulate(
    setup: Setup,
    strategies: Sequence[Strategy],
    budgets: Sequence[int],
    seeds: Sequence[int],
    measured: Mapping[Key, Point],
    *,
    is_full: bool = False,
) -> Iterator[Point]:
    """Yield every point of every seed and strategy as soon as it is measured.

    Args:
        setup: texts and learner.
        strategies: the strategies to compare.
        budgets: rising label counts.
        seeds: one start each.
        measured: points of an earlier run, yielded unchanged; a curve that lacks one of its points is run anew.
        is_full: whether to train on the whole pool too, with the first seed; this takes as long as a curve.
    """
    for seed in seeds:
        simulation = None
        for strategy in strategies:
            keys = [(strategy.name, seed, labels) for labels in budgets]
            if all(key in measured for key in keys):
                yield from (measured[key] for key in keys)
            else:
                simulation = simulation or Simulation(setup, seed)
                yield from (measured.get(key_of(point), point) for point in simulation.run(strategy, budgets))
    if is_full:
        yield from [point for point in measured.values() if point.strategy == FULL_POOL] or [
            Simulation(setup, seeds[0]).run_full_pool()
        ]


@dataclass(frozen=True)
class _Standing:
    """The state between two queries.

    Attributes:
        labelled_L: labelled rows of the pool.
        trained: the classifier trained on them, or on label names alone; None where neither teaches anything.
        has_labels: whether any labelled text has a label.
    """

    labelled_L: IntArray
    trained: Trained | None
    has_labels: bool


class Simulation:
    """One seed's pool and held-out texts, and the untrained encoder; strategies are run on them in turn."""

    def __init__(self, setup: Setup, seed: int) -> None:
        split = draw_split(setup, seed)
        self.pool, self._test = split.pool, split.test
        self._setup = setup
        self._seed = seed
        # The temperature moves no predicted class, and its folds take as long as the training itself.
        self._config = replace(setup.config, seed=seed, folds=0)
        self._background = Background(setup.label_texts, self.pool.texts[:MOST_POOL] if setup.learns_from_pool else ())
        self._untrained: dict[str, FloatArray] = {}
        self._start = Start(new_classifier(self._config.encoder, self.pool.label_set), self._embed_untrained)

    def run(self, strategy: Strategy, budgets: Sequence[int]) -> Iterator[Point]:
        """Label up to each budget in turn, in one batch; yield the evaluation of the training at each budget.

        Raises:
            InvalidGoldError: a budget is more than the pool.
            HookFailedError: the strategy is an ordering hook, and it failed. No other strategy takes its place here.
        """
        check_budgets(budgets, len(self.pool))
        rng = np.random.default_rng(self._seed)
        standing = self._train(np.zeros(0, dtype=np.int64))
        if Need.EMBEDDINGS in self._chooser(strategy, standing).needs:
            # The first strategy embeds the pool for all others; the time is no part of its query.
            self._embed_untrained(self.pool.texts)
        for budget in budgets:
            began = time.monotonic()
            chosen_B = self._choose(strategy, standing, budget - len(standing.labelled_L), rng)
            query_s = time.monotonic() - began
            standing = self._train(np.concatenate([standing.labelled_L, chosen_B]))
            yield self._measure(strategy.name, standing, query_s)

    def run_full_pool(self) -> Point:
        """Train on the whole pool: the accuracy that strategies approach."""
        return self._measure(FULL_POOL, self._train(np.arange(len(self.pool))), query_s=0.0)

    def _choose(self, strategy: Strategy, standing: _Standing, batch_size: int, rng: np.random.Generator) -> IntArray:
        """Choose the next rows of the pool: rows_B."""
        waiting_N = np.setdiff1d(np.arange(len(self.pool)), standing.labelled_L)
        strategy = self._chooser(strategy, standing)
        unlabelled = self._features(strategy, standing, waiting_N, rng)
        if strategy.asks_llm:
            waiting, labelled = self.pool.some(waiting_N), self.pool.some(standing.labelled_L)
            askable = Askable(strategy.name, waiting.texts, unlabelled.embeddings, labelled, unlabelled.labelled)
            unlabelled = replace(unlabelled, picks_B=self._setup.ask_llm(askable, batch_size, rng))
        if Need.TEXTS in strategy.needs:
            unlabelled = replace(unlabelled, texts=self.pool.some(waiting_N).texts)
        ranking = rank(strategy, unlabelled, batch_size, rng)
        order_N, _ = mix_in_random(ranking.indices_N, self._setup.explore, rng)
        return waiting_N[order_N[:batch_size]]

    def _chooser(self, strategy: Strategy, standing: _Standing) -> Strategy:
        """The strategy itself, or its start while there is no classifier that it could use.

        A classifier trained on label names alone will do, unless the set-up names a start for all strategies.
        """
        cold_start = self._setup.cold_start
        if (standing.trained is None and strategy.needs_classifier) or (cold_start and not standing.has_labels):
            return find_strategy(cold_start or strategy.start)
        return strategy

    def _features(
        self, strategy: Strategy, standing: _Standing, waiting_N: IntArray, rng: np.random.Generator
    ) -> Unlabelled:
        """Compute the features that the strategy needs of the N waiting texts."""
        waiting, labelled = self.pool.some(waiting_N), self.pool.some(standing.labelled_L)
        needs = strategy.needs - GIVEN
        if standing.trained is None:
            return compute_untrained_features(needs, waiting.texts, labelled, self._embed_untrained)
        return compute_features(needs, self._reader(standing.trained), waiting.texts, labelled, rng)

    def _reader(self, trained: Trained) -> Reader:
        """The classifier with label names, and with the pool where the pool is embedded already."""
        sample = self._background.pool if trained.recipe is Recipe.HEAD else ()
        embed = partial(self._embed, trained)
        knowledge = know(self._background.label_texts, self.pool.label_set, embed(sample), embed)
        return Reader(trained.classifier, embed, knowledge)

    def _embed(self, trained: Trained, texts: Sequence[str]) -> FloatArray:
        if trained.recipe is Recipe.HEAD:
            # The recipe trains the head alone: embeddings are those of the untrained encoder.
            return self._embed_untrained(texts)
        return trained.classifier.encoder.embed(texts)

    def _embed_untrained(self, texts: Sequence[str]) -> FloatArray:
        """Embed texts by the untrained encoder, each different text once for all strategies: embeddings_N_D."""
        missing = [text for text in dict.fromkeys(texts) if text not in self._untrained]
        if missing:
            embeddings_M_D = self._start.classifier.encoder.embed(missing)
            self._untrained.update(zip(missing, embeddings_M_D, strict=True))
        rows = [self._untrained[text] for text in texts]
        return np.stack(rows) if rows else np.zeros((0, self._start.classifier.encoder.dimensions), dtype=np.float32)

    def _train(self, labelled_L: IntArray) -> _Standing:
        """Train on rows of the pool, or on label names alone while no row has a label."""
        labelled = self.pool.some(labelled_L)
        if not labelled.targets_N_C.any():
            no_targets = self.pool.some(np.zeros(0, dtype=np.int64))
            by_names = train_on_names(no_targets, self._start, self._background)
            return _Standing(labelled_L, by_names, has_labels=False)
        data = TrainingData(labelled, background=self._background)
        return _Standing(labelled_L, train(data, self._config, self._start), has_labels=True)

    def _measure(self, name: str, standing: _Standing, query_s: float) -> Point:
        """Evaluate the classifier on the held-out texts; without a classifier nothing is predicted."""
        trained = standing.trained
        if trained is None:
            proba_N_C = np.zeros_like(self._test.targets_N_C)
        else:
            embeddings_N_D = self._embed(trained, self._test.texts)
            proba_N_C = head_proba(trained.classifier, trained.classifier.head, embeddings_N_D)
        quality = evaluate(proba_N_C, self._test.targets_N_C, link_of(self.pool.label_set))
        return Point(
            strategy=name,
            seed=self._seed,
            labels=len(standing.labelled_L),
            accuracy=round(quality.accuracy, 6),
            macro_f1=round(quality.macro_f1, 6),
            fit_s=round(trained.train_s, 3) if trained else 0.0,
            query_s=round(query_s, 3),
        )
