import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from backend.studio.labeling_config import read_labeling_config
from backend.studio.results import empty_prediction, prediction, prediction_result, rank_score, results_of
from tests.fakes import POS, labeling_config


def test_the_next_task_scores_0_and_the_last_task_scores_1():
    assert [rank_score(place, 5) for place in range(5)] == [0, 0.25, 0.5, 0.75, 1]


def test_the_only_task_scores_0():
    assert rank_score(0, 1) == 0


@given(some.integers(2, 1_000_000), some.data())
def test_scores_rise_with_the_place_and_stay_between_0_and_1(size, data):
    place = data.draw(some.integers(0, size - 2))
    assert 0 <= rank_score(place, size) < rank_score(place + 1, size) <= 1


@pytest.mark.parametrize("choice", ["single", "multiple"])
def test_many_texts_get_the_result_that_each_gets_alone(choice):
    question = read_labeling_config(labeling_config("it's \\ one", "größer", "b", choice=choice))
    proba_N_C = np.random.default_rng(0).dirichlet(np.ones(3), size=50).astype(np.float32)
    assert [json.loads(result) for result in results_of(question, proba_N_C)] == [
        prediction_result(question, proba_C.tolist()) for proba_C in proba_N_C
    ]


def test_a_prediction_carries_its_publication_its_place_and_its_result():
    assert prediction("3.7", 0.25, POS) == {"model_version": "3.7", "score": 0.25, "result": json.loads(POS)}


def test_a_task_outside_the_order_comes_last():
    assert empty_prediction("3.7") == {"model_version": "3.7", "score": 1.0, "result": []}
