"""Predictions in Label Studio's format: the result items of all questions, and a score that gives the place."""

import json
from collections.abc import Sequence
from typing import Any

from model.tasks.shares import given_values
from model.tasks.task import Task
from model.types import ResultItem

NO_RESULT = "[]"
# The score of a task without a rank: behind all ranked tasks.
LAST_SCORE = 1.0


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


def joined(results: Sequence[str], tasks: Sequence[Task]) -> str:
    """Put the result items of a text's questions into one list of JSON, of those questions that are asked.

    A question that depends on another one is asked where the answer to that one, as predicted, has it asked.

    Args:
        results: the items of each question, as JSON.
        tasks: the questions.
    """
    if len(results) == 1:
        return results[0]
    items = [json.loads(result) for result in results]
    shown = list(zip(items, tasks, strict=True))
    # A question that is not asked may hide others, so its answer is taken away before the next look.
    while any(task.conditions for _, task in shown):
        said = (ResultItem(one["from_name"], one["type"], one["value"]) for each, _ in shown for one in each)
        answers = given_values(said)
        asked = [(each, task) for each, task in shown if task.is_asked(answers)]
        if len(asked) == len(shown):
            break
        shown = asked
    return json.dumps([item for each, _ in shown for item in each])
