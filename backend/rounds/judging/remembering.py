"""Records how a new model version differs from the version before it."""

import time
from dataclasses import replace

import numpy as np

from backend.rounds.context import RoundContext
from backend.rounds.judging.answering import decide, fair_digests, held_out_of
from backend.rounds.sync import Synced
from backend.store.judging import MOST_RECORDS, History, StopAnswers
from model.errors import VersionError
from model.judging.agreement import kappa
from model.judging.comparison import HeldOut, compare_shared
from model.judging.history import Tally, VersionRecord
from model.learner.model_version import ModelVersion
from model.learner.recipes import TrainingConfig
from model.learner.registry import Registry
from model.links import link_of
from model.text_digests import text_digests
from model.types import BoolArray, LabelSet

# Number of texts on which successive versions are compared. Bloodgood and Vijay-Shanker (2009) take 2,000; with 1,000,
# an agreement of 99 % is known to within 0.6 points.
STOP_SET = 1_000
# Two versions that answered fewer common texts of the stop set are not compared.
LEAST_SHARED = 50


def remember(context: RoundContext, synced: Synced, version: ModelVersion) -> None:
    """Add a version to the history of its question, once.

    Args:
        context: the round of the question.
        synced: the project for the question, as the version was trained on it.
        version: the version that was trained last.
    """
    folder = context.folder
    kept = folder.history.read()
    records = kept.records if kept is not None and kept.label_set == version.label_set else ()
    if records and records[-1].version == version.number:
        return
    before = records[-1].version if records else 0
    answers = _answer_stop_set(context, synced, version)
    record = replace(
        _compared(folder.registry, before, version, synced),
        kappa=_agreement(answers, folder.stop_answers.read(), before, version.label_set),
    )
    context.turn.check()
    # The history comes last: if the round is killed in between, the next round answers the stop set again.
    folder.stop_answers.write(answers)
    folder.history.write(History(version.label_set, (*records, record)[-MOST_RECORDS:]))


def _compared(registry: Registry, before: int, version: ModelVersion, synced: Synced) -> VersionRecord:
    """Return the version's estimates, and its comparison with the version before on shared texts."""
    folds = TrainingConfig().folds
    classes, learned = len(version.label_set.labels), version.labels * (folds - 1) // folds
    record = VersionRecord(version.number, version.labels, learned, at=time.time(), classes=classes)
    if version.out_of_fold is not None:
        record = replace(record, accuracy=version.out_of_fold.accuracy, macro_f1=version.out_of_fold.macro_f1)
    now, older = held_out_of(version, synced), _held_out_before(registry, before, synced)
    if now is None:
        return record
    fair = now.some(np.isin(now.digests_N, fair_digests(synced)))
    record = replace(record, random=Tally(int(fair.right_N.sum()), len(fair.right_N)))
    if older is None:
        return record
    return replace(record, paired=compare_shared(now, older))


def _held_out_before(registry: Registry, number: int, synced: Synced) -> HeldOut | None:
    try:
        return held_out_of(registry.find(number), synced) if number else None
    except VersionError:
        return None


def _answer_stop_set(context: RoundContext, synced: Synced, version: ModelVersion) -> StopAnswers:
    """Answer the texts with the smallest digests among all texts: a random sample that stays the same."""
    texts = dict.fromkeys([*(text.text for text in synced.pool if text.text.strip()), *synced.targets.texts])
    all_texts = list(texts)
    digests_N = text_digests(all_texts)
    rows_M = np.argsort(digests_N)[:STOP_SET]
    decided_M_C = decide(context, synced, version, [all_texts[row] for row in rows_M])
    answers = tuple(tuple(np.flatnonzero(decided_C).tolist()) for decided_C in decided_M_C)
    return StopAnswers(version.number, tuple(digests_N[rows_M].tolist()), answers)


def _agreement(now: StopAnswers, before: StopAnswers | None, number: int, label_set: LabelSet) -> float | None:
    """Return kappa of two versions on common texts of the stop set; None without the earlier version's answers."""
    if before is None or before.version != number:
        return None
    known = dict(zip(before.digests, before.answers, strict=True))
    pairs = [
        (answer, known[digest]) for digest, answer in zip(now.digests, now.answers, strict=True) if digest in known
    ]
    if len(pairs) < LEAST_SHARED:
        return None
    one, other = zip(*pairs, strict=True)
    classes = len(label_set.labels)
    return kappa(_decided(one, classes), _decided(other, classes), link_of(label_set))


def _decided(answers: tuple[tuple[int, ...], ...], classes: int) -> BoolArray:
    decided_M_C = np.zeros((len(answers), classes), dtype=bool)
    for row, answer in enumerate(answers):
        decided_M_C[row, list(answer)] = True
    return decided_M_C
