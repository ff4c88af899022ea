"""One round, top to bottom: sync → fit → score → order → publish. Read this first.

A round is asked for whenever something changed, and finds out here what, if anything, is due. It reads the truth from
Label Studio, so it may come twice, late, or be killed anywhere and run again.
"""

import hashlib
import json
import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from backend import jobs
from backend.authentication import webhook_headers
from backend.contract import Project
from backend.jobs import Turn
from backend.label_studio import SAMPLING, LabelStudioClient
from backend.labeling_config import Classification, read_labeling_config, read_text
from backend.ordering import order_pool, strategy_for
from backend.projects import ProjectFolder, Publication
from backend.publishing import KEPT_PUBLICATIONS, clean_up, next_number, publish, switch
from backend.settings import ProjectSettings, Settings
from model.annotations import build_targets
from model.bert import new_classifier
from model.errors import ShortlistError
from model.inference import embed_texts, score_texts
from model.pool import EmbeddingCache, text_digest
from model.query.strategies import Need, Unlabelled
from model.registry import ModelVersion, label_digests
from model.training import TrainingConfig, check_trainable, train
from model.types import AnnotatedText, FloatArray, PoolText, Targets

# A full training follows when the labels grew by a quarter, so that the total cost stays linear in the labels.
GROWTH = 0.25
# How soon to go on removing old publications after making way for another round.
CLEAN_UP_AGAIN_S = 1.0

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Synced:
    """A project as Label Studio holds it now.

    Attributes:
        pool: texts that still want labels, by task id.
        targets: what was labelled so far.
    """

    project: Project
    classification: Classification
    settings: ProjectSettings
    targets: Targets
    pool: tuple[PoolText, ...]


def run_round(settings: Settings, turn: Turn) -> None:
    """Run one round of the turn's project.

    Raises:
        ShortlistError: the round cannot go on; what was published before stays in use.
    """
    began = time.monotonic()
    folder = ProjectFolder(settings.model_dir, turn.project_id)
    client = LabelStudioClient(settings)
    turn.step(jobs.SYNCING)
    project = client.project(turn.project_id)
    folder.belong_to(project.created_at)
    _let_webhooks_in(settings, client, folder)
    project_settings = settings.for_project(folder.connection().extra_params)
    failure = None
    if not _nothing_due(folder, project, project_settings, turn):
        synced = sync(client, project, project_settings)
        version, failure = _try_fit(settings, folder, synced, turn)
        published = order_and_publish(settings, folder, client, synced, version, turn)
        if version is not None and version != folder.registry.current():
            folder.registry.point(version.number)
        folder.save_synced(_fingerprint(folder, synced, has_failed=failure is not None))
        _record(folder, synced, version, published, time.monotonic() - began)
    _clean_up(client, folder, turn)
    if failure is not None:
        raise failure


def _clean_up(client: LabelStudioClient, folder: ProjectFolder, turn: Turn) -> None:
    """Remove what earlier publications left, unless there is nothing, or somebody waits for the worker."""
    if len(folder.started_publications()) <= KEPT_PUBLICATIONS:
        return
    turn.step(jobs.PUBLISHING)
    if not clean_up(client, folder, turn.may_linger, turn.progress):
        turn.come_back(CLEAN_UP_AGAIN_S)


def _let_webhooks_in(settings: Settings, client: LabelStudioClient, folder: ProjectFolder) -> None:
    """Give Label Studio's webhook our credentials: it is made without any, and our door would refuse its events."""
    headers = webhook_headers(settings)
    host = folder.connection().host
    if headers and host and not client.set_webhook_headers(folder.project_id, _is_webhook_of(host), headers):
        log.warning("event=no_webhook project=%d host=%s", folder.project_id, host)


def _is_webhook_of(host: str) -> Callable[[str], bool]:
    return lambda url: urlsplit(url).netloc == host and url.endswith("/webhook")


def _nothing_due(folder: ProjectFolder, project: Project, settings: ProjectSettings, turn: Turn) -> bool:
    """See from Label Studio's counts alone that reading the whole project would be for nothing.

    Every annotation asks for a round. Reading 10,000 tasks for each would slow annotators down; a project's counts cost
    one small request.
    """
    last = folder.synced()
    if turn.asked_to_train or not last or last["identity"] != _identity(folder, project, settings):
        return False
    if project.model_version != folder.published_name() or project.sampling != SAMPLING:
        return False
    moved = max(turn.changes + last["unseen"], abs(project.annotations - last["annotations"]))
    if moved >= last["quiet_for"]:
        return False
    folder.save_synced({**last, "unseen": last["unseen"] + turn.changes})
    return True


def _identity(folder: ProjectFolder, project: Project, settings: ProjectSettings) -> list[Any]:
    """What, when it changes, makes every shortcut void."""
    current = folder.registry.current()
    return [
        _digest(project.label_config, settings),
        project.tasks,
        current.number if current else 0,
    ]


def _digest(label_config: str, settings: ProjectSettings) -> str:
    text = json.dumps([label_config, settings.model_dump(mode="json")])
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def sync(client: LabelStudioClient, project: Project, settings: ProjectSettings) -> Synced:
    """Read annotations and pool, and reduce them to texts, targets and a question."""
    classification = read_labeling_config(project.label_config)
    annotated = [
        AnnotatedText(task.task_id, text, task.annotations)
        for task in client.annotated_tasks(project.project_id, classification.control)
        if (text := read_text(classification, task.data))
    ]
    pool = tuple(
        PoolText(task.task_id, read_text(classification, task.data), task.is_skipped)
        for task in client.tasks(project.project_id)
        if not task.is_done
    )
    empty = [text.task_id for text in pool if not text.text]
    if empty:
        log.warning("event=no_text project=%d tasks=%d first=%d", project.project_id, len(empty), empty[0])
    return Synced(project, classification, settings, build_targets(annotated, classification.label_set), pool)


def _try_fit(
    settings: Settings, folder: ProjectFolder, synced: Synced, turn: Turn
) -> tuple[ModelVersion | None, ShortlistError | None]:
    """A training that fails leaves the version in use, and the order still wants publishing."""
    try:
        return fit(settings, folder, synced, turn), None
    except ShortlistError as error:
        return _usable(folder.registry.current(), synced), error


def fit(settings: Settings, folder: ProjectFolder, synced: Synced, turn: Turn) -> ModelVersion | None:
    """Train if a training is due; returns the version to use, None while there is none."""
    latest = folder.registry.latest()
    if not turn.asked_to_train and labels_until_training(latest, synced) > 0:
        return _usable(folder.registry.pending() or folder.registry.current(), synced)
    check_trainable(synced.targets)
    turn.step(jobs.TRAINING)
    config = TrainingConfig(recipe=synced.settings.recipe, encoder=settings.bert_model)
    trained = train(synced.targets, config, lambda step, steps, loss: turn.progress(step, steps))
    version = folder.registry.write(trained, synced.targets, config)
    log.info(
        "event=trained project=%d version=%d labels=%d recipe=%s seconds=%.1f",
        folder.project_id,
        version.number,
        version.labels,
        version.recipe,
        trained.train_s,
    )
    return version


def labels_until_training(latest: ModelVersion | None, synced: Synced) -> int:
    """How many more labels have to come or change before a training is due; 0 or less: now."""
    least = synced.settings.retrain_every
    if len(np.flatnonzero(synced.targets.targets_N_C.sum(axis=0))) < _least_classes(synced):
        # One class only teaches nothing; any further label may be of another.
        return max(1, least - len(synced.targets))
    if latest is None:
        return least - len(synced.targets)
    if latest.label_set != synced.classification.label_set:
        return least - len(synced.targets)
    if latest.recipe != synced.settings.recipe.value:
        return 0
    changed = len(np.setxor1d(latest.label_digests_N, label_digests(synced.targets)))
    return max(least, math.ceil(GROWTH * latest.labels)) - changed


def _least_classes(synced: Synced) -> int:
    return 1 if synced.classification.label_set.is_multilabel else 2


def _usable(version: ModelVersion | None, synced: Synced) -> ModelVersion | None:
    """A version whose labels are not the project's any more is of no use."""
    return version if version is not None and version.label_set == synced.classification.label_set else None


def order_and_publish(
    settings: Settings,
    folder: ProjectFolder,
    client: LabelStudioClient,
    synced: Synced,
    version: ModelVersion | None,
    turn: Turn,
) -> Publication | None:
    """Publish a new order if one is due; otherwise see that annotators get the one there is."""
    due = publication_due(folder.publication(), synced, version)
    stored = client.prediction_counts(folder.project_id)
    if not due and stored.get(folder.published_name()):
        switch(client, folder, synced.project, folder.published_name())
        return None
    if not synced.pool:
        return None
    log.info(
        "event=ordering project=%d reason=%s", folder.project_id, (due or "predictions are gone").replace(" ", "_")
    )
    publication = order(settings, folder, synced, version, next_number(folder, stored), turn)
    turn.step(jobs.PUBLISHING)
    publish(client, folder, publication, synced.classification, turn.progress)
    return publication


def publication_due(published: Publication | None, synced: Synced, version: ModelVersion | None) -> str:
    """Why a new order is due, in a few words; empty if the published one still serves."""
    if published is None:
        return "first order"
    if published.model != (version.number if version else 0):
        return "model version changed"
    if published.settings_digest != _digest(synced.project.label_config, synced.settings):
        return "settings changed"
    known = dict(zip(published.task_ids_N.tolist(), published.text_digests_N.tolist(), strict=True))
    if any(known.get(text.task_id) != text_digest(text.text) for text in synced.pool):
        return "new or changed tasks"
    if len(synced.targets) - published.labelled_tasks >= synced.settings.query_size:
        return "batch used up"
    waiting = {text.task_id for text in synced.pool}
    left = sum(task_id in waiting for task_id in published.task_ids_N[: published.queued].tolist())
    if left < min(synced.settings.query_size, len(waiting)):
        return "queue used up"
    return ""


def order(
    settings: Settings, folder: ProjectFolder, synced: Synced, version: ModelVersion | None, number: int, turn: Turn
) -> Publication:
    """Score the pool and put it in order."""
    turn.step(jobs.SCORING)
    rng = np.random.default_rng(number)
    unlabelled = _view(settings, folder, synced, version, turn)
    label_set = synced.classification.label_set
    ordered = order_pool(synced.pool, unlabelled, synced.settings, version is not None, label_set.is_multilabel, rng)
    texts = [synced.pool[row] for row in ordered.rows_N]
    proba_N_C = unlabelled.proba_N_C if unlabelled.proba_N_C is not None else np.zeros((len(texts), 0))
    return Publication(
        number=number,
        model=version.number if version else 0,
        queued=min(synced.settings.queue_size, len(texts)),
        settings_digest=_digest(synced.project.label_config, synced.settings),
        labelled_tasks=len(synced.targets),
        label_set=label_set,
        task_ids_N=np.array([text.task_id for text in texts], dtype=np.int64),
        text_digests_N=np.array([text_digest(text.text) for text in texts], dtype=np.uint64),
        proba_N_C=proba_N_C[ordered.rows_N].astype(np.float32),
        is_explore_N=ordered.is_explore_N,
        reasons_N=ordered.reasons_N,
    )


def _view(
    settings: Settings, folder: ProjectFolder, synced: Synced, version: ModelVersion | None, turn: Turn
) -> Unlabelled:
    """Compute what the strategy needs: with a model its probabilities and embeddings, without one the encoder's."""
    texts = [text.text for text in synced.pool]
    if version is not None:
        classifier = version.load()
        scored = score_texts(classifier, texts, turn.progress)
        return Unlabelled(len(texts), scored.proba_N_C, scored.embeddings_N_D)
    if Need.EMBEDDINGS not in strategy_for(synced.settings, has_model=False).needs:
        return Unlabelled(len(texts))
    both_M_D = _untrained_embeddings(settings, folder, synced, [*texts, *synced.targets.texts], turn)
    return Unlabelled(len(texts), None, both_M_D[: len(texts)], both_M_D[len(texts) :])


def _untrained_embeddings(
    settings: Settings, folder: ProjectFolder, synced: Synced, texts: Sequence[str], turn: Turn
) -> FloatArray:
    """Embeddings before any training, kept on disk."""

    def embed(missing: Sequence[str]) -> FloatArray:
        classifier = new_classifier(settings.bert_model, synced.classification.label_set)
        return embed_texts(classifier, missing, turn.progress)

    return EmbeddingCache(folder.embeddings_file, settings.bert_model).embed(texts, embed)


def _fingerprint(folder: ProjectFolder, synced: Synced, has_failed: bool) -> dict[str, Any]:
    """How Label Studio stood, and how many annotations may come before anything can be due."""
    published = folder.publication()
    since = len(synced.targets) - (published.labelled_tasks if published else 0)
    # After a failed training the next try waits for as many labels as any training does.
    until_training = labels_until_training(folder.registry.latest(), synced)
    until_try = synced.settings.retrain_every if has_failed else until_training
    return {
        "identity": _identity(folder, synced.project, synced.settings),
        "annotations": synced.project.annotations,
        "unseen": 0,
        "quiet_for": min(until_try, synced.settings.query_size - since),
        "labels": len(synced.targets),
        "left": len(synced.pool),
    }


def _record(
    folder: ProjectFolder, synced: Synced, version: ModelVersion | None, published: Publication | None, seconds: float
) -> None:
    if published is None:
        return
    folder.add_round(
        {
            "at": time.time(),
            "labels": len(synced.targets),
            "model": version.number if version else 0,
            "publication": published.name,
            "strategy": strategy_for(synced.settings, version is not None).name,
            "left": len(synced.pool),
            "seconds": round(seconds, 2),
        }
    )
