"""The answers of a model version to texts: as it was trained, and out of fold."""

from collections.abc import Sequence

import numpy as np

from backend.rounds.asking.fair import fair_labels
from backend.rounds.context import RoundContext
from backend.rounds.score import embedder
from backend.rounds.sync import Synced
from backend.work.sources import Source
from model.encoder.inference import head_proba
from model.judging.comparison import HeldOut
from model.learner.held_out import HeldOutAnswers
from model.learner.model_version import ModelVersion
from model.learner.registry import label_digests
from model.types import BoolArray, IntArray, Targets


def decide(context: RoundContext, synced: Synced, version: ModelVersion, texts: Sequence[str]) -> BoolArray:
    """Return the classes that a version decides for, by its head as it was trained: decided_M_C.

    Args:
        context: the round.
        synced: the question.
        version: the version.
        texts: M texts; embeddings on disk are used again.
    """
    classifier = context.classifiers.get(context.folder, Source(version.encoder, version.number))
    proba_M_C = head_proba(classifier, classifier.head, embedder(context, version)(texts))
    is_ordered, ids_M = synced.task.is_ordered, np.arange(len(texts))
    return HeldOutAnswers(ids_M, proba_M_C, proba_M_C, version.label_set, is_ordered).predicted_M_C


def right_on(context: RoundContext, synced: Synced, version: ModelVersion, targets: Targets) -> HeldOut:
    """Tell for each labelled text whether a version's answer is right."""
    gold_M_C = synced.task.link.decide(targets.targets_N_C)
    decided_M_C = decide(context, synced, version, targets.texts)
    return HeldOut(label_digests(targets), np.asarray((decided_M_C == gold_M_C).all(axis=1)))


def held_out_of(version: ModelVersion | None, synced: Synced) -> HeldOut | None:
    """Return a version's out-of-fold answers to texts whose labels are still the same; None if the version has none.

    Raises:
        DamagedVersionError: the answers are damaged; the version was set aside.
    """
    answers = version.held_out(is_ordered=synced.task.is_ordered) if version is not None else None
    if version is None or answers is None:
        return None
    digests_N, right_M = label_digests(synced.targets), (answers.predicted_M_C == answers.given_M_C).all(axis=1)
    digest_of = dict(zip(synced.targets.task_ids, digests_N.tolist(), strict=True))
    known = set(version.label_digests_N.tolist())
    rows = [row for row, id_ in enumerate(answers.task_ids_M.tolist()) if digest_of.get(id_) in known]
    digests_M = np.array([digest_of[int(answers.task_ids_M[row])] for row in rows], dtype=np.uint64)
    return HeldOut(digests_M, np.asarray(right_M[rows], dtype=bool))


def fair_digests(synced: Synced) -> IntArray:
    """Return digests of the labelled texts in the fair sample: digests_M, uint64."""
    fair: IntArray = label_digests(synced.targets)[fair_labels([synced], synced.targets.task_ids)]
    return fair
