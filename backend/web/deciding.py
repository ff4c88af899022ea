"""People's decisions about a project: train, pause, resume, use a model version, and ask a worker for an errand."""

import logging
import time

from backend.errors import ErrandUnderWayError, PausedError
from backend.store.applied import Errand
from backend.store.figures import Pause
from backend.store.project_folder import ProjectFolder
from backend.web.service import Service
from model.errors import VersionError

log = logging.getLogger(__name__)


def train_now(service: Service, folder: ProjectFolder) -> None:
    """Ask for a training, as Start Training in Label Studio does.

    Raises:
        PausedError: the project is paused.
        RedisUnavailableError: there is no queue to ask.
    """
    if folder.pause.read() is not None:
        raise PausedError(f"project {folder.project_id} is paused: resume it first")
    service.rounds.request(folder.project_id, train=True)


def pause(folder: ProjectFolder) -> None:
    """Let rounds, from the next one on, neither train nor publish; annotators keep the order that they have."""
    if folder.pause.read() is None:
        folder.pause.write(Pause(time.time()))
        log.info("event=pause project=%d", folder.project_id)


def resume(service: Service, folder: ProjectFolder) -> None:
    """End a pause, and ask for a round that looks at everything that changed meanwhile.

    Raises:
        RedisUnavailableError: there is no queue to ask; the project stays paused.
    """
    service.rounds.ping()
    folder.pause.remove()
    # Changes during the pause were not counted: with one change the round looks, and finds all by time of change.
    service.rounds.request(folder.project_id, changes=1, are_all_named=False)
    log.info("event=resume project=%d", folder.project_id)


def use_version(service: Service, folder: ProjectFolder, number: int = 0) -> int:
    """Use a model version of a question, an earlier or a later one; its order is published at once.

    Args:
        service: its queue is asked for a round.
        folder: the question's.
        number: the version; 0: the version before the current one.

    Returns:
        The number of the version.

    Raises:
        VersionError: there is no such version, or it is damaged.
        RedisUnavailableError: there is no queue to ask; nothing was changed.
    """
    service.rounds.ping()
    number = number or _before_current(folder)
    folder.registry.point(number)
    service.rounds.request(folder.project_id)
    return number


def ask_errand(service: Service, folder: ProjectFolder, errand: Errand) -> None:
    """Ask a worker for an errand; a project has one errand at a time.

    Args:
        service: its queue takes the errand.
        folder: the project's own.
        errand: the errand.

    Raises:
        ErrandUnderWayError: a worker still does the last errand.
        RedisUnavailableError: there is no queue to ask; nothing was changed.
    """
    project_id = folder.project_id
    if service.rounds.has_errand(project_id):
        raise ErrandUnderWayError("a worker is still busy with the last request: wait for its end, or stop it")
    folder.errand.write(errand)
    service.rounds.request_errand(project_id)
    log.info("event=errand_asked project=%d kind=%s", project_id, errand.kind.value)


def stop_errand(service: Service, folder: ProjectFolder) -> None:
    """Take an errand back. A worker that already does it ends within seconds.

    Raises:
        RedisUnavailableError: there is no queue to ask; the worker ends the errand all the same.
    """
    folder.errand.remove()
    service.rounds.drop_errand(folder.project_id)
    log.info("event=errand_stopped project=%d", folder.project_id)


def _before_current(folder: ProjectFolder) -> int:
    current = folder.registry.current()
    earlier = [number for number in folder.registry.numbers() if current is not None and number < current.number]
    if not earlier:
        raise VersionError(f"project {folder.project_id} has no model version before the current one on disk")
    return earlier[-1]
