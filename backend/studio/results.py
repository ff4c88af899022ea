"""Predictions in Label Studio's format: the result items of all questions, and a score that gives the place."""

import json
from collections.abc import Sequence
from typing import Any

from backend.studio.contract import LAST_SCORE

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


def joined(results: Sequence[str]) -> str:
    """Put the result items of a text's questions into one list of JSON.

    Args:
        results: the items of each question, as JSON.
    """
    if len(results) == 1:
        return results[0]
    return json.dumps([item for result in results for item in json.loads(result)])
