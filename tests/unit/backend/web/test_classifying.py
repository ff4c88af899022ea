import errno
from dataclasses import replace

import numpy as np
import pytest
import torch

from backend.store.project_folder import ProjectFolder
from backend.web.classifying import WebClassifier
from model.encoder.classifier import new_classifier
from model.encoder.inference import score_texts
from model.learner.recipes import TrainingConfig
from model.learner.training import Trained
from model.types import Targets
from tests.fakes import SENTIMENT, labeling_config, the_task

QUESTION = the_task(labeling_config())
TARGETS = Targets((1, 2), ("good", "bad"), np.float32([[0, 1], [1, 0]]), SENTIMENT)


@pytest.fixture
def folder(tmp_path, encoder) -> ProjectFolder:
    """A project with two model versions, the first in use."""
    home = ProjectFolder(tmp_path, 1)
    for _ in range(2):
        home.registry.write(Trained(new_classifier(encoder, SENTIMENT)), TARGETS, TrainingConfig())
    home.registry.point(1)
    return home


def test_a_project_without_a_model_has_none_loaded(tmp_path):
    assert WebClassifier().current(ProjectFolder(tmp_path, 1), QUESTION) is None


def test_a_model_is_loaded_once(folder):
    models = WebClassifier()
    assert models.current(folder, QUESTION) is models.current(folder, QUESTION)


def test_a_new_model_version_is_noticed(folder):
    models = WebClassifier()
    before = models.current(folder, QUESTION)
    folder.registry.point(2)
    assert models.current(folder, QUESTION) is not before


def test_a_damaged_model_is_set_aside_and_the_newest_whole_one_answers(folder):
    for number, others in ((1, [2]), (2, [])):
        weights = folder.registry.find(number).folder / "head.safetensors"
        weights.write_bytes(bytes(weights.stat().st_size))
        assert (WebClassifier().current(folder, QUESTION) is not None) == bool(others)
        assert folder.registry.numbers() == others


def test_a_model_in_memory_goes_on_though_its_files_are_gone_bad(folder):
    models = WebClassifier()
    before = models.current(folder, QUESTION)
    weights = folder.registry.find(1).folder / "head.safetensors"
    weights.write_bytes(bytes(weights.stat().st_size))
    assert models.current(folder, QUESTION) is before


def test_a_model_that_lacks_open_files_for_a_moment_is_not_set_aside(folder, monkeypatch):
    def too_many(*_, **__):
        raise OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr("model.learner.model_version.load_classifier", too_many)
        with pytest.raises(OSError, match="Too many"):
            WebClassifier().current(folder, QUESTION)
    assert folder.registry.numbers() == [1, 2]
    assert WebClassifier().current(folder, QUESTION) is not None


def test_texts_are_scored_with_the_threads_there_are_at_every_moment(folder):
    models = WebClassifier()
    classifier = models.current(folder, QUESTION)
    texts = ["good film"] * 1000
    asked = []

    def threads() -> int:
        asked.append(1)
        return 1

    proba_N_C = models.score(classifier, texts, threads)
    np.testing.assert_allclose(proba_N_C, score_texts(classifier, texts).proba_N_C, atol=0.02)
    assert torch.get_num_threads() == 1
    assert len(asked) > 2


def test_a_classifier_of_another_question_or_of_other_labels_is_not_used(tmp_path, encoder):
    home = ProjectFolder(tmp_path, 1)
    trained = Trained(new_classifier(encoder, SENTIMENT))
    home.registry.write(trained, TARGETS, TrainingConfig(), question="sentiment")
    home.registry.point(1)
    assert WebClassifier().current(home, QUESTION) is not None
    assert WebClassifier().current(home, replace(QUESTION, control="mood")) is None
    assert WebClassifier().current(home, the_task(labeling_config("neg", "neutral", "pos"))) is None
