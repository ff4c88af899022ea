"""An LLM's labels in an order: pre-annotations, texts that the LLM is unsure of first, and labels that train.

If the LLM fails, the order stays as the query strategy made it.
"""

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from backend.rounds.llm.choosing import LLMContext, retry_at
from backend.rounds.order import Order
from backend.rounds.sync import Synced
from backend.settings import LLMLabels
from backend.store.project_folder import ProjectFolder
from backend.store.selections import LLMLabel, Selection
from model.errors import LLMError
from model.tasks.classification.llm import (
    LABEL_WORDINGS,
    Checks,
    CommitteeMember,
    Guess,
    LLMGuesses,
    Route,
    agreed_guesses,
    ask_for_labels,
    committee_votes,
    count_checks,
    route,
    weak_targets,
)
from model.text_digests import text_digest
from model.types import IntArray, PoolText, Targets

# Batches that the LLM labels: the next one, and a second one to replace texts that the LLM is sure of.
BATCHES_ROUTED = 2

UNSURE, CHECKED, SURE = "LLM unsure", "LLM checked blind", "LLM sure"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LabelledOrder:
    """An order with an LLM's labels.

    Attributes:
        order: the order.
        shown: labels by task id that people see as pre-annotations.
        blind: ids of tasks that people label without seeing the LLM's label, to check the LLM.
    """

    order: Order
    shown: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    blind: frozenset[int] = frozenset()


def with_llm_labels(
    context: LLMContext, ordered: Order, selection: Selection | None, rng: np.random.Generator
) -> LabelledOrder:
    """Add an LLM's labels to an order, as LLM_LABELS says.

    Args:
        context: the project and the LLM.
        ordered: the query strategy's order.
        selection: the LLM's choice, with the labels that it expects; None without a choice.
        rng: draws the blind checks.
    """
    use = context.synced.settings.llm_labels
    guessed = {} if context.has_model or use is LLMLabels.OFF else _guessed(context, selection)
    blind = outstanding_checks(context) if use.includes(LLMLabels.ROUTE) else frozenset()
    unrouted = LabelledOrder(ordered, guessed, blind)
    if not context.settings.llm_provider or use is LLMLabels.OFF or _is_to_wait(context, selection):
        return unrouted
    if not context.has_model:
        return replace(unrouted, shown={**guessed, **_labels_of_the_rest(context, ordered, guessed)})
    if use.includes(LLMLabels.ROUTE) and not context.has_a_say:
        return _routed(context, unrouted, rng)
    return unrouted


def _is_to_wait(context: LLMContext, selection: Selection | None) -> bool:
    """Whether the LLM failed a short time ago. Another wait for its answer would delay the order."""
    failure = context.folder.llm_failure.read()
    return bool(selection is not None and selection.failure) or time.time() < (retry_at(failure) or 0.0)


def outstanding_checks(context: LLMContext) -> frozenset[int]:
    """Return the ids of unlabelled tasks that people check blind. A task stays blind until a person labels it."""
    labels = context.folder.llm_labels.read()
    return frozenset(text.task_id for text in context.synced.pool if _is_check(labels.get(text.task_id), text.text))


def _guessed(context: LLMContext, selection: Selection | None) -> dict[int, tuple[str, ...]]:
    """Return the labels that the LLM expects of its picks; none if a text may have several labels."""
    picks = selection.picks if selection is not None else ()
    guessed = {pick.task_id: context.synced.task.labels_of_guess(pick.guess) for pick in picks}
    return {task_id: labels for task_id, labels in guessed.items() if labels}


def _labels_of_the_rest(
    context: LLMContext, ordered: Order, guessed: Mapping[int, tuple[str, ...]]
) -> dict[int, tuple[str, ...]]:
    """Ask the LLM for labels of the next batch, without texts that already have a label from its choice."""
    places = _places_to_label(context.synced.pool, ordered, context.synced.settings.query_size)
    rows = ordered.rows_N[places].tolist()
    texts = [text for row in rows if (text := context.synced.pool[row]).task_id not in guessed]
    if not texts:
        return {}
    try:
        guesses, failure = _ask_one(context, [text.text for text in texts])
    except LLMError as error:
        guesses, failure = (), error
    _record_failure(context, failure)
    return {text.task_id: guess.labels for text, guess in zip(texts, guesses, strict=False) if guess}


def _ask_one(context: LLMContext, texts: Sequence[str]) -> tuple[Sequence[Guess | None], LLMError | None]:
    """Ask the first model for labels of texts."""
    chat = context.open_llms()[0]
    answer = ask_for_labels(chat, context.candidates(texts), context.turn.progress)
    return answer.guesses, answer.failure


def _places_to_label(pool: Sequence[PoolText], ordered: Order, count: int) -> IntArray:
    """Return the first places with texts that are neither empty, nor skipped, nor drawn at random."""
    texts = [pool[row] for row in ordered.rows_N.tolist()]
    open_places = [place for place in np.flatnonzero(~ordered.is_explore_N).tolist() if _is_open(texts[place])]
    return np.array(open_places[:count], dtype=np.int64)


def _is_open(text: PoolText) -> bool:
    return bool(text.text) and not text.is_skipped


def _routed(context: LLMContext, unrouted: LabelledOrder, rng: np.random.Generator) -> LabelledOrder:
    """Move texts that the LLM is unsure of to the front, unless blind checks found its labels wrong too often."""
    folder, pool, ordered = context.folder, context.synced.pool, unrouted.order
    checks = checks_so_far(folder, context.synced.targets, context.settings.llm_name)
    if checks.is_paused:
        log.info("event=llm_paused project=%d disagreement=%.2f", folder.project_id, checks.disagreement)
        return unrouted
    places = _places_to_label(pool, ordered, BATCHES_ROUTED * context.synced.settings.query_size)
    rows_M = ordered.rows_N[places]
    guesses = _ask_committee(context, [pool[row].text for row in rows_M.tolist()])
    if not any(guesses):
        return unrouted
    stored = folder.llm_labels.read()
    checked_before = [row for row in rows_M.tolist() if _is_check(stored.get(pool[row].task_id), pool[row].text)]
    routed = route(rows_M, guesses, rng, checked_before)
    guess_of = dict(zip(rows_M.tolist(), guesses, strict=True))
    blind = frozenset(pool[row].task_id for row in routed.checked_rows.tolist())
    _store_labels(context, stored, {pool[row]: guess for row, guess in guess_of.items() if guess}, blind)
    shown = {pool[row].task_id: guess.labels for row in routed.left_to_llm_rows.tolist() if (guess := guess_of[row])}
    return LabelledOrder(_reordered(ordered, places, routed), shown, unrouted.blind | blind)


def _ask_committee(context: LLMContext, texts: Sequence[str]) -> list[Guess | None]:
    """Ask every model for labels in every wording. A label is sure if all answers agree."""
    if not texts:
        return []
    try:
        members = [CommitteeMember(chat, version) for chat in context.open_llms() for version in LABEL_WORDINGS]
        votes = committee_votes(members, context.candidates(texts), context.turn.progress)
    except LLMError as error:
        _record_failure(context, error)
        return [None] * len(texts)
    _record_failure(context, votes.failures[0] if votes.failures else None)
    return agreed_guesses(votes)


def _reordered(ordered: Order, places: IntArray, routed: Route) -> Order:
    """Permute the routed texts among their own places; texts drawn at random keep their places."""
    rows_N, reasons = ordered.rows_N.copy(), list(ordered.reasons_N)
    reason_of = {int(ordered.rows_N[place]): ordered.reasons_N[place] for place in places}
    checked, sure = set(routed.checked_rows.tolist()), set(routed.left_to_llm_rows.tolist())
    for place, row in zip(places.tolist(), routed.rows_N.tolist(), strict=True):
        rows_N[place] = row
        kind = CHECKED if row in checked else SURE if row in sure else UNSURE
        reasons[place] = f"{kind}; {reason_of[row]}"
    return replace(ordered, rows_N=rows_N, reasons_N=tuple(reasons))


def _is_check(label: LLMLabel | None, text: str) -> bool:
    return label is not None and label.is_check and label.text_digest == text_digest(text)


def _store_labels(
    context: LLMContext, stored: Mapping[int, LLMLabel], guesses: Mapping[PoolText, Guess], blind: frozenset[int]
) -> None:
    """Store the LLM's labels. A check keeps its first label, which is compared with people's labels."""
    source = context.settings.llm_name
    new = {
        text.task_id: LLMLabel(guess.labels, guess.is_sure, text.task_id in blind, text_digest(text.text), source)
        for text, guess in guesses.items()
    }
    old_checks = {
        text.task_id: label for text in guesses if _is_check(label := stored.get(text.task_id), text.text) and label
    }
    context.folder.llm_labels.write({**stored, **new, **old_checks})


def checks_so_far(folder: ProjectFolder, people: Targets, source: str) -> Checks:
    """Count how often people's labels of blindly checked texts agree with an LLM's labels.

    A check does not count if its text changed, or if the project no longer has its label.

    Args:
        folder: the project's folder, with the LLM's labels.
        people: people's labels.
        source: provider and model of the LLM, see `Settings.llm_name`.
    """
    digest_of = dict(zip(people.task_ids, map(text_digest, people.texts), strict=True))
    checked = {
        task_id: label.labels
        for task_id, label in folder.llm_labels.read().items()
        if label.is_check
        and label.source == source
        and label.text_digest == digest_of.get(task_id)
        and set(label.labels) <= set(people.label_set.labels)
    }
    return count_checks(checked, people)


def labels_that_train(folder: ProjectFolder, synced: Synced, source: str) -> Targets | None:
    """Return the LLM's labels that train the classifier beside people's labels.

    Args:
        folder: the project's folder, with the LLM's labels.
        synced: the project.
        source: provider and model of the LLM, see `Settings.llm_name`.

    Returns:
        The labels; None unless LLM_LABELS is `train`.
    """
    if not synced.settings.llm_labels.includes(LLMLabels.TRAIN):
        return None
    stored = folder.llm_labels.read()
    labels = [(text, label) for text in synced.pool if (label := stored.get(text.task_id))]
    current = [
        (text, label)
        for text, label in labels
        if label.text_digest == text_digest(text.text) and label.source == source
    ]
    guesses = LLMGuesses(
        [text.task_id for text, _ in current],
        [text.text for text, _ in current],
        [Guess(label.labels, label.is_sure) for _, label in current],
    )
    return weak_targets(
        guesses,
        [task_id for task_id, label in stored.items() if label.is_check],
        checks_so_far(folder, synced.targets, source),
        synced.targets,
        np.random.default_rng(len(synced.targets)),
    )


def _record_failure(context: LLMContext, failure: LLMError | None) -> None:
    """Record an LLM's failure to label, for the status; None deletes the record."""
    folder, before = context.folder, context.folder.llm_failure.read()
    if failure is None:
        folder.llm_failure.remove()
        return
    log.warning("event=llm_failed project=%d code=%s reason=%s", folder.project_id, failure.code, failure)
    failures = (before.failures if before else 0) + 1
    use = context.synced.settings.llm_labels.value
    folder.llm_failure.write(
        Selection(use, context.settings.llm_name, time.time(), (), str(failure), failure.code, failures)
    )
