"""Functions that RQ calls by name: run a round, or embed a part of another worker's round. An errand has its own."""

import logging
import math
import sys
import time
from typing import Any

from rq import Retry, get_current_job
from rq.job import Job

from backend.errors import (
    OUT_OF_MEMORY,
    REFUSALS,
    SYSTEM,
    NotConnectedError,
    RedisUnavailableError,
    TurnLostError,
    UnknownProjectError,
    lacked_memory,
    system_refused,
)
from backend.rounds.round import run_round
from backend.work.forms import PartTask
from backend.work.pool.parts import embed_part
from backend.work.queue import MAX_DEATHS
from backend.work.redis_access import redis_errors
from backend.work.turn import RETRY_DELAYS_S, Turn
from backend.work.worker import WorkerProcess, this_worker
from model.encoder.processor import is_out_of_memory
from model.errors import ShortlistError, TrainingCancelledError

# Seconds until a round is tried again if another worker has the project's turn.
_TURN_TAKEN_S = 1

log = logging.getLogger(__name__)


def perform_round(project_id: int) -> Retry | None:
    """Run one round, and record its result. No error of a round stops the worker.

    Args:
        project_id: the project.

    Returns:
        When RQ should run the job again; None if it is done.
    """
    worker, job = this_worker(), get_current_job()
    if job is None:
        raise RuntimeError("perform_round runs in a worker's job")
    try:
        return _again(_perform(worker, job))
    except RedisUnavailableError as error:
        log.warning("event=round_put_off project=%d code=%s reason=%s", project_id, error.code, error)
        return _again(RETRY_DELAYS_S[0])


def _perform(worker: WorkerProcess, job: Job) -> float | None:
    """Take the project's turn and run the round; return the seconds until the job should run again.

    Raises:
        RedisUnavailableError: Redis does not answer.
    """
    with redis_errors():
        worker.rounds.workers.use_own_share()
    turn = worker.rounds.begin(job)
    if turn is None:
        return _TURN_TAKEN_S
    if turn.deaths >= MAX_DEATHS:
        log.error("event=round_given_up project=%d deaths=%d", turn.project_id, turn.deaths)
        turn.end(f"the worker died {turn.deaths} times in this round: is there too little memory? See its log", "died")
        return None
    return _run(worker, turn)


def _again(delay_s: float | None) -> Retry | None:
    """Tell RQ to run the job again after a delay; never if the delay is None."""
    return None if delay_s is None else Retry(max=sys.maxsize, interval=math.ceil(delay_s))


def _run(worker: WorkerProcess, turn: Turn) -> float | None:
    """Run the round of a turn and end the turn; return the seconds until the job should run again.

    Raises:
        RedisUnavailableError: Redis does not answer; the turn is ended all the same.
    """
    project_id = turn.project_id
    try:
        should_stop = lambda: worker.stopping.is_set() or turn.is_lost()  # noqa: E731
        with redis_errors():
            run_round(worker.settings, worker.rounds, turn, worker.classifiers, should_stop)
    except TurnLostError as error:
        log.warning("event=round_lost project=%d reason=%s", project_id, error)
        turn.end()
    except TrainingCancelledError:
        turn.end(is_honoured=False)
        log.info("event=round_put_back project=%d", project_id)
        return None if turn.is_lost() else 0.0
    except NotConnectedError as error:
        turn.end()
        worker.rounds.forget(project_id)
        log.warning("event=not_connected project=%d reason=%s", project_id, error)
    except UnknownProjectError as error:
        turn.end(str(error), error.code)
        worker.rounds.forget(project_id)
        log.warning("event=round_failed project=%d code=%s", project_id, error.code)
    except ShortlistError as error:
        if error.is_passing:
            return _put_off(turn, str(error), error.code)
        turn.end(str(error), error.code)
        log.error("event=round_failed project=%d code=%s reason=%s", project_id, error.code, error)
    except REFUSALS as error:
        log.exception("event=system_refused project=%d", project_id)
        reason = system_refused(error)
        return _put_off(turn, reason, SYSTEM)
    except Exception as error:
        if is_out_of_memory(error):
            log.exception("event=out_of_memory project=%d", project_id)
            return _put_off(turn, lacked_memory("the round"), OUT_OF_MEMORY)
        turn.end(f"unexpected {type(error).__name__}; see the worker's log", "internal")
        log.exception("event=round_crashed project=%d", project_id)
    else:
        turn.end()
        if turn.again_in_s is not None:
            # Not this job again: each of a project's jobs would come back by itself, and make way for the others.
            worker.rounds.request_later(project_id, turn.again_in_s)
    return None


def _put_off(turn: Turn, reason: str, code: str) -> float:
    """End the turn, and return the seconds until the round should be tried again; they grow with each failure."""
    delay_s = turn.next_delay_s()
    turn.end(f"{reason} (trying again in {delay_s} s)", code)
    log.warning("event=round_put_off project=%d code=%s seconds=%d reason=%s", turn.project_id, code, delay_s, reason)
    return delay_s


def perform_part(task: dict[str, Any]) -> dict[str, Any]:
    """Embed a part of another worker's round. If this fails, the round embeds the part itself.

    Args:
        task: a PartTask as JSON: the encoder and the texts.

    Returns:
        A PartResult as JSON.

    Raises:
        ShortlistError: this worker cannot load the encoder.
        TrainingCancelledError: this worker is told to stop; RQ gives the part to another worker.
    """
    worker = this_worker()
    began = time.monotonic()
    worker.rounds.workers.use_own_share()
    part = PartTask.model_validate(task)
    result = embed_part(worker.rounds.redis, worker.settings.model_dir, worker.classifiers, part)
    log.info("event=part_done texts=%d seconds=%.1f", len(part.texts), time.monotonic() - began)
    return result.model_dump()
