import numpy as np
import pytest

from model.links import ANY_OF, ONE_OF, link_of
from model.query.uncertainty import entropy_scores, least_confidence_scores, margin_scores
from model.types import LabelSet

LINKS = pytest.mark.parametrize("link", [ONE_OF, ANY_OF], ids=lambda link: link.name)
PROBA_2_3 = np.array([[0.7, 0.2, 0.1], [0.3, 0.3, 0.4]])


@pytest.mark.parametrize(("is_multilabel", "link"), [(False, ONE_OF), (True, ANY_OF)])
def test_the_label_set_has_a_link(is_multilabel, link):
    assert link_of(LabelSet(("a", "b"), is_multilabel)) is link


@LINKS
def test_every_unit_has_a_distribution(link):
    answers = link.answers(PROBA_2_3)
    np.testing.assert_allclose(answers.proba_U_C.sum(axis=1), 1)
    assert answers.size == 2
    for proba_M_C in (link.standing(PROBA_2_3), link.joint(PROBA_2_3)):
        np.testing.assert_allclose(proba_M_C.sum(axis=1), [1, 1])


def test_with_one_choice_a_text_is_a_unit():
    answers = ONE_OF.answers(PROBA_2_3)
    assert answers.proba_U_C.tolist() == PROBA_2_3.tolist()
    assert answers.text_of_unit_U.tolist() == [0, 1]


def test_with_several_choices_every_label_of_a_text_is_a_unit():
    answers = ANY_OF.answers(np.array([[0.9, 0.4], [0.0, 1.0]]))
    np.testing.assert_allclose(answers.proba_U_C, [[0.1, 0.9], [0.6, 0.4], [1, 0], [0, 1]])
    assert answers.text_of_unit_U.tolist() == [0, 0, 1, 1]


def test_several_labels_are_judged_by_the_least_sure_one():
    proba_N_C = np.array([[0.9, 0.4, 0.0], [0.02, 0.99, 1.0]])
    standing_N_2 = ANY_OF.standing(proba_N_C)
    np.testing.assert_allclose(standing_N_2, [[0.6, 0.4], [0.99, 0.01]], atol=0.011)
    answers = ANY_OF.answers(proba_N_C)
    for score in (least_confidence_scores, margin_scores, entropy_scores):
        np.testing.assert_allclose(answers.reduce(score(answers.proba_U_C)), score(standing_N_2))


@LINKS
def test_of_a_text_that_is_sure_no_other_decision_is_near(link):
    sure, unsure = np.eye(3)[:1], np.full((1, 3), 0.5)
    assert link.near_tie(sure)[0] == pytest.approx(1)
    assert link.near_tie(unsure)[0] == pytest.approx(0)


@LINKS
def test_likely_answers_are_decisions_whose_weights_sum_to_one(link):
    answers_A_C, weights_A = link.likely_answers(PROBA_2_3[0], 2)
    assert len(answers_A_C) == len(weights_A) == 2
    assert weights_A.sum() == pytest.approx(1)
    assert set(np.unique(answers_A_C)) <= {0, 1}


@LINKS
def test_the_likelihood_of_the_right_answer_grows_with_its_logit(link):
    targets_1_2, logits_1_2 = np.array([[1.0, 0.0]]), np.array([[2.0, -2.0]])
    right, wrong = (link.negative_log_likelihood(sign * logits_1_2, targets_1_2) for sign in (1, -1))
    assert right < wrong


def test_a_common_bias_brings_the_expected_number_of_labels():
    logits_N_K = np.array([[3.0, -1.0], [0.5, 2.0]])
    bias = ANY_OF.common_bias(lambda: logits_N_K, 1.0, 20.0)
    assert (1 / (1 + np.exp(-(logits_N_K + bias)))).sum(axis=1).mean() == pytest.approx(1)
    assert ONE_OF.common_bias(lambda: logits_N_K, 1.0, 20.0) == 0
