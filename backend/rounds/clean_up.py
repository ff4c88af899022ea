"""Deletes the predictions of old publications in Label Studio, without disturbing annotators."""

import logging
from collections.abc import Callable, Iterator, Mapping

from backend.store.applied import run_number
from backend.store.project_folder import ProjectFolder
from backend.studio.client import LabelStudioClient
from model.progress import Progress

KEPT_PUBLICATIONS = 2
# In one request, Label Studio deletes a version in 5 ms for each prediction. Meanwhile its database is locked, and it
# refuses annotations after 5 s. Larger versions are deleted one prediction at a time, which takes ten times as long.
REMOVED_AT_ONCE = 100
# Each task with a prediction makes an import 0.4 ms slower. Other rounds must wait while small old publications hold
# more predictions than MAX_STALE_IN_SMALL, or all old publications hold more than MAX_STALE.
MAX_STALE_IN_SMALL = 1_000
MAX_STALE = 20_000

log = logging.getLogger(__name__)


def clean_up(
    client: LabelStudioClient,
    folder: ProjectFolder,
    may_linger: Callable[[], bool],
    on_progress: Progress,
) -> bool:
    """Delete all of our publications in Label Studio, except the newest two, without disturbing annotators.

    One request deletes a small publication. A large one is deleted prediction by prediction, which takes minutes.
    Between two requests this function returns if another round waits, unless too many old predictions have piled up.
    Predictions of other models stay: only publications that we started are deleted.

    Args:
        client: the client for Label Studio.
        folder: the project's folder, which names the publications that we started.
        may_linger: returns False if another round waits for the worker.
        on_progress: called with (predictions deleted, predictions to delete).

    Returns:
        True if no old publication is left.
    """
    stored = client.prediction_counts(folder.project_id)
    started = [
        name for name in folder.started_publications.read() if stored.get(name) or name == folder.publications.name()
    ]
    folder.started_publications.write(started)
    stale = _stale(folder, stored)
    removed, to_remove = 0, sum(stale.values())
    in_small = sum(size for size in stale.values() if size <= REMOVED_AT_ONCE)
    steps = removals(client, folder.project_id, stale)
    while removed < to_remove:
        are_too_many = in_small - removed > MAX_STALE_IN_SMALL or to_remove - removed > MAX_STALE
        if not are_too_many and not may_linger():
            return False
        # If another process deleted predictions meanwhile, the steps end early; count these as removed.
        removed += next(steps, to_remove - removed)
        on_progress(removed, to_remove)
    if stale:
        folder.started_publications.write([name for name in started if name not in stale])
        log.info("event=removed project=%d versions=%s predictions=%d", folder.project_id, ",".join(stale), removed)
    return True


def remove_all(client: LabelStudioClient, folder: ProjectFolder) -> int:
    """Delete all of our predictions in Label Studio: the order in use, earlier ones, and those of `apply`.

    Args:
        client: the client for Label Studio.
        folder: the project's folder, which names the publications that we started.

    Returns:
        The number of predictions that were deleted.
    """
    stored = client.prediction_counts(folder.project_id)
    applied = [name for name in stored if run_number(name)]
    names = dict.fromkeys([*folder.started_publications.read(), folder.publications.name(), *applied])
    return sum(removals(client, folder.project_id, {name: stored[name] for name in names if stored.get(name)}))


def _stale(folder: ProjectFolder, stored: Mapping[str, int]) -> dict[str, int]:
    """Return the number of predictions of each old publication, the smallest first."""
    current = folder.publications.name()
    others = [name for name in folder.started_publications.read() if stored.get(name) and name != current]
    stale = others[: max(0, len(others) - (KEPT_PUBLICATIONS - 1))]
    return {name: stored[name] for name in sorted(stale, key=lambda name: stored[name])}


def removals(client: LabelStudioClient, project_id: int, stale: Mapping[str, int]) -> Iterator[int]:
    """Delete model versions, one request in each step; yield the number of predictions that a request deleted.

    Args:
        client: the client for Label Studio.
        project_id: the project.
        stale: number of stored predictions of each model version.
    """
    for name, size in stale.items():
        if size <= REMOVED_AT_ONCE:
            client.delete_predictions(project_id, name)
            yield size
    large = [name for name, size in stale.items() if size > REMOVED_AT_ONCE]
    for prediction_id in client.prediction_ids(project_id, large) if large else []:
        client.delete_prediction(prediction_id)
        yield 1
