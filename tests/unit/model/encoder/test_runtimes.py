"""A runtime of one's own: a row in a table, and every caller works as it did."""

import json

import numpy as np
import pytest

from model.encoder.classifier import load_classifier, new_classifier, save_classifier
from model.encoder.inference import embed_pool, score_texts
from model.encoder.runtimes import RUNTIMES, load_encoder
from model.errors import EncoderError
from model.learner.recipes import TrainingConfig
from model.learner.training import train
from model.types import Recipe, Targets, TrainingData
from tests.counting_runtime import COUNTING, NAME
from tests.fakes import BLAME, PRAISE, SENTIMENT

TEXTS = tuple(f"the film is {word}" for word in (*BLAME, *PRAISE))
TARGETS = Targets(tuple(range(8)), TEXTS, np.eye(2, dtype=np.float32)[[0] * 4 + [1] * 4], SENTIMENT)


@pytest.fixture(autouse=True)
def counting_is_registered(monkeypatch):
    monkeypatch.setitem(RUNTIMES, NAME, COUNTING)


@pytest.mark.parametrize("recipe", [Recipe.HEAD, Recipe.LP_FT, Recipe.CONTRASTIVE, Recipe.FULL, Recipe.AUTO])
def test_every_recipe_trains_a_classifier_in_it(recipe, tmp_path):
    trained = train(TrainingData(TARGETS), TrainingConfig(recipe, f"{NAME}:words", folds=2))
    proba_N_2 = score_texts(trained.classifier, TEXTS).proba_N_C
    assert trained.steps > 0 or recipe in (Recipe.HEAD, Recipe.AUTO)
    if recipe is not Recipe.FULL:
        # `full` is fine-tuning alone, which teaches this runtime nothing.
        assert proba_N_2.argmax(axis=1).tolist() == [0] * 4 + [1] * 4
    save_classifier(trained.classifier, tmp_path)
    loaded = load_classifier(tmp_path)
    assert loaded.encoder.config == trained.classifier.encoder.config
    np.testing.assert_array_equal(score_texts(loaded, TEXTS).proba_N_C, proba_N_2)


def test_a_pool_is_read_by_it(tmp_path):
    classifier = new_classifier(f"{NAME}:words", SENTIMENT)
    assert embed_pool(classifier, ["good good bad"]).tolist() == [[2, 1, 1]]


def test_an_encoder_that_it_does_not_have_is_named():
    with pytest.raises(EncoderError, match=f"'letters'.*{NAME}:words"):
        load_encoder(f"{NAME}:letters")


def test_pytorch_may_be_named_and_need_not_be(encoder):
    named, unnamed = load_encoder(f"torch:{encoder}"), load_encoder(encoder)
    assert named.config == unnamed.config
    np.testing.assert_array_equal(named.embed(TEXTS), unnamed.embed(TEXTS))


def test_a_word_before_a_colon_that_names_no_runtime_belongs_to_the_encoders_name():
    with pytest.raises(EncoderError, match=r"openvino:folder.*BERT_MODEL"):
        load_encoder("openvino:folder")


def test_a_version_of_a_runtime_that_is_not_installed_says_which(tmp_path):
    save_classifier(new_classifier(f"{NAME}:words", SENTIMENT), tmp_path)
    del RUNTIMES[NAME]
    with pytest.raises(KeyError, match=NAME):
        load_classifier(tmp_path)


def test_a_classifier_that_was_saved_before_runtimes_had_names_is_pytorchs(encoder, tmp_path):
    classifier = new_classifier(encoder, SENTIMENT)
    save_classifier(classifier, tmp_path)
    raw = json.loads((tmp_path / "classifier.json").read_text())
    del raw["runtime"]
    (tmp_path / "classifier.json").write_text(json.dumps(raw))
    before, after = (score_texts(each, TEXTS).proba_N_C for each in (classifier, load_classifier(tmp_path)))
    np.testing.assert_array_equal(before, after)
