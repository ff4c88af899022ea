"""When Shortlist advises to stop, and what the labels after that would have brought; and how often its gate holds.

A project is simulated as it grows: versions are trained when labels grew by a quarter (by RETRAIN_EVERY at least), the
default strategy chooses the texts between two trainings, a tenth is random. Every version leaves the record that a
round keeps of it, and its accuracy on test texts, which the advice never sees.
"""

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache, partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import Progress

from model.encoder.classifier import with_new_head
from model.encoder.inference import head_proba
from model.judging.agreement import kappa
from model.judging.comparison import HeldOut, compare_shared
from model.judging.fair_sample import draw_numbers, fair_sample
from model.judging.history import Tally, VersionRecord
from model.learner.acquisition import Reader, compute_features, compute_untrained_features
from model.learner.evaluation import evaluate
from model.learner.knowledge import MOST_POOL, know
from model.learner.recipes import TrainingConfig
from model.learner.registry import label_digests
from model.learner.training import Start, Trained, train, train_on_names
from model.query.ranking import mix_in_random, rank
from model.query.strategies import find_strategy
from model.query.unlabelled import GIVEN, Unlabelled
from model.simulation.gold import read_gold
from model.simulation.question import UntrainedEncoder
from model.tasks.label_names import label_texts
from model.text_digests import text_digests
from model.types import Background, BoolArray, FloatArray, IntArray, Recipe, Targets, TrainingData

SETS = ("sst2", "trec6", "agnews", "banking77")
SEEDS = (0, 1, 2, 3, 4)
POOL, TEST, STOP_SET = 2_000, 2_000, 1_000
# The last training, which the accuracy at the moment of advice is compared with.
LABELS = 1_000
RETRAIN_EVERY, GROWTH, EXPLORE = 16, 0.25, 0.1
STRATEGY = "hybrid"
LINES = Path(__file__).with_name("stopping.jsonl")

Line = dict[str, Any]


def run(data: Path, sets: Sequence[str], seeds: Sequence[int], recipe: Recipe) -> None:
    """Simulate every seed and set that has no line yet, and write a line for each version."""
    done = {(line["set"], line["seed"], line["recipe"]) for line in read_lines()}
    wanted = [(seed, name) for seed, name in product(seeds, sets) if (name, seed, recipe.value) not in done]
    read = cache(partial(_read, data))
    with Progress() as progress:
        for seed, name in progress.track(wanted):
            grown = list(Project(read(name), seed, recipe).grow())
            with LINES.open("a", encoding="utf-8") as file:
                for line in grown:
                    file.write(json.dumps({"set": name, "seed": seed, "recipe": recipe.value, **line}) + "\n")


def _read(data: Path, name: str) -> "Texts":
    gold, test = read_gold([data / name / f"{part}.jsonl.gz" for part in ("train", "test")])
    return Texts(gold, test.some(np.arange(min(TEST, len(test)))))


def read_lines() -> list[Line]:
    """Every version that was measured."""
    return [json.loads(line) for line in LINES.read_text(encoding="utf-8").splitlines()] if LINES.exists() else []


class Texts:
    """A set's texts, and their embeddings before any training, each read once for all seeds."""

    def __init__(self, gold: Targets, test: Targets) -> None:
        self.gold, self.test = gold, test
        untrained = UntrainedEncoder("")
        self.embed = untrained.embed
        self.start = Start(with_new_head(untrained.encoder, gold.label_set), untrained.embed)


@dataclass(frozen=True)
class _Version:
    """The last version of a growing project.

    Attributes:
        trained: the classifier; None where label names say nothing and there is no label.
        held_out: its answers out of fold.
        decided_M_C: its answers to the stop set.
    """

    trained: Trained | None
    held_out: HeldOut | None = None
    decided_M_C: BoolArray | None = None


class Project:
    """One seed's pool, labelled by a simulated team with gold labels."""

    def __init__(self, texts: Texts, seed: int, recipe: Recipe) -> None:
        rows_N = np.random.default_rng(seed).permutation(len(texts.gold))[:POOL]
        pool = texts.gold.some(rows_N)
        # Other ids for each seed, since tasks are drawn at random by their ids.
        self._ids_N = np.arange(POOL) + POOL * seed
        self._texts, self._pool = texts, replace(pool, task_ids=tuple(self._ids_N.tolist()))
        self._config = TrainingConfig(recipe=recipe, seed=seed)
        self._rng = np.random.default_rng(seed)
        self._stop_texts = [self._pool.texts[row] for row in np.argsort(text_digests(self._pool.texts))[:STOP_SET]]
        self._background = Background(label_texts(pool.label_set.labels), self._pool.texts[:MOST_POOL])

    def grow(self) -> Iterator[Line]:
        """Label, train and measure, version after version."""
        labelled_L, version = np.zeros(0, dtype=np.int64), _Version(self._by_names())
        number = 0
        while len(labelled_L) < LABELS:
            number += 1
            more = max(RETRAIN_EVERY, math.ceil(GROWTH * len(labelled_L)))
            more = min(more, LABELS - len(labelled_L))
            labelled_L = np.concatenate([labelled_L, self._choose(version.trained, labelled_L, more)])
            before, version = version, self._train(labelled_L)
            yield {**self._measure(version), "record": asdict(self._record(number, labelled_L, before, version))}

    def _by_names(self) -> Trained | None:
        return train_on_names(self._pool.some(np.zeros(0, dtype=np.int64)), self._texts.start, self._background)

    def _train(self, labelled_L: IntArray) -> _Version:
        targets = self._pool.some(labelled_L)
        trained = train(TrainingData(targets, background=self._background), self._config, self._texts.start)
        return _Version(trained, _held_out(trained, targets), self._decide(trained, self._stop_texts))

    def _decide(self, trained: Trained, texts: Sequence[str]) -> BoolArray:
        proba_N_C = head_proba(trained.classifier, trained.classifier.head, self._embed(trained, texts))
        return trained.classifier.link.decide(proba_N_C)

    def _embed(self, trained: Trained, texts: Sequence[str]) -> FloatArray:
        return self._texts.embed(texts) if trained.recipe is Recipe.HEAD else trained.classifier.encoder.embed(texts)

    def _choose(self, trained: Trained | None, labelled_L: IntArray, most: int) -> IntArray:
        """The next texts, as a round would order them: rows_B of the pool."""
        waiting_N = np.setdiff1d(np.arange(POOL), labelled_L)
        strategy = find_strategy(STRATEGY)
        strategy = find_strategy(strategy.start) if trained is None else strategy
        ranking = rank(
            strategy, self._features(strategy.needs - GIVEN, trained, waiting_N, labelled_L), most, self._rng
        )
        drawn_N = np.argsort(draw_numbers(self._ids_N[waiting_N]))
        order_N, _ = mix_in_random(ranking.indices_N, EXPLORE, self._rng, drawn_N)
        return waiting_N[order_N[:most]]

    def _features(
        self, needs: frozenset[Any], trained: Trained | None, waiting_N: IntArray, labelled_L: IntArray
    ) -> Unlabelled:
        texts, labelled = self._pool.some(waiting_N).texts, self._pool.some(labelled_L)
        if trained is None:
            return compute_untrained_features(needs, texts, labelled, self._texts.embed)
        embed = partial(self._embed, trained)
        pool = self._background.pool if trained.recipe is Recipe.HEAD else ()
        knowledge = know(self._background.label_texts, self._pool.label_set, embed(pool), embed)
        return compute_features(needs, Reader(trained.classifier, embed, knowledge), texts, labelled, self._rng)

    def _record(self, number: int, labelled_L: IntArray, before: _Version, now: _Version) -> VersionRecord:
        """What a round keeps of the version."""
        trained, folds = now.trained, self._config.folds
        labels = len(labelled_L)
        waiting_N = np.setdiff1d(np.arange(POOL), labelled_L)
        is_fair_L = fair_sample(self._ids_N[labelled_L], self._ids_N[waiting_N])
        classes = len(self._pool.label_set.labels)
        record = VersionRecord(number, labels, labels * (folds - 1) // folds, at=0.0, classes=classes)
        fair_M = label_digests(self._pool.some(labelled_L[is_fair_L]))
        fair = now.held_out.some(np.isin(now.held_out.digests_N, fair_M)) if now.held_out is not None else None
        if fair is not None:
            record = replace(record, random=Tally(int(fair.right_N.sum()), len(fair.right_N)))
        if trained is not None and trained.out_of_fold is not None:
            record = replace(record, accuracy=trained.out_of_fold.accuracy, macro_f1=trained.out_of_fold.macro_f1)
        if now.held_out is not None and before.held_out is not None:
            record = replace(record, paired=compare_shared(now.held_out, before.held_out))
        if before.decided_M_C is not None and now.decided_M_C is not None:
            record = replace(record, kappa=kappa(now.decided_M_C, before.decided_M_C))
        return record

    def _measure(self, version: _Version) -> Line:
        """How right the version is on the test texts, which no advice sees."""
        trained, test = version.trained, self._texts.test
        if trained is None:
            raise ValueError("a version was trained")
        proba_N_C = head_proba(trained.classifier, trained.classifier.head, self._embed(trained, test.texts))
        worth = evaluate(proba_N_C, test.targets_N_C, trained.classifier.link)
        return {
            "accuracy": round(worth.accuracy, 6),
            "macro_f1": round(worth.macro_f1, 6),
            "fit_s": round(trained.train_s, 2),
        }


def _held_out(trained: Trained, targets: Targets) -> HeldOut | None:
    """The answers out of fold, text by text."""
    answers = trained.held_out
    if answers is None:
        return None
    digest_of = dict(zip(targets.task_ids, label_digests(targets).tolist(), strict=True))
    digests_N = np.array([digest_of[task_id] for task_id in answers.task_ids_M.tolist()], dtype=np.uint64)
    return HeldOut(digests_N, np.asarray((answers.predicted_M_C == answers.given_M_C).all(axis=1)))
