"""What an LLM's labels change about an order: pre-annotations, who is asked first, and what may train besides.

Whatever goes wrong with the LLM, the order stays as the strategy made it.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from backend.llm_selection import Means
from backend.ordering import Order
from backend.projects import ProjectFolder
from backend.selections import LLMLabel, Selection
from backend.settings import LLMLabels
from backend.syncing import Synced
from model.errors import LLMError
from model.llm.committee import Member, agreed, committee_votes
from model.llm.label_answer import Guess
from model.llm.label_prompt import VERSIONS
from model.llm.labeler import label_texts
from model.llm.routing import Checks, Route, count_checks, route, weak_targets
from model.pool import text_digest
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
    means: Means, ordered: Order, selection: Selection | None, rng: np.random.Generator
) -> LabelledOrder:
    """Bring in an LLM's labels, as far as LLM_LABELS wants them.

    Args:
        means: the project and the LLM.
        ordered: the strategy's order.
        selection: what the LLM chose, with its guesses.
        rng: draws the blind checks.
    """
    use = means.synced.settings.llm_labels
    guessed = {} if means.has_model or use is LLMLabels.OFF else _guessed(means, selection)
    if not means.settings.llm_provider or use is LLMLabels.OFF:
        return LabelledOrder(ordered, guessed)
    if selection is not None and selection.failure:
        # It has just failed to choose: to wait for it once more would hold the order up.
        return LabelledOrder(ordered, guessed)
    if not means.has_model:
        return LabelledOrder(ordered, {**guessed, **_labels_of_the_rest(means, ordered, guessed)})
    if use.includes(LLMLabels.ROUTE) and not means.has_a_say:
        return _routed(means, ordered, rng)
    return LabelledOrder(ordered)


def _guessed(means: Means, selection: Selection | None) -> dict[int, tuple[str, ...]]:
    """The labels that the LLM expected when it picked; one of several that may hold would mislead."""
    known = means.synced.classification.label_set
    if selection is None or known.is_multilabel:
        return {}
    return {pick.task_id: (pick.guess,) for pick in selection.picks if pick.guess in known.labels}


def _labels_of_the_rest(
    means: Means, ordered: Order, guessed: Mapping[int, tuple[str, ...]]
) -> dict[int, tuple[str, ...]]:
    """Labels for what is next in the order and was not picked with one."""
    places = _places_to_label(means.synced.pool, ordered, means.synced.settings.query_size)
    rows = ordered.rows_N[places].tolist()
    texts = [text for row in rows if (text := means.synced.pool[row]).task_id not in guessed]
    if not texts:
        return {}
    try:
        guesses, failure = _ask_one(means, [text.text for text in texts])
    except LLMError as error:
        guesses, failure = (), error
    _log_failure(means.folder, failure)
    return {text.task_id: guess.labels for text, guess in zip(texts, guesses, strict=False) if guess}


def _ask_one(means: Means, texts: Sequence[str]) -> tuple[Sequence[Guess | None], LLMError | None]:
    """Have the first model label some texts."""
    chat = means.open_llms()[0]
    said = label_texts(chat, means.candidates(texts), means.turn.progress)
    return said.guesses, said.failure


def _places_to_label(pool: Sequence[PoolText], ordered: Order, count: int) -> IntArray:
    """The first places that chance did not fill, with texts that can be read."""
    wanted = np.flatnonzero(~ordered.is_explore_N)[:count].tolist()
    rows_N = ordered.rows_N.tolist()
    return np.array([place for place in wanted if pool[rows_N[place]].text], dtype=np.int64)


def _routed(means: Means, ordered: Order, rng: np.random.Generator) -> LabelledOrder:
    """Ask people first for what the LLM is unsure of, unless its labels turned out wrong too often."""
    folder, pool = means.folder, means.synced.pool
    checks = checks_so_far(folder, means.synced.targets)
    if checks.is_paused:
        log.info("event=llm_paused project=%d disagreement=%.2f", folder.project_id, checks.disagreement)
        return LabelledOrder(ordered)
    places = _places_to_label(pool, ordered, BATCHES_ROUTED * means.synced.settings.query_size)
    rows_M = ordered.rows_N[places]
    try:
        guesses = _ask_committee(means, [pool[row].text for row in rows_M.tolist()])
    except LLMError as error:
        _log_failure(folder, error)
        return LabelledOrder(ordered)
    known = folder.llm_labels()
    checked_before = [row for row in rows_M.tolist() if _is_check(known.get(pool[row].task_id), pool[row].text)]
    routed = route(rows_M, guesses, rng, checked_before)
    said = dict(zip(rows_M.tolist(), guesses, strict=True))
    blind = frozenset(pool[row].task_id for row in routed.checked_rows.tolist())
    _remember(folder, known, {pool[row]: guess for row, guess in said.items() if guess}, blind)
    shown = {pool[row].task_id: guess.labels for row in routed.left_to_llm_rows.tolist() if (guess := said[row])}
    return LabelledOrder(_reordered(ordered, places, routed), shown, blind)


def _ask_committee(means: Means, texts: Sequence[str]) -> list[Guess | None]:
    """Have every model label some texts in every wording: sure is what all of them say."""
    members = [Member(chat, version) for chat in means.open_llms() for version in VERSIONS]
    votes = committee_votes(members, means.candidates(texts), means.turn.progress)
    for failure in votes.failures:
        _log_failure(means.folder, failure)
    return agreed(votes)


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
    folder: ProjectFolder, known: Mapping[int, LLMLabel], said: Mapping[PoolText, Guess], blind: frozenset[int]
) -> None:
    """Keep what the LLM said; of a check, what it said when that was drawn: people are compared with it."""
    new = {
        text.task_id: LLMLabel(guess.labels, guess.is_sure, text.task_id in blind, text_digest(text.text))
        for text, guess in said.items()
    }
    old_checks = {
        text.task_id: label for text in said if _is_check(label := known.get(text.task_id), text.text) and label
    }
    folder.save_llm_labels({**known, **new, **old_checks})


def checks_so_far(folder: ProjectFolder, people: Targets) -> Checks:
    """How often people said of the blindly checked texts what the LLM had said."""
    checked = {task_id: label.labels for task_id, label in folder.llm_labels().items() if label.is_check}
    return count_checks(checked, people)


def labels_that_train(folder: ProjectFolder, synced: Synced) -> Targets | None:
    """The LLM's labels that train besides people's; None unless LLM_LABELS=train."""
    if not synced.settings.llm_labels.includes(LLMLabels.TRAIN):
        return None
    known = folder.llm_labels()
    labels = [(text, label) for text in synced.pool if (label := known.get(text.task_id))]
    current = [(text, label) for text, label in labels if label.text_digest == text_digest(text.text)]
    return weak_targets(
        [text.task_id for text, _ in current],
        [text.text for text, _ in current],
        [Guess(label.labels, label.is_sure) for _, label in current],
        [task_id for task_id, label in known.items() if label.is_check],
        checks_so_far(folder, synced.targets),
        synced.targets,
        np.random.default_rng(len(synced.targets)),
    )


def _log_failure(folder: ProjectFolder, failure: LLMError | None) -> None:
    if failure is not None:
        log.warning("event=llm_failed project=%d code=%s reason=%s", folder.project_id, failure.code, failure)
