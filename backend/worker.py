"""The worker process: takes rounds from the queue, one at a time, with torch and the models kept warm.

While no round waits it takes parts of other workers' rounds.
"""

import logging
import os
import time
from dataclasses import dataclass
from threading import Event, Thread

from rq.worker import SimpleWorker

from backend import parts
from backend.errors import LabelStudioUnreachableError, RedisUnavailableError, UnknownProjectError
from backend.jobs import RoundQueue
from backend.llm_access import problem_at_start
from backend.ordering import FALLBACK
from backend.projects import ProjectFolder, known_projects
from backend.redis_access import open_redis, redis_errors
from backend.rounds import run_round
from backend.settings import Settings
from model.errors import ShortlistError, TrainingCancelledError

# Annotators wait for Label Studio and for webhooks, never for a training: it takes what they leave.
NICENESS = 10
# A round that kills its worker (memory, most likely) is not run again for ever.
MAX_DEATHS = 3
_TICK_S = 1.0

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Process:
    settings: Settings
    rounds: RoundQueue
    stopping: Event


# RQ calls a job by its function's name with the ids it carries; the rest of what a round needs is the process's own.
_here: list[_Process] = []


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
    _here[:] = [_Process(settings, rounds, Event())]
    os.nice(NICENESS)
    rounds.workers.sign()
    rounds.recover(known_projects(settings.model_dir))
    over = Event()
    ticking = Thread(target=_tick, args=(rounds, over), daemon=True, name="tick")
    ticking.start()
    if problem := problem_at_start(settings):
        log.warning("event=llm_unusable fallback=%s reason=%s", FALLBACK, problem)
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


def perform_round(project_id: int) -> None:
    """The job: run one round and say how it ended. Nothing it raises may stop the worker."""
    here = _here[0]
    here.rounds.workers.use_own_share()
    turn = here.rounds.begin(project_id)
    if turn is None:
        return
    if turn.deaths >= MAX_DEATHS:
        log.error("event=round_given_up project=%d deaths=%d", project_id, turn.deaths)
        turn.end(
            f"the worker died {turn.deaths} times in this round: is there too little memory? Its log may tell", "died"
        )
        return
    try:
        run_round(here.settings, turn, here.stopping.is_set)
    except TrainingCancelledError:
        turn.end()
        # Whoever works next takes it up, with all that this turn had taken along.
        here.rounds.request(project_id, changes=turn.changes, train=turn.asked_to_train)
        log.info("event=round_put_back project=%d", project_id)
    except UnknownProjectError as error:
        here.rounds.forget(project_id)
        turn.end(str(error), error.code)
        log.warning("event=round_failed project=%d code=%s", project_id, error.code)
    except LabelStudioUnreachableError as error:
        delay_s = here.rounds.retry_later(project_id)
        turn.end(f"{error} (trying again in {delay_s:.0f} s)", error.code)
        log.warning("event=round_put_off project=%d code=%s seconds=%.0f", project_id, error.code, delay_s)
    except ShortlistError as error:
        turn.end(str(error), error.code)
        log.error("event=round_failed project=%d code=%s reason=%s", project_id, error.code, error)
    except Exception as error:
        turn.end(f"unexpected {type(error).__name__}; the worker's log has it", "internal")
        log.exception("event=round_crashed project=%d", project_id)
    else:
        turn.end()


def perform_part(project_id: int, part: str) -> None:
    """The job: help another worker's round. Nothing it raises may stop the worker; the round does without."""
    here = _here[0]
    folder = ProjectFolder(here.settings.model_dir, project_id)
    try:
        began = time.monotonic()
        if parts.perform_part(here.rounds, folder, part, here.stopping.is_set):
            log.info("event=part_done project=%d part=%s seconds=%.1f", project_id, part, time.monotonic() - began)
    except FileNotFoundError:
        # It was done before its turn came; if it never is found here, the workers do not share their MODEL_DIR.
        log.info("event=part_gone project=%d part=%s", project_id, part)
    except TrainingCancelledError:
        log.info("event=part_put_back project=%d part=%s", project_id, part)
    except ShortlistError as error:
        log.error("event=part_failed project=%d part=%s code=%s reason=%s", project_id, part, error.code, error)
    except Exception:
        log.exception("event=part_crashed project=%d part=%s", project_id, part)
