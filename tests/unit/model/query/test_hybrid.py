import numpy as np

from model.query.hybrid import CANDIDATES_PER_PICK, margin_clusters


def doubts(scores_N: np.ndarray) -> np.ndarray:
    """Two-class probabilities with these margin scores."""
    return np.stack([1 - scores_N / 2, scores_N / 2], axis=1)


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_two_picks_come_from_two_groups_even_if_one_holds_all_the_greatest_doubts():
    scores_N = np.linspace(1.0, 0.8, 20)
    group_N = np.repeat([0, 1], 10)
    picks = margin_clusters(doubts(scores_N), np.eye(2)[group_N], 2, rng())
    assert picks.tolist() == [0, 10]


def test_the_most_doubtful_text_is_always_picked_and_first():
    scores_N = rng().random(200)
    picks = margin_clusters(doubts(scores_N), rng().normal(size=(200, 4)), 5, rng())
    assert picks[0] == scores_N.argmax()
    assert (np.diff(scores_N[picks]) <= 0).all()


def test_a_text_that_the_classifier_is_sure_of_is_no_candidate_however_odd():
    scores_N = np.linspace(1.0, 0.0, 100)
    embeddings_N_D = np.ones((100, 2))
    embeddings_N_D[99] = [-1.0, 5.0]
    picks = margin_clusters(doubts(scores_N), embeddings_N_D, 3, rng())
    assert picks.max() < 3 * CANDIDATES_PER_PICK


def test_a_batch_larger_than_the_pool_is_the_pool_by_doubt():
    picks = margin_clusters(doubts(np.array([0.2, 0.9, 0.5])), np.eye(3), 32, rng())
    assert picks.tolist() == [1, 2, 0]
