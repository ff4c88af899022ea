import json

from hypothesis import given
from hypothesis import strategies as some

from backend.studio.results import empty_prediction, joined, prediction, rank_score
from tests.fakes import POS, labeling_config, the_task

QUESTION = the_task(labeling_config())


def test_the_next_task_scores_0_and_the_last_task_scores_1():
    assert [rank_score(place, 5) for place in range(5)] == [0, 0.25, 0.5, 0.75, 1]


def test_the_only_task_scores_0():
    assert rank_score(0, 1) == 0


@given(some.integers(2, 1_000_000), some.data())
def test_scores_rise_with_the_place_and_stay_between_0_and_1(size, data):
    place = data.draw(some.integers(0, size - 2))
    assert 0 <= rank_score(place, size) < rank_score(place + 1, size) <= 1


def test_the_results_of_several_questions_are_one_list():
    assert json.loads(joined([POS, "[]", POS], [QUESTION] * 3)) == [*json.loads(POS), *json.loads(POS)]
    assert joined([POS], [QUESTION]) is POS


def test_a_prediction_carries_its_publication_its_place_and_its_result():
    assert prediction("3.7", 0.25, POS) == {"model_version": "3.7", "score": 0.25, "result": json.loads(POS)}


def test_a_task_outside_the_order_comes_last():
    assert empty_prediction("3.7") == {"model_version": "3.7", "score": 1.0, "result": []}
