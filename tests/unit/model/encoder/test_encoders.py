"""Any Hugging Face encoder: tiny ones of each architecture, with random weights."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    AlbertConfig,
    AutoModel,
    BertConfig,
    DistilBertConfig,
    ElectraConfig,
    ModernBertConfig,
    MPNetConfig,
    PreTrainedTokenizerFast,
    RobertaConfig,
    T5Config,
    XLMRobertaConfig,
)

from model.encoder.classifier import load_classifier, new_classifier, save_classifier
from model.encoder.encoder import Pooling
from model.encoder.inference import score_texts
from model.encoder.torch_runtime.torch_encoder import load_torch_encoder
from model.errors import EncoderError
from model.learner.recipes import TrainingConfig
from model.learner.training import train
from model.types import Recipe, Targets, TrainingData
from tests.fakes import BLAME, NEUTRAL, PRAISE, SENTIMENT

WORDS = ("<s>", "<pad>", "</s>", "<unk>", *PRAISE, *BLAME, *NEUTRAL)
SIZE = {
    "vocab_size": len(WORDS),
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "pad_token_id": 1,
}


@dataclass(frozen=True)
class Architecture:
    name: str
    config: Any
    window: int
    pooling: Pooling = Pooling.MEAN


ARCHITECTURES = (
    Architecture("bert", BertConfig(**SIZE, max_position_embeddings=40), 40),
    # Position ids begin after the padding's.
    Architecture("roberta", RobertaConfig(**SIZE, max_position_embeddings=40), 38),
    Architecture("multilingual", XLMRobertaConfig(**SIZE, max_position_embeddings=40), 38),
    Architecture(
        "modernbert",
        ModernBertConfig(
            **SIZE, max_position_embeddings=40, cls_token_id=0, sep_token_id=2, bos_token_id=0, eos_token_id=2
        ),
        40,
        Pooling.CLS,
    ),
    Architecture(
        "distilbert",
        DistilBertConfig(
            vocab_size=len(WORDS),
            dim=16,
            n_layers=2,
            n_heads=2,
            hidden_dim=32,
            max_position_embeddings=40,
            pad_token_id=1,
        ),
        40,
    ),
    Architecture("electra", ElectraConfig(**SIZE, embedding_size=16, max_position_embeddings=40), 40),
    Architecture("albert", AlbertConfig(**SIZE, embedding_size=16, max_position_embeddings=40), 40),
    Architecture("mpnet", MPNetConfig(**SIZE, max_position_embeddings=40), 38),
)


def make(folder: Path, config: Any) -> str:
    """Random weights and a tokenizer of whole words, as a Hugging Face folder."""
    inner = Tokenizer(models.WordLevel({word: place for place, word in enumerate(WORDS)}, unk_token="<unk>"))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    inner.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    PreTrainedTokenizerFast(
        tokenizer_object=inner,
        pad_token="<pad>",
        unk_token="<unk>",
        cls_token="<s>",
        sep_token="</s>",
    ).save_pretrained(folder)
    torch.manual_seed(0)
    AutoModel.from_config(config).save_pretrained(folder)
    return str(folder)


@pytest.fixture(params=ARCHITECTURES, ids=lambda architecture: architecture.name)
def architecture(request) -> Architecture:
    return request.param


@pytest.fixture
def folder(architecture, tmp_path) -> str:
    return make(tmp_path / architecture.name, architecture.config)


def test_it_is_trained_saved_and_read_again(architecture, folder, tmp_path):
    texts = tuple(f"the {noun} {word}" for word in (*BLAME, *PRAISE) for noun in ("film", "plot"))
    targets = Targets(tuple(range(16)), texts, np.eye(2, dtype=np.float32)[[0] * 8 + [1] * 8], SENTIMENT)
    config = TrainingConfig(
        Recipe.LP_FT, folder, min_steps=120, encoder_lr=2e-3, head_lr=1e-2, frozen_share=0.0, folds=0
    )
    classifier = train(TrainingData(targets), config).classifier
    said = score_texts(classifier, texts)
    assert said.proba_N_C.argmax(axis=1).tolist() == [0] * 8 + [1] * 8
    save_classifier(classifier, tmp_path / "saved")
    again = score_texts(load_classifier(tmp_path / "saved"), texts)
    np.testing.assert_allclose(again.proba_N_C, said.proba_N_C, atol=1e-6)


def test_its_own_pooling_and_window_are_used(architecture, folder):
    classifier = new_classifier(folder, SENTIMENT)
    assert classifier.encoder.config.pooling is architecture.pooling
    assert classifier.encoder.config.max_tokens == architecture.window
    assert np.isfinite(score_texts(classifier, ["good " * 200]).proba_N_C).all()


def test_padding_changes_nothing(folder):
    classifier = new_classifier(folder, SENTIMENT)
    alone = score_texts(classifier, ["good film"]).embeddings_N_D
    beside_a_long_one = score_texts(classifier, ["good film", "the plot " * 10]).embeddings_N_D
    np.testing.assert_allclose(beside_a_long_one[:1], alone, atol=1e-5)


def test_its_layers_are_found_to_freeze_some(architecture, folder):
    # ALBERT's layers are one and the same.
    assert len(load_torch_encoder(folder).body.layers()) == (0 if architecture.name == "albert" else 2)


def test_the_same_seed_makes_the_same_classifier(folder):
    texts = ("good", "bad", "great", "awful")
    targets = Targets((1, 2, 3, 4), texts, np.eye(2, dtype=np.float32)[[1, 0, 1, 0]], SENTIMENT)
    config = TrainingConfig(encoder=folder, min_steps=4)
    one, two = (score_texts(train(TrainingData(targets), config).classifier, texts).proba_N_C for _ in range(2))
    np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize(
    ("stated", "pooling"),
    [
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, Pooling.CLS),
        ({"pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True}, Pooling.MEAN),
        ({"pooling_mode": "cls", "embedding_dimension": 16}, Pooling.CLS),
        ({}, Pooling.MEAN),
    ],
)
def test_a_sentence_encoder_says_how_it_pools(stated, pooling, tmp_path):
    source = make(tmp_path / "bert", ARCHITECTURES[0].config)
    (tmp_path / "bert" / "1_Pooling").mkdir()
    (tmp_path / "bert" / "1_Pooling" / "config.json").write_text(json.dumps(stated))
    assert new_classifier(source, SENTIMENT).encoder.config.pooling is pooling


def test_a_pooling_that_we_do_not_have_is_named(tmp_path):
    source = make(tmp_path / "bert", ARCHITECTURES[0].config)
    (tmp_path / "bert" / "1_Pooling").mkdir()
    (tmp_path / "bert" / "1_Pooling" / "config.json").write_text('{"pooling_mode_lasttoken": true}')
    with pytest.raises(EncoderError, match=r"'lasttoken'.*mean or cls"):
        new_classifier(source, SENTIMENT)


def test_pooling_by_the_first_token_reads_that_token_alone(tmp_path):
    encoder = load_torch_encoder(make(tmp_path / "modernbert", ARCHITECTURES[3].config))
    (of_tokens,) = encoder.token_states(["good film"])
    np.testing.assert_allclose(encoder.embed(["good film"])[0], of_tokens.states_T_D[0], atol=1e-6)


@pytest.mark.parametrize(
    "config",
    [
        T5Config(vocab_size=len(WORDS), d_model=16, d_kv=8, d_ff=32, num_layers=1, num_heads=2, pad_token_id=1),
    ],
)
def test_what_is_no_encoder_is_refused(config, tmp_path):
    with pytest.raises(EncoderError, match=r"is not an encoder of texts.*BERT_MODEL"):
        new_classifier(make(tmp_path / "other", config), SENTIMENT)


def test_the_head_alone_works_on_every_encoder_too(folder):
    targets = Targets((1, 2), ("good", "bad"), np.eye(2, dtype=np.float32)[[1, 0]], SENTIMENT)
    assert train(TrainingData(targets), TrainingConfig(Recipe.HEAD, folder)).steps == 0
