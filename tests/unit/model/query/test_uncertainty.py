import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from model.query.uncertainty import entropy_scores, least_confidence_scores, margin_scores

SCORERS = [entropy_scores, least_confidence_scores, margin_scores]
TIE_CLEAR_SURE = np.array([[0.5, 0.5, 0.0], [0.7, 0.1, 0.2], [0.0, 0.0, 1.0]])
seeds = some.integers(0, 2**32 - 1)


def some_proba(seed: int, texts: int = 8, classes: int = 5) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.full(classes, 0.3), size=texts)


def test_margin_is_one_less_the_gap_between_the_two_likeliest():
    np.testing.assert_allclose(margin_scores(TIE_CLEAR_SURE), [1.0, 0.5, 0.0])


def test_least_confidence_is_what_the_likeliest_class_leaves():
    np.testing.assert_allclose(least_confidence_scores(TIE_CLEAR_SURE), [0.5, 0.3, 0.0], atol=1e-12)


def test_entropy_is_in_nats():
    clear = -(0.7 * np.log(0.7) + 0.1 * np.log(0.1) + 0.2 * np.log(0.2))
    np.testing.assert_allclose(entropy_scores(TIE_CLEAR_SURE), [np.log(2), clear, 0.0])


def test_entropy_of_77_equal_classes_is_the_logarithm_of_77():
    assert entropy_scores(np.full((1, 77), 1 / 77))[0] == pytest.approx(np.log(77))


def test_the_three_scorers_may_disagree():
    # The first is torn between two classes, the second spread over all.
    proba_2_5 = np.array([[0.48, 0.47, 0.05, 0.0, 0.0], [0.4, 0.15, 0.15, 0.15, 0.15]])
    assert margin_scores(proba_2_5).argmax() == 0
    assert entropy_scores(proba_2_5).argmax() == 1
    assert least_confidence_scores(proba_2_5).argmax() == 1


@pytest.mark.parametrize("score", SCORERS)
def test_with_a_single_class_there_is_no_doubt(score):
    assert score(np.ones((3, 1))).tolist() == [0, 0, 0]


@pytest.mark.parametrize("score", SCORERS)
def test_an_empty_pool_has_no_scores(score):
    assert score(np.zeros((0, 4))).shape == (0,)


@pytest.mark.parametrize("score", SCORERS)
@given(seed=seeds)
def test_the_order_of_classes_does_not_matter(score, seed):
    proba_N_C = some_proba(seed)
    np.testing.assert_allclose(score(proba_N_C[:, ::-1]), score(proba_N_C), atol=1e-12)


@pytest.mark.parametrize("score", SCORERS)
@given(seed=seeds)
def test_a_text_scores_the_same_wherever_it_stands(score, seed):
    proba_N_C = some_proba(seed)
    np.testing.assert_allclose(score(proba_N_C[::-1]), score(proba_N_C)[::-1])


@pytest.mark.parametrize("score", SCORERS)
@given(seed=seeds)
def test_nothing_is_more_doubtful_than_equal_classes(score, seed):
    proba_N_C = some_proba(seed)
    assert (score(proba_N_C) >= 0).all()
    assert (score(proba_N_C) <= score(np.full((1, 5), 0.2)) + 1e-12).all()


@given(seed=seeds)
def test_with_two_classes_all_scorers_agree(seed):
    proba_N_2 = some_proba(seed, classes=2)
    orders = [np.argsort(score(proba_N_2).round(9), kind="stable").tolist() for score in (SCORERS[1], margin_scores)]
    assert orders[0] == orders[1]
    np.testing.assert_allclose(margin_scores(proba_N_2), 2 * least_confidence_scores(proba_N_2), atol=1e-12)
