"""A project about films with 200 texts, whose people label as a test says."""

from collections.abc import Callable

import numpy as np
import pytest

from backend.rounds.context import RoundContext
from backend.rounds.fit import fit as fit_if_due
from backend.rounds.sync import Synced
from backend.settings import Settings
from backend.store.project_folder import ProjectFolder
from backend.work.classifiers import Classifiers
from model.types import LabelSet, PoolText, Targets
from tests.fakes import BLAME, NEUTRAL, PRAISE, SENTIMENT, FakeTurn, a_context, a_project, labeling_config, the_task

TEXTS = tuple(f"{noun} {other} {word}" for noun in NEUTRAL for other in NEUTRAL for word in (*PRAISE, *BLAME))
# In an order in which a label says nothing of the next.
FILMS = tuple(TEXTS[row] for row in np.random.default_rng(0).permutation(len(TEXTS)))
Label = Callable[[int], bool]


def rightly(row: int) -> bool:
    """Label a film as it deserves."""
    return any(word in FILMS[row] for word in PRAISE)


def wrongly(row: int) -> bool:
    """Label a film against what it deserves."""
    return not rightly(row)


def lazily(row: int) -> bool:
    """Give every film the same label, without reading it."""
    return True


def first(count: int, then: Label) -> Label:
    """Label so many films rightly, and further ones in another way."""
    return lambda row: rightly(row) if row < count else then(row)


def labelled(labels: int, label: Label = rightly, label_set: LabelSet = SENTIMENT) -> Targets:
    """The first films with their labels."""
    gold_N = np.array([int(label(row)) for row in range(labels)])
    targets_N_C = np.eye(2, dtype=np.float32)[gold_N]
    return Targets(tuple(range(labels)), FILMS[:labels], targets_N_C, label_set)


def synced(settings: Settings, targets: Targets, **own) -> Synced:
    """The project after these labels."""
    choice = "multiple" if targets.label_set.is_multilabel else "single"
    config = labeling_config(*targets.label_set.labels, choice=choice)
    pool = tuple(PoolText(row, FILMS[row]) for row in range(len(targets), len(FILMS)))
    project = a_project(label_config=config)
    return Synced(project, the_task(config), settings.for_project(own), targets, pool, settings.bert_model)


@pytest.fixture
def settings(tmp_path, encoder) -> Settings:
    return Settings(model_dir=tmp_path, bert_model=encoder, retrain_every=16, query_size=5, recipe="head")


@pytest.fixture
def folder(settings) -> ProjectFolder:
    return ProjectFolder(settings.model_dir, 1)


@pytest.fixture(scope="module")
def classifiers() -> Classifiers:
    """Kept warm, as a worker keeps them."""
    return Classifiers(1)


@pytest.fixture
def context(settings, classifiers) -> RoundContext:
    return a_context(settings, turn=FakeTurn(), classifiers=classifiers)


@pytest.fixture
def train(settings, classifiers, folder):
    """Train on the first labels, and point to the version that the round is to use, as a round does at its end."""

    def train(labels: int, label: Label = rightly, label_set: LabelSet = SENTIMENT, **own) -> int:
        context = a_context(settings, turn=FakeTurn(), classifiers=classifiers)
        version = fit_if_due(context, synced(settings, labelled(labels, label, label_set), **own), is_due=True)
        if folder.registry.is_new(version.number):
            folder.registry.point(version.number)
        return version.number

    return train


@pytest.fixture
def look(settings, classifiers):
    """The version that a round uses in which no training is due."""

    def look(labels: int, label: Label = rightly, label_set: LabelSet = SENTIMENT) -> int | None:
        context = a_context(settings, turn=FakeTurn(), classifiers=classifiers)
        version = fit_if_due(context, synced(settings, labelled(labels, label, label_set)), is_due=False)
        return version.number if version is not None else None

    return look
