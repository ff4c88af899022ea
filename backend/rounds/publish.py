"""Publishes an order in Label Studio: writes predictions, then sets the project's model_version and sampling."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from backend.rounds.ordering import Ordered
from backend.store.order.head import PUBLICATION_NAME, Publication
from backend.store.order.table import Place, Places
from backend.store.project_folder import ProjectFolder
from backend.studio.client import SAMPLING, LabelStudioClient
from backend.studio.records import Project
from backend.studio.results import prediction, rank_score
from model.progress import Progress

log = logging.getLogger(__name__)


def next_number(folder: ProjectFolder, stored: dict[str, int]) -> int:
    """Return the number of the next publication, greater than all earlier numbers.

    Args:
        folder: the project's folder, which names the publications that we started.
        stored: number of predictions by model version in Label Studio, which may know publications that we do not.
    """
    matches = (PUBLICATION_NAME.match(name) for name in (*folder.started_publications.read(), *stored))
    return max((int(match[2]) for match in matches if match), default=0) + 1


def publish(
    client: LabelStudioClient,
    folder: ProjectFolder,
    ordered: Ordered,
    check_turn: Callable[[], None],
    on_progress: Progress,
) -> Publication:
    """Write a publication's queue to Label Studio, and switch annotators to it.

    All predictions are written before the switch, so that annotators always get a complete order. The folder stores the
    publication's name first, so that a later round can delete the predictions of a killed round.

    Args:
        client: the client for Label Studio.
        folder: the project's folder.
        ordered: head and places of the publication.
        check_turn: raises TurnLostError if another worker runs a round of the project now.
        on_progress: called with (predictions written, predictions to write).

    Returns:
        The head as stored in the folder.

    Raises:
        PublicationError: Label Studio stored fewer predictions; the previous order stays in use.
        TurnLostError: another worker runs a round of the project now; its order stays in use.
    """
    project_id, publication, places = folder.project_id, ordered.publication, ordered.places
    folder.started_publications.write([*folder.started_publications.read(), publication.name])
    queue = _queue(places, publication.queued)
    client.import_predictions(project_id, _predictions(publication, queue), on_progress)
    check_turn()
    written = folder.publications.write(publication, places)
    check_turn()
    client.use_model_version(project_id, publication.name)
    log.info("event=published project=%d version=%s tasks=%d", project_id, publication.name, publication.queued)
    return written


def _queue(places: Places, queued: int) -> list[Place]:
    """Return the first `queued` places as rows."""
    columns = (places.task_ids_N.tolist(), places.text_digests_N.tolist(), places.reasons_N, places.results_N)
    return [Place(place, *row) for place, row in enumerate(islice(zip(*columns, strict=True), queued))]


def extend(client: LabelStudioClient, folder: ProjectFolder, queued: int, on_progress: Progress) -> None:
    """Write more tasks of the publication in use, so that annotators have enough tasks until the next publication.

    Args:
        client: the client for Label Studio.
        folder: the project's folder.
        queued: number of first tasks that Label Studio should have.
        on_progress: called with (predictions written, predictions to write).

    Raises:
        PublicationError: Label Studio stored fewer predictions; the publication stays in use.
    """
    with folder.publications.open() as order:
        queued = min(queued, order.head.size if order else 0)
        if order is None or queued <= order.head.queued:
            return
        # A round that was killed here may have written predictions that the head does not count.
        stored = client.prediction_counts(folder.project_id).get(order.head.name, 0)
        more = order.places(max(order.head.queued, stored), queued)
        client.import_predictions(folder.project_id, _predictions(order.head, more), on_progress)
        folder.publications.lengthen(replace(order.head, queued=queued))
    log.info("event=extended project=%d version=%s tasks=%d", folder.project_id, order.head.name, queued)


def switch(client: LabelStudioClient, folder: ProjectFolder, project: Project, name: str) -> bool:
    """Switch annotators to a publication that Label Studio already has.

    Args:
        client: the client for Label Studio.
        folder: the project's folder.
        project: the project, as Label Studio counts it now.
        name: name of the publication.

    Returns:
        True if annotators had another order.
    """
    if project.model_version == name and project.sampling == SAMPLING:
        return False
    client.use_model_version(folder.project_id, name)
    log.info("event=switched project=%d version=%s", folder.project_id, name)
    return True


def _predictions(publication: Publication, places: Sequence[Place]) -> list[dict[str, Any]]:
    """Build the predictions for places of an order, in Label Studio's import format."""
    return [
        {
            "task": place.task_id,
            **prediction(publication.name, rank_score(place.place, publication.size), place.result),
        }
        for place in places
    ]
