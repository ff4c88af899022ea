"""A line for each training: the version's figures, and the comparison of chosen with random labels."""

from collections.abc import Collection, Sequence
from datetime import datetime

import numpy as np

from backend.rounds.measuring.question_figures import held_out_of, is_fair
from backend.rounds.score import embedder, know_names
from backend.rounds.standing import Standing
from backend.store.figures import TrainingRecord
from backend.work.classifiers import with_labels
from backend.work.sources import Source
from model.errors import VersionError
from model.figures.held_out import right_answers
from model.figures.random_labels import LEAST_TEXTS, RandomLabels, compare_with_random
from model.figures.shares import Share
from model.learner.model_version import ModelVersion
from model.learner.refitting import HeadData
from model.types import IntArray, LabelledEmbeddings


def record_trainings(standing: Standing, fair: Collection[int], labelled_at: Sequence[int]) -> None:
    """Write a line for each version that has none: of this round's training, and of a killed round's.

    Args:
        standing: the question in the round.
        fair: labelled tasks that were drawn at random.
        labelled_at: the labelled tasks in the order in which people labelled them.
    """
    folder = standing.context.folder
    # Number and time name a version: if versions and counter are lost, a number is given again.
    written = {(record.version, record.at) for record in folder.trainings.read()}
    for number in folder.registry.numbers():
        try:
            version = folder.registry.find(number)
        except VersionError:
            continue
        if (number, _seconds(version.created_at)) in written:
            continue
        is_newest = number == folder.registry.numbers()[-1]
        random = _compare(standing, fair, labelled_at) if is_newest else None
        folder.trainings.append(_record(standing, version, fair, random))


def _record(
    standing: Standing, version: ModelVersion, fair: Collection[int], random: RandomLabels | None
) -> TrainingRecord:
    answers, measured = held_out_of(version, standing.synced.task), version.out_of_fold
    if answers is not None:
        out_of_fold, fair_share = right_answers(answers), right_answers(answers, is_fair(answers, fair))
    else:
        # A version of an early release has its accuracy alone.
        texts = measured.texts if measured else 0
        out_of_fold = Share(round(measured.accuracy * texts) if measured else 0, texts)
        fair_share = Share(0, 0)
    return TrainingRecord(
        question=version.question or standing.synced.task.control,
        version=version.number,
        at=_seconds(version.created_at),
        labels=version.labels,
        recipe=version.recipe_used,
        out_of_fold=out_of_fold,
        fair=fair_share,
        macro_f1=measured.macro_f1 if measured else None,
        random=random,
    )


def _seconds(iso: str) -> float:
    """Return a time in seconds since 1970; 0 if the manifest has no time."""
    return datetime.fromisoformat(iso).timestamp() if iso else 0.0


def _compare(standing: Standing, fair: Collection[int], labelled_at: Sequence[int]) -> RandomLabels | None:
    """Compare chosen with random labels; None with too few texts of either kind."""
    context, synced = standing.context, standing.synced
    row_of = {task_id: row for row, task_id in enumerate(synced.targets.task_ids)}
    random_M = _rows(sorted(fair), row_of)
    chosen_K = _rows([task_id for task_id in labelled_at if task_id not in fair], row_of)
    if len(random_M) < LEAST_TEXTS:
        return None
    encoder = context.settings.bert_model
    untrained = with_labels(context.classifiers.get(context.folder, Source(encoder)), synced.task.label_set)
    labelled = LabelledEmbeddings(embedder(context, None)(synced.targets.texts), synced.targets.targets_N_C)
    data = HeadData(untrained, labelled, know_names(context, synced, None))
    return compare_with_random(data, random_M, chosen_K)


def _rows(task_ids: Sequence[int], row_of: dict[int, int]) -> IntArray:
    return np.array([row_of[task_id] for task_id in task_ids if task_id in row_of], dtype=np.int64)
