import numpy as np
import pytest

from model.export.answers import AnswerForm, form_of, plain_answers
from model.types import LabelSet

STARS = ("1", "2", "3")
PROBA_2_3 = np.array([[0.4, 0.25, 0.35], [0.1, 0.7, 0.2]])


def answers(form, proba_N_C=PROBA_2_3, texts=("a", "b")) -> list:
    return list(plain_answers(texts, proba_N_C, STARS, form))


def test_one_choice_is_the_likeliest_label_with_its_probability():
    assert answers(AnswerForm.LIKELIEST) == [{"label": "1", "probability": 0.4}, {"label": "2", "probability": 0.7}]


def test_stars_are_the_median_with_its_own_probability():
    assert answers(AnswerForm.MEDIAN) == [{"label": "2", "probability": 0.25}, {"label": "2", "probability": 0.7}]


def test_several_labels_are_those_from_a_half_on_perhaps_none():
    proba_2_3 = np.array([[0.5, 0.2, 0.9], [0.1, 0.49, 0.2]])
    assert answers(AnswerForm.SEVERAL, proba_2_3) == [
        {"labels": ["1", "3"], "probabilities": [0.5, 0.9]},
        {"labels": [], "probabilities": []},
    ]


def test_a_text_without_words_gets_no_label():
    assert answers(AnswerForm.LIKELIEST, texts=("", " \n"))[0] == {"label": None, "probability": None}
    assert answers(AnswerForm.MEDIAN, texts=("", "b"))[0] == {"label": None, "probability": None}
    assert answers(AnswerForm.SEVERAL, np.ones((1, 3)), ("\t",)) == [{"labels": [], "probabilities": []}]


def test_no_text_gets_no_answer():
    assert answers(AnswerForm.LIKELIEST, np.zeros((0, 3)), ()) == []
    assert answers(AnswerForm.MEDIAN, np.zeros((0, 3)), ()) == []


@pytest.mark.parametrize(
    ("is_multilabel", "is_ordered", "form"),
    [(False, False, "likeliest"), (False, True, "median"), (True, False, "several"), (True, True, "several")],
)
def test_the_form_follows_from_the_question(is_multilabel, is_ordered, form):
    assert form_of(LabelSet(STARS, is_multilabel), is_ordered=is_ordered) == form
