"""Answers as Label Studio takes them: result items for a text, and predictions that carry the place in an order."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from backend.studio.contract import LAST_SCORE
from backend.studio.labeling_config import Classification
from model.types import FloatArray

NO_RESULT = "[]"


def rank_score(place: int, size: int) -> float:
    """A place in the order as Label Studio sorts by it: 0 = next, 1 = last. It drops scores outside [0, 1]."""
    return place / (size - 1) if size > 1 else 0.0


def prediction(model_version: str, score: float, result: str = NO_RESULT) -> dict[str, Any]:
    """One prediction.

    Args:
        model_version: the publication's name.
        score: see `rank_score`.
        result: result items as JSON.
    """
    return {"model_version": model_version, "score": score, "result": json.loads(result)}


def empty_prediction(model_version: str) -> dict[str, Any]:
    """The prediction of a task that nothing is known of: last, and without a label."""
    return prediction(model_version, LAST_SCORE)


def results_of(classification: Classification, proba_N_C: FloatArray) -> Iterator[str]:
    """Result items for N texts as JSON, `prediction_result` for each; a million take a second.

    Args:
        classification: the question.
        proba_N_C: class probabilities.
    """
    if classification.label_set.is_multilabel:
        yield from (json.dumps(prediction_result(classification, proba_C)) for proba_C in proba_N_C)
        return
    # Texts with the same likeliest label differ in their score alone, which is the last entry of the one item.
    before_score = [json.dumps(label_result(classification, [label]))[:-2] for label in classification.label_set.labels]
    for chosen, score in zip(proba_N_C.argmax(axis=1).tolist(), proba_N_C.max(axis=1).tolist(), strict=True):
        yield f'{before_score[chosen]}, "score": {round(score, 6)}}}]'


def prediction_result(classification: Classification, proba_C: Sequence[float]) -> list[dict[str, Any]]:
    """Label Studio's result items for one text: the likeliest label, or every label from 0.5 up where several may hold.

    An item's own score is the class probability; the prediction's score is the place in the order.
    """
    labels = classification.label_set.labels
    if classification.label_set.is_multilabel:
        chosen = [index for index, probability in enumerate(proba_C) if probability >= 0.5]
    else:
        chosen = [max(range(len(labels)), key=lambda index: proba_C[index])]
    score = round(float(min((proba_C[index] for index in chosen), default=0.0)), 6)
    return [{**item, "score": score} for item in label_result(classification, [labels[index] for index in chosen])]


def label_result(classification: Classification, labels: Sequence[str]) -> list[dict[str, Any]]:
    """Label Studio's result items for a text with these labels, of which nobody knows how sure they are."""
    if not labels:
        return []
    return [
        {
            "from_name": classification.control,
            "to_name": classification.to_name,
            "type": "choices",
            "value": {"choices": list(labels)},
        }
    ]
