"""Order → predictions, model_version, sampling; cleans up old publications."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from backend.contract import LAST_SCORE, Project
from backend.label_studio import SAMPLING, LabelStudioClient
from backend.labeling_config import Classification, label_result, prediction_result
from backend.projects import PUBLICATION_NAME, ProjectFolder, Publication
from model.pool import text_digest

KEPT_PUBLICATIONS = 2

log = logging.getLogger(__name__)


def next_number(folder: ProjectFolder, stored: dict[str, int]) -> int:
    """A publication number that neither we nor Label Studio has seen.

    Args:
        folder: knows the publications that were begun from here.
        stored: model versions with predictions in Label Studio, which may outlive our folder.
    """
    matches = (PUBLICATION_NAME.match(name) for name in (*folder.started_publications(), *stored))
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
    folder.save_started_publications([*folder.started_publications(), publication.name])
    client.import_predictions(project_id, list(_predictions(publication, classification)), on_progress)
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
) -> None:
    """Write more of the publication in use, up to so many tasks."""
    longer = replace(publication, queued=min(queued, len(publication.task_ids_N)))
    if longer.queued > publication.queued:
        more = list(_predictions(longer, classification))[publication.queued :]
        client.import_predictions(folder.project_id, more, on_progress)
        folder.save_publication(longer)


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
    """Remove all of our publications from Label Studio but the newest two, one prediction at a time.

    Label Studio can remove a version in one request, but holds its database for 8 ms a prediction meanwhile: with 1,000
    predictions annotators wait for 8 s, and on SQLite their annotations are refused. One by one nobody notices, so this
    takes a minute, makes way for rounds that wait, and goes on after them. Only names that we began ourselves are
    touched: other models' predictions are not ours to remove.

    Args:
        client: the project's Label Studio.
        folder: knows what was begun.
        may_linger: whether nothing more urgent waits.
        on_progress: called with (removed, to remove).

    Returns:
        Whether all is clean.
    """
    current = folder.published_name()
    stored = client.prediction_counts(folder.project_id)
    begun = [name for name in folder.started_publications() if stored.get(name) and name != current]
    stale = begun[: len(begun) - (KEPT_PUBLICATIONS - 1)] if len(begun) >= KEPT_PUBLICATIONS else []
    ids = client.stale_prediction_ids(folder.project_id, stale) if stale else []
    for done, prediction_id in enumerate(ids):
        # Two stale publications are too many: rounds that follow each other fast must not pile them up.
        if len(stale) == 1 and not may_linger():
            return False
        client.delete_prediction(prediction_id)
        on_progress(done + 1, len(ids))
    kept = {current, *begun} - set(stale)
    folder.save_started_publications([name for name in folder.started_publications() if name in kept])
    if stale:
        log.info("event=removed project=%d versions=%s predictions=%d", folder.project_id, ",".join(stale), len(ids))
    return True


def _predictions(publication: Publication, classification: Classification) -> Iterator[dict[str, Any]]:
    for place in range(publication.queued):
        yield {"task": int(publication.task_ids_N[place]), **prediction(publication, classification, place)}


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
