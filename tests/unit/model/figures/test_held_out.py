"""Figures of a handful of answers, worked by hand and, in the large, compared with scikit-learn's."""

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from model.figures.held_out import Confusion, calibration, class_figures, confusions, mean_error, right_answers
from model.figures.shares import Share
from model.learner.held_out import HeldOutAnswers
from model.types import LabelSet

ABC = LabelSet(("a", "b", "c"))
TAGS = LabelSet(("x", "y"), is_multilabel=True)


def answers(proba, targets, label_set=ABC, **more) -> HeldOutAnswers:
    return HeldOutAnswers(np.arange(10, 10 + len(proba)), np.float32(targets), np.float32(proba), label_set, **more)


# Gold a, a, a, b; said a, a, b, b. Nobody ever gave c.
FOUR = answers([[0.8, 0.1, 0.1], [0.5, 0.3, 0.2], [0.2, 0.7, 0.1], [0.0, 0.9, 0.1]], np.eye(3)[[0, 0, 0, 1]])
SEVERAL = answers([[0.9, 0.6], [0.4, 0.8], [0.1, 0.2]], [[1, 0], [0, 1], [0, 0]], TAGS)


def many(seed: int = 0, texts: int = 400, classes: int = 6) -> HeldOutAnswers:
    rng = np.random.default_rng(seed)
    gold_N = rng.integers(classes, size=texts)
    proba_N_C = rng.dirichlet(np.ones(classes), size=texts)
    proba_N_C[np.arange(texts), gold_N] += 0.3
    proba_N_C /= proba_N_C.sum(axis=1, keepdims=True)
    return answers(proba_N_C, np.eye(classes)[gold_N], LabelSet(tuple("abcdef")))


def test_right_answers_are_counted_among_all_texts_or_some():
    assert right_answers(FOUR) == Share(3, 4)
    assert right_answers(FOUR, np.array([False, False, True, True])) == Share(1, 2)


def test_with_several_labels_a_text_is_right_if_all_of_them_are():
    assert right_answers(SEVERAL) == Share(2, 3)


def test_each_class_has_its_precision_recall_and_f1():
    a, b, c = class_figures(FOUR)
    assert (a.given, a.precision, a.recall, a.f1) == (3, Share(2, 2), Share(2, 3), pytest.approx(4 / 5))
    assert (b.given, b.precision, b.recall, b.f1) == (1, Share(1, 2), Share(1, 1), pytest.approx(2 / 3))
    assert (c.precision.value, c.recall.value, c.f1) == (None, None, None)


def test_classes_are_those_of_scikit_learn():
    found = many()
    precision_C, recall_C, f1_C, given_C = precision_recall_fscore_support(
        found.targets_M_C.argmax(axis=1), found.proba_M_C.argmax(axis=1)
    )
    for row, figures in enumerate(class_figures(found)):
        assert figures.precision.value == pytest.approx(precision_C[row])
        assert figures.recall.value == pytest.approx(recall_C[row])
        assert figures.f1 == pytest.approx(f1_C[row])
        assert figures.given == given_C[row]


def test_every_label_of_several_has_figures_of_its_own():
    x, y = class_figures(SEVERAL)
    assert (x.precision, x.recall) == (Share(1, 1), Share(1, 1))
    assert (y.precision, y.recall) == (Share(1, 2), Share(1, 1))


def test_confusions_are_counted_by_pair_the_commonest_first():
    assert confusions(FOUR) == (Confusion("a", "a", 2), Confusion("a", "b", 1), Confusion("b", "b", 1))
    assert confusions(FOUR, most=1) == (Confusion("a", "a", 2),)
    assert confusions(SEVERAL) == ()


def test_confusions_are_those_of_scikit_learn():
    found = many()
    matrix_C_C = confusion_matrix(found.targets_M_C.argmax(axis=1), found.proba_M_C.argmax(axis=1))
    ours = {(each.given, each.predicted): each.texts for each in confusions(found)}
    for row, given in enumerate("abcdef"):
        for column, predicted in enumerate("abcdef"):
            assert ours.get((given, predicted), 0) == matrix_C_C[row, column]


def test_calibration_puts_answers_of_like_confidence_together():
    proba = [[0.85, 0.15], [0.81, 0.19], [0.55, 0.45], [0.83, 0.17]]
    low, high = calibration(answers(proba, np.eye(2)[[0, 0, 1, 1]], LabelSet(("a", "b"))))
    assert (low.answers, low.confidence, low.right) == (1, pytest.approx(0.55), 0.0)
    assert (high.answers, high.confidence, high.right) == (3, pytest.approx(0.83), pytest.approx(2 / 3))


def test_calibration_counts_every_answer_once():
    found = many()
    bins = calibration(found)
    assert sum(each.answers for each in bins) == len(found)
    right = sum(each.answers * each.right for each in bins)
    assert right == pytest.approx(right_answers(found).count)


def test_stars_are_answered_by_the_median_and_miss_by_so_many():
    stars = LabelSet(("1", "2", "3"))
    # The likeliest class is 1, the median 2; people said 3 and 2.
    found = answers([[0.4, 0.3, 0.3], [0.1, 0.8, 0.1]], np.eye(3)[[2, 1]], stars, is_ordered=True)
    assert found.predicted_M_C.argmax(axis=1).tolist() == [1, 1]
    assert mean_error(found) == pytest.approx(1 / 2)
    assert right_answers(found) == Share(1, 2)
    assert mean_error(FOUR) is None
