"""Removes old publications from Label Studio, without annotators noticing."""

import logging
from collections.abc import Callable, Iterator, Mapping

from backend.store.project_folder import ProjectFolder
from backend.studio.client import LabelStudioClient

KEPT_PUBLICATIONS = 2
# Removing a version in one request takes Label Studio 5 ms a prediction. It holds its database meanwhile, and refuses
# annotations that wait for 5 s: larger versions go one prediction at a time, which takes it ten times as long.
REMOVED_AT_ONCE = 100
# Every import takes Label Studio 0.4 ms longer for each task with a prediction. So rounds wait for small publications
# to go if they hold more predictions than these, and for any if there are far too many.
MAX_STALE_IN_SMALL = 1_000
MAX_STALE = 20_000

log = logging.getLogger(__name__)


def clean_up(
    client: LabelStudioClient,
    folder: ProjectFolder,
    may_linger: Callable[[], bool],
    on_progress: Callable[[int, int], None],
) -> bool:
    """Remove all of our publications from Label Studio but the newest two, without annotators noticing.

    A small publication goes in one request, a large one prediction by prediction, which takes minutes. Between two
    requests this makes way for rounds that wait, and goes on after them, unless too many have piled up. Only names that
    we began ourselves are touched: other models' predictions are not ours to remove.

    Args:
        client: the project's Label Studio.
        folder: knows what was begun.
        may_linger: whether nothing more urgent waits.
        on_progress: called with (removed, to remove).

    Returns:
        Whether all is clean.
    """
    stored = client.prediction_counts(folder.project_id)
    begun = [
        name for name in folder.started_publications.read() if stored.get(name) or name == folder.publications.name()
    ]
    folder.started_publications.write(begun)
    stale = _stale(folder, stored)
    removed, to_remove = 0, sum(stale.values())
    in_small = sum(size for size in stale.values() if size <= REMOVED_AT_ONCE)
    removals = _removals(client, folder.project_id, stale)
    while removed < to_remove:
        are_too_many = in_small - removed > MAX_STALE_IN_SMALL or to_remove - removed > MAX_STALE
        if not are_too_many and not may_linger():
            return False
        # What somebody else removed meanwhile is gone, too.
        removed += next(removals, to_remove - removed)
        on_progress(removed, to_remove)
    if stale:
        folder.started_publications.write([name for name in begun if name not in stale])
        log.info("event=removed project=%d versions=%s predictions=%d", folder.project_id, ",".join(stale), removed)
    return True


def _stale(folder: ProjectFolder, stored: Mapping[str, int]) -> dict[str, int]:
    """Predictions of each of our publications that nobody needs any more, the smallest first."""
    current = folder.publications.name()
    others = [name for name in folder.started_publications.read() if stored.get(name) and name != current]
    stale = others[: max(0, len(others) - (KEPT_PUBLICATIONS - 1))]
    return {name: stored[name] for name in sorted(stale, key=lambda name: stored[name])}


def _removals(client: LabelStudioClient, project_id: int, stale: Mapping[str, int]) -> Iterator[int]:
    """Remove these publications, a request a step, which says how many predictions it removed."""
    for name, size in stale.items():
        if size <= REMOVED_AT_ONCE:
            client.delete_predictions(project_id, name)
            yield size
    large = [name for name, size in stale.items() if size > REMOVED_AT_ONCE]
    for prediction_id in client.prediction_ids(project_id, large) if large else []:
        client.delete_prediction(prediction_id)
        yield 1
