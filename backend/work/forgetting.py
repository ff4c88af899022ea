"""Take a project out of Redis: end its round, keep others from beginning, and delete all its keys."""

import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from redis import Redis
from redis.exceptions import ResponseError
from rq.job import Job
from rq.registry import BaseRegistry

from backend.errors import BusyError
from backend.work.queue import RoundQueue, errand_id, job_ids
from backend.work.redis_access import redis_errors, redis_key
from backend.work.turn import record_key, turn_key

# How long to wait for a round to notice that its turn was taken, and to end. A worker notices within seconds.
WAIT_S = 60.0
_HELD_S = 600
_LOOK_AGAIN_S = 0.2
_REWRITE_S = 60.0


@contextmanager
def without_rounds(queue: RoundQueue, project_id: int) -> Iterator[None]:
    """End a project's running round, and let none begin while the block runs; then forget the project.

    The turn is taken from the round, as by another worker: it stops training, and changes nothing that others see. The
    block begins when its job has ended, so that nothing is written any more.

    Args:
        queue: the queue of rounds.
        project_id: the project.

    Raises:
        BusyError: the round does not end.
        RedisUnavailableError: Redis does not answer.
    """
    redis, token = queue.redis, f"forgetting:{uuid.uuid4().hex}"
    with redis_errors():
        redis.set(turn_key(project_id), token, ex=_HELD_S)
        redis.hincrby(record_key(project_id), "turns", 1)
    try:
        with redis_errors():
            _delete_jobs(queue, _jobs(project_id))
            is_over = _until(lambda: not (_running(queue) & {*_jobs(project_id)}), WAIT_S)
            # The job of a worker that was killed stays in RQ's list until another worker looks.
            if not is_over and queue.workers.others():
                raise BusyError(
                    f"a round of project {project_id} does not end in {WAIT_S:.0f} s: stop the workers and try again"
                )
        yield
        with redis_errors():
            _delete_all(queue, project_id)
    finally:
        with redis_errors():
            redis.delete(turn_key(project_id))


def knows(queue: RoundQueue, project_id: int) -> bool:
    """Whether Redis has anything of a project.

    Raises:
        RedisUnavailableError: Redis does not answer.
    """
    keys = [redis_key("requests", project_id), record_key(project_id), turn_key(project_id)]
    with redis_errors():
        return bool(queue.redis.exists(*keys, *map(Job.key_for, _jobs(project_id))))


def _delete_all(queue: RoundQueue, project_id: int) -> None:
    """Delete the keys of a project, and whatever might hold its texts.

    A part or an offered encoder does not name its project, so all go. The rounds of other projects embed a missing part
    themselves, and offer a missing encoder again.
    """
    _delete_jobs(queue, _jobs(project_id))
    queue.redis.delete(redis_key("requests", project_id), record_key(project_id))
    _until(lambda: not any(job_id.startswith("part-") for job_id in _running(queue)), WAIT_S)
    parts = [key.decode().removeprefix(Job.redis_job_namespace_prefix) for key in _keys(queue.redis, "rq:job:part-*")]
    _delete_jobs(queue, parts)
    for key in (*_keys(queue.redis, "rq:results:part-*"), *_keys(queue.redis, f"{redis_key('weights')}:*")):
        queue.redis.delete(key)


def rewrite_files(redis: Redis) -> None:
    """Have Redis write its append-only file anew: the file holds every command of the past, and texts with them.

    Raises:
        BusyError: Redis does not come to an end.
        RedisUnavailableError: Redis does not answer.
    """
    with redis_errors():
        if not _persistence(redis)["aof_enabled"]:
            return
        try:
            redis.bgrewriteaof()
        except ResponseError as error:
            # A rewrite that began before our deletions is under way: another follows it.
            if "already in progress" not in str(error):
                raise
            _until(lambda: not _is_rewriting(redis), _REWRITE_S)
            redis.bgrewriteaof()
        if not _until(lambda: not _is_rewriting(redis), _REWRITE_S):
            raise BusyError("Redis does not finish writing its file anew: try again")


def _is_rewriting(redis: Redis) -> bool:
    state = _persistence(redis)
    return bool(state["aof_rewrite_in_progress"] or state["aof_rewrite_scheduled"])


def _persistence(redis: Redis) -> Any:
    return redis.info("persistence")


def _jobs(project_id: int) -> tuple[str, ...]:
    return (*job_ids(project_id), errand_id(project_id))


def _delete_jobs(queue: RoundQueue, ids: Iterable[str]) -> None:
    """Delete jobs that no worker runs at this moment, wherever RQ lists them."""
    running = _running(queue)
    for job_id in ids:
        if job_id in running:
            continue
        for one in (queue.queue, queue.parts):
            one.remove(job_id)
            for registry in _registries(one):
                queue.redis.zrem(registry.key, job_id)
        queue.redis.delete(Job.key_for(job_id), *(f"rq:{kind}:{job_id}" for kind in ("results", "executions")))


def _registries(queue: Any) -> tuple[BaseRegistry, ...]:
    return (
        *(queue.scheduled_job_registry, queue.finished_job_registry, queue.failed_job_registry),
        *(queue.deferred_job_registry, queue.canceled_job_registry),
    )


def _running(queue: RoundQueue) -> set[str]:
    return {
        job_id
        for one in (queue.queue, queue.parts)
        for job_id, _ in one.started_job_registry.get_job_and_execution_ids(cleanup=False)
    }


def _keys(redis: Redis, pattern: str) -> list[bytes]:
    return list(redis.scan_iter(pattern, count=1000))


def _until(is_so: Callable[[], bool], wait_s: float) -> bool:
    end_s = time.monotonic() + wait_s
    while not is_so():
        if time.monotonic() >= end_s:
            return False
        time.sleep(_LOOK_AGAIN_S)
    return True
