"""/setup, /webhook and /train: Label Studio's events, and the rounds that the backend asks for."""

import logging
import time
from typing import Any

from backend.errors import TooManyRequestsError
from backend.settings import Settings
from backend.store.connection import Setup
from backend.store.project_folder import ProjectFolder, known_projects
from backend.studio.contract import LABEL_EVENTS, Event
from backend.web.service import Service

# Label Studio sends some events before it has counted the tasks that they are about.
LOOK_AGAIN_S = 5.0
# Most projects that may ask to be connected at the same time. Each costs a folder and a request to Label Studio.
MOST_UNCONFIRMED = 100

log = logging.getLogger(__name__)


def take_event(service: Service, event: Event) -> dict[str, Any]:
    """Ask for a round if the event changes labels or tasks; nothing is trained here.

    Args:
        service: the web process's.
        event: as Label Studio sent it; without details if the sender is unknown.

    Returns:
        {"status": "queued", "job_id": …}, or {"status": "ignored", "reason": …}.

    Raises:
        RedisUnavailableError: there is no queue to ask.
    """
    if not event.concerns_us:
        return {"status": "ignored", "reason": f"{event.action} changes neither labels nor tasks"}
    job_id = service.rounds.request(
        event.project_id,
        changes=event.changes if event.action in LABEL_EVENTS else 0,
        train=event.asks_for_training,
        task_ids=event.task_ids,
        are_all_named=event.names_all_tasks,
    )
    if not event.names_all_tasks:
        service.rounds.request_later(event.project_id, LOOK_AGAIN_S)
    return {"status": "queued", "job_id": job_id}


def note_setup(service: Service, folder: ProjectFolder, *, is_from_plugin: bool = False) -> None:
    """Remember that a project asks to be connected, until a round has asked Label Studio.

    Args:
        service: the web process's.
        folder: the project's.
        is_from_plugin: the request came to label-studio-ml's own server.

    Raises:
        TooManyRequestsError: many other projects ask at the same time, and no round has confirmed any of them.
    """
    if not folder.is_known() and _unconfirmed(service.settings) >= MOST_UNCONFIRMED:
        raise TooManyRequestsError("too many projects ask to be connected at once: try again in a minute")
    folder.setup.write(Setup(time.time(), is_from_plugin))


def _unconfirmed(settings: Settings) -> int:
    ids = known_projects(settings.model_dir)
    return sum(not ProjectFolder(settings.model_dir, project_id).is_connected() for project_id in ids)


def take_too_large_event(service: Service) -> dict[str, Any]:
    """Ask for a round of every project, so that no label is lost: an unread event does not tell its project.

    A round without changes is two or three small requests to Label Studio.

    Args:
        service: the web process's.

    Returns:
        {"status": "queued", "projects": …}.

    Raises:
        RedisUnavailableError: there is no queue to ask.
    """
    project_ids = known_projects(service.settings.model_dir)
    log.warning("event=webhook_too_large projects=%d", len(project_ids))
    for project_id in project_ids:
        service.rounds.request(project_id, are_all_named=False)
        service.rounds.request_later(project_id, LOOK_AGAIN_S)
    return {"status": "queued", "projects": len(project_ids)}
