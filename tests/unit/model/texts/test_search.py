import numpy as np

from model.texts.search import nearest

TEXTS = ["my card was stolen", "the weather is fine", "somebody took my wallet", "card card card", "a lovely film"]
# The third text is nearest to "theft" in meaning, the first in words and meaning.
EMBEDDINGS = np.array([[1.0, 0.2], [0.0, 1.0], [1.0, 0.0], [0.3, 1.0], [-1.0, 0.4]])
THEFT = np.array([[1.0, 0.1]])


def test_words_and_meaning_both_count():
    rows = nearest(["stolen card"], TEXTS, THEFT, EMBEDDINGS)
    assert rows[0] == 0
    assert set(rows[:3].tolist()) == {0, 2, 3}


def test_without_a_common_word_meaning_decides_alone():
    assert nearest(["Diebstahl"], TEXTS, THEFT, EMBEDDINGS).tolist() == [0, 2, 3, 1, 4]


def test_texts_without_words_are_ranked_by_meaning():
    assert nearest(["?"], ["!", "…"], THEFT, EMBEDDINGS[[1, 0]]).tolist() == [1, 0]


def test_several_examples_count_by_their_mean():
    both = nearest(["film", "weather"], TEXTS, np.array([[-1.0, 0.4], [0.0, 1.0]]), EMBEDDINGS)
    assert set(both[:2].tolist()) == {1, 4}


def test_every_text_is_ranked_once():
    assert sorted(nearest(["card"], TEXTS, THEFT, EMBEDDINGS).tolist()) == list(range(5))
    assert nearest(["card"], [], THEFT, EMBEDDINGS[:0]).tolist() == []
