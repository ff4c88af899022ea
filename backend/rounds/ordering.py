"""One new order: the pool is scored and put in order, and each text gets its pre-annotation."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import repeat
from typing import Any

import numpy as np

from backend.rounds.asking.copies import find_copies, put_copies_last
from backend.rounds.asking.wishes import put_first, read_wishes
from backend.rounds.facts import order_digest
from backend.rounds.llm.answered import LabelledOrder
from backend.rounds.llm.choosing import LLMContext, may_paste, write_paste_prompt
from backend.rounds.llm.drafting import with_drafts
from backend.rounds.llm.labelling import with_llm_labels
from backend.rounds.order import (
    Order,
    mix_in_random_texts,
    order_pool,
    strategy_for,
    strategy_instead,
    take_turns,
)
from backend.rounds.score import compute_pool_features
from backend.rounds.standing import Standing, asked_for
from backend.store.order.head import FurtherQuestion, HookFailure, Publication
from backend.store.order.table import Places
from backend.studio.results import NO_RESULT, joined
from backend.work.states import SCORING
from model.errors import HookFailedError
from model.learner.registry import data_sha256
from model.query.large_pools import parts as parts_of
from model.query.strategies import Strategy
from model.query.unlabelled import Need
from model.tasks.task import Task
from model.types import FloatArray, IntArray

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Ordered:
    """A new order before it is published: its head and its places."""

    publication: Publication
    places: Places

    def made_live(self, most: int) -> "Ordered":
        """Return the order with an upper limit on the tasks that are written, as between trainings."""
        queued = min(most, self.publication.queued)
        return replace(self, publication=replace(self.publication, queued=queued, is_live=True))


@dataclass(frozen=True)
class _Part:
    """The order by one question, before questions take turns.

    Attributes:
        standing: the question.
        strategy: the query strategy in force.
        order: the order.
        proba_N_C: class probabilities by row of the pool; None to show none.
        hook_failure: the ordering hook in whose place `strategy` made the order; None if no hook failed.
    """

    standing: Standing
    strategy: Strategy
    order: Order
    proba_N_C: FloatArray | None
    hook_failure: HookFailure | None = None


def make_order(standings: Sequence[Standing], number: int) -> Ordered:
    """Score the pool and put it in order; with several questions, their orders take turns, or those of `ask_for` alone.

    Label names decide the order from the first text on; people see their answers once they have agreed with them.
    Where an ordering hook fails, the default strategy makes the order, and the publication names the failure.

    Args:
        standings: the project's questions.
        number: the publication's.
    """
    first, rng = standings[0], np.random.default_rng(number)
    first.context.turn.step(SCORING)
    parts = [_order_or_fall_back(standing, rng) for standing in standings]
    synced, wishes = first.synced, read_wishes(first.context.folder)
    copies = find_copies(standing.synced for standing in standings)
    order = put_first(put_copies_last(_merged(parts, rng), synced.pool, copies), synced.pool, wishes)
    labelled = _with_answers_of_llm(parts, order, rng)
    chosen = [standing.selection for standing in standings if standing.selection and standing.selection.picks]
    publication = Publication(
        number=number,
        queued=min(synced.settings.queue_size, len(synced.pool)),
        size=len(synced.pool),
        settings_digest=order_digest(synced.project.label_config, synced.settings, wishes.stamp),
        copies=len(copies.twin_of),
        selected_at=chosen[0].at if chosen else 0.0,
        further=tuple(FurtherQuestion(**_about(part)) for part in parts[1:]),
        **_about(parts[0]),
    )
    return Ordered(publication, _places(parts, labelled))


def _merged(parts: Sequence[_Part], rng: np.random.Generator) -> Order:
    """Merge the orders of the questions that say which text comes next, and mix random texts into the one order."""
    synced = parts[0].standing.synced
    if synced.questions == 1:
        return parts[0].order
    asked = {standing.synced.place for standing in asked_for([part.standing for part in parts])}
    merged = take_turns([part.order for part in parts if part.standing.synced.place in asked])
    return mix_in_random_texts(merged, synced.pool, synced.settings.explore, rng)


def _with_answers_of_llm(parts: Sequence[_Part], order: Order, rng: np.random.Generator) -> LabelledOrder:
    """Add an LLM's answers to the texts that come next."""
    standings = [part.standing for part in parts]
    if not standings[0].synced.task.is_learned:
        return with_drafts(standings[0], order, rng)

    def predict(place: int, rows_M: IntArray) -> list[str]:
        return list(_by_classifier(standings[place].synced.task, parts[place].proba_N_C, rows_M))

    labelled = with_llm_labels(standings, order, predict, rng)
    for part in parts:
        if part.standing.leads:
            _keep_paste_prompt(part.standing.llm, part.strategy, rng)
    return labelled


def _order_or_fall_back(standing: Standing, rng: np.random.Generator) -> _Part:
    """Score the pool and put it in order by one question; where an ordering hook fails, the default strategy does."""
    in_use, drawn = standing.in_use, rng.bit_generator.state
    strategy = strategy_for(standing.synced.settings, in_use.has_model, standing.selection, has_names=in_use.has_names)
    try:
        return _order_by(strategy, standing, rng)
    except HookFailedError as error:
        failure = HookFailure(strategy.name, str(error), error.code)
    # Outside of the block above, which would keep the failed hook's arrays in memory.
    instead = strategy_instead(in_use.has_model, has_names=in_use.has_names)
    log.warning(
        "event=hook_failed project=%d hook=%s fallback=%s reason=%s",
        standing.context.project_id,
        failure.hook,
        instead.name,
        failure.problem,
    )
    rng.bit_generator.state = drawn
    return replace(_order_by(instead, standing, rng), hook_failure=failure)


def _order_by(strategy: Strategy, standing: Standing, rng: np.random.Generator) -> _Part:
    """Score the pool and put it in order by one question and one strategy.

    Raises:
        HookFailedError: the strategy is an ordering hook, and it failed.
    """
    llm, synced, in_use, selection = standing.llm, standing.synced, standing.in_use, standing.selection
    features = compute_pool_features(llm.round, synced, in_use, strategy, rng)
    # Every question would draw the same texts: with several questions, the merged order draws them once.
    own = synced.settings if synced.questions == 1 else synced.settings.model_copy(update={"explore": 0.0})
    order = order_pool(synced.pool, features, strategy, own, rng, selection)
    return _Part(standing, strategy, order, features.proba_N_C if in_use.shows_answers else None)


def _about(part: _Part) -> dict[str, Any]:
    """Return one question's part of the head of an order."""
    synced = part.standing.synced
    return {
        "model": part.standing.in_use.model,
        "labelled_tasks": len(synced.targets),
        "label_set": synced.task.label_set,
        "strategy": part.strategy.name,
        "labels_sha256": data_sha256(synced.targets),
        "hook_failure": part.hook_failure,
    }


def _keep_paste_prompt(llm: LLMContext, strategy: Strategy, rng: np.random.Generator) -> None:
    """Keep a prompt for people with a chat window, as long as one may choose and no LLM is set."""
    if llm.settings.llm_provider or not may_paste(llm):
        llm.project_folder.paste_prompt.remove()
    elif not llm.has_model and Need.EMBEDDINGS in strategy.needs:
        write_paste_prompt(llm, rng)


def _places(parts: Sequence[_Part], labelled: LabelledOrder) -> Places:
    """Every place of an order, with the result items of its text."""
    synced, order = parts[0].standing.synced, labelled.order
    tasks = [part.standing.synced.task for part in parts]
    results = zip(*(_results(part, labelled) for part in parts), strict=True)
    return Places(
        task_ids_N=np.array([synced.pool[row].task_id for row in order.rows_N.tolist()], dtype=np.int64),
        text_digests_N=synced.text_digests_N[order.rows_N],
        reasons_N=order.reasons_N,
        results_N=tuple(joined(each, tasks) for each in results),
    )


def _results(part: _Part, labelled: LabelledOrder) -> Iterator[str]:
    """Result items of every text for one question, in order, as JSON.

    Texts drawn at random, and blind checks of an LLM, have none, so that the label is the person's own. Texts without
    words, or without an answer of a classifier or an LLM, have none either.
    """
    synced, order = part.standing.synced, labelled.order
    task, pool, shown = synced.task, synced.pool, labelled.shown[synced.place]
    by_classifier = _by_classifier(task, part.proba_N_C, order.rows_N)
    for row, is_explore, result in zip(order.rows_N.tolist(), order.is_explore_N.tolist(), by_classifier, strict=True):
        text = pool[row]
        if is_explore or not text.text or text.task_id in labelled.blind:
            yield NO_RESULT
        elif text.task_id in shown:
            yield task.label_result(shown[text.task_id])
        else:
            yield result


def _by_classifier(task: Task, proba_N_C: FloatArray | None, rows_N: IntArray) -> Iterator[str]:
    """The classifier's result items of every text, in order; part by part, since units may be many."""
    if proba_N_C is None:
        yield from repeat(NO_RESULT, len(rows_N))
        return
    for part in parts_of(len(rows_N)):
        yield from task.results(task.answers(proba_N_C[rows_N[part]]))
