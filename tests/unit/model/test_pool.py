from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from model.pool import EmbeddingCache, text_digest


class Lengths:
    """Embeds a text as its length, and remembers what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, texts):
        self.asked.extend(texts)
        return np.array([[len(text), 0.5] for text in texts], dtype=np.float32).reshape(-1, 2)


@pytest.fixture
def file(tmp_path) -> Path:
    return tmp_path / "project" / "embeddings.npz"


def test_only_what_is_missing_is_computed(file):
    first, second = Lengths(), Lengths()
    EmbeddingCache(file, "mini").embed(["a", "bb"], first)
    embeddings_N_D = EmbeddingCache(file, "mini").embed(["ccc", "a", "bb"], second)
    assert first.asked == ["a", "bb"]
    assert second.asked == ["ccc"]
    assert embeddings_N_D[:, 0].tolist() == [3, 1, 2]


def test_nothing_is_computed_when_all_is_known_in_whatever_order(file):
    EmbeddingCache(file, "mini").embed(["a", "bb", "ccc"], Lengths())
    idle = Lengths()
    assert EmbeddingCache(file, "mini").embed(["ccc", "a"], idle)[:, 0].tolist() == [3, 1]
    assert idle.asked == []


def test_texts_that_left_the_pool_leave_the_file(file):
    for texts in (["a", "bb"], ["bb", "ccc"]):
        EmbeddingCache(file, "mini").embed(texts, Lengths())
    again = Lengths()
    EmbeddingCache(file, "mini").embed(["a", "bb"], again)
    assert again.asked == ["a"]


def test_another_encoder_has_other_embeddings(file):
    EmbeddingCache(file, "mini").embed(["a"], Lengths())
    other = Lengths()
    EmbeddingCache(file, "large").embed(["a"], other)
    assert other.asked == ["a"]


def test_a_text_that_occurs_twice_has_one_embedding(file):
    assert EmbeddingCache(file, "mini").embed(["a", "bb", "a"], Lengths())[:, 0].tolist() == [1, 2, 1]


def test_no_texts_have_no_embeddings_but_their_width(file):
    assert EmbeddingCache(file, "mini").embed([], Lengths()).shape == (0, 2)


def test_an_embedding_that_fails_leaves_the_file_as_it_was(file):
    EmbeddingCache(file, "mini").embed(["a"], Lengths())
    with pytest.raises(MemoryError):
        EmbeddingCache(file, "mini").embed(["a", "bb"], _out_of_memory)
    idle = Lengths()
    EmbeddingCache(file, "mini").embed(["a"], idle)
    assert idle.asked == []


def _out_of_memory(texts):
    raise MemoryError


@given(some.text(), some.text())
def test_texts_share_a_digest_only_if_they_are_the_same(one, other):
    assert (text_digest(one) == text_digest(other)) == (one == other)


def test_a_digest_has_64_bits_and_survives_half_a_surrogate_pair():
    assert 0 <= text_digest("\ud800") < 2**64
    assert text_digest("\ud800") != text_digest("?")
