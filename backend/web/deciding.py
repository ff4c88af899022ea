"""What people decide about a project: train, pause, resume, which model version is in use, and errands of workers."""

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
    """Let rounds neither train nor publish from the next one on; annotators keep the order that they have."""
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
    # Nobody counted what came during the pause: one change has the round look, and by time of change it finds all.
    service.rounds.request(folder.project_id, changes=1, are_all_named=False)
    log.info("event=resume project=%d", folder.project_id)


def use_version(service: Service, folder: ProjectFolder, number: int = 0) -> int:
    """Use a model version of a question, an earlier or a later one; its order is published at once.

    Args:
        service: its queue is asked for a round.
        folder: the question's.
        number: the version; 0: the one before the current.

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


def when_ordered(folder: ProjectFolder) -> str:
    """When people get the order that somebody decided on, for the end of a sentence: a paused project publishes none.

    Args:
        folder: the project's own.
    """
    return "in a moment" if folder.pause.read() is None else "once somebody resumes the project, which is paused"


def ask_errand(service: Service, folder: ProjectFolder, errand: Errand) -> None:
    """Have a worker do something beside the project's rounds; one thing at a time.

    Args:
        service: its queue takes the errand.
        folder: the project's own.
        errand: what to do.

    Raises:
        ErrandUnderWayError: a worker still does the last one.
        RedisUnavailableError: there is no queue to ask; nothing was changed.
    """
    project_id = folder.project_id
    if service.rounds.has_errand(project_id):
        raise ErrandUnderWayError("a worker still does what was asked before: wait for its end, or stop it")
    folder.errand.write(errand)
    service.rounds.request_errand(project_id)
    log.info("event=errand_asked project=%d kind=%s", project_id, errand.kind.value)


def stop_errand(service: Service, folder: ProjectFolder) -> None:
    """Take back what a worker was asked to do. One that does it already ends within seconds.

    Raises:
        RedisUnavailableError: there is no queue to ask; the worker ends it all the same.
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
