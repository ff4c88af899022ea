import numpy as np
import pytest
from scipy.stats import entropy

from model.links import ANY_OF
from model.query.contrastive import NEIGHBOURS, contrastive_scores


def test_it_is_the_mean_divergence_from_the_ten_nearest_labelled_texts():
    rng = np.random.default_rng(0)
    proba_N_C, embeddings_N_D = rng.dirichlet(np.ones(3), size=5), rng.normal(size=(5, 2))
    labelled_proba_L_C, labelled_L_D = rng.dirichlet(np.ones(3), size=25), rng.normal(size=(25, 2))
    scores_N = contrastive_scores(proba_N_C, embeddings_N_D, labelled_proba_L_C, labelled_L_D)
    for row in range(5):
        nearest = np.argsort(np.linalg.norm(labelled_L_D - embeddings_N_D[row], axis=1))[:NEIGHBOURS]
        divergences = [entropy(labelled_proba_L_C[other], proba_N_C[row]) for other in nearest]
        assert scores_N[row] == pytest.approx(np.mean(divergences))


def test_fewer_labelled_texts_than_neighbours_are_all_neighbours():
    scores_N = contrastive_scores(np.array([[0.5, 0.5]]), np.ones((1, 2)), np.array([[0.9, 0.1]]), np.ones((1, 2)))
    assert scores_N[0] == pytest.approx(entropy([0.9, 0.1], [0.5, 0.5]))


def test_without_labelled_texts_there_is_nothing_to_contrast_with():
    assert (
        contrastive_scores(np.full((3, 2), 0.5), np.ones((3, 2)), np.ones((0, 2)), np.ones((0, 2))).tolist() == [0] * 3
    )


def test_a_probability_of_zero_gives_a_large_number_not_an_infinite_one():
    scores_N = contrastive_scores(np.array([[1.0, 0.0]]), np.ones((1, 2)), np.array([[0.0, 1.0]]), np.ones((1, 2)))
    assert 10 < scores_N[0] < 30


def test_of_several_labels_every_one_is_compared():
    one, other = np.array([[0.9, 0.2]]), np.array([[0.4, 0.7]])
    per_label = [entropy([0.9, 0.1], [0.4, 0.6]), entropy([0.2, 0.8], [0.7, 0.3])]
    assert entropy(ANY_OF.joint(one)[0], ANY_OF.joint(other)[0]) == pytest.approx(np.mean(per_label))
