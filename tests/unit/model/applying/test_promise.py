import numpy as np
import pytest
from scipy.stats import beta

from model.applying.promise import (
    LEAST_TESTED,
    RISK,
    Evidence,
    choose_promise,
    fewest_tested,
    interval_of_rest,
    likely_threshold,
    promise_at,
)

MANY = 1_000_000


def evidence(*tested: tuple[float, bool]) -> Evidence:
    return Evidence(np.array([confidence for confidence, _ in tested]), np.array([right for _, right in tested]))


def alike(texts: int, right: int, confidence: float = 0.9) -> Evidence:
    """So many texts of one confidence, of which so many are right."""
    return Evidence(np.full(texts, confidence), np.arange(texts) < right)


@pytest.mark.parametrize(("right", "tested"), [(59, 59), (80, 100), (3, 40), (0, 12)])
def test_for_an_endless_rest_the_interval_is_that_of_clopper_and_pearson(right, tested):
    wrong = tested - right
    low = beta.ppf(RISK / 2, right, wrong + 1) if right else 0.0
    high = beta.ppf(1 - RISK / 2, right + 1, wrong) if wrong else 1.0
    assert interval_of_rest(right, tested, MANY) == pytest.approx((low, high), abs=1e-4)


def test_a_small_rest_is_known_better_than_an_endless_one():
    small, large = interval_of_rest(95, 100, 20), interval_of_rest(95, 100, MANY)
    assert small[0] < large[0]  # Among 20 texts chance may put 4 wrong ones; among a million it cannot.
    assert interval_of_rest(10, 10, 1) == (0.0, 1.0)


def test_without_a_sample_nothing_is_known():
    assert interval_of_rest(0, 0, 50) == (0.0, 1.0)


def test_the_interval_holds_the_truth_in_19_of_20_draws_from_a_finite_pool():
    rng, held = np.random.default_rng(0), 0
    for _ in range(200):
        is_right_N = rng.random(400) < 0.93
        tested = 80
        low, high = interval_of_rest(int(is_right_N[:tested].sum()), tested, 320)
        held += low <= is_right_N[tested:].mean() <= high
    assert held / 200 >= 0.95


def test_as_many_texts_are_tested_as_would_show_an_error():
    assert [fewest_tested(precision) for precision in (0.5, 0.9, 0.95, 0.98, 0.99)] == [20, 20, 20, 50, 100]
    assert choose_promise(alike(LEAST_TESTED, 20, 0.97), np.full(MANY, 0.97), 0.95) is not None
    assert choose_promise(alike(LEAST_TESTED - 1, 19, 0.97), np.full(MANY, 0.97), 0.95) is None
    assert choose_promise(alike(99, 99, 0.999), np.full(MANY, 0.999), 0.99) is None


def test_confidences_and_sample_have_to_agree():
    sure, unsure = np.full(500, 0.97), np.full(500, 0.9)
    assert choose_promise(alike(100, 95, 0.97), sure, 0.95) is not None
    assert choose_promise(alike(100, 94, 0.97), sure, 0.95) is None, "the sample is less right"
    assert choose_promise(alike(100, 100, 0.9), unsure, 0.95) is None, "the classifier is less sure"


def test_texts_that_would_spoil_the_mean_get_no_label():
    sure, unsure = [(0.99, True)] * 100, [(0.6, place % 2 == 0) for place in range(60)]
    confidence_N = np.array([0.99] * 700 + [0.6] * 300)
    promise = choose_promise(evidence(*sure, *unsure), confidence_N, 0.95)
    assert (promise.threshold, promise.texts, promise.right, promise.tested) == (0.99, 700, 100, 100)
    assert promise.expected == 1.0


def test_where_the_sample_is_less_right_than_confidences_say_a_higher_threshold_is_looked_at():
    sample = evidence(*[(0.99, True)] * 40, *[(0.93, place % 2 == 0) for place in range(20)])
    confidence_N = np.array([0.99] * 600 + [0.93] * 300)
    assert likely_threshold(confidence_N, 0.95) == 0.93
    promise = choose_promise(sample, confidence_N, 0.95)
    assert (promise.threshold, promise.texts, promise.right, promise.tested) == (0.99, 600, 40, 40)


def test_nothing_is_promised_by_an_unsure_or_an_unlabelled_sample():
    assert choose_promise(evidence(), np.array([0.99] * 50), 0.9) is None
    assert choose_promise(alike(300, 200), np.full(500, 0.95), 0.9) is None
    assert choose_promise(alike(300, 300), np.array([]), 0.95) is None


def test_the_interval_of_the_threshold_that_is_chosen_holds_the_truth_in_19_of_20_cases():
    """Confidences that say too much: the sample decides, and may choose among the thresholds."""
    rng, held, chosen = np.random.default_rng(1), 0, 0
    for _ in range(400):
        confidence_N = rng.uniform(0.85, 1.0, 1_000)
        is_right_N = rng.random(1_000) < confidence_N - 0.01
        promise = choose_promise(Evidence(confidence_N[:80], is_right_N[:80]), confidence_N[80:], 0.93)
        if promise is not None:
            chosen += 1
            true = is_right_N[80:][confidence_N[80:] >= promise.threshold].mean()
            held += promise.interval[0] <= true <= promise.interval[1]
    assert chosen > 200
    assert held / chosen >= 0.95


def test_the_order_of_the_texts_decides_nothing():
    rng = np.random.default_rng(2)
    confidence_R, confidence_N = rng.uniform(0.5, 1.0, 300), rng.uniform(0.5, 1.0, 2_000)
    is_right_R = rng.random(300) < confidence_R + 0.02
    shuffled = rng.permutation(300)
    one = choose_promise(Evidence(confidence_R, is_right_R), confidence_N, 0.85)
    other = choose_promise(Evidence(confidence_R[shuffled], is_right_R[shuffled]), confidence_N[::-1], 0.85)
    assert one == other
    assert one is not None


def test_the_likely_threshold_goes_by_the_mean_confidence():
    assert likely_threshold(np.array([0.8, 1.0, 0.9, 0.5]), 0.9) == 0.8
    assert likely_threshold(np.array([0.8, 0.7]), 0.9) is None
    assert likely_threshold(np.array([1.0] * 5 + [0.5] * 5), 0.9) == 1.0, "texts of one confidence stay together"
    assert likely_threshold(np.array([]), 0.9) is None


def test_a_threshold_above_all_texts_promises_nothing():
    found = promise_at(alike(80, 80), np.array([0.5]), 0.9)
    assert (found.texts, found.interval) == (0, (0.0, 1.0))
    assert not found.holds(0.5)
