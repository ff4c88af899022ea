"""/predict: answers from the order in use, and from the classifier for texts that the order does not hold."""

import json
import logging
from collections.abc import Sequence
from typing import Any

from backend.errors import DamagedOrderError
from backend.store.order.head import Publication
from backend.store.order.table import Place
from backend.store.project_folder import ProjectFolder
from backend.studio.config.kinds import read_tasks
from backend.studio.config.texts import read_text
from backend.studio.records import Task
from backend.studio.results import NO_RESULT, empty_prediction, joined, prediction, rank_score
from backend.web.service import Service
from model.errors import VersionError
from model.tasks.task import Task as Question
from model.text_digests import text_digest

log = logging.getLogger(__name__)


def predict(service: Service, project_id: int, label_config: str, tasks: Sequence[Task]) -> list[dict[str, Any]]:
    """Answer for some tasks.

    Args:
        service: the web process's.
        project_id: whose tasks.
        label_config: the labeling config as Label Studio sent it.
        tasks: N tasks.

    Returns:
        One prediction a task, in order. Its score is the place in the order in use (0 = next). Without a classifier or
        a text, the result is empty.

    Raises:
        UnsupportedConfigError: the labeling config has no question that can be answered.
    """
    folder = service.folder(project_id)
    questions = read_tasks(label_config)
    texts = [read_text(questions, task.data) for task in tasks]
    _warn_of_empty_texts(project_id, tasks, texts)
    head, places = _published(folder, questions, [task.task_id for task in tasks])
    answers = [_from_order(head, places.get(task.task_id), text) for task, text in zip(tasks, texts, strict=True)]
    unknown = [row for row, answer in enumerate(answers) if answer is None and texts[row]]
    scored = _score(service, folder, questions, [texts[row] for row in unknown])
    results = dict(zip(unknown, scored, strict=True))
    rest = empty_prediction(folder.publications.name())
    return [answer or {**rest, "result": results.get(row, [])} for row, answer in enumerate(answers)]


def _published(
    folder: ProjectFolder, questions: Sequence[Question], task_ids: Sequence[int]
) -> tuple[Publication | None, dict[int, Place]]:
    """Return the order in use and the places of some tasks; neither if the order is damaged or for other labels."""
    try:
        with folder.publications.open() as order:
            if order is None or not _answers(order.head, questions):
                return None, {}
            return order.head, order.find(task_ids)
    except DamagedOrderError as error:
        log.warning("event=order_damaged project=%d reason=%s", folder.project_id, error)
        return None, {}


def _answers(head: Publication, questions: Sequence[Question]) -> bool:
    """Whether the order was made for the questions' present labels."""
    of_order = head.label_sets
    return len(of_order) == len(questions) and all(
        question.with_labels(label_set) is not None for question, label_set in zip(questions, of_order, strict=True)
    )


def _from_order(head: Publication | None, place: Place | None, text: str) -> dict[str, Any] | None:
    """Return the published answer, if exactly this text was published."""
    if head is None or place is None or place.text_digest != text_digest(text):
        return None
    return prediction(head.name, rank_score(place.place, head.size), place.result)


def _score(
    service: Service, folder: ProjectFolder, questions: Sequence[Question], texts: Sequence[str]
) -> list[list[dict[str, Any]]]:
    """Result items for texts that the order does not hold, by the classifier of each question."""
    if not texts:
        return []
    by_question = [
        _results(service, folder.of_question(place), question, texts) for place, question in enumerate(questions)
    ]
    return [json.loads(joined(results, questions)) for results in zip(*by_question, strict=True)]


def _results(service: Service, folder: ProjectFolder, question: Question, texts: Sequence[str]) -> list[str]:
    """Result items of each text for one question, as JSON; none while the question has no classifier."""
    try:
        classifier = service.classifier.current(folder, question)
    except VersionError as error:
        log.warning("event=no_classifier project=%d reason=%s", folder.project_id, error)
        classifier = None
    asked = question.with_labels(classifier.config.label_set) if classifier is not None else None
    if classifier is None or asked is None:
        return [NO_RESULT] * len(texts)
    proba_N_C = service.classifier.score(classifier, texts, service.threads)
    return list(asked.results(asked.answers(proba_N_C)))


def _warn_of_empty_texts(project_id: int, tasks: Sequence[Task], texts: Sequence[str]) -> None:
    empty = [task.task_id for task, text in zip(tasks, texts, strict=True) if not text]
    if empty:
        log.warning("event=no_text project=%d tasks=%d first=%d", project_id, len(empty), empty[0])
