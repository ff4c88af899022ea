import numpy as np
import pytest
import torch

from model.encoder.classifier import new_classifier
from model.encoder.inference import embed_pool, head_proba, score_texts
from model.types import LabelSet
from tests.fakes import SENTIMENT

# More than one batch, of every length, in no order.
TEXTS = [" ".join(["good", "bad", "film"][: 1 + n % 3] * (1 + n * 7 % 9)) for n in range(133)]


@pytest.fixture
def classifier(encoder):
    return new_classifier(encoder, SENTIMENT)


def test_shuffling_the_texts_shuffles_the_probabilities_alike(classifier):
    shuffle = np.random.default_rng(0).permutation(len(TEXTS))
    shuffled = score_texts(classifier, [TEXTS[row] for row in shuffle])
    np.testing.assert_allclose(shuffled.proba_N_C, score_texts(classifier, TEXTS).proba_N_C[shuffle], atol=1e-5)


@pytest.mark.parametrize("is_multilabel", [False, True])
def test_probabilities_are_what_the_head_says_of_the_embeddings(encoder, is_multilabel):
    classifier = new_classifier(encoder, LabelSet(("a", "b", "c"), is_multilabel))
    scored = score_texts(classifier, TEXTS[:7])
    weight_C_D, bias_C = (part.detach().cpu().numpy() for part in classifier.head.parameters())
    logits_N_C = scored.embeddings_N_D @ weight_C_D.T + bias_C
    odds_N_C = np.exp(logits_N_C)
    expected = odds_N_C / (1 + odds_N_C) if is_multilabel else odds_N_C / odds_N_C.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(scored.proba_N_C, expected, rtol=1e-4)


def test_no_texts_have_no_rows(classifier):
    scored = score_texts(classifier, [])
    assert scored.proba_N_C.shape == (0, 2)
    assert scored.embeddings_N_D.shape == (0, 16)


def test_an_empty_text_has_an_embedding_like_any_other(classifier):
    assert np.isfinite(score_texts(classifier, ["", " ", "\n"]).proba_N_C).all()


@pytest.fixture
def natively_bf16(monkeypatch):
    """Tests pass on any processor: those that do not multiply bf16 themselves emulate it."""
    for room in ("model.encoder.torch_runtime.torch_encoder", "model.encoder.processor"):
        monkeypatch.setattr(f"{room}.is_bf16_native", lambda _: True)


@pytest.mark.parametrize("is_multilabel", [False, True])
@pytest.mark.usefixtures("natively_bf16")
def test_a_pool_in_bf16_gets_the_labels_that_fp32_gives(encoder, is_multilabel):
    torch.manual_seed(0)
    classifier = new_classifier(encoder, LabelSet(("a", "b", "c"), is_multilabel))
    # A head that is in two minds about most of the texts.
    with torch.no_grad():
        centre_D = torch.from_numpy(classifier.encoder.embed(TEXTS).mean(axis=0))
        classifier.head.bias.copy_(-classifier.head.weight @ centre_D)
    exact_N_D, mixed_N_D = classifier.encoder.embed(TEXTS), embed_pool(classifier, TEXTS)
    exact_N_C, mixed_N_C = (head_proba(classifier, classifier.head, each) for each in (exact_N_D, mixed_N_D))
    is_exact_N = np.isclose(exact_N_D, mixed_N_D, atol=1e-6).all(axis=1)
    is_near_N = (
        (np.abs(exact_N_C - 0.5) < 0.009).any(axis=1)
        if is_multilabel
        else np.diff(np.sort(exact_N_C)[:, -2:])[:, 0] < 0.018
    )
    assert is_near_N.any()
    assert is_exact_N[is_near_N].all(), "a text near a tie was not read in fp32"
    assert not is_exact_N.all(), "nothing was read in bf16"
    said_exactly, said = (
        (each >= 0.5).tolist() if is_multilabel else each.argmax(axis=1).tolist() for each in (exact_N_C, mixed_N_C)
    )
    assert said == said_exactly
    np.testing.assert_allclose(mixed_N_D, exact_N_D, atol=0.05)


@pytest.mark.usefixtures("natively_bf16")
def test_progress_over_a_pool_counts_up_to_its_size_though_some_texts_are_read_twice(encoder):
    heard = []
    classifier = new_classifier(encoder, SENTIMENT)
    with torch.no_grad():
        classifier.head.weight.zero_()
        classifier.head.bias.zero_()
    embeddings_N_D = embed_pool(classifier, TEXTS, lambda *step: heard.append(step))
    assert heard == sorted(heard)
    assert heard[-1] == (133, 133)
    # A head without an opinion: all texts are near a tie.
    np.testing.assert_allclose(embeddings_N_D, classifier.encoder.embed(TEXTS), atol=1e-6)


def test_where_bf16_is_not_native_a_pool_is_read_in_fp32(classifier, monkeypatch):
    monkeypatch.setattr("model.encoder.torch_runtime.torch_encoder.is_bf16_native", lambda _: False)
    np.testing.assert_array_equal(embed_pool(classifier, TEXTS), classifier.encoder.embed(TEXTS))


@pytest.mark.usefixtures("natively_bf16")
def test_a_pool_without_texts_or_with_a_single_class_is_read_like_any_other(encoder):
    classifier = new_classifier(encoder, LabelSet(("only",), is_multilabel=False))
    assert embed_pool(classifier, []).shape == (0, 16)
    assert np.isfinite(embed_pool(classifier, TEXTS[:3])).all()
