import numpy as np
import pytest

from model.query.density import information_density_scores
from model.query.uncertainty import entropy_scores


def test_it_is_entropy_times_the_mean_cosine_with_the_pool():
    rng = np.random.default_rng(0)
    proba_N_C, embeddings_N_D = rng.dirichlet(np.ones(3), size=12), 1 + rng.normal(size=(12, 4))
    unit_N_D = embeddings_N_D / np.linalg.norm(embeddings_N_D, axis=1, keepdims=True)
    expected_N = entropy_scores(proba_N_C) * np.maximum((unit_N_D @ unit_N_D.T).mean(axis=1), 0)
    np.testing.assert_allclose(information_density_scores(proba_N_C, embeddings_N_D), expected_N)


def test_of_equal_doubts_the_one_with_many_like_it_comes_first():
    scores_N = information_density_scores(np.full((5, 2), 0.5), np.array([[1.0, 0]] * 4 + [[0, 1.0]]))
    assert scores_N[:4].min() > scores_N[4]


def test_a_text_unlike_the_pool_scores_nothing_however_doubtful():
    scores_N = information_density_scores(np.full((4, 2), 0.5), np.array([[1.0, 0]] * 3 + [[-1.0, 0]]))
    assert scores_N[3] == pytest.approx(0.0)
