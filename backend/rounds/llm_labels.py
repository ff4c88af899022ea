"""What an LLM's labels change about an order: pre-annotations, who is asked first, and what may train besides.

Whatever goes wrong with the LLM, the order stays as the strategy made it.
"""

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from backend.rounds.llm_selection import LLMContext, retry_at
from backend.rounds.order import Order
from backend.rounds.sync import Synced
from backend.settings import LLMLabels
from backend.store.project_folder import ProjectFolder
from backend.store.selections import LLMLabel, Selection
from model.errors import LLMError
from model.llm.asking import (
    LABEL_WORDINGS,
    Checks,
    CommitteeMember,
    LLMGuesses,
    Route,
    agreed_guesses,
    ask_for_labels,
    committee_votes,
    count_checks,
    route,
    weak_targets,
)
from model.llm.reading import Guess
from model.text_digests import text_digest
from model.types import IntArray, PoolText, Targets

# Batches ahead that the LLM labels: the one at hand, and one to take the place of what is left to the LLM.
BATCHES_ROUTED = 2

UNSURE, CHECKED, SURE = "LLM unsure", "LLM checked blind", "LLM sure"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LabelledOrder:
    """An order, and what an LLM says of its tasks.

    Attributes:
        shown: labels by task id, to be shown to people.
        blind: tasks whose label is checked, and is not shown.
    """

    order: Order
    shown: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    blind: frozenset[int] = frozenset()


def with_llm_labels(
    context: LLMContext, ordered: Order, selection: Selection | None, rng: np.random.Generator
) -> LabelledOrder:
    """Bring in an LLM's labels, as far as LLM_LABELS wants them.

    Args:
        context: the project and the LLM.
        ordered: the strategy's order.
        selection: what the LLM chose, with its guesses.
        rng: draws the blind checks.
    """
    use = context.synced.settings.llm_labels
    guessed = {} if context.has_model or use is LLMLabels.OFF else _guessed(context, selection)
    blind = outstanding_checks(context) if use.includes(LLMLabels.ROUTE) else frozenset()
    as_it_was = LabelledOrder(ordered, guessed, blind)
    if not context.settings.llm_provider or use is LLMLabels.OFF or _is_to_wait(context, selection):
        return as_it_was
    if not context.has_model:
        return replace(as_it_was, shown={**guessed, **_labels_of_the_rest(context, ordered, guessed)})
    if use.includes(LLMLabels.ROUTE) and not context.has_a_say:
        return _routed(context, as_it_was, rng)
    return as_it_was


def _is_to_wait(context: LLMContext, selection: Selection | None) -> bool:
    """Whether the LLM has just failed, to choose or to label: to wait for it once more would hold the order up."""
    failed = context.folder.llm_failure.read()
    return bool(selection is not None and selection.failure) or time.time() < (retry_at(failed) or 0.0)


def outstanding_checks(context: LLMContext) -> frozenset[int]:
    """Tasks that wait for a person to label them blindly: they stay blind, whatever else happens."""
    known = context.folder.llm_labels.read()
    return frozenset(text.task_id for text in context.synced.pool if _is_check(known.get(text.task_id), text.text))


def _guessed(context: LLMContext, selection: Selection | None) -> dict[int, tuple[str, ...]]:
    """The labels that the LLM expected when it picked; one of several that may hold would mislead."""
    known = context.synced.classification.label_set
    if selection is None or known.is_multilabel:
        return {}
    return {pick.task_id: (pick.guess,) for pick in selection.picks if pick.guess in known.labels}


def _labels_of_the_rest(
    context: LLMContext, ordered: Order, guessed: Mapping[int, tuple[str, ...]]
) -> dict[int, tuple[str, ...]]:
    """Labels for what is next in the order and was not picked with one."""
    places = _places_to_label(context.synced.pool, ordered, context.synced.settings.query_size)
    rows = ordered.rows_N[places].tolist()
    texts = [text for row in rows if (text := context.synced.pool[row]).task_id not in guessed]
    if not texts:
        return {}
    try:
        guesses, failure = _ask_one(context, [text.text for text in texts])
    except LLMError as error:
        guesses, failure = (), error
    _note(context, failure)
    return {text.task_id: guess.labels for text, guess in zip(texts, guesses, strict=False) if guess}


def _ask_one(context: LLMContext, texts: Sequence[str]) -> tuple[Sequence[Guess | None], LLMError | None]:
    """Have the first model label some texts."""
    chat = context.open_llms()[0]
    said = ask_for_labels(chat, context.candidates(texts), context.turn.progress)
    return said.guesses, said.failure


def _places_to_label(pool: Sequence[PoolText], ordered: Order, count: int) -> IntArray:
    """The first places that chance did not fill, with texts that can be read and that nobody skipped."""
    texts = [pool[row] for row in ordered.rows_N.tolist()]
    wanted = [place for place in np.flatnonzero(~ordered.is_explore_N).tolist() if _is_open(texts[place])]
    return np.array(wanted[:count], dtype=np.int64)


def _is_open(text: PoolText) -> bool:
    return bool(text.text) and not text.is_skipped


def _routed(context: LLMContext, as_it_was: LabelledOrder, rng: np.random.Generator) -> LabelledOrder:
    """Ask people first for what the LLM is unsure of, unless its labels turned out wrong too often."""
    folder, pool, ordered = context.folder, context.synced.pool, as_it_was.order
    checks = checks_so_far(folder, context.synced.targets, context.settings.llm_name)
    if checks.is_paused:
        log.info("event=llm_paused project=%d disagreement=%.2f", folder.project_id, checks.disagreement)
        return as_it_was
    places = _places_to_label(pool, ordered, BATCHES_ROUTED * context.synced.settings.query_size)
    rows_M = ordered.rows_N[places]
    guesses = _ask_committee(context, [pool[row].text for row in rows_M.tolist()])
    if not any(guesses):
        return as_it_was
    known = folder.llm_labels.read()
    checked_before = [row for row in rows_M.tolist() if _is_check(known.get(pool[row].task_id), pool[row].text)]
    routed = route(rows_M, guesses, rng, checked_before)
    said = dict(zip(rows_M.tolist(), guesses, strict=True))
    blind = frozenset(pool[row].task_id for row in routed.checked_rows.tolist())
    _remember(context, known, {pool[row]: guess for row, guess in said.items() if guess}, blind)
    shown = {pool[row].task_id: guess.labels for row in routed.left_to_llm_rows.tolist() if (guess := said[row])}
    return LabelledOrder(_reordered(ordered, places, routed), shown, as_it_was.blind | blind)


def _ask_committee(context: LLMContext, texts: Sequence[str]) -> list[Guess | None]:
    """Have every model label some texts in every wording: sure is what all of them say."""
    if not texts:
        return []
    try:
        members = [CommitteeMember(chat, version) for chat in context.open_llms() for version in LABEL_WORDINGS]
        votes = committee_votes(members, context.candidates(texts), context.turn.progress)
    except LLMError as error:
        _note(context, error)
        return [None] * len(texts)
    _note(context, votes.failures[0] if votes.failures else None)
    return agreed_guesses(votes)


def _reordered(ordered: Order, places: IntArray, routed: Route) -> Order:
    """The routed texts in the places that they had together; what chance placed stays."""
    rows_N, reasons = ordered.rows_N.copy(), list(ordered.reasons_N)
    why = {int(ordered.rows_N[place]): ordered.reasons_N[place] for place in places}
    checked, sure = set(routed.checked_rows.tolist()), set(routed.left_to_llm_rows.tolist())
    for place, row in zip(places.tolist(), routed.rows_N.tolist(), strict=True):
        rows_N[place] = row
        kind = CHECKED if row in checked else SURE if row in sure else UNSURE
        reasons[place] = f"{kind}; {why[row]}"
    return replace(ordered, rows_N=rows_N, reasons_N=tuple(reasons))


def _is_check(label: LLMLabel | None, text: str) -> bool:
    return label is not None and label.is_check and label.text_digest == text_digest(text)


def _remember(
    context: LLMContext, known: Mapping[int, LLMLabel], said: Mapping[PoolText, Guess], blind: frozenset[int]
) -> None:
    """Keep what the LLM said; of a check, what it said when that was drawn: people are compared with it."""
    source = context.settings.llm_name
    new = {
        text.task_id: LLMLabel(guess.labels, guess.is_sure, text.task_id in blind, text_digest(text.text), source)
        for text, guess in said.items()
    }
    old_checks = {
        text.task_id: label for text in said if _is_check(label := known.get(text.task_id), text.text) and label
    }
    context.folder.llm_labels.write({**known, **new, **old_checks})


def checks_so_far(folder: ProjectFolder, people: Targets, source: str) -> Checks:
    """How often people said of the blindly checked texts what this LLM had said.

    A text that was changed since, and a label that the project has no more, say nothing about it.
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
    """The LLM's labels that train besides people's; None unless LLM_LABELS=train."""
    if not synced.settings.llm_labels.includes(LLMLabels.TRAIN):
        return None
    known = folder.llm_labels.read()
    labels = [(text, label) for text in synced.pool if (label := known.get(text.task_id))]
    current = [
        (text, label)
        for text, label in labels
        if label.text_digest == text_digest(text.text) and label.source == source
    ]
    guessed = LLMGuesses(
        [text.task_id for text, _ in current],
        [text.text for text, _ in current],
        [Guess(label.labels, label.is_sure) for _, label in current],
    )
    return weak_targets(
        guessed,
        [task_id for task_id, label in known.items() if label.is_check],
        checks_so_far(folder, synced.targets, source),
        synced.targets,
        np.random.default_rng(len(synced.targets)),
    )


def _note(context: LLMContext, failure: LLMError | None) -> None:
    """Keep why labels could not be had, for the status; or that they could."""
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
