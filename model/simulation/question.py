"""One question of a simulation: its classifier, the texts that it asks for, and its accuracy."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from model.encoder.classifier import with_new_head
from model.encoder.encoder import Encoder
from model.encoder.inference import head_proba
from model.encoder.runtimes import load_encoder
from model.learner.acquisition import Reader, compute_features, compute_untrained_features
from model.learner.evaluation import Evaluation
from model.learner.knowledge import MOST_POOL, know
from model.learner.recipes import TrainingConfig
from model.learner.training import Start, Trained, do_not_stop, ignore_steps, train_on_names
from model.query.ranking import mix_in_random, rank
from model.query.strategies import Strategy, find_strategy
from model.query.unlabelled import GIVEN, Need, Unlabelled
from model.simulation.gold import Form, GoldQuestion
from model.simulation.setup import Askable, Setup, Split
from model.tasks.classification.task import Classification
from model.tasks.rating.task import Rating
from model.tasks.task import Task
from model.types import Background, FloatArray, IntArray, Recipe, Targets, TrainingData


def task_of(question: GoldQuestion) -> Task:
    """The question as a round has it. A path of a taxonomy is a label like any other."""
    kind = Rating if question.form is Form.STARS else Classification
    return kind(question.name, "text", (), question.targets.label_set)


class UntrainedEncoder:
    """The encoder before any training; it embeds each different text once for all strategies and questions."""

    def __init__(self, name: str) -> None:
        self.encoder: Encoder = load_encoder(name)
        self._known: dict[str, FloatArray] = {}

    def embed(self, texts: Sequence[str]) -> FloatArray:
        """Embed texts: embeddings_N_D."""
        missing = [text for text in dict.fromkeys(texts) if text not in self._known]
        if missing:
            self._known.update(zip(missing, self.encoder.embed(missing), strict=True))
        rows = [self._known[text] for text in texts]
        return np.stack(rows) if rows else np.zeros((0, self.encoder.dimensions), dtype=np.float32)


@dataclass(frozen=True)
class Standing:
    """A question's classifier and labels between two queries.

    Attributes:
        labelled: the labelled texts that answer it.
        trained: the classifier trained on them, or on label names alone; None where neither teaches anything.
        has_labels: whether the labelled texts trained it.
    """

    labelled: Targets
    trained: Trained | None
    has_labels: bool


class Question:
    """One question with one seed's texts."""

    def __init__(
        self, setup: Setup, split: Split, place: int, config: TrainingConfig, untrained: UntrainedEncoder
    ) -> None:
        """Prepare to learn the question.

        Args:
            setup: the simulation's.
            split: the seed's texts.
            place: of the question among those of the texts.
            config: the learner's settings, with the seed.
            untrained: shared by all questions.
        """
        asked = split.pool.questions[place]
        self.name, self._task = asked.name, task_of(asked)
        self._test = split.test.questions[place].targets
        self._no_targets = asked.targets.some(np.zeros(0, dtype=np.int64))
        self._setup, self._config, self._untrained = setup, config, untrained
        label_texts = setup.label_texts[place] if setup.label_texts else ()
        self._background = Background(label_texts, split.pool.texts[:MOST_POOL] if setup.learns_from_pool else ())
        self._start = Start(with_new_head(untrained.encoder, asked.targets.label_set), untrained.embed)

    def train(self, labelled: Targets) -> Standing:
        """Train on the labelled texts that answer the question, or on label names while they cannot be trained on."""
        if len(labelled) < 2 or not labelled.targets_N_C.any():
            given = labelled if labelled.targets_N_C.any() else self._no_targets
            return Standing(labelled, train_on_names(given, self._start, self._background), has_labels=False)
        data = TrainingData(labelled, background=self._background)
        trained = self._task.fit(data, self._config, self._start, ignore_steps, do_not_stop)
        return Standing(labelled, trained, has_labels=True)

    def chooser(self, strategy: Strategy, standing: Standing) -> Strategy:
        """The strategy itself, or its start while there is no classifier that it could use.

        A classifier trained on label names alone will do, unless the set-up names a start for all strategies.
        """
        cold_start = self._setup.cold_start
        if (standing.trained is None and strategy.needs_classifier) or (cold_start and not standing.has_labels):
            return find_strategy(cold_start or strategy.start)
        return strategy

    def order(
        self,
        strategy: Strategy,
        standing: Standing,
        waiting: Sequence[str],
        batch_size: int,
        rng: np.random.Generator,
    ) -> IntArray:
        """Put N waiting texts in the order in which to ask for them: order_N.

        Args:
            strategy: the strategy that is simulated.
            standing: what the question has learned.
            waiting: the texts.
            batch_size: number of texts that a strategy chooses together.
            rng: the source of all randomness.
        """
        strategy = self.chooser(strategy, standing)
        unlabelled = self._features(strategy, standing, waiting, rng)
        if strategy.asks_llm:
            askable = Askable(strategy.name, waiting, unlabelled.embeddings, standing.labelled, unlabelled.labelled)
            unlabelled = replace(unlabelled, picks_B=self._setup.ask_llm(askable, batch_size, rng))
        if Need.TEXTS in strategy.needs:
            unlabelled = replace(unlabelled, texts=tuple(waiting))
        ranking = rank(strategy, unlabelled, batch_size, rng)
        order_N, _ = mix_in_random(ranking.indices_N, self._setup.explore, rng)
        return order_N

    def measure(self, standing: Standing) -> Evaluation:
        """Evaluate the classifier on the held-out texts; without a classifier nothing is predicted."""
        trained = standing.trained
        if trained is None:
            proba_N_C = np.zeros_like(self._test.targets_N_C)
        else:
            embeddings_N_D = self._embed(trained, self._test.texts)
            proba_N_C = head_proba(trained.classifier, trained.classifier.head, embeddings_N_D)
        return self._task.measure(proba_N_C, self._test.targets_N_C)

    def _features(
        self, strategy: Strategy, standing: Standing, waiting: Sequence[str], rng: np.random.Generator
    ) -> Unlabelled:
        """Compute the features that the strategy needs of the N waiting texts."""
        needs = strategy.needs - GIVEN
        if standing.trained is None:
            return compute_untrained_features(needs, waiting, standing.labelled, self._untrained.embed)
        return compute_features(needs, self._reader(standing.trained), waiting, standing.labelled, rng)

    def _reader(self, trained: Trained) -> Reader:
        """The classifier with label names, and with the pool where the pool is embedded already."""
        sample = self._background.pool if trained.recipe is Recipe.HEAD else ()
        embed = partial(self._embed, trained)
        knowledge = know(self._background.label_texts, self._task.label_set, embed(sample), embed)
        return Reader(trained.classifier, embed, knowledge)

    def _embed(self, trained: Trained, texts: Sequence[str]) -> FloatArray:
        if trained.recipe is Recipe.HEAD:
            # The recipe trains the head alone: embeddings are those of the untrained encoder.
            return self._untrained.embed(texts)
        return trained.classifier.encoder.embed(texts)
