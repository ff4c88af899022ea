"""Order → predictions, model_version, sampling."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from backend.rounds.ordering import Ordered
from backend.store.project_folder import PUBLICATION_NAME, ProjectFolder
from backend.store.publications import Place, Places, Publication
from backend.studio.client import SAMPLING, LabelStudioClient
from backend.studio.contract import Project
from backend.studio.results import prediction, rank_score

log = logging.getLogger(__name__)


def next_number(folder: ProjectFolder, stored: dict[str, int]) -> int:
    """A publication number that neither we nor Label Studio has seen.

    Args:
        folder: knows the publications that were begun from here.
        stored: model versions with predictions in Label Studio, which may outlive our folder.
    """
    matches = (PUBLICATION_NAME.match(name) for name in (*folder.started_publications.read(), *stored))
    return max((int(match[2]) for match in matches if match), default=0) + 1


def publish(
    client: LabelStudioClient,
    folder: ProjectFolder,
    ordered: Ordered,
    on_progress: Callable[[int, int], None],
) -> Publication:
    """Write a publication's queue to Label Studio and switch annotators to it.

    The predictions go first and the switch last, so that the order annotators get is whole at every moment. The name is
    noted before anything is written: a round killed half-way is cleaned up by a later one.

    Args:
        client: the project's Label Studio.
        folder: where the order is kept.
        ordered: the publication, head and places.
        on_progress: called with (written, to write).

    Returns:
        The head as it is kept.

    Raises:
        PublicationError: Label Studio stored fewer predictions; the order before stays in use.
    """
    project_id, publication, places = folder.project_id, ordered.publication, ordered.places
    folder.started_publications.write([*folder.started_publications.read(), publication.name])
    queue = _queue(places, publication.queued)
    client.import_predictions(project_id, _predictions(publication, queue), on_progress)
    written = folder.publications.write(publication, places)
    client.use_model_version(project_id, publication.name)
    log.info("event=published project=%d version=%s tasks=%d", project_id, publication.name, publication.queued)
    return written


def _queue(places: Places, queued: int) -> list[Place]:
    """The first places, row by row."""
    columns = (places.task_ids_N.tolist(), places.text_digests_N.tolist(), places.reasons_N, places.results_N)
    return [Place(place, *row) for place, row in enumerate(islice(zip(*columns, strict=True), queued))]


def extend(
    client: LabelStudioClient, folder: ProjectFolder, queued: int, on_progress: Callable[[int, int], None]
) -> None:
    """Write more of the publication in use, so that annotators don't run out of tasks before the next.

    Args:
        client: the project's Label Studio.
        folder: where the publication is kept.
        queued: how many tasks from the first on are to be in Label Studio.
        on_progress: called with (written, to write).

    Raises:
        PublicationError: Label Studio stored fewer; what was there stays in use.
    """
    with folder.publications.open() as order:
        queued = min(queued, order.head.size if order else 0)
        if order is None or queued <= order.head.queued:
            return
        # A round that was killed here wrote more than it noted.
        stored = client.prediction_counts(folder.project_id).get(order.head.name, 0)
        more = order.places(max(order.head.queued, stored), queued)
        client.import_predictions(folder.project_id, _predictions(order.head, more), on_progress)
        folder.publications.lengthen(replace(order.head, queued=queued))
    log.info("event=extended project=%d version=%s tasks=%d", folder.project_id, order.head.name, queued)


def switch(client: LabelStudioClient, folder: ProjectFolder, project: Project, name: str) -> bool:
    """Point the project to a publication that is there already; returns whether that was necessary."""
    if project.model_version == name and project.sampling == SAMPLING:
        return False
    client.use_model_version(folder.project_id, name)
    log.info("event=switched project=%d version=%s", folder.project_id, name)
    return True


def _predictions(publication: Publication, places: Sequence[Place]) -> list[dict[str, Any]]:
    """Some places of an order as Label Studio imports them."""
    return [
        {
            "task": place.task_id,
            **prediction(publication.name, rank_score(place.place, publication.size), place.result),
        }
        for place in places
    ]
