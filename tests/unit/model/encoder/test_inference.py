import numpy as np
import pytest
import torch

from model.encoder.classifier import new_classifier
from model.encoder.inference import (
    BLOCK_TEXTS,
    CPU_BATCH_TOKENS,
    batches_by_length,
    embed_pool,
    embed_texts,
    head_proba,
    score_texts,
)
from model.types import LabelSet
from tests.fakes import SENTIMENT

# More than one batch, of every length, in no order.
TEXTS = [" ".join(["good", "bad", "film"][: 1 + n % 3] * (1 + n * 7 % 9)) for n in range(133)]


@pytest.fixture
def classifier(encoder):
    return new_classifier(encoder, SENTIMENT)


def test_rows_stand_in_the_order_of_the_texts_though_batches_go_by_length(classifier):
    together_N_D = embed_texts(classifier, TEXTS)
    for row in (0, 1, 2, 70, len(TEXTS) - 1):
        np.testing.assert_allclose(together_N_D[row], embed_texts(classifier, [TEXTS[row]])[0], atol=1e-5)


def test_what_a_text_is_padded_with_does_not_change_it(classifier):
    alone = embed_texts(classifier, ["good film"])[0]
    beside_a_long_one = embed_texts(classifier, ["good film", "the plot " * 12])[0]
    np.testing.assert_allclose(beside_a_long_one, alone, atol=1e-5)


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


def test_progress_counts_up_to_the_number_of_texts(classifier):
    heard = []
    embed_texts(classifier, TEXTS, lambda done, total: heard.append((done, total)))
    assert len(heard) > 1
    assert heard == sorted(set(heard))
    assert heard[-1] == (133, 133)


def test_more_texts_than_are_tokenised_at_once_are_as_any_other(classifier):
    texts = ["good", "bad film", "the plot the plot"] * (BLOCK_TEXTS // 3 + 2)
    heard = []
    embeddings_N_D = embed_texts(classifier, texts, lambda *step: heard.append(step))
    np.testing.assert_allclose(embeddings_N_D[-3:], embed_texts(classifier, texts[:3]), atol=1e-5)
    assert heard[-1] == (len(texts), len(texts))
    assert heard == sorted(heard)


def test_batches_hold_every_row_once_the_longest_first_and_no_more_tokens_than_they_may():
    token_ids = [[1] * (1 + n * 37 % 250) for n in range(300)]
    batches = list(batches_by_length(token_ids, CPU_BATCH_TOKENS))
    assert sorted(row for rows in batches for row in rows) == list(range(300))
    longest = [max(len(token_ids[row]) for row in rows) for rows in batches]
    assert longest == sorted(longest, reverse=True)
    assert all(len(rows) * length <= CPU_BATCH_TOKENS for rows, length in zip(batches, longest, strict=True))


def test_towards_the_end_batches_get_smaller_so_that_cores_end_together():
    token_ids = [[1] * 20] * 500
    sizes = [len(rows) * 20 for rows in batches_by_length(token_ids, 800, 200)]
    assert sum(sizes) == 500 * 20
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] == 800
    assert 200 in sizes
    assert sizes[-1] <= 200


def test_a_text_that_is_longer_than_a_batch_may_be_is_a_batch_of_its_own():
    assert list(batches_by_length([[1] * 30, [1] * 20], 10)) == [[0], [1]]


def test_inference_leaves_dropout_out(classifier):
    classifier.train()
    np.testing.assert_array_equal(embed_texts(classifier, TEXTS[:5]), embed_texts(classifier, TEXTS[:5]))


def test_a_long_text_is_the_mean_of_its_pieces_by_their_length(encoder):
    classifier = new_classifier(encoder, SENTIMENT)
    first, second = "good " * 30, "bad " * 10
    whole, *parts = embed_texts(classifier, [first + second, first, second])
    lengths = np.array([32, 12])
    np.testing.assert_allclose(whole, lengths @ np.stack(parts) / lengths.sum(), atol=1e-5)


def test_progress_ends_at_the_number_of_texts_however_long_they_are(encoder):
    heard = []
    embed_texts(new_classifier(encoder, SENTIMENT), ["good " * 200] * 70, lambda *step: heard.append(step))
    assert heard[-1] == (70, 70)
    assert [done for done, _ in heard] == sorted(done for done, _ in heard)


@pytest.fixture
def natively_bf16(monkeypatch):
    """Tests pass on any processor: those that do not multiply bf16 themselves emulate it."""
    for room in ("model.encoder.inference", "model.encoder.processor"):
        monkeypatch.setattr(f"{room}.is_bf16_native", lambda _: True)


@pytest.mark.parametrize("is_multilabel", [False, True])
@pytest.mark.usefixtures("natively_bf16")
def test_a_pool_in_bf16_gets_the_labels_that_fp32_gives(encoder, is_multilabel):
    torch.manual_seed(0)
    classifier = new_classifier(encoder, LabelSet(("a", "b", "c"), is_multilabel))
    # A head that is in two minds about most of the texts.
    with torch.no_grad():
        centre_D = torch.from_numpy(embed_texts(classifier, TEXTS).mean(axis=0)).to(classifier.device)
        classifier.head.bias.copy_(-classifier.head.weight @ centre_D)
    exact_N_D, mixed_N_D = embed_texts(classifier, TEXTS), embed_pool(classifier, TEXTS)
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
    np.testing.assert_allclose(embeddings_N_D, embed_texts(classifier, TEXTS), atol=1e-6)


def test_where_bf16_is_not_native_a_pool_is_read_in_fp32(classifier, monkeypatch):
    monkeypatch.setattr("model.encoder.inference.is_bf16_native", lambda _: False)
    np.testing.assert_array_equal(embed_pool(classifier, TEXTS), embed_texts(classifier, TEXTS))


@pytest.mark.usefixtures("natively_bf16")
def test_a_pool_without_texts_or_with_a_single_class_is_read_like_any_other(encoder):
    classifier = new_classifier(encoder, LabelSet(("only",), is_multilabel=False))
    assert embed_pool(classifier, []).shape == (0, 16)
    assert np.isfinite(embed_pool(classifier, TEXTS[:3])).all()
