"""What a round has to do: everything that decides whether a training or a new order is due."""

import hashlib
import json
import math
import time
from typing import Any

import numpy as np

from backend.rounds.llm_selection import has_a_say, retry_at
from backend.rounds.order import strategy_for
from backend.rounds.sync import Synced
from backend.settings import LLMLabels, ProjectSettings
from backend.store.project_folder import ProjectFolder, Publication
from backend.store.selections import Selection
from backend.studio.client import SAMPLING
from backend.studio.contract import Project
from backend.work.queue import Turn
from model.errors import ShortlistError
from model.learner.registry import ModelVersion, data_sha256, label_digests
from model.query.strategies import find_strategy
from model.text_digests import text_digest

# A full training follows when the labels grew by a quarter, so that the total cost stays linear in the labels.
GROWTH = 0.25
# Why an order is due that only knows more labels than the one before: nothing else changed.
NEW_LABELS = "new labels"


def nothing_due(folder: ProjectFolder, project: Project, settings: ProjectSettings, encoder: str, turn: Turn) -> bool:
    """See from Label Studio's counts alone that reading the whole project would be for nothing.

    Every annotation asks for a round. Reading 10,000 tasks for each would slow annotators down; a project's counts cost
    one small request.
    """
    last = folder.synced.read()
    if _is_past(last.get("ask_llm_at")):
        return False
    if turn.asked_to_train or not last or last["identity"] != _identity(folder, project, settings, encoder):
        return False
    if project.model_version != folder.published_name() or project.sampling != SAMPLING:
        return False
    moved = max(turn.changes + last["unseen"], abs(project.annotations - last["annotations"]))
    if moved >= last["quiet_for"]:
        return False
    newly = project.labelled_tasks - last["labels"]
    counts = {"labels": project.labelled_tasks, "left": max(0, last["left"] - newly)}
    folder.synced.write({**last, **counts, "unseen": last["unseen"] + turn.changes})
    return True


def _identity(folder: ProjectFolder, project: Project, settings: ProjectSettings, encoder: str) -> list[Any]:
    """What, when it changes, makes every shortcut void."""
    current = folder.registry.current()
    return [
        order_digest(project.label_config, settings),
        encoder,
        project.tasks,
        current.number if current else 0,
        _selected_at(folder.selection.read()),
    ]


def _selected_at(selection: Selection | None) -> float:
    """Stands for what an LLM chose, or a person pasted; 0 for a failure, which changes nothing by itself."""
    return selection.at if selection is not None and not selection.has_failed else 0.0


def _is_past(at: float | None) -> bool:
    return at is not None and time.time() >= at


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
    if latest.label_texts != synced.label_texts:
        return 0
    before, now = latest.label_digests_N, label_digests(synced.targets)
    # A corrected label has another digest: gone from before, new in now, and one change all the same.
    changed = max(len(np.setdiff1d(now, before)), len(np.setdiff1d(before, now)))
    return max(least, math.ceil(GROWTH * latest.labels)) - changed


def is_training_due(folder: ProjectFolder, synced: Synced, turn: Turn) -> bool:
    """Whether the labels grew enough, or somebody asks for a training."""
    return turn.asked_to_train or labels_until_training(folder.registry.latest(), synced) <= 0


def reorders_on_every_label(
    folder: ProjectFolder, settings: ProjectSettings, version: ModelVersion | None, *, has_names: bool = False
) -> bool:
    """Whether every label orders the queue anew at once, without a training.

    There has to be a classifier, of label names if there is no other, and a strategy that goes by it. One that was
    rolled back to stays as it was trained: what was labelled since may be why. Where an LLM's labels arrange the order
    as well, it would be asked for every label that people give: there an order stays until its batch is used up.
    """
    if settings.llm_labels.includes(LLMLabels.ROUTE):
        return False
    if version is None:
        return has_names and find_strategy(settings.cold_start).needs_classifier
    newest = folder.registry.numbers()[-1:] == [version.number]
    return newest and find_strategy(settings.strategy).needs_classifier


def _least_classes(synced: Synced) -> int:
    return 1 if synced.classification.label_set.is_multilabel else 2


def usable(version: ModelVersion | None, synced: Synced) -> ModelVersion | None:
    """A version whose labels are not the project's any more is of no use."""
    return version if version is not None and version.label_set == synced.classification.label_set else None


def publication_due(
    published: Publication | None,
    synced: Synced,
    version: ModelVersion | None,
    selection: Selection | None = None,
    *,
    live: bool = False,
    has_names: bool = False,
) -> str:
    """Why a new order is due, in a few words; empty if the published one still serves.

    Args:
        published: the order in use.
        synced: the project.
        version: the model version to use.
        selection: what an LLM chose, where it has a say.
        live: whether labels alone call for a new order.
        has_names: whether label names classify while there is no model.
    """
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
    if reason := _llm_reason(published, synced, version is not None, selection, has_names):
        return reason
    waiting = {text.task_id for text in synced.pool}
    left = sum(task_id in waiting for task_id in published.task_ids_N[: published.queued].tolist())
    if left < min(_least_left(published, synced.settings), len(waiting)):
        return "queue used up"
    if live and published.labels_sha256 != data_sha256(synced.targets):
        return NEW_LABELS
    return ""


def _least_left(published: Publication, settings: ProjectSettings) -> int:
    """With how few tasks left a queue is used up; one made between trainings may be shorter than a batch."""
    return min(settings.query_size, published.queued // 2) if published.is_live else settings.query_size


def _llm_reason(
    published: Publication, synced: Synced, has_model: bool, selection: Selection | None, has_names: bool
) -> str:
    """Why what an LLM chose, or does not choose any more, calls for a new order; empty if it does not."""
    if selection is not None and selection.picks and selection.at > published.selected_at:
        return "the LLM chose"
    decides = strategy_for(synced.settings, has_model, selection, has_names=has_names).name
    if published.strategy and published.strategy != decides:
        return "another strategy decides"
    return ""


def fingerprint(
    folder: ProjectFolder, synced: Synced, failure: ShortlistError | None, *, has_names: bool = False
) -> dict[str, Any]:
    """How Label Studio stood, how the training ended, and how many annotations may come before anything can be due."""
    published = folder.publication()
    since = len(synced.targets) - (published.labelled_tasks if published else 0)
    # After a failed training the next try waits for as many labels as any training does.
    until_training = labels_until_training(folder.registry.latest(), synced)
    until_try = synced.settings.retrain_every if failure else until_training
    until_hand_over = synced.settings.query_size - len(synced.targets)
    current = folder.registry.current()
    has_say = has_a_say(synced.settings, len(synced.targets), current is not None)
    live = reorders_on_every_label(folder, synced.settings, usable(current, synced), has_names=has_names)
    until_order = 1 if live else synced.settings.query_size - since
    return {
        "identity": _identity(folder, synced.project, synced.settings, synced.encoder),
        "annotations": synced.project.annotations,
        "unseen": 0,
        "quiet_for": min([until_try, until_order, *([until_hand_over] if has_say else [])]),
        "has_llm_a_say": has_say,
        "ask_llm_at": retry_at(folder.selection.read()) if has_say else None,
        "labels": len(synced.targets),
        "left": len(synced.pool),
        "failure": {"code": failure.code, "message": str(failure)} if failure else None,
    }
