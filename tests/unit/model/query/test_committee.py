import numpy as np
import pytest

from model.query.committee import by_votes_then_consensus, consensus_kl_scores, vote_entropy_scores

YES, NO, UNSURE_YES = [0.9, 0.1], [0.1, 0.9], [0.6, 0.4]


def test_members_that_vote_alike_have_no_vote_entropy():
    assert vote_entropy_scores(np.array([[YES, UNSURE_YES, YES]])).tolist() == [0.0]


def test_votes_split_in_halves_have_the_entropy_of_a_coin():
    assert vote_entropy_scores(np.array([[YES, NO, YES, NO]]))[0] == pytest.approx(np.log(2))


def test_three_votes_to_one_by_hand():
    votes = -0.75 * np.log(0.75) - 0.25 * np.log(0.25)
    assert vote_entropy_scores(np.array([[YES, YES, YES, NO]]))[0] == pytest.approx(votes)


def test_members_that_say_the_same_do_not_diverge_however_unsure():
    assert consensus_kl_scores(np.array([[UNSURE_YES, UNSURE_YES]]))[0] == pytest.approx(0.0)


def test_divergence_from_the_consensus_by_hand():
    kl = 0.9 * np.log(0.9 / 0.5) + 0.1 * np.log(0.1 / 0.5)
    assert consensus_kl_scores(np.array([[YES, NO]]))[0] == pytest.approx(kl)


def test_a_probability_of_zero_is_no_trouble():
    assert consensus_kl_scores(np.array([[[1.0, 0.0], [0.0, 1.0]]]))[0] == pytest.approx(np.log(2))


def test_equally_split_votes_are_told_apart_by_how_far_the_members_are_from_each_other():
    proba_N_K_C = np.array([[YES, YES], [UNSURE_YES, NO], [YES, NO], [UNSURE_YES, YES]])
    assert by_votes_then_consensus(proba_N_K_C, 3).tolist() == [2, 1, 3]
