"""One round, top to bottom: sync → fit → score → order → publish. Read this first.

A round is asked for whenever something changed, and finds out here what, if anything, is due. It reads the truth from
Label Studio, so it may come twice, late, or be killed anywhere and run again.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial

import numpy as np

from backend.errors import PublicationError
from backend.rounds.llm_access import open_llms
from backend.rounds.llm_labels import checks_so_far, labels_that_train, with_llm_labels
from backend.rounds.llm_selection import LLMContext, choose, may_paste, write_paste_prompt
from backend.rounds.order import order_pool, strategy_for
from backend.rounds.plan import (
    NEW_LABELS,
    fingerprint,
    is_training_due,
    nothing_due,
    order_digest,
    publication_due,
    reorders_on_every_label,
    usable,
)
from backend.rounds.publish import KEPT_PUBLICATIONS, clean_up, extend, next_number, publish, switch
from backend.rounds.score import classify_by_names, compute_pool_features, embedder, source_of
from backend.rounds.sync import Synced, sync
from backend.settings import ProjectSettings, Settings
from backend.store.embeddings import keep_encoders
from backend.store.project_folder import ProjectFolder, Publication
from backend.store.selections import Selection
from backend.studio.client import LabelStudioClient
from backend.studio.webhooks import let_webhooks_in
from backend.work.queue import Turn
from backend.work.states import PUBLISHING, SCORING, SYNCING, TRAINING
from model.encoder.bert import new_classifier
from model.errors import ShortlistError, TrainingCancelledError
from model.learner.recipes import TrainingConfig
from model.learner.registry import ModelVersion, data_sha256
from model.learner.training import Start, Trained, check_trainable, do_not_stop, train
from model.llm.asking.routing import WEAK_WEIGHT
from model.query.unlabelled import Need
from model.text_digests import text_digest
from model.types import TrainingData

# An order that only knows more labels is soon followed by another: so many of its first texts are written, two batches,
# in one import; annotators who work on them while the next comes do not run out.
LIVE_BATCHES, LIVE_MOST = 2, 100
# Nothing is ordered while BERT trains: one import more, so that several people do not run out in minutes either.
WRITTEN_BEFORE_TRAINING = 250
# How soon to go on removing old publications after making way for another round.
CLEAN_UP_AGAIN_S = 1.0

log = logging.getLogger(__name__)


def run_round(settings: Settings, turn: Turn, should_stop: Callable[[], bool] = do_not_stop) -> None:
    """Run one round of the turn's project.

    Args:
        settings: the process's.
        turn: the right to run it.
        should_stop: whether the process wants to end: a training then does, between two steps.

    Raises:
        TrainingCancelledError: `should_stop` said so; nothing was changed.
        ShortlistError: the round cannot go on; what was published before stays in use.
    """
    folder = ProjectFolder(settings.model_dir, turn.project_id)
    with LabelStudioClient(settings) as client:
        turn.step(SYNCING)
        project = client.project(turn.project_id)
        folder.belong_to(project.created_at)
        let_webhooks_in(settings, client, turn.project_id, folder.connection().host)
        project_settings = settings.for_project(folder.connection().extra_params)
        if not nothing_due(folder, project, project_settings, settings.bert_model, turn):
            read = partial(sync, client, folder.tasks_file, project, project_settings, settings.bert_model, turn)
            synced = read()
            if is_training_due(folder, synced, turn):
                # What left no trace, such as an edited text, is found before it is learned from.
                synced = read(is_thorough=True)
            _do_what_is_due(settings, folder, client, synced, turn, should_stop)
        _clean_up(client, folder, turn)


def _do_what_is_due(
    settings: Settings,
    folder: ProjectFolder,
    client: LabelStudioClient,
    synced: Synced,
    turn: Turn,
    should_stop: Callable[[], bool],
) -> None:
    """Fit, score, order and publish, as far as each is due; a version becomes current after its order is published."""
    began = time.monotonic()
    if is_training_due(folder, synced, turn):
        _provide_for_annotators(folder, client, synced, turn)
    version, failure = _try_fit(settings, folder, synced, turn, should_stop)
    named = classify_by_names(settings, folder, synced, turn, should_stop) if version is None else None
    published = order_and_publish(settings, folder, client, synced, version, turn, should_stop, named)
    current = folder.registry.current()
    if version is not None and (current is None or version.number != current.number):
        folder.registry.point(version.number)
        keep_encoders(folder.embeddings_folder, [settings.bert_model, source_of(settings, version).name])
    checks = asdict(checks_so_far(folder, synced.targets, settings.llm_name))
    names = {"agreed": named.agreement.agreed, "of": named.agreement.of} if named else folder.synced().get("names")
    told = fingerprint(folder, synced, failure, has_names=named is not None)
    folder.save_synced({**told, "llm_checks": checks, "names": names})
    _record(folder, synced, version, published, time.monotonic() - began)


def _clean_up(client: LabelStudioClient, folder: ProjectFolder, turn: Turn) -> None:
    """Remove what earlier publications left, unless there is nothing, or somebody waits for the worker."""
    if len(folder.started_publications()) <= KEPT_PUBLICATIONS:
        return
    turn.step(PUBLISHING)
    if not clean_up(client, folder, turn.may_linger, turn.progress):
        turn.come_back(CLEAN_UP_AGAIN_S)


def _provide_for_annotators(folder: ProjectFolder, client: LabelStudioClient, synced: Synced, turn: Turn) -> None:
    """Write more of a short queue before a training, which may take minutes."""
    publication = folder.publication()
    if publication is not None:
        wanted = min(WRITTEN_BEFORE_TRAINING, synced.settings.queue_size)
        try:
            extend(client, folder, publication, synced.classification, wanted, turn.progress)
        except PublicationError as error:
            # A task of it was deleted: the order after the training knows.
            log.warning("event=not_extended project=%d reason=%s", folder.project_id, error)


def _try_fit(
    settings: Settings, folder: ProjectFolder, synced: Synced, turn: Turn, should_stop: Callable[[], bool]
) -> tuple[ModelVersion | None, ShortlistError | None]:
    """A training that fails leaves the version in use, and the order still wants publishing.

    The failure stays in the project's status until a later round reads the whole project again.
    """
    try:
        return fit(settings, folder, synced, turn, should_stop), None
    except TrainingCancelledError:
        raise
    except ShortlistError as error:
        log.error("event=training_failed project=%d code=%s reason=%s", folder.project_id, error.code, error)
        return usable(folder.registry.current(), synced), error


def fit(
    settings: Settings, folder: ProjectFolder, synced: Synced, turn: Turn, should_stop: Callable[[], bool] = do_not_stop
) -> ModelVersion | None:
    """Train if a training is due; returns the version to use, None while there is none."""
    if not is_training_due(folder, synced, turn):
        return usable(folder.registry.pending() or folder.registry.current(), synced)
    check_trainable(synced.targets)
    turn.step(TRAINING)
    config = TrainingConfig(recipe=synced.settings.recipe, encoder=settings.bert_model)
    weak = labels_that_train(folder, synced, settings.llm_name)
    # Most of the labelled texts were embedded when the pool was put in order first.
    start = Start(
        new_classifier(settings.bert_model, synced.targets.label_set),
        embedder(settings, folder, None, turn, should_stop),
    )
    data = TrainingData(synced.targets, weak, WEAK_WEIGHT, synced.background)
    trained = train(data, config, start, turn.progress, should_stop)
    version = folder.registry.write(trained, synced.targets, config, synced.label_texts)
    log.info(
        "event=trained project=%d version=%d labels=%d recipe=%s seconds=%.1f out_of_fold_accuracy=%s",
        folder.project_id,
        version.number,
        version.labels,
        trained.recipe.value,
        trained.train_s,
        f"{trained.out_of_fold.accuracy:.3f}" if trained.out_of_fold else "none",
    )
    for warning in trained.warnings:
        log.warning("event=weak_version project=%d version=%d reason=%s", folder.project_id, version.number, warning)
    return version


def order_and_publish(
    settings: Settings,
    folder: ProjectFolder,
    client: LabelStudioClient,
    synced: Synced,
    version: ModelVersion | None,
    turn: Turn,
    should_stop: Callable[[], bool] = do_not_stop,
    named: Trained | None = None,
) -> Publication | None:
    """Publish a new order if one is due; otherwise see that annotators get the one there is."""
    context = _llm_context(settings, folder, synced, version, turn, should_stop)
    selection = choose(context)
    has_names = named is not None
    live = reorders_on_every_label(folder, synced.settings, version, has_names=has_names)
    due = publication_due(folder.publication(), synced, version, selection, live=live, has_names=has_names)
    stored = client.prediction_counts(folder.project_id)
    if not due and stored.get(folder.published_name()):
        switch(client, folder, synced.project, folder.published_name())
        return None
    if not synced.pool:
        return None
    log.info(
        "event=ordering project=%d reason=%s", folder.project_id, (due or "predictions are gone").replace(" ", "_")
    )
    number = next_number(folder, stored)
    publication = order(settings, folder, synced, version, number, turn, selection, should_stop, named)
    if due == NEW_LABELS:
        queued = min(_live_queue(synced.settings), publication.queued)
        publication = replace(publication, queued=queued, is_live=True)
    turn.step(PUBLISHING)
    publish(client, folder, publication, synced.classification, turn.progress)
    return publication


def _live_queue(settings: ProjectSettings) -> int:
    return min(LIVE_BATCHES * settings.query_size, LIVE_MOST)


def order(
    settings: Settings,
    folder: ProjectFolder,
    synced: Synced,
    version: ModelVersion | None,
    number: int,
    turn: Turn,
    selection: Selection | None = None,
    should_stop: Callable[[], bool] = do_not_stop,
    named: Trained | None = None,
) -> Publication:
    """Score the pool and put it in order.

    What label names say decides the order from the first text on; people see it once they have agreed with it.
    """
    turn.step(SCORING)
    rng = np.random.default_rng(number)
    strategy = strategy_for(synced.settings, version is not None, selection, has_names=named is not None)
    unlabelled = compute_pool_features(settings, folder, synced, strategy, version, rng, turn, should_stop, named)
    ordered = order_pool(synced.pool, unlabelled, strategy, synced.settings, rng, selection)
    context = _llm_context(settings, folder, synced, version, turn, should_stop)
    labelled = with_llm_labels(context, ordered, selection, rng)
    ordered = labelled.order
    if settings.llm_provider or not may_paste(context):
        folder.drop_paste_prompt()
    elif version is None and Need.EMBEDDINGS in strategy.needs:
        write_paste_prompt(context, rng)
    texts = [synced.pool[row] for row in ordered.rows_N]
    is_shown = named is None or named.agreement.is_convincing
    proba_N_C = unlabelled.proba_N_C if unlabelled.proba_N_C is not None and is_shown else np.zeros((len(texts), 0))
    return Publication(
        number=number,
        model=version.number if version else 0,
        queued=min(synced.settings.queue_size, len(texts)),
        settings_digest=order_digest(synced.project.label_config, synced.settings),
        labelled_tasks=len(synced.targets),
        label_set=synced.classification.label_set,
        task_ids_N=np.array([text.task_id for text in texts], dtype=np.int64),
        text_digests_N=np.array([text_digest(text.text) for text in texts], dtype=np.uint64),
        proba_N_C=proba_N_C[ordered.rows_N].astype(np.float32),
        is_explore_N=ordered.is_explore_N,
        reasons_N=ordered.reasons_N,
        strategy=strategy.name,
        labels_sha256=data_sha256(synced.targets),
        selected_at=selection.at if selection and selection.picks else 0.0,
        llm_labels=labelled.shown,
        blind=labelled.blind,
    )


def _llm_context(
    settings: Settings,
    folder: ProjectFolder,
    synced: Synced,
    version: ModelVersion | None,
    turn: Turn,
    should_stop: Callable[[], bool],
) -> LLMContext:
    """What there is to ask an LLM with."""
    embed = embedder(settings, folder, None, turn, should_stop)
    llms = partial(open_llms, settings, folder, should_stop)
    return LLMContext(settings, folder, synced, version is not None, turn, embed, llms)


def _record(
    folder: ProjectFolder, synced: Synced, version: ModelVersion | None, published: Publication | None, seconds: float
) -> None:
    # A file that grew by a line for every label would tell nobody anything.
    if published is None or published.is_live:
        return
    folder.add_round(
        {
            "at": time.time(),
            "labels": len(synced.targets),
            "model": version.number if version else 0,
            "publication": published.name,
            "strategy": published.strategy,
            "left": len(synced.pool),
            "seconds": round(seconds, 2),
        }
    )
