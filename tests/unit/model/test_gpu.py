"""What holds where torch finds a GPU."""

import numpy as np
import pytest
import torch

from model.bert import load_classifier, save_classifier
from model.inference import embed_pool, score_texts
from model.recipes import Recipe, TrainingConfig
from model.training import train
from tests.unit.model.test_training import IS_PRAISE, TEXTS, targets

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no GPU")


@pytest.fixture(scope="module", params=[recipe for recipe in Recipe if recipe is not Recipe.AUTO])
def config(request, encoder):
    """Each recipe; sixteen dimensions of random weights learn at rates of their own."""
    return TrainingConfig(
        recipe=request.param, encoder=encoder, min_steps=60, encoder_lr=1e-3, head_lr=1e-2, frozen_share=0.0
    )


@pytest.fixture(scope="module")
def trained(config):
    """In bf16 where the GPU has it."""
    return train(targets(), config)


def test_a_classifier_is_trained_on_the_gpu(trained):
    assert trained.classifier.device.type == "cuda"
    assert trained.out_of_fold is not None
    assert score_texts(trained.classifier, TEXTS).proba_N_C.argmax(axis=1).tolist() == IS_PRAISE.tolist()


def test_what_a_gpu_trained_a_machine_without_one_reads_and_says_the_same(trained, tmp_path):
    on_gpu_N_C = score_texts(trained.classifier, TEXTS).proba_N_C
    save_classifier(trained.classifier, tmp_path)
    elsewhere = load_classifier(tmp_path).cpu()
    np.testing.assert_allclose(score_texts(elsewhere, TEXTS).proba_N_C, on_gpu_N_C, atol=5e-3)


def test_the_same_seed_makes_the_same_classifier_on_a_gpu_too(config, trained):
    again = score_texts(train(targets(), config).classifier, TEXTS).proba_N_C
    np.testing.assert_array_equal(again, score_texts(trained.classifier, TEXTS).proba_N_C)


def test_pools_scored_in_bf16_are_close_to_fp32_on_a_gpu_too(trained):
    exact_N_D = score_texts(trained.classifier, TEXTS).embeddings_N_D
    np.testing.assert_allclose(embed_pool(trained.classifier, TEXTS), exact_N_D, rtol=0.05, atol=0.05)
