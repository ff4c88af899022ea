import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, softmax

from model.learner.calibration import TEMPERATURES, fit_temperature
from model.links import ANY_OF, ONE_OF


def drawn(logits_N_C, rng, link=ONE_OF):
    """Targets that come true as often as the logits say."""
    if link is ANY_OF:
        return (rng.random(logits_N_C.shape) < expit(logits_N_C)).astype(float)
    cumulated_N_C = softmax(logits_N_C, axis=1).cumsum(axis=1)
    return np.eye(logits_N_C.shape[1])[(rng.random((len(logits_N_C), 1)) > cumulated_N_C).sum(axis=1)]


@pytest.mark.parametrize("link", [ONE_OF, ANY_OF])
@pytest.mark.parametrize("too_sure", [0.5, 1.0, 3.0])
def test_logits_that_are_so_many_times_too_sure_get_that_temperature(too_sure, link):
    rng = np.random.default_rng(0)
    logits_N_4 = rng.normal(scale=2, size=(3000, 4))
    targets_N_4 = drawn(logits_N_4, rng, link)
    found = fit_temperature(too_sure * logits_N_4, targets_N_4, link)
    assert found == pytest.approx(too_sure, rel=0.1)


def test_without_texts_nothing_changes():
    assert fit_temperature(np.zeros((0, 3)), np.zeros((0, 3))) == pytest.approx(1)


def test_a_few_texts_move_it_less_than_many_that_say_the_same():
    right_4_2, targets_4_2 = np.array([[1.0, 0.0]] * 4), np.array([[1.0, 0.0]] * 4)
    few = fit_temperature(right_4_2, targets_4_2)
    many = fit_temperature(np.tile(right_4_2, (50, 1)), np.tile(targets_4_2, (50, 1)))
    assert many < few < 1


def test_logits_that_are_always_wrong_are_cooled_as_far_as_it_goes():
    wrong_N_2 = np.tile([5.0, 0.0], (200, 1))
    found = fit_temperature(wrong_N_2, np.tile([0.0, 1.0], (200, 1)))
    assert found == pytest.approx(TEMPERATURES.max())


@given(st.integers(0, 2**32 - 1))
def test_the_order_of_texts_makes_no_difference(seed):
    rng = np.random.default_rng(seed)
    logits_N_3 = rng.normal(size=(12, 3))
    targets_N_3 = np.eye(3)[rng.integers(3, size=12)]
    shuffled = rng.permutation(12)
    expected = fit_temperature(logits_N_3, targets_N_3)
    found = fit_temperature(logits_N_3[shuffled], targets_N_3[shuffled])
    assert found == pytest.approx(expected)
