"""The worker process: runs rounds from the queue, one at a time, and keeps torch and the models in memory.

While no round waits, it embeds parts of other workers' rounds.
"""

import logging
import os
from dataclasses import dataclass
from threading import Event, Thread

from rq.worker import SimpleWorker

from backend.errors import RedisUnavailableError
from backend.settings import Settings
from backend.store.project_folder import known_projects
from backend.work.classifiers import Classifiers
from backend.work.queue import RoundQueue
from backend.work.redis_access import open_redis, redis_errors

# Annotators wait for Label Studio and for the web processes; a training runs on the time that both leave.
NICENESS = 10
# A round needs one classifier at a time. The machine may lack memory for two.
KEPT_CLASSIFIERS = 1
_TICK_S = 1.0

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class WorkerProcess:
    """The objects of a worker process that its jobs need.

    Attributes:
        settings: the settings.
        rounds: the queue of rounds.
        stopping: set when the process should end.
        classifiers: the classifiers in memory.
    """

    settings: Settings
    rounds: RoundQueue
    stopping: Event
    classifiers: Classifiers


# RQ calls a job's function with ids alone. The function finds all other objects of its process here.
_this_worker: list[WorkerProcess] = []


def this_worker() -> WorkerProcess:
    """Return the worker process that runs the calling job."""
    return _this_worker[0]


class _Worker(SimpleWorker):
    """RQ's worker. On a stop signal RQ lets the running job finish; this class also tells the job to stop early."""

    def handle_warm_shutdown_request(self) -> None:
        """Handle the first SIGTERM or SIGINT."""
        super().handle_warm_shutdown_request()  # type: ignore[no-untyped-call]
        _this_worker[0].stopping.set()


def run_worker(settings: Settings) -> None:
    """Run rounds until SIGTERM or SIGINT.

    Args:
        settings: the settings.

    Raises:
        RedisUnavailableError: Redis does not answer.
    """
    rounds = RoundQueue(open_redis(settings))
    rounds.ping()
    _this_worker[:] = [WorkerProcess(settings, rounds, Event(), Classifiers(KEPT_CLASSIFIERS))]
    os.nice(NICENESS)
    rounds.workers.sign()
    rounds.recover(known_projects(settings.model_dir))
    over = Event()
    ticking = Thread(target=_tick, args=(rounds, over), daemon=True, name="tick")
    ticking.start()
    log.info("event=worker_started name=%s", rounds.workers.name)
    try:
        rq_worker(rounds, settings).work(logging_level="WARNING")
    finally:
        over.set()
        ticking.join()
        rounds.workers.leave()


def rq_worker(rounds: RoundQueue, settings: Settings) -> SimpleWorker:
    """Create RQ's worker for this process.

    RQ waits for a job for minutes. The queue's connections time out after seconds, so RQ gets connections of its own.

    Args:
        rounds: the queue of rounds.
        settings: the settings, with Redis's address.
    """
    # RQ prefers the first queue. A waiting round has no worker, while a part has the worker of its round.
    queues = [rounds.queue, rounds.parts]
    return _Worker(queues, connection=open_redis(settings), name=rounds.workers.name)


def _tick(rounds: RoundQueue, over: Event) -> None:
    """Each second, renew this worker's timestamp and queue the delayed rounds that are due."""
    while not over.wait(_TICK_S):
        try:
            with redis_errors():
                rounds.workers.sign()
            rounds.request_due()
        except RedisUnavailableError as error:
            log.warning("event=redis_unavailable reason=%s", error)
