import gc
import weakref

import numpy as np
import pytest

from backend.store.project_folder import ProjectFolder
from backend.work.classifiers import Classifiers, with_labels
from backend.work.sources import Source
from model.encoder.classifier import new_classifier
from model.errors import EncoderError, VersionError
from model.learner.recipes import TrainingConfig
from model.learner.training import Trained
from model.types import LabelSet, Targets
from tests.fakes import SENTIMENT

TARGETS = Targets((1, 2), ("good", "bad"), np.float32([[0, 1], [1, 0]]), SENTIMENT)


@pytest.fixture
def folder(tmp_path, encoder) -> ProjectFolder:
    """A project with three model versions."""
    home = ProjectFolder(tmp_path, 1)
    for _ in range(3):
        home.registry.write(Trained(new_classifier(encoder, SENTIMENT)), TARGETS, TrainingConfig())
    return home


def test_a_classifier_is_loaded_once_for_every_project(folder, tmp_path, encoder):
    classifiers = Classifiers(1)
    first = classifiers.get(folder, Source(encoder))
    assert classifiers.get(ProjectFolder(tmp_path, 2), Source(encoder)) is first
    assert classifiers.find(folder, Source(encoder)) is first


def test_find_returns_none_for_a_classifier_outside_memory(folder, encoder):
    assert Classifiers(1).find(folder, Source(encoder, 1)) is None


def test_the_least_recently_used_classifier_is_dropped_first(folder, encoder):
    classifiers = Classifiers(2)
    one, two = (classifiers.get(folder, Source(encoder, number)) for number in (1, 2))
    assert classifiers.get(folder, Source(encoder, 1)) is one
    classifiers.get(folder, Source(encoder, 3))
    assert classifiers.find(folder, Source(encoder, 2)) is None
    assert classifiers.find(folder, Source(encoder, 1)) is one
    assert classifiers.get(folder, Source(encoder, 2)) is not two


def test_the_old_classifier_leaves_memory_before_a_new_one_is_loaded(folder, encoder):
    classifiers = Classifiers(1)
    old = weakref.ref(classifiers.get(folder, Source(encoder, 1)))
    with pytest.raises(VersionError):
        classifiers.get(folder, Source(encoder, 9))
    assert old() is not None
    with pytest.raises(EncoderError):
        classifiers.get(folder, Source("no-such-encoder"))
    gc.collect()
    assert old() is None


def test_the_same_encoder_serves_other_labels(folder, encoder):
    classifier = Classifiers(1).get(folder, Source(encoder))
    several = LabelSet(("plot", "cast", "tone"), is_multilabel=True)
    relabelled = with_labels(classifier, several)
    assert relabelled.encoder is classifier.encoder
    assert (relabelled.config.label_set, len(relabelled.head.weight)) == (several, 3)
    texts = ["good film"]
    np.testing.assert_array_equal(relabelled.encoder.embed(texts), classifier.encoder.embed(texts))
