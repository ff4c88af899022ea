import numpy as np
import pytest

from model.evaluation import accuracy, macro_f1, majority_share

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
    assert majority_share(GOLD) == accuracy(always_first, GOLD) == pytest.approx(3 / 4)
