from itertools import product

import numpy as np
import pytest
from scipy.special import entr

from model.query.bald import bald_scores, batchbald
from model.query.committee import consensus_kl_scores

RNG = np.random.default_rng(3)


def mutual_information(proba_B_K_C: np.ndarray) -> float:
    """Of a whole batch's labels and the parameters, by going through every possible labelling."""
    texts, _, classes = proba_B_K_C.shape
    joint_entropy = sum(
        entr(np.prod([proba_B_K_C[text, :, label] for text, label in enumerate(labels)], axis=0).mean())
        for labels in product(range(classes), repeat=texts)
    )
    return float(joint_entropy - entr(proba_B_K_C).sum(axis=2).mean(axis=1).sum())


def test_parameters_that_agree_leave_nothing_to_learn_however_unsure():
    assert bald_scores(np.full((1, 4, 2), 0.5))[0] == pytest.approx(0.0)


def test_sure_parameters_that_contradict_each_other_are_worth_one_coin():
    assert bald_scores(np.array([[[1.0, 0.0], [0.0, 1.0]]]))[0] == pytest.approx(np.log(2))


def test_it_is_the_mean_divergence_from_the_consensus():
    proba_N_K_C = RNG.dirichlet(np.ones(4), size=(20, 6))
    np.testing.assert_allclose(bald_scores(proba_N_K_C), consensus_kl_scores(proba_N_K_C), atol=1e-12)


def test_the_first_of_a_batch_has_the_highest_bald_score():
    proba_N_K_C = RNG.dirichlet(np.ones(3), size=(30, 8))
    assert batchbald(proba_N_K_C, 4, np.random.default_rng(0))[0] == bald_scores(proba_N_K_C).argmax()


def test_a_batch_tells_more_together_than_the_highest_bald_scores_do():
    # The same question twice is nearly the best and the second best, and tells hardly more than once.
    asked_twice_K_C = np.array([[0.99, 0.01]] * 4 + [[0.01, 0.99]] * 4)
    another_K_C = np.array([[0.95, 0.05], [0.05, 0.95]] * 4)
    proba_N_K_C = np.stack([asked_twice_K_C, asked_twice_K_C, another_K_C])
    picked = batchbald(proba_N_K_C, 2, np.random.default_rng(0))
    assert sorted(picked.tolist()) != [0, 1]
    by_bald = np.argsort(-bald_scores(proba_N_K_C))[:2]
    assert mutual_information(proba_N_K_C[picked]) > mutual_information(proba_N_K_C[by_bald])


@pytest.mark.parametrize("seed", range(5))
def test_it_picks_what_going_through_every_labelling_would_pick(seed):
    proba_N_K_C = np.random.default_rng(seed).dirichlet(np.full(3, 0.3), size=(8, 5))
    picked = batchbald(proba_N_K_C, 3, np.random.default_rng(0))
    greedy: list[int] = []
    for _ in range(3):
        rest = [row for row in range(8) if row not in greedy]
        greedy.append(max(rest, key=lambda row: mutual_information(proba_N_K_C[[*greedy, row]])))
    # Sampling may take a near equal: what was picked is worth what the exact batch is.
    found, best = mutual_information(proba_N_K_C[picked]), mutual_information(proba_N_K_C[greedy])
    assert found == pytest.approx(best, rel=0.03)


def test_a_batch_of_hundreds_does_not_lose_itself_in_tiny_probabilities():
    proba_N_K_C = RNG.dirichlet(np.ones(3), size=(300, 4))
    assert sorted(batchbald(proba_N_K_C, 300, np.random.default_rng(0)).tolist()) == list(range(300))
