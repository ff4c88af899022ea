"""Order → predictions, model_version, sampling; cleans up old publications."""

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from backend.store.project_folder import PUBLICATION_NAME, ProjectFolder, Publication
from backend.studio.client import SAMPLING, LabelStudioClient
from backend.studio.contract import LAST_SCORE, Project
from backend.studio.labeling_config import Classification, label_result, prediction_result
from model.text_digests import text_digest

KEPT_PUBLICATIONS = 2
# Removing a version in one request takes Label Studio 5 ms a prediction. It holds its database meanwhile, and refuses
# annotations that wait for 5 s: larger versions go one prediction at a time, which takes it ten times as long.
REMOVED_AT_ONCE = 100
# Every import takes Label Studio 0.4 ms longer for each task with a prediction. So rounds wait for small publications
# to go if they hold more predictions than these, and for any if there are far too many.
MAX_STALE_IN_SMALL = 1_000
MAX_STALE = 20_000

log = logging.getLogger(__name__)


def next_number(folder: ProjectFolder, stored: dict[str, int]) -> int:
    """A publication number that neither we nor Label Studio has seen.

    Args:
        folder: knows the publications that were begun from here.
        stored: model versions with predictions in Label Studio, which may outlive our folder.
    """
    matches = (PUBLICATION_NAME.match(name) for name in (*folder.started_publications.read(), *stored))
    return max((int(match[2]) for match in matches if match), default=0) + 1


def rank_score(place: int, size: int) -> float:
    """A place in the order as Label Studio sorts by it: 0 = next, 1 = last. It drops scores outside [0, 1]."""
    return place / (size - 1) if size > 1 else 0.0


def publish(
    client: LabelStudioClient,
    folder: ProjectFolder,
    publication: Publication,
    classification: Classification,
    on_progress: Callable[[int, int], None],
) -> None:
    """Write a publication's queue to Label Studio and switch annotators to it.

    The predictions go first and the switch last, so that the order annotators get is whole at every moment. The name is
    noted before anything is written: a round killed half-way is cleaned up by a later one.
    """
    project_id = folder.project_id
    folder.started_publications.write([*folder.started_publications.read(), publication.name])
    client.import_predictions(project_id, _predictions(publication, classification, 0), on_progress)
    folder.save_publication(publication)
    client.use_model_version(project_id, publication.name)
    log.info("event=published project=%d version=%s tasks=%d", project_id, publication.name, publication.queued)


def extend(
    client: LabelStudioClient,
    folder: ProjectFolder,
    publication: Publication,
    classification: Classification,
    queued: int,
    on_progress: Callable[[int, int], None],
) -> Publication:
    """Write more of a publication that is in use, so that annotators don't run out of tasks before the next.

    Args:
        client: the project's Label Studio.
        folder: where the longer publication is kept.
        publication: the one in use.
        classification: the project's question.
        queued: how many tasks from the first on are to be in Label Studio.
        on_progress: called with (written, to write).

    Returns:
        The publication as it is now.

    Raises:
        PublicationError: Label Studio stored fewer; what was there stays in use.
    """
    queued = min(queued, len(publication.task_ids_N))
    if queued <= publication.queued:
        return publication
    # A round that was killed here wrote more than it noted.
    written = max(publication.queued, client.prediction_counts(folder.project_id).get(publication.name, 0))
    longer = replace(publication, queued=queued)
    client.import_predictions(folder.project_id, _predictions(longer, classification, written), on_progress)
    folder.save_publication(longer)
    log.info("event=extended project=%d version=%s tasks=%d", folder.project_id, longer.name, queued)
    return longer


def switch(client: LabelStudioClient, folder: ProjectFolder, project: Project, name: str) -> bool:
    """Point the project to a publication that is there already; returns whether that was necessary."""
    if project.model_version == name and project.sampling == SAMPLING:
        return False
    client.use_model_version(folder.project_id, name)
    log.info("event=switched project=%d version=%s", folder.project_id, name)
    return True


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
    begun = [name for name in folder.started_publications.read() if stored.get(name) or name == folder.published_name()]
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
    current = folder.published_name()
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


def _predictions(publication: Publication, classification: Classification, written: int) -> list[dict[str, Any]]:
    """The queue without what is written already."""
    return [
        {"task": int(publication.task_ids_N[place]), **prediction(publication, classification, place)}
        for place in range(written, publication.queued)
    ]


def prediction(publication: Publication, classification: Classification, place: int) -> dict[str, Any]:
    """What we say of the task at one place of the order, as Label Studio wants it.

    Texts drawn at random, and those on which an LLM is checked, carry no pre-annotation, so that the label is the
    person's own; nor does a task with nothing to read, nor one of which neither a model nor an LLM said anything.
    """
    return {
        "model_version": publication.name,
        "score": rank_score(place, len(publication.task_ids_N)),
        "result": _pre_annotation(publication, classification, place),
    }


def _pre_annotation(publication: Publication, classification: Classification, place: int) -> list[dict[str, Any]]:
    task_id = int(publication.task_ids_N[place])
    has_text = int(publication.text_digests_N[place]) != text_digest("")
    if not has_text or publication.is_explore_N[place] or task_id in publication.blind:
        return []
    if task_id in publication.llm_labels:
        return label_result(classification, publication.llm_labels[task_id])
    return prediction_result(classification, publication.proba_N_C[place]) if publication.proba_N_C.shape[1] else []


def empty_prediction(model_version: str) -> dict[str, Any]:
    """What we say of a task of which we know nothing."""
    return {"model_version": model_version, "score": LAST_SCORE, "result": []}
