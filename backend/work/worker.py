"""The worker process: takes rounds from the queue, one at a time, with torch and the models kept warm.

While no round waits it takes parts of other workers' rounds.
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

# Annotators wait for Label Studio and for webhooks, never for a training: it takes what they leave.
NICENESS = 10
# A round needs one classifier at a time, and there need not be memory for two.
KEPT_CLASSIFIERS = 1
_TICK_S = 1.0

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class WorkerProcess:
    """The settings, the queue and the stop sign of a worker process."""

    settings: Settings
    rounds: RoundQueue
    stopping: Event
    classifiers: Classifiers


# RQ calls a job by its function's name with the ids it carries; the rest of what a round needs is the process's own.
_here: list[WorkerProcess] = []


def this_worker() -> WorkerProcess:
    """The worker process that a job runs in."""
    return _here[0]


class _Worker(SimpleWorker):
    """RQ's worker, which waits for the job at hand when told to stop; here the job hears of it."""

    def handle_warm_shutdown_request(self) -> None:
        """Told to stop (SIGTERM or SIGINT) for the first time."""
        super().handle_warm_shutdown_request()  # type: ignore[no-untyped-call]
        _here[0].stopping.set()


def run_worker(settings: Settings) -> None:
    """Work until told to stop (SIGTERM or SIGINT).

    Raises:
        RedisUnavailableError: there is no Redis to take rounds from.
    """
    rounds = RoundQueue(open_redis(settings))
    rounds.ping()
    _here[:] = [WorkerProcess(settings, rounds, Event(), Classifiers(KEPT_CLASSIFIERS))]
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
    """RQ's side of this process.

    It waits for jobs on connections of its own: it would wait for minutes on one of the queue's, which give up after
    seconds, and then end.
    """
    # Rounds first: one that waits has nobody, a part has at least the worker whose round it is of.
    queues = [rounds.queue, rounds.parts]
    return _Worker(queues, connection=open_redis(settings), name=rounds.workers.name)


def _tick(rounds: RoundQueue, over: Event) -> None:
    """Once a second, give a sign of life, and queue the rounds that were put off and whose time has come."""
    while not over.wait(_TICK_S):
        try:
            with redis_errors():
                rounds.workers.sign()
            rounds.request_due()
        except RedisUnavailableError as error:
            log.warning("event=redis_unavailable reason=%s", error)
