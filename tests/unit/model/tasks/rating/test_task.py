import json
from typing import Any

import numpy as np
import pytest

from model.learner.evaluation import median_classes
from model.links import ONE_OF
from model.tasks.rating.task import Rating
from model.types import AnnotatedText, Annotation, LabelSet, ReadTargets, ResultItem

RATING = Rating("urgency", "text", (), LabelSet(("1", "2", "3", "4", "5")))


def rated(value: Any, by: str = "ann", kind: str = "rating") -> Annotation:
    return Annotation(by, (ResultItem("urgency", kind, {"rating": value}),))


def read(*annotations: Annotation) -> ReadTargets:
    return RATING.targets([AnnotatedText(7, "a letter", annotations)])


def test_stars_are_ordered_classes_and_annotators_have_a_vote_each():
    assert read(rated(4)).targets.targets_N_C.tolist() == [[0, 0, 0, 1, 0]]
    assert read(rated(1), rated(5, by="another")).targets.targets_N_C.tolist() == [[0.5, 0, 0, 0, 0.5]]


@pytest.mark.parametrize("value", [3, 3.0, "3"])
def test_a_whole_number_counts_however_it_is_written(value):
    assert read(rated(value)).targets.targets_N_C.tolist() == [[0, 0, 1, 0, 0]]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (0, "the answer is 0 stars, and the labeling config has 1 to 5"),
        (6, "the answer is 6 stars"),
        (-1, "the answer is -1 stars"),
        (10**4000, "the answer is 1000"),
        (2.5, "in place of a number of stars"),
        (float("nan"), "in place of a number of stars"),
        (float("inf"), "in place of a number of stars"),
        (None, "the answer has nothing in place of a number of stars"),
        (True, "in place of a number of stars"),
        ("many", "in place of a number of stars"),
        ([3], "in place of a number of stars"),
        ({}, "in place of a number of stars"),
    ],
)
def test_an_answer_outside_the_scale_or_of_another_form_is_left_out_and_said_why(value, reason):
    given = read(rated(value))
    assert (len(given.targets), len(given.left_out)) == (0, 1)
    assert reason in given.left_out[0].reason


def test_an_answer_of_another_type_is_left_out():
    assert "of the type 'choices'" in read(rated(3, kind="choices")).left_out[0].reason


def test_who_gives_no_stars_has_no_vote():
    for silent in (Annotation("ann", ()), Annotation("ann", (ResultItem("other", "rating", {"rating": 1}),))):
        assert (len(read(silent).targets), read(silent).left_out) == (0, ())


def test_the_answer_is_the_median_with_its_own_probability():
    proba_N_C = np.array([[0.3, 0.25, 0.25, 0.1, 0.1], [0.0, 0.0, 0.1, 0.1, 0.8]])
    first, second = (json.loads(result)[0] for result in RATING.results(ONE_OF.answers(proba_N_C)))
    assert first == {
        "from_name": "urgency",
        "to_name": "text",
        "type": "rating",
        "value": {"rating": 2},
        "score": 0.25,
    }
    assert (second["value"], second["score"]) == ({"rating": 5}, 0.8)


def test_no_answer_is_nearer_to_peoples_on_average_than_the_median():
    proba_N_C = np.random.default_rng(0).dirichlet(np.full(5, 0.5), size=200)
    distance_C_C = np.abs(np.subtract.outer(np.arange(5), np.arange(5)))
    expected_N_C = proba_N_C @ distance_C_C
    assert np.allclose(expected_N_C[np.arange(200), median_classes(proba_N_C)], expected_N_C.min(axis=1))


def test_the_gold_answer_is_the_number_of_stars_that_most_people_gave():
    assert list(RATING.gold_answers(read(rated(4)).targets)) == [4]
    assert list(RATING.gold_answers(read(rated(1), rated(5, by="b"), rated(5, by="c")).targets)) == [5]


def test_the_median_is_measured_and_not_the_likeliest_number():
    proba_N_C = np.array([[0.3, 0.25, 0.25, 0.1, 0.1], [0.0, 0.0, 0.1, 0.1, 0.8]])
    # The medians are 2 and 5 stars; people gave 2 and 3.
    found = RATING.measure(proba_N_C, np.eye(5)[[1, 2]])
    assert (found.accuracy, found.mae, found.texts) == (0.5, 1.0, 2)


def test_a_label_is_written_as_stars():
    assert json.loads(RATING.label_result(["2"]))[0]["value"] == {"rating": 2}
    assert json.loads(RATING.label_result([])) == []
