"""What people decide about a project: train now, pause and resume, and which model version is in use."""

import logging
import time

from backend.errors import PausedError
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


def _before_current(folder: ProjectFolder) -> int:
    current = folder.registry.current()
    earlier = [number for number in folder.registry.numbers() if current is not None and number < current.number]
    if not earlier:
        raise VersionError(f"project {folder.project_id} has no model version before the current one on disk")
    return earlier[-1]
