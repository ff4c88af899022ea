import numpy as np
import pytest

from model.encoder.encoder import MAX_CHUNKS
from model.encoder.torch_runtime.embedding import BLOCK_TEXTS, CPU_BATCH_TOKENS, batches_by_length
from model.encoder.torch_runtime.torch_encoder import load_torch_encoder
from model.errors import EncoderError

# More than one batch, of every length, in no order.
TEXTS = [" ".join(["good", "bad", "film"][: 1 + n % 3] * (1 + n * 7 % 9)) for n in range(133)]


@pytest.fixture
def torch_encoder(encoder):
    return load_torch_encoder(encoder)


def test_rows_stand_in_the_order_of_the_texts_though_batches_go_by_length(torch_encoder):
    together_N_D = torch_encoder.embed(TEXTS)
    for row in (0, 1, 2, 70, len(TEXTS) - 1):
        np.testing.assert_allclose(together_N_D[row], torch_encoder.embed([TEXTS[row]])[0], atol=1e-5)


def test_what_a_text_is_padded_with_does_not_change_it(torch_encoder):
    alone = torch_encoder.embed(["good film"])[0]
    beside_a_long_one = torch_encoder.embed(["good film", "the plot " * 12])[0]
    np.testing.assert_allclose(beside_a_long_one, alone, atol=1e-5)


def test_progress_counts_up_to_the_number_of_texts(torch_encoder):
    heard = []
    torch_encoder.embed(TEXTS, lambda done, total: heard.append((done, total)))
    assert len(heard) > 1
    assert heard == sorted(set(heard))
    assert heard[-1] == (133, 133)


def test_more_texts_than_are_tokenised_at_once_are_as_any_other(torch_encoder):
    texts = ["good", "bad film", "the plot the plot"] * (BLOCK_TEXTS // 3 + 2)
    heard = []
    embeddings_N_D = torch_encoder.embed(texts, lambda *step: heard.append(step))
    np.testing.assert_allclose(embeddings_N_D[-3:], torch_encoder.embed(texts[:3]), atol=1e-5)
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


def test_inference_leaves_dropout_out(torch_encoder):
    np.testing.assert_array_equal(torch_encoder.embed(TEXTS[:5]), torch_encoder.embed(TEXTS[:5]))


def test_a_long_text_is_the_mean_of_its_pieces_by_their_length(torch_encoder):
    first, second = "good " * 30, "bad " * 10
    whole, *parts = torch_encoder.embed([first + second, first, second])
    lengths = np.array([32, 12])
    np.testing.assert_allclose(whole, lengths @ np.stack(parts) / lengths.sum(), atol=1e-5)


def test_progress_ends_at_the_number_of_texts_however_long_they_are(torch_encoder):
    heard = []
    torch_encoder.embed(["good " * 200] * 70, lambda *step: heard.append(step))
    assert heard[-1] == (70, 70)
    assert [done for done, _ in heard] == sorted(done for done, _ in heard)


def test_the_states_of_a_texts_tokens_say_which_characters_they_stand_for(torch_encoder):
    text = "the good film"
    (of_tokens,) = torch_encoder.token_states([text])
    assert [text[begin:end] for begin, end in of_tokens.spans_T_2] == ["", "the", "good", "film", ""]
    assert of_tokens.states_T_D.shape == (5, 16)


def test_the_mean_of_a_texts_states_is_its_embedding_however_many_pieces_it_has(torch_encoder):
    texts = ["good", "", "the film " * 40, *TEXTS]
    assert len(torch_encoder.body.chunk(texts[2:3])[0]) == MAX_CHUNKS - 1
    means_N_D = np.stack([states.states_T_D.mean(axis=0) for states in torch_encoder.token_states(texts)])
    np.testing.assert_allclose(means_N_D, torch_encoder.embed(texts), atol=1e-5)


def test_all_of_a_very_long_text_has_states_though_its_embedding_skips_some(torch_encoder):
    text = "good " * 400
    (of_tokens,) = torch_encoder.token_states([text])
    said = [text[begin:end] for begin, end in of_tokens.spans_T_2 if end]
    assert said == ["good"] * 400
    assert len(torch_encoder.body.chunk([text])[0]) == MAX_CHUNKS


def test_no_texts_have_no_states(torch_encoder):
    assert torch_encoder.token_states([]) == []


def test_a_tokenizer_that_knows_no_characters_is_named(torch_encoder, monkeypatch):
    monkeypatch.setattr(type(torch_encoder.body.tokenizer), "is_fast", False)
    with pytest.raises(EncoderError, match=r"which characters.*BERT_MODEL"):
        torch_encoder.token_states(["good"])
