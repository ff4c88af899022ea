"""Query strategies against gold labels: label as a strategy says, train, look at held-out texts, and again.

The learner is the project's own. Strategies that are compared share a seed's start: the same pool and held-out texts,
the same first draw where they begin at random, the same training seed.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property, partial
from itertools import pairwise
from typing import Any

import numpy as np

from model.encoder.bert import new_classifier
from model.encoder.inference import embed_texts, head_proba
from model.errors import InvalidGoldError
from model.learner.acquisition import compute_features, compute_untrained_features
from model.learner.evaluation import evaluate
from model.learner.knowledge import MOST_POOL, Knowledge, know
from model.learner.recipes import Recipe, TrainingConfig
from model.learner.registry import data_sha256
from model.learner.training import Start, Trained, train, train_on_names
from model.llm.provider import PROVIDER_CHOICE
from model.query.explore import mix_in_random
from model.query.ranking import rank
from model.query.strategies import Strategy, find_strategy
from model.query.unlabelled import Need, Unlabelled
from model.simulation.learning_curves import FULL_POOL, Point
from model.types import Background, FloatArray, IntArray, LabelTexts, Targets

# Held out where there is no test set.
TEST_SHARE = 0.2

Key = tuple[str, int, int]
"""Strategy, seed, labels."""
AskLLM = Callable[[str, Sequence[str], FloatArray, Targets, FloatArray, int, np.random.Generator], IntArray]
"""strategy, texts, embeddings_N_D, labelled, labelled_L_D, batch size, rng → picks_B."""


def no_llm(strategy: str, *_: Any) -> IntArray:
    """What asks an LLM where there is none."""
    raise InvalidGoldError(f"{strategy} asks an LLM: set LLM_PROVIDER to {PROVIDER_CHOICE}, and LLM_MODEL")


@dataclass(frozen=True)
class Setup:
    """What a simulation is of.

    Attributes:
        gold: texts to choose from, with the labels that people would give.
        test: held-out texts; None: a fifth of `gold`, another for each seed.
        config: the learner's; its seed is the simulation's.
        explore: share of every batch drawn at random, as EXPLORE does.
        cold_start: what chooses while there is no classifier for strategies that take one; empty: each one's own.
        pool_size: so many of `gold` at random, another draw for each seed; 0: all.
        ask_llm: for strategies by which an LLM chooses.
        label_texts: what the labels mean; empty: nobody says.
        learns_from_pool: whether unlabelled texts teach as well.
    """

    gold: Targets
    test: Targets | None
    config: TrainingConfig
    explore: float = 0.0
    cold_start: str = ""
    pool_size: int = 0
    ask_llm: AskLLM = no_llm
    label_texts: LabelTexts = ()
    learns_from_pool: bool = True


def simulate(
    setup: Setup,
    strategies: Sequence[Strategy],
    budgets: Sequence[int],
    seeds: Sequence[int],
    known: Mapping[Key, Point],
    *,
    is_full: bool = False,
) -> Iterator[Point]:
    """Every point of every seed and strategy, as it is measured.

    Args:
        setup: the texts and the learner.
        strategies: what to compare.
        budgets: rising label counts.
        seeds: one start each.
        known: points measured before, which are yielded as they are; a curve of which one is missing is measured anew.
        is_full: whether to train on the whole pool, too, with the first seed: it takes as long as a curve.
    """
    for seed in seeds:
        simulation = Simulation(setup, seed)
        for strategy in strategies:
            keys = [(strategy.name, seed, labels) for labels in budgets]
            if all(key in known for key in keys):
                yield from (known[key] for key in keys)
            else:
                yield from (known.get(key_of(point), point) for point in simulation.run(strategy, budgets))
    if is_full:
        yield from [point for point in known.values() if point.strategy == FULL_POOL] or [
            Simulation(setup, seeds[0]).run_full_pool()
        ]


def fingerprint(setup: Setup, budgets: Sequence[int]) -> dict[str, Any]:
    """What decides the figures beside strategy and seed: runs that differ in it must not be mixed."""
    return {
        "data_sha256": data_sha256(setup.gold),
        "test_sha256": data_sha256(setup.test) if setup.test is not None else "",
        "config": {key: value for key, value in asdict(setup.config).items() if key != "seed"},
        "explore": setup.explore,
        "cold_start": setup.cold_start,
        "pool": setup.pool_size,
        "budgets": list(budgets),
        "label_texts": [list(texts) for texts in setup.label_texts],
        "learns_from_pool": setup.learns_from_pool,
    }


def key_of(point: Point) -> Key:
    """What tells a point from the others of a simulation."""
    return point.strategy, point.seed, point.labels


class Simulation:
    """One seed's pool and held-out texts, to try strategies on."""

    def __init__(self, setup: Setup, seed: int) -> None:
        rng = np.random.default_rng(seed)
        rows_N = rng.permutation(len(setup.gold))
        held_out = 0 if setup.test is not None else int(np.ceil(TEST_SHARE * len(rows_N)))
        self._test = setup.gold.some(rows_N[:held_out]) if setup.test is None else setup.test
        seen = set(self._test.texts)
        # A text that is also held out would be learned by heart.
        pool_N = np.array([row for row in rows_N[held_out:] if setup.gold.texts[row] not in seen], dtype=np.int64)
        self.pool = setup.gold.some(pool_N[: setup.pool_size or None])
        # The temperature moves no predicted class, and finding it takes as long as the training itself.
        self._config = replace(setup.config, seed=seed, folds=0)
        self._explore = setup.explore
        self._cold_start = setup.cold_start
        self._ask_llm = setup.ask_llm
        self._seed = seed
        sample = self.pool.texts[:MOST_POOL] if setup.learns_from_pool else ()
        self._background = Background(setup.label_texts, sample)

    def run(self, strategy: Strategy, budgets: Sequence[int]) -> Iterator[Point]:
        """Label up to each budget in turn, in one batch; yields what the training at each is worth.

        Raises:
            InvalidGoldError: a budget is more than the pool.
        """
        check_budgets(budgets, len(self.pool))
        rng = np.random.default_rng(self._seed)
        labelled_L = np.zeros(0, dtype=np.int64)
        trained = self._train(self.pool.some(labelled_L))
        if Need.EMBEDDINGS in self._chooser(strategy, trained).needs:
            # Whoever comes first embeds for all: no part of its query.
            self._embed_untrained(self.pool.texts)
        for budget in budgets:
            began = time.monotonic()
            chosen_B = self._choose(strategy, labelled_L, trained, budget - len(labelled_L), rng)
            query_s = time.monotonic() - began
            labelled_L = np.concatenate([labelled_L, chosen_B])
            trained, point = self._fit(strategy.name, labelled_L, query_s)
            yield point

    def run_full_pool(self) -> Point:
        """Everything labelled: what the strategies are on the way to."""
        return self._fit(FULL_POOL, np.arange(len(self.pool)), query_s=0.0)[1]

    def _choose(
        self,
        strategy: Strategy,
        labelled_L: IntArray,
        trained: Trained | None,
        batch_size: int,
        rng: np.random.Generator,
    ) -> IntArray:
        """The next rows of the pool."""
        waiting_N = np.setdiff1d(np.arange(len(self.pool)), labelled_L)
        strategy = self._chooser(strategy, trained)
        unlabelled = self._look(strategy, waiting_N, labelled_L, trained, rng)
        if strategy.asks_llm:
            waiting, labelled = self.pool.some(waiting_N), self.pool.some(labelled_L)
            picks_B = self._ask_llm(
                strategy.name, waiting.texts, unlabelled.embeddings, labelled, unlabelled.labelled, batch_size, rng
            )
            unlabelled = replace(unlabelled, picks_B=picks_B)
        ranking = rank(strategy, unlabelled, batch_size, rng)
        order_N, _ = mix_in_random(ranking.indices_N, self._explore, rng)
        return waiting_N[order_N[:batch_size]]

    def _chooser(self, strategy: Strategy, trained: Trained | None) -> Strategy:
        """Who chooses: the strategy, or while there is no classifier and it takes one, what starts in its place.

        Label names alone are a classifier.
        """
        if (trained is None and strategy.needs_classifier) or (self._cold_start and self._is_untaught(trained)):
            return find_strategy(self._cold_start or strategy.start)
        return strategy

    def _is_untaught(self, trained: Trained | None) -> bool:
        return trained is None or trained is self._from_names

    def _look(
        self,
        strategy: Strategy,
        waiting_N: IntArray,
        labelled_L: IntArray,
        trained: Trained | None,
        rng: np.random.Generator,
    ) -> Unlabelled:
        waiting, labelled = self.pool.some(waiting_N), self.pool.some(labelled_L)
        if trained is None:
            return compute_untrained_features(strategy.needs, waiting.texts, labelled, self._embed_untrained)
        embed = partial(self._embed, trained)
        knowledge = self._knowledge(trained)
        return compute_features(
            strategy.needs, trained.classifier, waiting.texts, labelled, rng, embed=embed, knowledge=knowledge
        )

    def _knowledge(self, trained: Trained) -> Knowledge:
        """Label names as a classifier's encoder sees them; and the pool, as far as that is embedded already."""
        sample = self._background.pool if trained.recipe is Recipe.HEAD else ()
        embed = partial(self._embed, trained)
        label_set = self.pool.label_set
        return know(
            self._background.label_texts,
            len(label_set.labels),
            embed(sample),
            embed,
            is_multilabel=label_set.is_multilabel,
        )

    def _embed(self, trained: Trained, texts: Sequence[str]) -> FloatArray:
        if trained.recipe is Recipe.HEAD:
            # A head alone leaves the encoder as it was.
            return self._embed_untrained(texts)
        return embed_texts(trained.classifier, texts)

    def _embed_untrained(self, texts: Sequence[str]) -> FloatArray:
        """What the encoder says of texts before any training; each is read once."""
        missing = [text for text in dict.fromkeys(texts) if text not in self._untrained]
        if missing:
            embeddings_M_D = embed_texts(self._start.classifier, missing)
            self._untrained.update(zip(missing, embeddings_M_D, strict=True))
        rows = [self._untrained[text] for text in texts]
        return np.stack(rows) if rows else np.zeros((0, self._start.classifier.head.in_features), dtype=np.float32)

    @cached_property
    def _start(self) -> Start:
        """What every training begins from, read once."""
        return Start(new_classifier(self._config.encoder, self.pool.label_set), self._embed_untrained)

    @cached_property
    def _untrained(self) -> dict[str, FloatArray]:
        """Embeddings before any training, shared by every strategy: embedding_D by text."""
        return {}

    @cached_property
    def _from_names(self) -> Trained | None:
        """The classifier of those who have not labelled anything."""
        return train_on_names(self.pool.some(np.zeros(0, dtype=np.int64)), self._start, self._background)

    def _fit(self, name: str, labelled_L: IntArray, query_s: float) -> tuple[Trained | None, Point]:
        trained = self._train(self.pool.some(labelled_L))
        if trained is None:
            proba_N_C = np.zeros_like(self._test.targets_N_C)
        else:
            embeddings_N_D = self._embed(trained, self._test.texts)
            proba_N_C = head_proba(trained.classifier, trained.classifier.head, embeddings_N_D)
        is_multilabel = self.pool.label_set.is_multilabel
        worth = evaluate(proba_N_C, self._test.targets_N_C, is_multilabel=is_multilabel)
        return trained, Point(
            strategy=name,
            seed=self._seed,
            labels=len(labelled_L),
            accuracy=round(worth.accuracy, 6),
            macro_f1=round(worth.macro_f1, 6),
            fit_s=round(trained.train_s, 3) if trained else 0.0,
            query_s=round(query_s, 3),
        )

    def _train(self, labelled: Targets) -> Trained | None:
        """None where there is neither a label nor a name that says anything: nothing can be predicted yet."""
        if not labelled.targets_N_C.any():
            return self._from_names
        return train(labelled, self._config, start=self._start, background=self._background)


def check_budgets(budgets: Sequence[int], pool_size: int) -> None:
    """Raise InvalidGoldError unless the pool has enough texts for every budget, and they rise from 0 or 2."""
    if not budgets or budgets[0] < 0 or 1 in budgets or any(more <= less for less, more in pairwise(budgets)):
        raise InvalidGoldError(
            f"budgets must rise, from 0, or from 2 at least: {', '.join(map(str, budgets)) or 'there are none'}"
        )
    if budgets[-1] > pool_size:
        raise InvalidGoldError(f"a budget of {budgets[-1]} is more than the pool's {pool_size} texts: ask for fewer")
