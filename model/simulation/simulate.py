"""Try query strategies on gold answers: label the texts that a strategy chooses, train, measure, and repeat.

The learner is the project's own. Strategies that are compared share a seed's start: the same pool and held-out texts,
the same first draw where they begin at random, the same training seed. Several questions about the same texts are
learned like in a round: each has a classifier and puts the texts in order, and the orders are merged into one.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from model.query.ranking import Merge, merge_orders
from model.query.strategies import Strategy
from model.query.unlabelled import Need
from model.simulation.learning_curves import FULL_POOL, Point
from model.simulation.question import Question, Standing, UntrainedEncoder
from model.simulation.setup import Setup, check_budgets, draw_split
from model.types import IntArray

Key = tuple[str, int, int, str]
"""Strategy, seed, labels, question."""


def key_of(point: Point) -> Key:
    """Identify a point among the points of one set-up."""
    return point.strategy, point.seed, point.labels, point.question


def simulate(
    setup: Setup,
    strategies: Sequence[Strategy],
    budgets: Sequence[int],
    seeds: Sequence[int],
    measured: Mapping[Key, Point],
    *,
    is_full: bool = False,
) -> Iterator[Point]:
    """Yield every point of every seed, strategy and question as soon as it is measured.

    Args:
        setup: texts and learner.
        strategies: the strategies to compare.
        budgets: rising label counts.
        seeds: one start each.
        measured: points of an earlier run, yielded unchanged; a curve that lacks one of its points is run anew.
        is_full: whether to train on the whole pool too, with the first seed; this takes as long as a curve.
    """
    names = setup.gold.names
    for seed in seeds:
        simulation = None
        for strategy in strategies:
            keys = [(strategy.name, seed, labels, name) for labels in budgets for name in names]
            if all(key in measured for key in keys):
                yield from (measured[key] for key in keys)
            else:
                simulation = simulation or Simulation(setup, seed)
                yield from (measured.get(key_of(point), point) for point in simulation.run(strategy, budgets))
    if is_full:
        full = [point for point in measured.values() if point.strategy == FULL_POOL]
        yield from full if len(full) == len(names) else Simulation(setup, seeds[0]).run_full_pool()


@dataclass(frozen=True)
class _State:
    """The state between two queries.

    Attributes:
        labelled_L: labelled rows of the pool.
        standings: what each question has learned from them.
    """

    labelled_L: IntArray
    standings: tuple[Standing, ...]


class Simulation:
    """One seed's pool and held-out texts, and the untrained encoder; strategies are run on them in turn."""

    def __init__(self, setup: Setup, seed: int, merge: Merge = merge_orders) -> None:
        """Draw the texts.

        Args:
            setup: texts and learner.
            seed: of all randomness.
            merge: makes one order of those of several questions.
        """
        split = draw_split(setup, seed)
        self._merge = merge
        self.pool = split.pool
        self._seed = seed
        # The temperature moves no predicted class, and its folds take as long as the training itself.
        config = replace(setup.config, seed=seed, folds=0)
        self._untrained = UntrainedEncoder(config.encoder)
        self.questions = tuple(
            Question(setup, split, place, config, self._untrained) for place in range(len(self.pool.questions))
        )
        # The questions whose orders decide.
        self._asking = [
            place for place, name in enumerate(self.pool.names) if not setup.ask_for or name in setup.ask_for
        ]

    def run(self, strategy: Strategy, budgets: Sequence[int]) -> Iterator[Point]:
        """Label up to each budget in turn, in one batch; yield the evaluation of the trainings at each budget.

        Raises:
            InvalidGoldError: a budget is more than the pool.
            HookFailedError: the strategy is an ordering hook, and it failed. No other strategy takes its place here.
        """
        check_budgets(budgets, len(self.pool))
        rng = np.random.default_rng(self._seed)
        state = self.train(np.zeros(0, dtype=np.int64))
        choosers = [self.questions[place].chooser(strategy, state.standings[place]) for place in self._asking]
        if any(Need.EMBEDDINGS in chooser.needs for chooser in choosers):
            # The first strategy embeds the pool for all others; the time is no part of its query.
            self._untrained.embed(self.pool.texts)
        for budget in budgets:
            began = time.monotonic()
            chosen_B = self._choose(strategy, state, budget - len(state.labelled_L), rng)
            query_s = time.monotonic() - began
            state = self.train(np.concatenate([state.labelled_L, chosen_B]))
            yield from self._measure(strategy.name, state, query_s)

    def run_full_pool(self) -> Iterator[Point]:
        """Train on the whole pool: the accuracy that strategies approach."""
        return self._measure(FULL_POOL, self.train(np.arange(len(self.pool))), query_s=0.0)

    def train(self, labelled_L: IntArray) -> _State:
        """Train every question on labelled rows of the pool; a row teaches the questions that it answers."""
        labelled = self.pool.some(labelled_L).questions
        standings = (
            question.train(answered.targets) for question, answered in zip(self.questions, labelled, strict=True)
        )
        return _State(labelled_L, tuple(standings))

    def _choose(self, strategy: Strategy, state: _State, batch_size: int, rng: np.random.Generator) -> IntArray:
        """Choose the next rows of the pool: rows_B. A row costs one label, however many questions it answers."""
        waiting_N = np.setdiff1d(np.arange(len(self.pool)), state.labelled_L)
        texts = [self.pool.texts[row] for row in waiting_N]
        orders = [
            self.questions[place].order(strategy, state.standings[place], texts, batch_size, rng)
            for place in self._asking
        ]
        order_N, _ = self._merge(orders)
        return waiting_N[order_N[:batch_size]]

    def _measure(self, name: str, state: _State, query_s: float) -> Iterator[Point]:
        for question, standing in zip(self.questions, state.standings, strict=True):
            quality = question.measure(standing)
            yield Point(
                strategy=name,
                seed=self._seed,
                labels=len(state.labelled_L),
                accuracy=round(quality.accuracy, 6),
                macro_f1=round(quality.macro_f1, 6),
                fit_s=round(standing.trained.train_s, 3) if standing.trained else 0.0,
                query_s=round(query_s, 3),
                question=question.name,
                mae=None if quality.mae is None else round(quality.mae, 6),
            )
