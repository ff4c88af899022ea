import numpy as np
import pytest

from model.links import MAX, MEAN, Answers, top_k

SCORES_5 = np.array([1.0, 4.0, 2.0, 7.0, 5.0])


def answers(text_of_unit_U, size=4, reduction=MAX, proba_U_C=None) -> Answers:
    proba_U_C = np.full((5, 2), 0.5) if proba_U_C is None else proba_U_C
    return Answers(proba_U_C, np.array(text_of_unit_U), size, reduction)


@pytest.mark.parametrize(
    ("reduction", "expected"),
    [
        (MAX, [4, 0, 7, 5]),
        (MEAN, [7 / 3, 0, 7, 5]),
        (top_k(2), [3, 0, 7, 5]),
        (top_k(9), [7 / 3, 0, 7, 5]),
    ],
)
def test_the_scores_of_a_texts_units_make_the_score_of_the_text(reduction, expected):
    assert answers([0, 0, 0, 2, 3], reduction=reduction).reduce(SCORES_5).tolist() == pytest.approx(expected)


def test_where_every_text_is_a_unit_scores_stay_as_they_are():
    scores_5 = SCORES_5.astype(np.float32)
    reduced_5 = answers(range(5), size=5).reduce(scores_5)
    assert reduced_5.dtype == np.float32
    assert reduced_5.tolist() == scores_5.tolist()


def test_without_units_every_text_gets_zero():
    assert answers([], size=3, proba_U_C=np.zeros((0, 2))).reduce(np.zeros(0)).tolist() == [0, 0, 0]


@pytest.mark.parametrize("wrong", [[0, 1, 0, 2, 3], [0, 1, 2, 3, 4], [-1, 0, 1, 2, 3], [0, 1]])
def test_units_whose_texts_do_not_rise_within_the_pool_are_refused(wrong):
    with pytest.raises(ValueError, match="text"):
        answers(wrong)


def test_a_reduction_of_no_unit_is_refused():
    with pytest.raises(ValueError, match="not 0"):
        top_k(0)
