"""The facts of a project's question that decide what a round does; `plan.py` decides."""

import hashlib
import json
import logging
from dataclasses import dataclass, replace

import numpy as np

from backend.errors import DamagedOrderError
from backend.rounds.asking.wishes import read_wishes
from backend.rounds.context import InUse, RoundContext
from backend.rounds.llm.choosing import has_a_say, retry_at
from backend.rounds.order import strategy_for
from backend.rounds.plan import least_left
from backend.rounds.standing import Standing
from backend.rounds.sync import Synced
from backend.settings import LLMLabels, ProjectSettings
from backend.store.order.head import Publication
from backend.store.project_folder import ProjectFolder
from backend.store.selections import Selection
from backend.store.sync_record import Facts, OrderFacts
from model.learner.model_version import ModelVersion
from model.learner.registry import data_sha256, label_digests
from model.query.strategies import find_strategy
from model.types import IntArray

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PublishedTexts:
    """The order in use, with the texts that it knew.

    Attributes:
        head: its head.
        task_ids_N: every task that was ordered, first = next.
        digests_N: which text each had; uint64.
    """

    head: Publication
    task_ids_N: IntArray
    digests_N: IntArray

    def of_question(self, place: int) -> "PublishedTexts":
        """The order as one of the project's questions sees it."""
        return replace(self, head=self.head.of_question(place))


def published_texts(folder: ProjectFolder) -> PublishedTexts | None:
    """Read the order in use; None before the first order, and if the order is damaged."""
    try:
        with folder.publications.open() as order:
            return None if order is None else PublishedTexts(order.head, *order.texts())
    except DamagedOrderError as error:
        log.warning("event=order_damaged project=%d reason=%s", folder.project_id, error)
        return None


def training_facts(context: RoundContext, synced: Synced) -> Facts:
    """The facts that decide whether a training is due; those of the order are left out."""
    latest = context.folder.registry.latest()
    fits = latest is not None and latest.fits(synced.task.control, synced.task.label_set)
    return Facts(
        labels=len(synced.targets),
        waiting=len(synced.pool),
        can_teach=synced.task.can_teach(synced.targets),
        trained_labels=latest.labels if latest and fits else None,
        is_outdated=latest is not None and _is_outdated(latest, synced),
        changed_labels=_changed(latest, synced) if latest and fits else 0,
        retrain_every=synced.settings.retrain_every,
        query_size=synced.settings.query_size,
        order=None,
        asked_to_train=context.turn.requested.train and synced.task.is_learned,
    )


def with_order(facts: Facts, standing: Standing, published: PublishedTexts | None) -> Facts:
    """The facts with those of the order in use.

    Args:
        facts: see `training_facts`.
        standing: the question.
        published: the order in use, as the question sees it.
    """
    context, synced, in_use = standing.context, standing.synced, standing.in_use
    has_say = has_a_say(synced.settings, len(synced.targets), in_use.has_model)
    choice = context.folder.of_project.selection
    facts = replace(facts, ask_llm_at=retry_at(choice.read()) if has_say and standing.leads else None)
    if published is None:
        return facts
    # Wishes are the project's, and stand in its own folder.
    wished = read_wishes(context.folder.of_project).stamp
    head, pool_ids_N = published.head, np.array([text.task_id for text in synced.pool], dtype=np.int64)
    order = OrderFacts(
        model_fits=head.model == in_use.model,
        settings_fit=head.settings_digest == order_digest(synced.project.label_config, synced.settings, wished),
        tasks_fit=_knows_texts(published, pool_ids_N, synced.text_digests_N),
        labels_since=len(synced.targets) - head.labelled_tasks,
        llm_reason=_llm_reason(head, synced, in_use, standing.selection),
        hand_over_at=synced.settings.query_size if has_say and in_use.has_model else None,
        left=int(np.isin(published.task_ids_N[: head.queued], pool_ids_N).sum()),
        least_left=least_left(head.queued, synced.settings, synced.people),
        follows_labels=reorders_on_every_label(context.folder, synced.settings, in_use),
        has_all_labels=head.labels_sha256 == data_sha256(synced.targets),
    )
    return replace(facts, order=order)


def _is_outdated(latest: ModelVersion, synced: Synced) -> bool:
    asked = (synced.settings.recipe.value, synced.encoder, synced.label_texts)
    return (latest.recipe, latest.encoder, latest.label_texts) != asked


def _changed(latest: ModelVersion, synced: Synced) -> int:
    """How many labels came, changed or went since a version was trained.

    A corrected label has another digest: it went and came, and counts as one change.
    """
    before, now = latest.label_digests_N, label_digests(synced.targets)
    return max(len(np.setdiff1d(now, before)), len(np.setdiff1d(before, now)))


def _knows_texts(published: PublishedTexts, pool_ids_N: IntArray, digests_N: IntArray) -> bool:
    """Whether an order has every task of the pool with the text that the task has now."""
    if not len(pool_ids_N):
        return True
    if not len(published.task_ids_N):
        return False
    rows_N = np.argsort(published.task_ids_N)
    sorted_ids_N = published.task_ids_N[rows_N]
    at_N = np.minimum(np.searchsorted(sorted_ids_N, pool_ids_N), len(sorted_ids_N) - 1)
    is_there_N = sorted_ids_N[at_N] == pool_ids_N
    return bool(is_there_N.all() and (published.digests_N[rows_N[at_N]] == digests_N).all())


def _llm_reason(head: Publication, synced: Synced, in_use: InUse, selection: Selection | None) -> str:
    """Why an LLM's choice, or the end of it, calls for a new order; empty if it does not."""
    if selection is not None and selection.picks and selection.at > head.selected_at:
        return "the LLM chose"
    decides = strategy_for(synced.settings, in_use.has_model, selection, has_names=in_use.has_names).name
    # A hook that failed is asked again when the next order is due, not at once.
    if head.asked_strategy and head.asked_strategy != decides:
        return "another strategy decides"
    return ""


def reorders_on_every_label(folder: ProjectFolder, settings: ProjectSettings, in_use: InUse) -> bool:
    """Whether every label orders the queue anew at once, without a training.

    That takes a classifier, if only of label names, and a strategy that uses it. After a rollback the head is not
    fitted anew, since the newer labels may be why somebody rolled back. If an LLM's labels shape the order, the LLM
    would be asked for every label that people give; then an order stays until its batch is used up.
    """
    if settings.llm_labels.includes(LLMLabels.ROUTE):
        return False
    if in_use.version is None:
        return in_use.has_names and find_strategy(settings.cold_start).needs_classifier
    is_set_back = folder.registry.is_set_back(in_use.version.number)
    return not is_set_back and find_strategy(settings.strategy).needs_classifier


def order_digest(label_config: str, settings: ProjectSettings, wished: tuple[float, ...] = ()) -> str:
    """Return a digest of everything that shapes an order besides texts and labels.

    Args:
        label_config: the labeling config.
        settings: the project's settings.
        wished: the stamp of what is asked for first; see `Wishes`.
    """
    text = json.dumps([label_config, settings.model_dump(mode="json"), *wished])
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
