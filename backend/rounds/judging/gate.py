"""The gate: a new model version becomes current only if it is not clearly worse than the current one."""

import logging
from collections.abc import Iterator

import numpy as np

from backend.rounds.context import RoundContext
from backend.rounds.judging.answering import fair_digests, held_out_of, right_on
from backend.rounds.judging.remembering import remember
from backend.rounds.score import source_of
from backend.rounds.sync import Synced
from backend.store.embeddings import keep_encoders
from backend.store.judging import Comparison, Decision
from model.errors import DamagedVersionError
from model.judging.comparison import HeldOut, Paired, compare_shared
from model.learner.model_version import ModelVersion
from model.learner.registry import label_digests
from model.types import IntArray

# If a worse version is better on new texts with a p-value below this, people may label otherwise now.
CLEARLY_BETTER_P = 0.01
# Most of a version's own training texts that it has to answer, to show that its training did not break.
MOST_SEEN = 1_000
SHARED, RANDOM, NEW, SEEN = (
    "labelled texts that neither had seen",
    "labelled texts of the random sample that neither had seen",
    "texts labelled since the current version",
    "texts that it was trained on, beside classifiers that had not seen them",
)

log = logging.getLogger(__name__)


def admit(context: RoundContext, synced: Synced, version: ModelVersion) -> ModelVersion:
    """Return the version to use: a new one, or the current one if the new one is clearly worse.

    If the round was killed after the training, before or after the decision, the next round decides the same.

    Args:
        context: the round of the question.
        synced: the project for the question.
        version: the version that was trained last; never current so far, and of the question's classes.
    """
    remember(context, synced, version)
    folder = context.folder
    current = folder.registry.current()
    if current is None or not current.fits(synced.task.control, synced.task.label_set):
        return version
    decision = folder.gate.read()
    if decision is None or not decision.is_about(version.number, version.fingerprint, current.number):
        decision = _decide(context, synced, version, current)
        context.turn.check()
        folder.gate.write(decision)
        _tidy(context, version, current, decision)
    return current if decision.is_held else version


def _decide(context: RoundContext, synced: Synced, version: ModelVersion, current: ModelVersion) -> Decision:
    compared = {comparison.on: comparison for comparison in _comparisons(context, synced, version, current)}
    # On new texts the comparison is unfair: the current version learned from more labels than the new version's folds.
    worse = [one for one in compared.values() if one.on != NEW and one.paired.is_clearly_worse]
    return Decision(
        version=version.number,
        fingerprint=version.fingerprint,
        against=current.number,
        is_held=bool(worse),
        reason=_reason(version, current, worse[0], compared.get(NEW)) if worse else "",
        comparisons=tuple(compared.values()),
    )


def _comparisons(
    context: RoundContext, synced: Synced, version: ModelVersion, current: ModelVersion
) -> Iterator[Comparison]:
    """Compare both versions on today's labels; yield no comparison that needs a missing estimate."""
    now = held_out_of(version, synced)
    if now is None:
        return
    if (before := _held_out_unless_damaged(current, synced)) is not None:
        yield Comparison(SHARED, compare_shared(now, before))
        yield Comparison(RANDOM, compare_shared(now.some(np.isin(now.digests_N, fair_digests(synced))), before))
    if (on_new := _on_new(context, synced, now, current)) is not None:
        yield Comparison(NEW, on_new)
    if len(seen := _some_of(synced, version.label_digests_N)):
        yield Comparison(SEEN, compare_shared(right_on(context, synced, version, synced.targets.some(seen)), now))


def _held_out_unless_damaged(current: ModelVersion, synced: Synced) -> HeldOut | None:
    try:
        return held_out_of(current, synced)
    except DamagedVersionError:
        return None


def _on_new(context: RoundContext, synced: Synced, now: HeldOut, current: ModelVersion) -> Paired | None:
    """Compare both versions on texts labelled since the current one was trained; None if the current is damaged."""
    new = np.flatnonzero(~np.isin(label_digests(synced.targets), current.label_digests_N))
    if not len(new):
        return None
    try:
        return compare_shared(now, right_on(context, synced, current, synced.targets.some(new)))
    except DamagedVersionError:
        return None


def _some_of(synced: Synced, digests_N: IntArray) -> IntArray:
    """Return rows of at most MOST_SEEN labelled texts that a version was trained on, drawn by their digests."""
    all_N = label_digests(synced.targets)
    rows_M = np.flatnonzero(np.isin(all_N, digests_N))
    return rows_M[np.argsort(all_N[rows_M])][:MOST_SEEN]


def _reason(version: ModelVersion, current: ModelVersion, worst: Comparison, on_new: Comparison | None) -> str:
    paired = worst.paired
    asked = [
        name
        for name, is_other in (
            ("RECIPE", version.recipe != current.recipe),
            ("BERT_MODEL", version.encoder != current.encoder),
            ("the label texts", version.label_texts != current.label_texts),
        )
        if is_other
    ]
    because = f"; {' and '.join(asked)} changed in between" if asked else ""
    if on_new is not None and on_new.paired.p_better < CLEARLY_BETTER_P:
        because += f"; it gains {100 * on_new.paired.gain:.1f} points on {NEW}: do people label otherwise now?"
    return (
        f"model version {version.number} loses {-100 * paired.gain:.1f} points on {paired.texts} {worst.on}: "
        f"{paired.worse} became wrong and {paired.better} right, by chance with p = {paired.p_worse:.2g}{because}"
    )


def _tidy(context: RoundContext, version: ModelVersion, current: ModelVersion, decision: Decision) -> None:
    """Log that a version is held, and delete files that only versions before these two needed."""
    if not decision.is_held:
        return
    log.warning(
        "event=version_held project=%d version=%d reason=%s", context.project_id, version.number, decision.reason
    )
    context.folder.registry.tidy()
    names = [context.settings.bert_model, *(source_of(context, one).name for one in (current, version))]
    keep_encoders(context.folder.embeddings_folder, names)
