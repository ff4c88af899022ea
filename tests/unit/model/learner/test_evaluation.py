import numpy as np
import pytest

from model.learner.evaluation import (
    accuracy,
    calibration_error,
    evaluate,
    evaluate_ordered,
    find_warnings,
    macro_f1,
    mean_absolute_error,
)
from model.links import ANY_OF, ONE_OF
from model.types import LabelSet, Targets

GOLD = np.eye(3)[[0, 0, 0, 1]]
# Right, right, wrong (says 1), right.
PROBA = np.array([[0.8, 0.1, 0.1], [0.5, 0.3, 0.2], [0.2, 0.7, 0.1], [0.0, 0.9, 0.1]])


def test_accuracy_is_the_share_of_right_answers():
    assert accuracy(PROBA, GOLD) == pytest.approx(3 / 4)


def test_macro_f1_averages_over_the_classes_that_occur():
    # Class 0: precision 1, recall 2/3; class 1: precision 1/2, recall 1; class 2 never occurs.
    assert macro_f1(PROBA, GOLD) == pytest.approx((4 / 5 + 2 / 3) / 2)


def test_a_class_that_is_never_found_counts_as_nothing():
    always_first = np.tile([1.0, 0.0, 0.0], (4, 1))
    assert macro_f1(always_first, GOLD) == pytest.approx((6 / 7 + 0) / 2)


def test_the_majority_share_is_the_bar_of_always_answering_the_commonest():
    always_first = np.tile([1.0, 0.0, 0.0], (4, 1))
    assert ONE_OF.commonest_accuracy(GOLD) == accuracy(always_first, GOLD) == pytest.approx(3 / 4)


SEVERAL_GOLD = np.array([[1, 0, 1], [0, 1, 0]])
SEVERAL_PROBA = np.array([[0.9, 0.2, 0.6], [0.4, 0.8, 0.7]])


def test_with_several_labels_a_text_is_right_if_all_of_them_are():
    assert accuracy(SEVERAL_PROBA, SEVERAL_GOLD, ANY_OF) == pytest.approx(1 / 2)


def test_with_several_labels_macro_f1_asks_every_class():
    # Classes 0 and 1 are right; of class 2, one of two found is right.
    assert macro_f1(SEVERAL_PROBA, SEVERAL_GOLD, ANY_OF) == pytest.approx((1 + 1 + 2 / 3) / 3)


def test_calibration_is_the_gap_between_what_was_promised_and_what_came():
    proba = np.array([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4], [0.6, 0.4]])
    gold = np.eye(2)[[0, 1, 0, 0]]
    # Of two at 0.9 one is right: 0.4 too sure; of two at 0.6 both are: 0.4 too shy.
    assert calibration_error(proba, gold) == pytest.approx(0.4)


def test_gaps_within_a_bin_cancel_and_across_bins_do_not():
    proba = np.array([[0.75, 0.25]] * 4)
    assert calibration_error(proba, np.eye(2)[[0, 0, 0, 1]]) == pytest.approx(0)


def test_where_people_disagreed_their_shares_are_what_to_promise():
    proba, gold = np.array([[0.7, 0.3]] * 3), np.array([[0.7, 0.3]] * 3)
    assert calibration_error(proba, gold) == pytest.approx(0)
    assert calibration_error(np.array([[1.0, 0.0]] * 3), gold) == pytest.approx(0.3)


def test_with_several_labels_every_class_promises():
    assert calibration_error(np.array([[0.5, 1.0]]), np.array([[0, 1]]), ANY_OF) == pytest.approx(0.25)


def test_certainty_has_a_bin_too():
    assert calibration_error(np.array([[1.0, 0.0]]), np.array([[1, 0]])) == 0


def test_an_evaluation_says_all_of_it_at_once():
    found = evaluate(PROBA, GOLD)
    assert (found.accuracy, found.texts) == (3 / 4, 4)
    assert found.macro_f1 == pytest.approx((4 / 5 + 2 / 3) / 2)
    # Each text is in a bin of its own: too shy by 0.2, 0.5 and 0.1, too sure by 0.7.
    assert found.calibration_error == pytest.approx((0.2 + 0.5 + 0.7 + 0.1) / 4)


def test_nothing_at_all_is_no_error():
    assert calibration_error(np.zeros((0, 2)), np.zeros((0, 2))) == 0


def test_the_absolute_error_counts_classes_between_the_median_and_peoples():
    proba = np.array([[0.1, 0.2, 0.7], [0.4, 0.2, 0.4], [1.0, 0.0, 0.0]])
    # Medians 2, 1 and 0; people say 0, 1 and 1.
    assert mean_absolute_error(proba, np.eye(3)[[0, 1, 1]]) == pytest.approx((2 + 0 + 1) / 3)


def test_where_people_disagreed_the_error_is_the_mean_over_people():
    assert mean_absolute_error(np.array([[0.0, 0.0, 1.0]]), np.array([[0.5, 0.0, 0.5]])) == pytest.approx(1.0)


def test_only_ordered_classes_have_an_absolute_error():
    assert evaluate(PROBA, GOLD).mae is None
    ordered = evaluate_ordered(PROBA, GOLD)
    # Medians are 0, 0, 1 and 1: one of four is off, by one.
    assert (ordered.accuracy, ordered.mae) == (0.75, 0.25)
    assert ordered.calibration_error == evaluate(PROBA, GOLD).calibration_error


def test_stars_that_are_off_as_far_as_the_same_stars_for_every_text_are_warned_of():
    stars = LabelSet(("1", "2", "3"))
    gold = np.eye(3, dtype=np.float32)[[0, 1, 1, 2] * 3]
    targets = Targets(tuple(range(12)), ("a letter",) * 12, gold, stars)
    always_two, right = np.tile([0.0, 1.0, 0.0], (12, 1)), gold
    (warning,) = find_warnings(targets, evaluate_ordered(always_two, gold), has_names=False)
    assert warning.startswith("the classifier is off by 0.50 on average")
    assert "always answering '2' would be off by 0.50" in warning
    assert not list(find_warnings(targets, evaluate_ordered(right, gold), has_names=False))
