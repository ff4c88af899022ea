"""One new order: the pool scored and put in order, and what people see of each text."""

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import repeat

import numpy as np

from backend.rounds.context import InUse
from backend.rounds.facts import order_digest
from backend.rounds.llm_labels import LabelledOrder, with_llm_labels
from backend.rounds.llm_selection import LLMContext, may_paste, write_paste_prompt
from backend.rounds.order import order_pool, strategy_for, strategy_instead
from backend.rounds.score import compute_pool_features
from backend.rounds.sync import Synced
from backend.store.publications import HookFailure, Places, Publication
from backend.store.selections import Selection
from backend.studio.results import NO_RESULT, label_result, results_of
from backend.work.states import SCORING
from model.errors import HookFailedError
from model.learner.registry import data_sha256
from model.query.strategies import Strategy
from model.query.unlabelled import Need
from model.types import FloatArray

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Ordered:
    """A new order before it is published: its head and its places."""

    publication: Publication
    places: Places

    def made_live(self, most: int) -> "Ordered":
        """The same order as one that is made between trainings: at most so many of its tasks are written."""
        queued = min(most, self.publication.queued)
        return replace(self, publication=replace(self.publication, queued=queued, is_live=True))


def make_order(llm: LLMContext, in_use: InUse, selection: Selection | None, number: int) -> Ordered:
    """Score the pool and put it in order.

    Label names decide the order from the first text on; people see their answers once they have agreed with them.
    Where an ordering hook fails, the default strategy makes the order, and the publication names the failure.

    Args:
        llm: the round, the project, and the LLM for labels.
        in_use: the classifier to go by.
        selection: what an LLM chose, where it has a say.
        number: the publication's.
    """
    llm.turn.step(SCORING)
    strategy = strategy_for(llm.synced.settings, in_use.has_model, selection, has_names=in_use.has_names)
    try:
        return _order_by(strategy, llm, in_use, selection, number)
    except HookFailedError as error:
        failure = HookFailure(strategy.name, str(error), error.code)
    # Outside of the block above, which would keep the failed hook's arrays in memory.
    instead = strategy_instead(in_use.has_model, has_names=in_use.has_names)
    log.warning(
        "event=hook_failed project=%d hook=%s fallback=%s reason=%s",
        llm.folder.project_id,
        failure.hook,
        instead.name,
        failure.problem,
    )
    ordered = _order_by(instead, llm, in_use, selection, number)
    return replace(ordered, publication=replace(ordered.publication, hook_failure=failure))


def _order_by(strategy: Strategy, llm: LLMContext, in_use: InUse, selection: Selection | None, number: int) -> Ordered:
    """Score the pool and put it in order by one strategy.

    Raises:
        HookFailedError: the strategy is an ordering hook, and it failed.
    """
    synced, rng = llm.synced, np.random.default_rng(number)
    features = compute_pool_features(llm.round, synced, in_use, strategy, rng)
    ordered = order_pool(synced.pool, features, strategy, synced.settings, rng, selection)
    labelled = with_llm_labels(llm, ordered, selection, rng)
    _keep_paste_prompt(llm, strategy, rng)
    proba_N_C = features.proba_N_C if in_use.shows_answers else None
    publication = Publication(
        number=number,
        model=in_use.model,
        queued=min(synced.settings.queue_size, len(synced.pool)),
        size=len(synced.pool),
        settings_digest=order_digest(synced.project.label_config, synced.settings),
        labelled_tasks=len(synced.targets),
        label_set=synced.classification.label_set,
        strategy=strategy.name,
        labels_sha256=data_sha256(synced.targets),
        selected_at=selection.at if selection and selection.picks else 0.0,
    )
    return Ordered(publication, _places(synced, labelled, proba_N_C))


def _keep_paste_prompt(llm: LLMContext, strategy: Strategy, rng: np.random.Generator) -> None:
    """Keep a prompt for people with a chat window, as long as one may choose and no LLM is set."""
    if llm.settings.llm_provider or not may_paste(llm):
        llm.folder.paste_prompt.remove()
    elif not llm.has_model and Need.EMBEDDINGS in strategy.needs:
        write_paste_prompt(llm, rng)


def _places(synced: Synced, labelled: LabelledOrder, proba_N_C: FloatArray | None) -> Places:
    """Every place of an order, with the result items of its text.

    Args:
        synced: the project.
        labelled: the order, and an LLM's labels.
        proba_N_C: class probabilities by row of the pool; None to show none.
    """
    rows_N = labelled.order.rows_N
    return Places(
        task_ids_N=np.array([synced.pool[row].task_id for row in rows_N.tolist()], dtype=np.int64),
        text_digests_N=synced.text_digests_N[rows_N],
        reasons_N=labelled.order.reasons_N,
        results_N=tuple(_results(synced, labelled, proba_N_C)),
    )


def _results(synced: Synced, labelled: LabelledOrder, proba_N_C: FloatArray | None) -> Iterator[str]:
    """Result items of every text, in order, as JSON.

    Texts drawn at random, and those on which an LLM is checked, carry none, so that the label is the person's own; nor
    does a text without words, nor one that neither a classifier nor an LLM has an answer to.
    """
    rows_N, is_explore_N = labelled.order.rows_N, labelled.order.is_explore_N
    by_classifier = repeat(NO_RESULT) if proba_N_C is None else results_of(synced.classification, proba_N_C[rows_N])
    for row, is_explore, result in zip(rows_N.tolist(), is_explore_N.tolist(), by_classifier, strict=False):
        text = synced.pool[row]
        if is_explore or not text.text or text.task_id in labelled.blind:
            yield NO_RESULT
        elif text.task_id in labelled.shown:
            yield json.dumps(label_result(synced.classification, labelled.shown[text.task_id]))
        else:
            yield result
