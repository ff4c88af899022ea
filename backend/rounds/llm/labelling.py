"""An LLM's labels in an order: pre-annotations, texts of which the LLM is unsure first, and labels that train.

The LLM labels the texts that come next, question by question. If it fails, the query strategy's order stays.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from backend.rounds.llm.answered import LabelledOrder, is_to_wait, places_to_ask, record_failure
from backend.rounds.llm.checking import checks_so_far, is_check, outstanding_checks, store_labels, stored_labels
from backend.rounds.llm.choosing import LLMContext
from backend.rounds.llm.conditions import KnownAnswers, Predict, by_dependency
from backend.rounds.order import Order
from backend.rounds.standing import Standing
from backend.settings import LLMLabels
from model.errors import LLMContextError, LLMError
from model.tasks.classification.llm import (
    LABEL_WORDINGS,
    CommitteeMember,
    Guess,
    Route,
    agreed_guesses,
    ask_for_labels,
    committee_votes,
    route,
)
from model.types import IntArray

# Batches that the LLM labels: the next one, and a second one to replace texts that the LLM is sure of.
BATCHES_ROUTED = 2

UNSURE, CHECKED, SURE = "LLM unsure", "LLM checked blind", "LLM sure"

log = logging.getLogger(__name__)

Guesses = Mapping[int, Guess]
"""An LLM's labels of texts for one question, by row of the pool."""
Ask = Callable[[LLMContext, Sequence[str]], tuple[Sequence[Guess | None], LLMError | None]]
"""Asks for the labels of texts; returns a guess for each, and the error that ended the asking early."""


def with_llm_labels(
    standings: Sequence[Standing], ordered: Order, predict: Predict, rng: np.random.Generator
) -> LabelledOrder:
    """Add an LLM's labels to an order, as LLM_LABELS says.

    Args:
        standings: the project's questions.
        ordered: the project's order.
        predict: the classifiers' answers, by which it is known which questions are asked.
        rng: draws the blind checks.
    """
    use = standings[0].synced.settings.llm_labels
    expected = [_guessed(standing) if use is not LLMLabels.OFF else {} for standing in standings]
    checks = [outstanding_checks(standing.llm) for standing in standings] if use.includes(LLMLabels.ROUTE) else []
    unrouted = LabelledOrder(ordered, tuple(expected), frozenset().union(*checks))
    if not standings[0].llm.settings.llm_provider or use is LLMLabels.OFF or is_to_wait(standings):
        return unrouted
    labelling = _Labelling(standings, ordered, expected)
    labelling.ask_all(predict)
    shown = labelling.shown_before_a_model()
    return labelling.routed(replace(unrouted, shown=shown), rng)


def _guessed(standing: Standing) -> dict[int, tuple[str, ...]]:
    """Return the labels that the LLM expects of its picks; none if a text may have several labels."""
    if standing.llm.has_model or not standing.leads or standing.selection is None:
        return {}
    task = standing.synced.task
    guessed = {pick.task_id: task.labels_of_guess(pick.guess) for pick in standing.selection.picks}
    return {task_id: labels for task_id, labels in guessed.items() if labels}


class _Labelling:
    """The labels that an LLM gives the texts that come next, question by question."""

    def __init__(
        self, standings: Sequence[Standing], ordered: Order, expected: Sequence[Mapping[int, tuple[str, ...]]]
    ) -> None:
        self._standings = standings
        self._pool = standings[0].synced.pool
        self._ordered = ordered
        self._expected = expected
        self._batch = standings[0].synced.settings.query_size
        self._guesses: list[Guesses] = [{} for _ in standings]
        self._asked_rows: list[dict[int, None]] = [{} for _ in standings]
        # While an LLM chooses, its picks stay in front.
        is_choosing = any(standing.leads and standing.llm.has_a_say for standing in standings)
        routed = [] if is_choosing else [standing for standing in standings if _is_routed(standing.llm)]
        self._routing = [standing.synced.place for standing in routed]

    def ask_all(self, predict: Predict) -> None:
        """Ask for the labels of each question, on the texts on which it is asked; record a failure for the status."""
        rows_M = self._rows(BATCHES_ROUTED * self._batch)
        answers = KnownAnswers(self._standings, rows_M, predict)
        failures: list[tuple[str, LLMError]] = []
        was_asked = False
        for place in by_dependency([standing.synced.task for standing in self._standings]):
            self._asked_rows[place] = dict.fromkeys(answers.asked(place, rows_M.tolist()))
            # A prompt that is too long fails one question alone; any other failure would come for the next one, too.
            wanted = self._to_ask(place)
            if wanted and all(isinstance(failure, LLMContextError) for _, failure in failures):
                was_asked = True
                self._guesses[place], failure = self._ask(place, wanted)
                failures += [(self._standings[place].synced.task.control, failure)] if failure else []
            answers.add(place, self._labels(place))
        if was_asked:
            record_failure(self._standings, *(failures[0] if failures else ("", None)))

    def _rows(self, count: int) -> IntArray:
        return self._ordered.rows_N[places_to_ask(self._pool, self._ordered, count)]

    def _labels(self, place: int) -> dict[int, tuple[str, ...]]:
        """The labels of a question by row, with those that the LLM expects of its picks."""
        row_of = {self._pool[row].task_id: row for row in self._asked_rows[place]}
        expected = {row_of[id_]: labels for id_, labels in self._expected[place].items() if id_ in row_of}
        return {**expected, **{row: guess.labels for row, guess in self._guesses[place].items()}}

    def _to_ask(self, place: int) -> list[int]:
        """The rows to ask about for one question: two batches if it routes texts, one before it has a model version."""
        rows = list(self._asked_rows[place])
        if place in self._routing:
            return rows
        if self._standings[place].llm.has_model:
            return []
        next_batch, known = set(self._rows(self._batch).tolist()), self._expected[place]
        return [row for row in rows if row in next_batch and self._pool[row].task_id not in known]

    def _ask(self, place: int, rows: Sequence[int]) -> tuple[Guesses, LLMError | None]:
        ask: Ask = _ask_committee if place in self._routing else _ask_one
        try:
            guesses, failure = ask(self._standings[place].llm, [self._pool[row].text for row in rows])
        except LLMError as error:
            return {}, error
        return {row: guess for row, guess in zip(rows, guesses, strict=True) if guess}, failure

    def shown_before_a_model(self) -> tuple[Mapping[int, tuple[str, ...]], ...]:
        """For each question without a model version, by task id, the labels that people see."""
        return tuple(
            {} if standing.llm.has_model else {**expected, **self._by_task(guesses)}
            for standing, expected, guesses in zip(self._standings, self._expected, self._guesses, strict=True)
        )

    def _by_task(self, guesses: Guesses) -> dict[int, tuple[str, ...]]:
        return {self._pool[row].task_id: guess.labels for row, guess in guesses.items()}

    def routed(self, unrouted: LabelledOrder, rng: np.random.Generator) -> LabelledOrder:
        """Move texts to the front for which the LLM is unsure of an answer, and hide a share of the sure answers."""
        if not any(self._guesses[place] for place in self._routing):
            return unrouted
        places = places_to_ask(self._pool, self._ordered, BATCHES_ROUTED * self._batch)
        rows_M = self._ordered.rows_N[places]
        is_sure = [self._is_sure(row) for row in rows_M.tolist()]
        routed = route(rows_M, is_sure, rng, self._checked_before(rows_M))
        blind = frozenset(self._pool[row].task_id for row in routed.checked_rows.tolist())
        shown = list(unrouted.shown)
        for place in self._routing:
            guesses = self._guesses[place]
            store_labels(self._standings[place].llm, {self._pool[row]: guess for row, guess in guesses.items()}, blind)
            sure = {row: guess for row, guess in guesses.items() if guess.is_sure}
            shown[place] = {id_: labels for id_, labels in self._by_task(sure).items() if id_ not in blind}
        return LabelledOrder(self._reordered(places, routed), tuple(shown), unrouted.blind | blind)

    def _is_sure(self, row: int) -> bool:
        """Whether the LLM is sure of every answer about a text; False if no question is asked about the text."""
        is_asked = any(row in self._asked_rows[place] for place in self._routing)
        return is_asked and not self._unsure_of(row)

    def _unsure_of(self, row: int) -> list[str]:
        """Return the questions about a text to which the LLM's answer is not sure."""
        asked = [place for place in self._routing if row in self._asked_rows[place]]
        guesses = [(place, self._guesses[place].get(row)) for place in asked]
        unsure = [place for place, guess in guesses if guess is None or not guess.is_sure]
        return [self._standings[place].synced.task.control for place in unsure]

    def _checked_before(self, rows_M: IntArray) -> list[int]:
        contexts = [self._standings[place].llm for place in self._routing]
        stored = [stored_labels(context.folder, context.synced.task.control) for context in contexts]
        texts = [(row, self._pool[row]) for row in rows_M.tolist()]
        return [row for row, text in texts if any(is_check(labels.get(text.task_id), text.text) for labels in stored)]

    def _reordered(self, places: IntArray, routed: Route) -> Order:
        """Permute the routed texts among their own places; texts drawn at random keep their places."""
        ordered = self._ordered
        rows_N, reasons = ordered.rows_N.copy(), list(ordered.reasons_N)
        reason_of = {int(ordered.rows_N[place]): ordered.reasons_N[place] for place in places}
        checked, sure = set(routed.checked_rows.tolist()), set(routed.left_to_llm_rows.tolist())
        for place, row in zip(places.tolist(), routed.rows_N.tolist(), strict=True):
            rows_N[place] = row
            kind = CHECKED if row in checked else SURE if row in sure else self._unsure_in_words(row)
            reasons[place] = f"{kind}; {reason_of[row]}"
        return replace(ordered, rows_N=rows_N, reasons_N=tuple(reasons))

    def _unsure_in_words(self, row: int) -> str:
        """Return the reason `unsure`, which names the questions if there are several."""
        named = self._unsure_of(row) if len(self._standings) > 1 else []
        return f"{UNSURE} of {', '.join(named)}" if named else UNSURE


def _is_routed(context: LLMContext) -> bool:
    """Whether a question routes texts: once it has a model version, unless people contradict the LLM's labels."""
    if not context.synced.settings.llm_labels.includes(LLMLabels.ROUTE) or not context.has_model:
        return False
    checks = checks_so_far(context.folder, context.synced, context.settings.llm_name)
    if checks.is_paused:
        name = context.synced.task.control
        log.info(
            "event=llm_paused project=%d question=%r disagreement=%.2f",
            context.folder.project_id,
            name,
            checks.disagreement,
        )
    return not checks.is_paused


def _ask_one(context: LLMContext, texts: Sequence[str]) -> tuple[Sequence[Guess | None], LLMError | None]:
    """Ask the first model for labels of texts."""
    chat = context.open_llms()[0]
    answer = ask_for_labels(chat, context.candidates(texts), context.turn.progress)
    return answer.guesses, answer.failure


def _ask_committee(context: LLMContext, texts: Sequence[str]) -> tuple[Sequence[Guess | None], LLMError | None]:
    """Ask every model for labels in every wording. A label is sure if all answers agree."""
    members = [CommitteeMember(chat, version) for chat in context.open_llms() for version in LABEL_WORDINGS]
    votes = committee_votes(members, context.candidates(texts), context.turn.progress)
    return agreed_guesses(votes), votes.failures[0] if votes.failures else None
