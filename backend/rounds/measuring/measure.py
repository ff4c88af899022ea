"""Measure a project's questions after a round, and keep the figures for its page."""

from collections.abc import Sequence

from backend.rounds.measuring.people import people_of
from backend.rounds.measuring.question_figures import fair_tasks, measure_question
from backend.rounds.measuring.trainings import record_trainings
from backend.rounds.standing import Standing
from backend.store.tasks import TaskStore
from model.tasks.votes import counting
from model.types import AnnotatedText


def measure(standings: Sequence[Standing]) -> None:
    """Measure every question, and keep the figures.

    Args:
        standings: the project's questions, once the new order is published.

    Raises:
        TurnLostError: another worker runs a round of the project now.
        RedisUnavailableError: Redis does not answer.
    """
    context = standings[0].context
    context.turn.check()
    fair = fair_tasks(standings)
    with TaskStore(context.folder.tasks_file) as store:
        annotated = list(store.annotated())
    labelled_at = _in_order_of_labels(annotated)
    for standing in standings:
        if not standing.synced.task.is_learned:
            continue
        task = standing.synced.task
        people = people_of(task, annotated)
        record_trainings(standing, fair, labelled_at)
        standing.context.folder.figures.write(measure_question(standing, fair, people))


def _in_order_of_labels(annotated: Sequence[AnnotatedText]) -> list[int]:
    """Return the labelled tasks in the order in which they got their first label that counts."""
    first = {
        text.task_id: min(annotation.updated_at for annotation in given)
        for text in annotated
        if (given := counting(text.annotations))
    }
    return sorted(first, key=lambda task_id: (first[task_id], task_id))
