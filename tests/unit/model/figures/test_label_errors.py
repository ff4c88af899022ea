import numpy as np
import pytest

from model.figures.label_errors import count_errors, find_label_errors, least_confident
from model.learner.held_out import HeldOutAnswers
from model.types import LabelSet

AB, TAGS = LabelSet(("a", "b")), LabelSet(("x", "y"), is_multilabel=True)


def answers(proba, targets, label_set=AB) -> HeldOutAnswers:
    return HeldOutAnswers(np.arange(1, 1 + len(proba)), np.float32(targets), np.float32(proba), label_set)


# Six texts of a and six of b; the third of a reads like b, and the last of b a little like a.
PROBA = [[0.9, 0.1], [0.8, 0.2], [0.05, 0.95], [0.9, 0.1], [0.85, 0.15], [0.9, 0.1]]
PROBA += [[0.1, 0.9], [0.2, 0.8], [0.1, 0.9], [0.15, 0.85], [0.1, 0.9], [0.6, 0.4]]
GIVEN = np.eye(2)[[0] * 6 + [1] * 6]


def test_the_label_that_the_classifier_is_surest_to_be_wrong_comes_first():
    first, *others = find_label_errors(answers(PROBA, GIVEN))
    assert (first.task_id, first.given, first.suggested) == (3, "a", "b")
    assert (first.given_proba, first.suggested_proba) == (pytest.approx(0.05), pytest.approx(0.95))
    assert others == []


def test_another_class_counts_only_if_it_is_as_likely_as_it_is_on_its_own_texts():
    # b's own texts have 0.8 on average: 0.75 for b is not confident, 0.85 is.
    proba = np.array([[0.25, 0.75], [0.15, 0.85], [0.2, 0.8], [0.2, 0.8], [0.9, 0.1]])
    given = np.array([0, 0, 1, 1, 0])
    assert count_errors(proba, given) == 1
    assert least_confident(proba, given).tolist() == [1]


def test_a_class_that_nobody_gave_is_no_reason_to_doubt():
    proba = np.array([[0.1, 0.9], [0.6, 0.4]])
    assert count_errors(proba, np.array([0, 0])) == 0


def test_no_texts_have_no_suspects():
    assert find_label_errors(answers(np.zeros((0, 2)), np.zeros((0, 2)))) == ()
    assert find_label_errors(answers(np.zeros((0, 2)), np.zeros((0, 2)), TAGS)) == ()


def test_a_text_on_which_people_are_evenly_split_is_no_suspect():
    given = GIVEN.copy()
    given[2] = [0.5, 0.5]
    assert find_label_errors(answers(PROBA, given)) == ()


def test_of_several_labels_the_one_is_named_that_looks_wrong():
    proba = [[0.95, 0.1], [0.9, 0.1], [0.96, 0.05], [0.1, 0.9], [0.1, 0.9], [0.05, 0.1]]
    # Text 3 lacks x, which reads like the others that have it; text 5 has y rightly.
    given = [[1, 0], [1, 0], [0, 0], [0, 1], [0, 1], [0, 0]]
    (suspect,) = find_label_errors(answers(proba, given, TAGS))
    assert (suspect.task_id, suspect.given, suspect.is_given, suspect.suggested) == (3, "x", False, "")
    assert suspect.suggested_proba == pytest.approx(0.96)


def test_flipped_labels_of_texts_that_are_told_apart_are_found_first():
    rng = np.random.default_rng(0)
    gold = rng.integers(4, size=300)
    proba = rng.dirichlet(np.ones(4), size=300)
    proba[np.arange(300), gold] += 2.0
    proba /= proba.sum(axis=1, keepdims=True)
    given, flipped = gold.copy(), rng.permutation(300)[:15]
    given[flipped] = (given[flipped] + 1) % 4
    found = find_label_errors(answers(proba, np.eye(4)[given], LabelSet(tuple("abcd"))))
    real = {suspect.task_id - 1 for suspect in found} & set(flipped.tolist())
    assert 12 <= len(real) == len(found) <= 15
