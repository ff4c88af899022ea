"""Labelled texts as lines of JSON, the gold answers of a simulation."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from model.tasks.task import GoldAnswer, Task
from model.types import Targets


def gold_lines(asked: Sequence[tuple[Task, Targets]]) -> Iterator[str]:
    """JSON lines of what most annotators said, a text each, in order of task id.

    One question of choices has `label` or `labels`. Several questions have `answers` by name, and so do stars, which
    are no labels. Texts without words are left out: nobody could label them by reading.

    Args:
        asked: each question with the texts that answer it.
    """
    texts: dict[int, str] = {}
    answers: dict[int, dict[str, GoldAnswer]] = {}
    for task, targets in asked:
        for task_id, text, answer in zip(targets.task_ids, targets.texts, task.gold_answers(targets), strict=True):
            texts[task_id] = text
            answers.setdefault(task_id, {})[task.control] = answer
    is_named = len(asked) > 1
    for task_id, text in sorted(texts.items()):
        if text.strip():
            yield json.dumps({"text": text, **_said(answers[task_id], is_named=is_named)}, ensure_ascii=False)


def _said(answers: Mapping[str, GoldAnswer], *, is_named: bool) -> dict[str, Any]:
    """Return people's answers to one text in the form of a line."""
    only = next(iter(answers.values()))
    if is_named or isinstance(only, int):
        return {"answers": answers}
    return {"labels": only} if isinstance(only, list) else {"label": only}
