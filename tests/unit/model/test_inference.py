import numpy as np
import pytest

from model.bert import new_classifier
from model.inference import BLOCK_TEXTS, CPU_BATCH_TOKENS, batches_by_length, embed_texts, score_texts
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
    logits_N_C = (
        scored.embeddings_N_D @ classifier.head.weight.T.detach().numpy() + classifier.head.bias.detach().numpy()
    )
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
