import json

import numpy as np
import pytest

from model.tasks.classification.results import ChoicesWriter
from model.types import LabelSet


@pytest.mark.parametrize("is_multilabel", [False, True])
def test_many_texts_get_the_result_that_each_gets_alone(is_multilabel):
    writer = ChoicesWriter("sentiment", "text", LabelSet(("it's \\ one", "größer", "b"), is_multilabel))
    proba_N_C = np.random.default_rng(0).dirichlet(np.ones(3), size=50).astype(np.float32)
    assert [json.loads(result) for result in writer.results(proba_N_C)] == [
        writer.prediction_result(proba_C.tolist()) for proba_C in proba_N_C
    ]


ONE = ChoicesWriter("sentiment", "text", LabelSet(("neg", "neutral", "pos")))
SEVERAL = ChoicesWriter("sentiment", "text", LabelSet(("plot", "cast", "score"), is_multilabel=True))


def test_a_prediction_names_the_likeliest_label_with_its_probability():
    assert ONE.prediction_result([0.2, 0.1, 0.7]) == [
        {
            "from_name": "sentiment",
            "to_name": "text",
            "type": "choices",
            "value": {"choices": ["pos"]},
            "score": 0.7,
        }
    ]


def test_all_labels_from_one_half_up_are_predicted_with_the_smallest_of_their_probabilities():
    (item,) = SEVERAL.prediction_result([0.5, 0.9, 0.49])
    assert item["value"] == {"choices": ["plot", "cast"]}
    assert item["score"] == 0.5


def test_without_a_label_from_one_half_up_no_label_is_predicted():
    assert SEVERAL.prediction_result([0.1, 0.2, 0.3]) == []
