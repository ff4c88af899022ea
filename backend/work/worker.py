"""The worker process: runs rounds from the queue, one at a time, and keeps torch and the models in memory.

While no round waits, it embeds parts of other workers' rounds.
"""

import logging
import os
import time
from collections.abc import Iterator, Set
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from threading import Event, Thread
from typing import Any

from redis.exceptions import RedisError
from rq.exceptions import StopRequested
from rq.scheduler import RQScheduler
from rq.worker_registration import register

from backend.errors import RedisUnavailableError
from backend.settings import Settings
from backend.store.project_folder import known_projects
from backend.work.classifiers import Classifiers
from backend.work.jobs import JsonWorker
from backend.work.queue import RoundQueue
from backend.work.redis_access import open_redis, redis_errors
from backend.work.workers import LEASE_S, RENEW_S
from model.leftovers import sweep

# Annotators wait for Label Studio and for the web processes, so a worker makes way. Linux shares cores out by sessions
# first; beside two busy programs of its own session, a training took 11 times as long at 10, 3.9 at 4 and 3.3 at 3.
NICENESS = 3
# A round needs one classifier at a time. The machine may lack memory for two.
KEPT_CLASSIFIERS = 1
# Every project has a round at least this often. One without due work costs Label Studio two or three small requests.
LOOK_EVERY_S = 60.0
_TICK_S = 1.0
# How soon a worker whom Redis refused begins again.
_BEGIN_AGAIN_S = 5.0
# RQ waits this long for a job before it asks anew, less 15 s.
_WAIT_FOR_JOB_S = 30

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


class _Worker(JsonWorker):
    """RQ's worker, whose death is noticed within LEASE_S seconds, and which tells its job to stop early."""

    def heartbeat(self, timeout: int | None = None, pipeline: Any = None) -> None:
        """Renew the worker's key for LEASE_S seconds; RQ would let it live as long as a job may take.

        Args:
            timeout: RQ's own idea of the seconds; not used.
            pipeline: where the commands go; None to send them at once.
        """
        super().heartbeat(LEASE_S, pipeline)

    def renew(self) -> None:
        """Renew the worker's key and its place among the workers, though the key may have expired."""
        with self.connection.pipeline() as pipe:
            pipe.hset(self.key, mapping=self.serialize())
            register(self, pipe)
            self.heartbeat(pipeline=pipe)
            pipe.execute()

    def handle_warm_shutdown_request(self) -> None:
        """Handle the first SIGTERM or SIGINT: RQ lets the running job finish."""
        super().handle_warm_shutdown_request()  # type: ignore[no-untyped-call]
        _this_worker[0].stopping.set()


def run_worker(settings: Settings, *, is_helper: bool = False) -> None:
    """Run rounds, and parts of other workers' rounds, until SIGTERM or SIGINT.

    Args:
        settings: the settings.
        is_helper: run parts alone. A helper needs the same Redis, and not the same MODEL_DIR.

    Raises:
        RedisUnavailableError: Redis does not answer.
    """
    RoundQueue(open_redis(settings)).ping()
    sweep(settings.model_dir)
    rounds = RoundQueue(open_redis(settings, is_patient=True))
    _this_worker[:] = [WorkerProcess(settings, rounds, Event(), Classifiers(KEPT_CLASSIFIERS))]
    os.nice(NICENESS)
    stopping = _this_worker[0].stopping
    with suppress(StopRequested):
        while not stopping.is_set():
            try:
                _work(rounds, settings, is_helper=is_helper)
            except RedisUnavailableError as error:
                log.warning("event=redis_unavailable reason=%s", error)
            # RQ's loop ends without an error, too, where Redis refuses once, for instance because its memory is full.
            with suppress(RedisError):
                stopping.wait(_BEGIN_AGAIN_S)


def _work(rounds: RoundQueue, settings: Settings, *, is_helper: bool) -> None:
    """Take jobs until SIGTERM or SIGINT, or until Redis refuses or is gone for minutes.

    Raises:
        RedisUnavailableError: Redis does not answer.
    """
    with redis_errors():
        rounds.workers.join()
        if not is_helper:
            rounds.recover(known_projects(settings.model_dir))
        worker = rq_worker(rounds, settings, is_helper=is_helper)
        with _ticking(worker, rounds, settings):
            log.info("event=worker_started name=%s is_helper=%s", rounds.workers.name, is_helper)
            worker.work(logging_level="WARNING")


def rq_worker(rounds: RoundQueue, settings: Settings, *, is_helper: bool = False) -> _Worker:
    """Create RQ's worker for this process.

    RQ waits long for a job. The queue's connections time out after seconds, so RQ gets connections of its own.

    Args:
        rounds: the queue of rounds.
        settings: the settings, with Redis's address.
        is_helper: take parts alone.
    """
    # RQ prefers the first queue. A waiting round has no worker, while a part has the worker of its round.
    queues = [rounds.parts] if is_helper else [rounds.queue, rounds.parts]
    connection = open_redis(settings, is_patient=True)
    return _Worker(queues, connection=connection, name=rounds.workers.name, worker_ttl=_WAIT_FOR_JOB_S)


@contextmanager
def _ticking(worker: _Worker, rounds: RoundQueue, settings: Settings) -> Iterator[None]:
    """Keep the worker's key alive, queue delayed rounds, and repair what killed workers left, in a thread."""
    over = Event()
    thread = Thread(target=_tick, args=(worker, rounds, settings, over), daemon=True, name="tick")
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def look_at_projects(rounds: RoundQueue, settings: Settings, seen: Set[int]) -> Set[int]:
    """See that each project has a round soon.

    A project that was there before has a round at once: somebody may have deleted its folder, and Label Studio alone
    knows whether the project is still connected.

    Args:
        rounds: the queue of rounds.
        settings: the settings.
        seen: the projects that were there before.

    Returns:
        The projects that are there now.

    Raises:
        RedisUnavailableError: Redis does not answer.
    """
    known = set(known_projects(settings.model_dir))
    rounds.look_at(known, LOOK_EVERY_S / 2)
    rounds.look_at(seen - known, 0.0)
    return known


def _tick(worker: _Worker, rounds: RoundQueue, settings: Settings, over: Event) -> None:
    # RQ would fork a process for its scheduler; the fork would carry torch and all its memory.
    scheduler = RQScheduler([rounds.queue], rounds.redis, logging_level="WARNING", name=rounds.workers.name)
    renewed_s = looked_s = time.monotonic()
    seen: Set[int] = frozenset()
    while not over.wait(_TICK_S):
        try:
            if scheduler.acquire_locks():  # type: ignore[no-untyped-call]
                rounds.enqueue_due()
            if time.monotonic() - renewed_s >= RENEW_S and worker.birth_date is not None:
                renewed_s = time.monotonic()
                worker.renew()
                rounds.look_after(known_projects(settings.model_dir))
            if time.monotonic() - looked_s >= LOOK_EVERY_S / 2:
                looked_s = time.monotonic()
                seen = look_at_projects(rounds, settings, seen)
        except (RedisError, RedisUnavailableError) as error:
            log.warning("event=redis_unavailable reason=%s", error)
        except Exception:
            # Without this thread the worker passes for dead.
            log.exception("event=tick_failed")
    with suppress(RedisError):
        scheduler.release_locks()  # type: ignore[no-untyped-call]
