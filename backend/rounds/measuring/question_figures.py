"""The figures of a question: classes, confusions, calibration, labels that look wrong, annotators."""

from collections.abc import Collection, Sequence

import numpy as np

from backend.rounds.asking.fair import fair_labels
from backend.rounds.standing import Standing
from backend.store.figures import ClassCount, QuestionFigures
from model.errors import DamagedVersionError
from model.figures.annotators import People
from model.figures.held_out import calibration, class_figures, confusions, mean_error, right_answers
from model.figures.label_errors import MOST_SUSPECTS, Suspect, find_label_errors
from model.figures.shares import Share
from model.learner.held_out import HeldOutAnswers
from model.learner.model_version import ModelVersion
from model.links import link_of
from model.tasks.task import Task
from model.types import BoolArray, Targets


def fair_tasks(standings: Sequence[Standing]) -> frozenset[int]:
    """Return the labelled tasks in the fair sample, whichever question they answer."""
    labelled = sorted({task_id for standing in standings for task_id in standing.synced.targets.task_ids})
    is_fair_L = fair_labels([standing.synced for standing in standings], labelled)
    return frozenset(np.array(labelled, dtype=np.int64)[is_fair_L].tolist())


def held_out_of(version: ModelVersion | None, task: Task) -> HeldOutAnswers | None:
    """Return a version's out-of-fold answers; None if the version has none, or they are damaged."""
    if version is None or not version.fits(task.control, task.label_set):
        return None
    try:
        return version.held_out(is_ordered=task.is_ordered)
    except DamagedVersionError:
        # The version was set aside; the next round begins with the version before it.
        return None


def is_fair(answers: HeldOutAnswers, fair: Collection[int]) -> BoolArray:
    """Tell which of the answers are for texts of the fair sample: is_fair_M."""
    return np.isin(answers.task_ids_M, np.array(sorted(fair), dtype=np.int64))


def measure_question(standing: Standing, fair: Collection[int], people: People) -> QuestionFigures:
    """Measure a question.

    Args:
        standing: the question in the round.
        fair: labelled tasks that were drawn at random.
        people: the annotators.
    """
    synced, version = standing.synced, standing.in_use.version
    task, answers = synced.task, held_out_of(version, synced.task)
    nothing = Share(0, 0)
    return QuestionFigures(
        question=task.control,
        kind=type(task).__name__,
        version=version.number if version else 0,
        labels=len(synced.targets),
        counts=count_classes(synced.targets),
        out_of_fold=right_answers(answers) if answers else nothing,
        fair=right_answers(answers, is_fair(answers, fair)) if answers else nothing,
        classes=class_figures(answers) if answers else (),
        confusions=confusions(answers) if answers else (),
        calibration=calibration(answers) if answers else (),
        mean_error=mean_error(answers) if answers else None,
        suspects=uncorrected(answers, synced.targets) if answers else (),
        people=people,
    )


def count_classes(targets: Targets) -> tuple[ClassCount, ...]:
    """Count the labelled texts of each class, in the order of axis C."""
    texts_C = link_of(targets.label_set).decide(targets.targets_N_C).sum(axis=0) if len(targets) else None
    return tuple(
        ClassCount(label, 0 if texts_C is None else int(texts_C[place]))
        for place, label in enumerate(targets.label_set.labels)
    )


def uncorrected(answers: HeldOutAnswers, targets: Targets) -> tuple[Suspect, ...]:
    """Find texts whose label looks wrong, without texts whose label was changed or deleted since the training.

    Args:
        answers: out-of-fold answers, with the labels at the training.
        targets: the labels of today.
    """
    now = dict(zip(targets.task_ids, targets.targets_N_C, strict=True))
    then = zip(answers.task_ids_M.tolist(), answers.targets_M_C, strict=True)
    unchanged = [task_id in now and np.array_equal(now[task_id], shares_C) for task_id, shares_C in then]
    # Thresholds are estimated from all labels of the training, also from those that were changed since.
    found = find_label_errors(answers, len(answers))
    is_unchanged = dict(zip(answers.task_ids_M.tolist(), unchanged, strict=True))
    return tuple(suspect for suspect in found if is_unchanged[suspect.task_id])[:MOST_SUSPECTS]
