"""Predictions in Label Studio's format: result items with labels, and a score that gives the place in an order."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from backend.studio.contract import LAST_SCORE
from backend.studio.labeling_config import Classification
from model.types import FloatArray

NO_RESULT = "[]"


def rank_score(place: int, size: int) -> float:
    """Turn a place in the order into the score that Label Studio sorts by.

    Args:
        place: place in the order; 0 = next.
        size: number of ordered tasks.

    Returns:
        A score in [0, 1]; 0 = next. Label Studio drops scores outside this range.
    """
    return place / (size - 1) if size > 1 else 0.0


def prediction(model_version: str, score: float, result: str = NO_RESULT) -> dict[str, Any]:
    """Build a prediction.

    Args:
        model_version: name of the publication.
        score: place in the order, see `rank_score`.
        result: result items as JSON.
    """
    return {"model_version": model_version, "score": score, "result": json.loads(result)}


def empty_prediction(model_version: str) -> dict[str, Any]:
    """Build the prediction of a task outside the order: the last place, and no label."""
    return prediction(model_version, LAST_SCORE)


def results_of(classification: Classification, proba_N_C: FloatArray) -> Iterator[str]:
    """Yield the result items of N texts as JSON: `prediction_result`, but a million texts take a second.

    Args:
        classification: the classification that the labeling config asks for.
        proba_N_C: class probabilities, in [0, 1].
    """
    if classification.label_set.is_multilabel:
        yield from (json.dumps(prediction_result(classification, proba_C)) for proba_C in proba_N_C)
        return
    # Result items with the same label differ only in the score, which is the last entry of the only item.
    before_score = [json.dumps(label_result(classification, [label]))[:-2] for label in classification.label_set.labels]
    for chosen, score in zip(proba_N_C.argmax(axis=1).tolist(), proba_N_C.max(axis=1).tolist(), strict=True):
        yield f'{before_score[chosen]}, "score": {round(score, 6)}}}]'


def prediction_result(classification: Classification, proba_C: Sequence[float]) -> list[dict[str, Any]]:
    """Build Label Studio's result items for one text.

    An item's score is the smallest probability among the chosen labels; the prediction's score is the place in the
    order.

    Args:
        classification: the classification that the labeling config asks for.
        proba_C: class probabilities, in [0, 1].

    Returns:
        The likeliest label; with several labels for a text, all labels with a probability of at least 0.5.
    """
    labels = classification.label_set.labels
    if classification.label_set.is_multilabel:
        chosen = [index for index, probability in enumerate(proba_C) if probability >= 0.5]
    else:
        chosen = [max(range(len(labels)), key=lambda index: proba_C[index])]
    score = round(float(min((proba_C[index] for index in chosen), default=0.0)), 6)
    return [{**item, "score": score} for item in label_result(classification, [labels[index] for index in chosen])]


def label_result(classification: Classification, labels: Sequence[str]) -> list[dict[str, Any]]:
    """Build Label Studio's result items for a text's labels, without a score."""
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
