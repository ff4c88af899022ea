"""What a round has to do: everything that decides whether a training or a new order is due."""

import hashlib
import json
import math
from typing import Any

import numpy as np

from backend.contract import Project
from backend.jobs import Turn
from backend.label_studio import SAMPLING
from backend.projects import ProjectFolder, Publication
from backend.settings import ProjectSettings
from backend.syncing import Synced
from model.errors import ShortlistError
from model.pool import text_digest
from model.registry import ModelVersion, label_digests

# A full training follows when the labels grew by a quarter, so that the total cost stays linear in the labels.
GROWTH = 0.25


def nothing_due(folder: ProjectFolder, project: Project, settings: ProjectSettings, encoder: str, turn: Turn) -> bool:
    """See from Label Studio's counts alone that reading the whole project would be for nothing.

    Every annotation asks for a round. Reading 10,000 tasks for each would slow annotators down; a project's counts cost
    one small request.
    """
    last = folder.synced()
    if turn.asked_to_train or not last or last["identity"] != _identity(folder, project, settings, encoder):
        return False
    if project.model_version != folder.published_name() or project.sampling != SAMPLING:
        return False
    moved = max(turn.changes + last["unseen"], abs(project.annotations - last["annotations"]))
    if moved >= last["quiet_for"]:
        return False
    newly = project.labelled_tasks - last["labels"]
    counts = {"labels": project.labelled_tasks, "left": max(0, last["left"] - newly)}
    folder.save_synced({**last, **counts, "unseen": last["unseen"] + turn.changes})
    return True


def _identity(folder: ProjectFolder, project: Project, settings: ProjectSettings, encoder: str) -> list[Any]:
    """What, when it changes, makes every shortcut void."""
    current = folder.registry.current()
    return [
        order_digest(project.label_config, settings),
        encoder,
        project.tasks,
        current.number if current else 0,
    ]


def order_digest(label_config: str, settings: ProjectSettings) -> str:
    """Stands for what shapes an order besides the texts and labels."""
    text = json.dumps([label_config, settings.model_dump(mode="json")])
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


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
    if latest.recipe != synced.settings.recipe.value or latest.encoder != synced.encoder:
        return 0
    before, now = latest.label_digests_N, label_digests(synced.targets)
    # A corrected label has another digest: gone from before, new in now, and one change all the same.
    changed = max(len(np.setdiff1d(now, before)), len(np.setdiff1d(before, now)))
    return max(least, math.ceil(GROWTH * latest.labels)) - changed


def _least_classes(synced: Synced) -> int:
    return 1 if synced.classification.label_set.is_multilabel else 2


def usable(version: ModelVersion | None, synced: Synced) -> ModelVersion | None:
    """A version whose labels are not the project's any more is of no use."""
    return version if version is not None and version.label_set == synced.classification.label_set else None


def publication_due(published: Publication | None, synced: Synced, version: ModelVersion | None) -> str:
    """Why a new order is due, in a few words; empty if the published one still serves."""
    if published is None:
        return "first order"
    if published.model != (version.number if version else 0):
        return "model version changed"
    if published.settings_digest != order_digest(synced.project.label_config, synced.settings):
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


def fingerprint(folder: ProjectFolder, synced: Synced, failure: ShortlistError | None) -> dict[str, Any]:
    """How Label Studio stood, how the training ended, and how many annotations may come before anything can be due."""
    published = folder.publication()
    since = len(synced.targets) - (published.labelled_tasks if published else 0)
    # After a failed training the next try waits for as many labels as any training does.
    until_training = labels_until_training(folder.registry.latest(), synced)
    until_try = synced.settings.retrain_every if failure else until_training
    return {
        "identity": _identity(folder, synced.project, synced.settings, synced.encoder),
        "annotations": synced.project.annotations,
        "unseen": 0,
        "quiet_for": min(until_try, synced.settings.query_size - since),
        "labels": len(synced.targets),
        "left": len(synced.pool),
        "failure": {"code": failure.code, "message": str(failure)} if failure else None,
    }
